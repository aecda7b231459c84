"""A review session: one results folder, the probe in use and the kept hidden states. Knows no page.

The files that `detect` wrote are never changed. If the probe in use is not the one they were made
with, the session computes the scores again from the kept hidden states; without kept states it
shows the old scores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import localize, runs, store
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import ProbeError, StoreError, UsageError
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.review import results
from hiprobe.review.judgements import Judgement, Judgements
from hiprobe.review.media import Media
from hiprobe.review.results import ReviewedResult, ReviewedVideo
from hiprobe.store import run_record
from hiprobe.store.local_places import LocalPlaces, add_places, load_places
from hiprobe.types import Event, HiddenStates, Recipe, Scores, Site
from hiprobe.video import Root

FOLDER = ".review"


@dataclass
class Session:
    """The review of one results folder `out`.

    `roots` are the folders that videos are served from. A probe that is put into use is written to
    `probe_path`. `stores` are the folders that hidden states may be kept in. Raises
    UsageError if there is no folder `out`, and StoreError if nothing can be written there.
    """

    out: Path
    roots: tuple[Root, ...]
    probe_path: Path
    stores: tuple[Path, ...]
    judgements: Judgements = field(init=False)
    media: Media = field(init=False)
    # The groups of the labelled clips, by digest; a refit keeps each of them in one fold.
    groups: dict[str, str] = field(init=False, default_factory=dict)
    # Held while the probe in use and its file change together.
    _using: threading.RLock = field(init=False, default_factory=threading.RLock)
    # Scores and events computed again, by the file of the probe and the video's digest.
    _scored: dict[tuple[str, str], tuple[Scores, tuple[Event, ...]] | None] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if not self.out.is_dir():
            raise UsageError(
                "no such folder of results",
                where=self.out,
                cure="run hiprobe detect first, or give the folder of its -o",
            )
        self.judgements = Judgements(self.folder)
        self.media = Media(self.roots, self.folder, self.judgements)

    @property
    def folder(self) -> Path:
        """The folder for everything that the page makes."""
        return self.out / FOLDER

    @property
    def base(self) -> Path | None:
        """The folder that all names count from; None if there are several, or none is known."""
        bases = {
            Path(root.folder).parent if root.prefix else Path(root.folder) for root in self.roots
        }
        return bases.pop() if len(bases) == 1 else None

    def entries(self) -> tuple[ReviewedVideo, ...]:
        """List the videos of the manifest; raises StoreError."""
        return results.entries(self.out)

    def names(self) -> dict[str | None, str]:
        """Return the name of each video by its id."""
        return {entry.video_id: entry.name for entry in self.entries()}

    def entry(self, video_id: str) -> ReviewedVideo | None:
        """Find the scored video with this digest, or None."""
        return next(
            (e for e in self.entries() if e.video_id == video_id and e.folder is not None), None
        )

    def same_content(self, entry: ReviewedVideo) -> tuple[str, ...]:
        """Return the names of the other videos with the same content: they share one page."""
        return results.others(entry, results.shared_content(self.entries()))

    def undo(self, who: str) -> list[Judgement]:
        """Undo the newest batch of `who`; returns its judgements, and raises StoreError."""
        return self.judgements.undo(who)

    # Probes

    def probe(self) -> Probe | None:
        """Load the probe in use, or None if there is none yet; raises ProbeError, StoreError."""
        chosen = self.judgements.chosen_probe()
        return None if chosen is None else self.load_kept(chosen)

    def needed_probe(self) -> Probe:
        """Load the probe in use; raises ProbeError if there is none."""
        probe = self.probe()
        if probe is None:
            raise ProbeError("no probe is in use", cure="start hiprobe review with --probe FILE")
        return probe

    def kept(self, digest: str) -> Path:
        """Return the path of a kept probe's file."""
        return self.folder / "probes" / f"{digest}.safetensors"

    def load_kept(self, digest: str) -> Probe:
        """Load a kept probe; raises ProbeError and StoreError."""
        return _load_kept_probe(self.kept(digest))

    def keep(
        self,
        probe: Probe,
        who: str,
        note: str,
        figures: dict[str, float | None] | None = None,
        upto: int = 0,
    ) -> None:
        """Keep a probe for good, with who made it and how; raises StoreError."""
        refuse_links(self.out, self.kept(probe.digest).parent)
        if not self.kept(probe.digest).exists():
            refuse_links(self.out, self.kept(probe.digest).parent)
            probe.save(self.kept(probe.digest))
        self.judgements.keep_probe(probe.digest, who, note, figures or {}, upto)

    def use(self, digest: str, who: str) -> Probe:
        """Put a kept probe into use and write it to `probe_path`.

        Raises ProbeError and StoreError. Several threads may call it.
        """
        with self._using:
            probe = self.load_kept(digest)
            self._record_places(probe)
            probe.save(self.probe_path)
            self.judgements.choose_probe(digest, who)
            self._record_run(probe)
        return probe

    def _record_places(self, probe: Probe) -> None:
        """Say in `.local.json` that `probe` has the labels and the store of the one in use."""
        before = self.judgements.chosen_probe()
        fit = None if before is None else load_places(self.out).fits.get(before)
        if fit is not None:
            add_places(self.out, LocalPlaces((), {probe.digest: fit}))

    def _record_run(self, probe: Probe) -> None:
        """Say in `run.json` that `probe` is in use."""
        facts = run_record.load_run(self.out)
        if facts is not None:
            runs.record_run(
                self.out,
                probe,
                {
                    **facts.settings,
                    "probe": probe.digest,
                    "localization": probe.localization.to_json(),
                },
            )

    # Hidden states

    def states(
        self, video_id: str, recipe: Recipe, sites: Sequence[Site] = ()
    ) -> HiddenStates | None:
        """Find the kept states of a video with all of `sites`, most sites first; or None."""
        for folder in self.stores:
            for states in store.kept_states(folder, video_id, recipe):
                if set(sites) <= set(states.sites):
                    return replace(states, group=self.groups.get(video_id))
        return None

    def every_state(self, probe: Probe) -> Iterator[tuple[ReviewedVideo, HiddenStates]]:
        """List each scored video that has kept states at the probe's sites, with these states.

        Of videos with the same content it lists one.
        """
        seen = set[str]()
        for entry in self.entries():
            if entry.folder is None or entry.video_id is None or entry.video_id in seen:
                continue
            seen.add(entry.video_id)
            states = self.states(entry.video_id, probe.recipe, probe.sites)
            if states is not None:
                yield entry, states

    # Scores and events

    def shown(self, entry: ReviewedVideo) -> ReviewedResult:
        """Return scores and events by the probe in use, else those on disk.

        Raises StoreError.
        """
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
            else replace(
                written,
                scores=found[0],
                events=worded(found[1], written.events),
                probe=probe.digest,
            )
        )

    def events(self, shown: ReviewedResult, threshold: float) -> tuple[Event, ...]:
        """Find the events of the same scores at another threshold, and keep their words."""
        probe, scores = self.probe(), shown.scores
        rules = runs.run_options(self.out, probe).localization if probe else Localization()
        found = localize.find_events(
            scores.starts,
            scores.ends,
            scores.smoothed,
            threshold,
            localize.EventTracker(rules.merge_s, rules.min_s, rules.extend),
            scores.gaps,
        )
        return worded(found, results.reviewed_result(shown.entry).events)


