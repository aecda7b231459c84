"""What lies on the reviewer's session: a results folder, the probe in use, hidden states that were kept. Knows no page.

The result files are what `detect` wrote and stay so. Where the probe in use is another than theirs, the scores shown
are computed from the hidden states that were kept; where none were kept, the old scores are shown and said to be old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import localize, store
from hiprobe.errors import ProbeError, StoreError, UsageError
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.review import results
from hiprobe.review.judgements import Judgements
from hiprobe.review.media import Media
from hiprobe.review.results import ReviewedResult, ReviewedVideo
from hiprobe.types import Event, HiddenStates, Recipe, Scores, Site

FOLDER = ".review"


@dataclass
class Session:
    """One results folder `out` under review; `probe_path` is where a probe goes that is taken into use."""

    out: Path
    videos: Path | None
    probe_path: Path
    states_roots: tuple[Path, ...]
    notes: Judgements = field(init=False)
    media: Media = field(init=False)

    def __post_init__(self) -> None:
        if not self.out.is_dir():
            raise UsageError(
                "no such folder",
                where=self.out,
                cure="run hiprobe detect first, or name its -o folder",
            )
        self.notes = Judgements(self.folder)
        self.media = Media(self.videos, self.folder, self.notes)

    @property
    def folder(self) -> Path:
        """Where the page keeps what it makes."""
        return self.out / FOLDER

    def entries(self) -> tuple[ReviewedVideo, ...]:
        """The videos of the manifest; raises StoreError."""
        return results.entries(self.out)

    def entry(self, video_id: str) -> ReviewedVideo | None:
        """The scored video with this digest, or None."""
        return next(
            (e for e in self.entries() if e.video_id == video_id and e.folder is not None), None
        )

    # Probes

    def probe(self) -> Probe | None:
        """The probe in use, or None before one was given; raises ProbeError."""
        chosen = self.notes.chosen_probe()
        return None if chosen is None else _load(self.kept(chosen))

    def needed_probe(self) -> Probe:
        """The probe in use; raises ProbeError where there is none."""
        probe = self.probe()
        if probe is None:
            raise ProbeError("no probe is in use", cure="start hiprobe review with --probe FILE")
        return probe

    def kept(self, digest: str) -> Path:
        """Where the file of a probe is kept."""
        return self.folder / "probes" / f"{digest}.safetensors"

    def keep(
        self,
        probe: Probe,
        who: str,
        note: str,
        figures: dict[str, float | None] | None = None,
        upto: int = 0,
    ) -> None:
        """Keeps a probe for good, with who made it and why; raises StoreError."""
        if not self.kept(probe.digest).exists():
            probe.save(self.kept(probe.digest))
        self.notes.keep_probe(probe.digest, who, note, figures or {}, upto)

    def use(self, digest: str, who: str) -> Probe:
        """Takes a kept probe into use, and writes it to `probe_path`; raises ProbeError, StoreError."""
        probe = _load(self.kept(digest))
        probe.save(self.probe_path)
        self.notes.choose_probe(digest, who)
        return probe

    # Hidden states

    def states(
        self, video_id: str, recipe: Recipe, sites: Sequence[Site] = ()
    ) -> HiddenStates | None:
        """The kept states of a video that hold `sites`, those with most sites; None if there are none."""
        for root in self.states_roots:
            for states in store.kept_states(root, video_id, recipe):
                if set(sites) <= set(states.sites):
                    return states
        return None

    def every_state(self, probe: Probe) -> Iterator[tuple[ReviewedVideo, HiddenStates]]:
        """Each scored video whose states at the probe's sites were kept, with them."""
        for entry in self.entries():
            states = (
                self.states(entry.video_id, probe.recipe, probe.sites)
                if entry.folder and entry.video_id
                else None
            )
            if states is not None:
                yield entry, states

    # Scores and events

    def shown(self, entry: ReviewedVideo) -> ReviewedResult:
        """Scores and events by the probe in use where they can be had, else those on disk; raises StoreError."""
        written, probe = results.reviewed_result(entry), self.probe()
        if probe is None or written.probe == probe.digest or entry.video_id is None:
            return written
        key = (str(self.kept(probe.digest)), entry.video_id)
        if key not in self._scored:
            states = self.states(entry.video_id, probe.recipe, probe.sites)
            self._scored[key] = None if states is None else score_states(states, probe)
        found = self._scored[key]
        return (
            written
            if found is None
            else ReviewedResult(entry, found[0], worded(found[1], written.events), probe.digest)
        )

    _scored: dict[tuple[str, str], tuple[Scores, tuple[Event, ...]] | None] = field(
        default_factory=dict
    )

    def events(self, shown: ReviewedResult, threshold: float) -> tuple[Event, ...]:
        """The events that another threshold makes of the same scores; words are kept where they fit."""
        probe, scores = self.probe(), shown.scores
        rules = probe.localization if probe else Localization()
        found = localize.find_events(
            scores.starts,
            scores.ends,
            scores.smoothed,
            threshold,
            merge_s=rules.merge_s,
            min_s=rules.min_s,
            gaps=scores.gaps,
        )
        return worded(found, results.reviewed_result(shown.entry).events)


def score_states(states: HiddenStates, probe: Probe) -> tuple[Scores, tuple[Event, ...]]:
    """What `detect` would find with this probe in states that were kept; raises RecipeMismatch, ProbeError."""
    return localize.localize(
        states.starts, states.ends, probe.score(states), states.gaps, probe.localization
    )


def worded(events: Sequence[Event], older: Sequence[Event]) -> tuple[Event, ...]:
    """`events` with label and explanation of the older event that shares most with each, if it shares half of it."""
    if not older:
        return tuple(events)
    starts, ends = (
        np.array([getattr(event, side) for event in older]) for side in ("start", "end")
    )
    return tuple(
        _worded(event, older, np.minimum(ends, event.end) - np.maximum(starts, event.start))
        for event in events
    )


def _worded(event: Event, older: Sequence[Event], shared: NDArray[np.float64]) -> Event:
    near = older[int(np.argmax(shared))]
    if shared.max() < 0.5 * min(event.end - event.start, near.end - near.start):
        return event
    return replace(event, label=near.label, explanation=near.explanation)


@lru_cache(maxsize=8)
def _load(path: Path) -> Probe:
    probe = Probe.load(path)
    if probe.digest != path.stem:
        raise StoreError(
            "the file holds another probe than its name says", where=path, cure="restore it"
        )
    return probe
