"""Propose a probe from the judgements, and what it would change. Replaces nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.errors import LabelError
from hiprobe.labels import label_segments
from hiprobe.metrics import frame_auc
from hiprobe.probe import Probe
from hiprobe.probe.calibration import Pair
from hiprobe.probe.refit import correct, refit
from hiprobe.review.judgements import Judgement
from hiprobe.review.results import ReviewedVideo
from hiprobe.review.session import Session, score_states
from hiprobe.types import Event, LabelArray


@dataclass(frozen=True)
class Change:
    """An event that appears in a video, or vanishes from it."""

    entry: ReviewedVideo
    event: Event


@dataclass(frozen=True)
class Proposal:
    """A probe that could replace the one in use, and what a reviewer needs to know to decide.

    `before` and `after` are the AUC on all labels, None if not measured. `segments` counts the
    labels by class and the new ones. `notes` are warnings, `seconds` is how long the proposal took,
    and `upto` is the id of the newest judgement that the probe was fitted on.
    """

    probe: Probe
    what: str
    before: float | None
    after: float | None
    appear: tuple[Change, ...]
    vanish: tuple[Change, ...]
    segments: Mapping[str, int]
    notes: tuple[str, ...]
    seconds: float
    upto: int = 0

    @property
    def figures(self) -> dict[str, float | None]:
        """The numbers that are kept beside the probe."""
        return {
            "before": self.before,
            "after": self.after,
            "threshold": self.probe.localization.threshold,
        }


def propose_refit(session: Session, *, choose: bool = False) -> Proposal:
    """Fit a probe on all labels: those of the labelled clips, and the judgements.

    With `choose` the layer is chosen again. Raises LabelError for too few segments of a class,
    ProbeError and StoreError.
    """
    began, old = time.perf_counter(), session.needed_probe()
    standing, first = session.judgements.standing(), session.judgements.labelled()
    pairs, known, missing = _gather(session, old, standing, _used(session, old))
    if not pairs:
        raise LabelError("no judged video has kept hidden states", cure="judge some events first")
    stays = choose and not _choosable(old, pairs)
    made = refit(old, pairs, known, choose=choose and not stays)
    appear, vanish = changes(session, made.probe)
    return Proposal(
        made.probe,
        "refit",
        made.before if first else _auc_without_refit(old, pairs),
        made.after,
        appear,
        vanish,
        _counts(pairs, known),
        tuple(_warnings(missing, stays=stays, first_known=bool(first))),
        time.perf_counter() - began,
        max((judgement.id for judgement in standing), default=0),
    )


def _used(session: Session, old: Probe) -> int:
    """Return the id of the newest judgement that the probe was fitted on, 0 for none."""
    kept = session.judgements.probes()
    return next((one.upto for one in kept if one.digest == old.digest), 0)


def _choosable(old: Probe, pairs: Sequence[Pair]) -> bool:
    """Tell whether all videos have states of the same sites, and of more than the probe's."""
    sites = {states.sites for states, _ in pairs}
    return len(sites) == 1 and set(pairs[0][0].sites) != set(old.sites)


def _warnings(missing: int, *, stays: bool, first_known: bool) -> Iterator[str]:
    if missing:
        yield f"videos left out because their hidden states are not kept: {missing}"
    if stays:
        yield (
            "the layer stays the same: not every labelled video has the states of all layers; "
            "hiprobe extract keeps them"
        )
    if not first_known:
        yield (
            "the clips that the probe was first fitted on are not known (--labels): only "
            "judgements count, and 'before' is measured on the probe in use, without refitting it"
        )


def propose_threshold(session: Session, threshold: float) -> Proposal:
    """Propose the probe in use with a fixed threshold; raises ProbeError, StoreError."""
    began, old = time.perf_counter(), session.needed_probe()
    made = replace(old, localization=replace(old.localization, rule="fixed", threshold=threshold))
    appear, vanish = changes(session, made)
    return Proposal(
        made,
        f"threshold {threshold:.3f}",
        None,
        None,
        appear,
        vanish,
        {},
        (),
        time.perf_counter() - began,
    )


def changes(session: Session, probe: Probe) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """List the events that appear and those that vanish with another probe.

    Only videos with kept states are compared. Raises StoreError and ProbeError.
    """
    appear: list[Change] = []
    vanish: list[Change] = []
    for entry, states in session.every_state(probe):
        old, (_, new) = session.shown(entry).events, score_states(states, probe)
        appear += [Change(entry, event) for event in _alone(new, old)]
        vanish += [Change(entry, event) for event in _alone(old, new)]
    return tuple(appear), tuple(vanish)


def _alone(some: Sequence[Event], others: Sequence[Event]) -> list[Event]:
    return [one for one in some if not any(o.start < one.end and one.start < o.end for o in others)]


def _gather(
    session: Session,
    old: Probe,
    standing: Sequence[Judgement],
    used: int,
) -> tuple[list[Pair], list[LabelArray], int]:
    """Collect states and labels of each labelled video.

    Also returns the labels that the old probe knew, and the count of videos without kept states.
    """
    truth, pairs, known, missing = session.judgements.labelled(), [], [], 0
    for video in sorted({judgement.video for judgement in standing} | set(truth)):
        states = session.states(video, old.recipe, old.sites)
        if states is None:
            missing += 1
            continue
        base = label_segments(states.starts, states.ends, truth.get(video))
        said = [judgement for judgement in standing if judgement.video == video]
        pairs.append((states, correct(states, base, _spans(said))))
        known.append(
            correct(states, base, _spans([judgement for judgement in said if judgement.id <= used]))
        )
    return pairs, known, missing


def _spans(said: Sequence[Judgement]) -> list[tuple[float, float, bool]]:
    return [(judgement.start, judgement.end, judgement.anomalous) for judgement in said]


def _auc_without_refit(old: Probe, pairs: Sequence[Pair]) -> float | None:
    """Measure the AUC of the probe in use on all labels; None if they are of one class."""
    if len(np.unique(np.concatenate([labels[labels >= 0] for _, labels in pairs]))) < 2:
        return None
    return frame_auc(
        [
            (labels[labels >= 0], score_states(states, old)[0].smoothed[labels >= 0])
            for states, labels in pairs
        ]
    )


def _counts(pairs: Sequence[Pair], known: Sequence[LabelArray]) -> dict[str, int]:
    now, before = (np.concatenate(part) for part in ([y for _, y in pairs], list(known)))
    return {
        "anomalous": int((now == 1).sum()),
        "normal": int((now == 0).sum()),
        "new": int((now != before).sum()),
    }