def score_states(states: HiddenStates, probe: Probe) -> tuple[Scores, tuple[Event, ...]]:
    """Find what `detect` would find with this probe in kept states.

    Raises RecipeMismatch and ProbeError.
    """
    return localize.localize(
        states.starts,
        states.ends,
        probe.score(states),
        states.gaps,
        probe.localization,
        states.sources,
    )


def worded(events: Sequence[Event], older: Sequence[Event]) -> tuple[Event, ...]:
    """Give each event the label and explanation of the older event that overlaps it most.

    The overlap must be at least half of the shorter of the two. Severity, check, box and heat are
    about the peak: see `_checked`.
    """
    if not older:
        return tuple(events)
    starts, ends = (
        np.array([getattr(event, side) for event in older]) for side in ("start", "end")
    )
    return tuple(
        _checked(
            _worded(event, older, np.minimum(ends, event.end) - np.maximum(starts, event.start)),
            older,
        )
        for event in events
    )


def _checked(event: Event, older: Sequence[Event]) -> Event:
    """Give an event what the model found at the peak of the older event that it is.

    Each has its peak in the other. Of several older peaks in the event that of an alarm counts, so
    that an event that grew to hold an alarm is not demoted.
    """
    within = [one for one in older if one.peak and event.start <= one.peak < event.end]
    same = max(within, key=lambda one: (not one.demoted, one.score or 0.0), default=None)
    if same is None or event.peak is None or not same.start <= event.peak < same.end:
        return event
    about = {name: getattr(same, name) for name in ("severity", "verification", "box", "heat")}
    return replace(event, **about)


def _worded(event: Event, older: Sequence[Event], shared: NDArray[np.float64]) -> Event:
    near = older[int(np.argmax(shared))]
    if shared.max() < 0.5 * min(event.end - event.start, near.end - near.start):
        return event
    return replace(event, label=near.label, explanation=near.explanation)


@lru_cache(maxsize=8)
def _load_kept_probe(path: Path) -> Probe:
    probe = Probe.load(path)
    if probe.digest != path.stem:
        raise StoreError(
            "the file holds another probe than its name says",
            where=path,
            cure="restore the file, or put another probe into use",
        )
    return probe
