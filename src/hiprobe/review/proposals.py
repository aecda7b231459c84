"""Propose a probe from the judgements, with its figures. Replaces nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hiprobe import methods
from hiprobe.errors import LabelError
from hiprobe.labels import label_segments
from hiprobe.probe import Probe
from hiprobe.probe.calibration import ENOUGH, Pair, calibration_set
from hiprobe.probe.causal_rule import moved_threshold
from hiprobe.probe.held_out import pooled_auc
from hiprobe.probe.refit import Auc, correct, refit
from hiprobe.review.changes import Changes, Judged, changes
from hiprobe.review.judgements import Judgement
from hiprobe.review.session import Session, score_states
from hiprobe.runs import run_options
from hiprobe.types import LabelArray


@dataclass(frozen=True)
class Figures:
    """The AUC on all labels `before` and `after`, None if not measured, and what it is measured on.

    An AUC is a mapping of `value`, `low` and `high`, its interval over videos. `segments` counts
    the labels by class and the new ones, `videos` all labelled videos and those with a class.
    """

    before: Auc | None = None
    after: Auc | None = None
    segments: Mapping[str, int] = field(default_factory=dict)
    videos: Mapping[str, int] = field(default_factory=dict)

    @property
    def warnings(self) -> Iterator[str]:
        """Say why the AUCs are not to be relied on, if so."""
        if self.videos and min(self.videos["anomalous"], self.videos["normal"]) < ENOUGH:
            yield (
                f"Few videos: {self.videos['anomalous']} with anomalous and "
                f"{self.videos['normal']} with normal segments. Do not rely on these figures; "
                f"label at least {ENOUGH} videos of each class."
            )
        low, high = (self.after["low"], self.after["high"]) if self.after else (None, None)
        if low is not None and high is not None and low <= 0.5:
            where = "includes" if high >= 0.5 else "is below"
            yield f"The interval of the AUC after the refit {where} .5: do not rely on this probe."


@dataclass(frozen=True)
class Proposal:
    """A probe that could replace the one in use, and what a reviewer needs to know to decide.

    `notes` are warnings, `seconds` is how long the proposal took, and `upto` is the id of the
    newest judgement that the probe was fitted on.
    """

    probe: Probe
    what: str
    changes: Changes
    measured: Figures
    notes: tuple[str, ...]
    seconds: float
    upto: int = 0

    @property
    def figures(self) -> dict[str, float | None]:
        """The numbers that are kept beside the probe."""
        found: dict[str, float | None] = {"threshold": self.probe.localization.threshold}
        for name, auc in (("before", self.measured.before), ("after", self.measured.after)):
            values = auc or {"value": None, "low": None, "high": None}
            found |= {name: values["value"], f"{name}_low": values["low"]}
            found[f"{name}_high"] = values["high"]
        return found


def propose_refit(
    session: Session, *, choose: bool = False, among: Sequence[Judged] | None = None
) -> Proposal:
    """Fit a probe on all labels: those of the labelled clips, and the judgements.

    With `choose` the layer is chosen again. `among` are the videos whose events are compared.
    Raises LabelError for too few segments of a class, ProbeError and StoreError.
    """
    began, old = time.perf_counter(), session.needed_probe()
    standing, first = session.judgements.standing(), session.judgements.labelled()
    pairs, known, missing = _gather(session, old, standing, _used(session, old))
    if not pairs:
        raise LabelError("no judged video has kept hidden states", cure="judge some events first")
    stays = choose and not _choosable(old, pairs)
    asked = replace(old, localization=run_options(session.out, old).localization)
    made = refit(asked, pairs, known, choose=choose and not stays)
    before = made.before if first else _auc_without_refit(old, pairs)
    figures = Figures(before, made.after, _counts(pairs, known), _videos(pairs))
    return Proposal(
        made.probe,
        "refit",
        changes(session, made.probe, among),
        figures,
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
    """Propose the probe in use with a fixed threshold, and the other options of the last run.

    Raises ProbeError and StoreError.
    """
    began, old = time.perf_counter(), session.needed_probe()
    rule = replace(run_options(session.out, old).localization, rule="fixed", threshold=threshold)
    causal, before = old.causal_threshold, old.localization.threshold
    moved = None if causal is None else moved_threshold(causal, before, threshold)
    made = replace(old, localization=rule, causal_threshold=moved)
    found = changes(session, made)
    what, upto = f"threshold {threshold:.3f}", _used(session, old)
    return Proposal(made, what, found, Figures(), (), time.perf_counter() - began, upto)


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


def _auc_without_refit(old: Probe, pairs: Sequence[Pair]) -> Auc | None:
    """Measure the AUC of the probe in use on all labels; None if they are of one class."""
    data = calibration_set(methods.load(old.method), pairs, old.sites)
    scores = [score_states(states, old)[0].smoothed for states, _ in pairs]
    return pooled_auc(data, np.concatenate(scores), seed=0)


def _videos(pairs: Sequence[Pair]) -> dict[str, int]:
    """Count the labelled videos, and those with a segment of each class."""
    has = [{1, 0} & set(labels.tolist()) for _, labels in pairs]
    return {
        "all": sum(map(bool, has)),
        "anomalous": sum(1 in one for one in has),
        "normal": sum(0 in one for one in has),
    }


def _counts(pairs: Sequence[Pair], known: Sequence[LabelArray]) -> dict[str, int]:
    now, before = (np.concatenate(part) for part in ([y for _, y in pairs], list(known)))
    return {
        "anomalous": int((now == 1).sum()),
        "normal": int((now == 0).sum()),
        "new": int((now != before).sum()),
    }
