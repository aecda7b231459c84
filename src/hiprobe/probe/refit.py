"""Fit a probe again with more labels, and compare it with the old one on the same folds.

Hidden states, labels and probes only: no videos and no web pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import LabelError
from hiprobe.labels import label_segments, short_events
from hiprobe.methods import Method
from hiprobe.probe import early_layer, fitting
from hiprobe.probe.calibration import CLASSES, MIN_SEGMENTS, Calibration, Pair, calibration_set
from hiprobe.probe.file import Probe
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.probe.held_out import held_out, pooled_auc
from hiprobe.types import Event, HiddenStates, LabelArray, Site

FOLDS = 5
SELECTION = ("candidates", "chosen", "curves", "baseline", "layers", "segments")
Auc = Mapping[str, float | None]


@dataclass(frozen=True)
class Refit:
    """A refitted probe, and the out-of-fold AUC on all labels `before` and `after` the new ones.

    Each is a mapping of `value`, `low` and `high`: the 95 % interval over videos. `before` is None
    if the old labels are too few, or of one class, in some fold.
    """

    probe: Probe
    before: Auc | None
    after: Auc | None


def correct(
    states: HiddenStates, labels: LabelArray, spans: Sequence[tuple[float, float, bool]]
) -> LabelArray:
    """Return a copy of `labels` (segments,) with corrections from `spans`.

    A span is (start, end, anomalous), in seconds; a later span overrides an earlier one. Of an
    anomalous span counts what no later one calls normal: it decides the segments that
    `label_segments` gives it; a normal segment that it only touches is no longer certain and is
    left out (-1). A normal span decides only the segments that are at least half in it: a short one
    says nothing about the rest of a segment.
    """
    found = labels.copy()
    for place, (start, end, anomalous) in enumerate(spans):
        later = [(a, b) for a, b, other in spans[place + 1 :] if anomalous and not other]
        left = _without_parts(Event(start, end), later)
        share = label_segments(states.starts, states.ends, left)
        if anomalous:
            found[(share == -1) & (found == 0)] = -1
            found[share == 1] = 1
        elif not short_events(states.starts, states.ends, left):
            found[share == 1] = 0
    return found


def _without_parts(span: Event, parts: Sequence[tuple[float, float]]) -> tuple[Event, ...]:
    """Return what is left of a span without some parts of it."""
    left = [(span.start, span.end)]
    for first, last in parts:
        cut = [piece for a, b in left for piece in ((a, min(b, first)), (max(a, last), b))]
        left = [(a, b) for a, b in cut if b > a]
    return tuple(Event(a, b) for a, b in left)


def refit(
    old: Probe,
    pairs: Sequence[Pair],
    known: Sequence[LabelArray],
    *,
    choose: bool = False,
    seed: int = 0,
) -> Refit:
    """Fit `old` again on `pairs` of states and labels; `known` are the labels it was fitted on.

    The method, the smoothing and the rules for events stay. A threshold is calibrated again, even
    if it was fixed or raised, as the scores change their scale. The sites stay, unless `choose`
    lets the method select among all that were read. Raises the errors of `hiprobe.probe.fit`.
    """
    sites = None if choose else old.sites
    settings = (
        replace(old.localization, rule="calibrated", threshold=None)
        if old.localization.rule in ("fixed", "raised")
        else old.localization
    )
    lent = dict(old.provenance.get("states") or {})
    made = fitting.fit(
        old.method,
        pairs,
        sites=sites,
        folds=FOLDS,
        seed=seed,
        localization=settings,
        permutations=0,
        layer_curve=False,
        provenance=lent,
        verify=False,
        prefer_early=choose and early_layer.preferred(old.provenance),
    )
    # The model's answers to the new labels were not read, so its rule stays.
    asked = {"verification": old.provenance.get("verification")}
    made = replace(made, verification=old.verification, provenance={**made.provenance, **asked})
    made = made if choose else _with_selection(made, old)
    return Refit(made, _without(old, pairs, known, sites, seed), made.provenance["auc"])


def _with_selection(made: Probe, old: Probe) -> Probe:
    """Keep in the provenance of `made` how its sites were chosen, by the fit that chose them."""
    kept = old.provenance.get("selection")
    chose = kept if isinstance(kept, Mapping) else _selection(old)
    return replace(made, provenance={**made.provenance, "selection": chose}) if chose else made


def _selection(probe: Probe) -> dict[str, Any]:
    """Return what a fit found out about its sites; nothing if it had no choice."""
    facts, offered = probe.provenance, probe.provenance.get("candidates")
    if not isinstance(offered, list) or len(offered) < 2 or not facts.get("curves"):
        return {}
    kept = {name: facts.get(name) for name in SELECTION}
    early = {early_layer.NAME: facts[early_layer.NAME]} if early_layer.preferred(facts) else {}
    return {"probe": probe.digest, **kept, **early}


def _without(
    old: Probe,
    pairs: Sequence[Pair],
    known: Sequence[LabelArray],
    sites: Sequence[Site] | None,
    seed: int,
) -> Auc | None:
    """Compute the AUC on all labels of probes fitted, in the same folds, on the `known` labels."""
    data = calibration_set(methods.load(old.method), pairs, sites)
    try:
        return pooled_auc(data, _held_out(old, data, known, seed), seed)
    except LabelError:
        return None


def _held_out(
    old: Probe, data: Calibration, known: Sequence[LabelArray], seed: int
) -> NDArray[np.float64]:
    """Score each fold with a fit on the known labels of the others; returns smoothed scores (n,).

    The folds are made from all labels.
    """
    how, before = _method(old, data), np.concatenate(known)
    named, classes = data.named_groups > 0, CLASSES[how.LABELS]
    split = make_folds(data.labels, data.groups, classes, FOLDS, seed, named=named)
    _require_labels_in_each_fold(before, split, classes)
    raw, _ = held_out(how, replace(data, labels=before), split)
    return data.smoothed(raw, old.localization)


def _method(old: Probe, data: Calibration) -> Method:
    """Return the method of a probe; with several layers to select from, as it selected."""
    if len(data.sites) > 1 and early_layer.preferred(old.provenance):
        return early_layer.early(old.method, old.localization, FOLDS, 0)
    return methods.load(old.method)


def _require_labels_in_each_fold(labels: LabelArray, split: Folds, classes: Sequence[int]) -> None:
    for fold in range(split.number):
        train = labels[split.of != fold]
        if any((train == c).sum() < MIN_SEGMENTS for c in classes):
            raise LabelError(
                f"at least {MIN_SEGMENTS} labels of each class are needed outside each fold",
                cure="label more videos",
            )
