"""A probe and further labels: what it would be with them, compared with what it was, on the same folds.

Knows hidden states, labels and probes: no video, no reviewer and no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import LabelError
from hiprobe.localize import label_segments
from hiprobe.metrics import deal, roc_auc
from hiprobe.probe import fitting
from hiprobe.probe.calibration import CLASSES, MIN_SEGMENTS, calibration_set, usable
from hiprobe.probe.file import Probe
from hiprobe.types import Event, HiddenStates, LabelArray, Site

FOLDS = 5
Pair = tuple[HiddenStates, LabelArray]


@dataclass(frozen=True)
class Refit:
    """A refitted probe and its AUC on all labels, both out of fold: `before` without the new labels, `after` with them.

    `before` is None where the old labels are too few, or of one class, in some fold.
    """

    probe: Probe
    before: float | None
    after: float | None


def correct(
    states: HiddenStates, labels: LabelArray, spans: Sequence[tuple[float, float, bool]]
) -> LabelArray:
    """`labels` (segments,) with what `spans` (start, end, anomalous; seconds) say, a later span over an earlier one.

    The label rule is `label_segments`: a span decides the segments that lie at least half in it; one that an
    anomalous span only touches is no sure normal one any more and is left out.
    """
    found = labels.copy()
    for start, end, anomalous in spans:
        share = label_segments(states.starts, states.ends, (Event(start, end),))
        found[share == 1] = int(anomalous)
        if anomalous:
            found[(share == -1) & (found == 0)] = -1
    return found


def refit(
    old: Probe,
    pairs: Sequence[Pair],
    known: Sequence[LabelArray],
    *,
    choose: bool = False,
    seed: int = 0,
) -> Refit:
    """`old` fitted anew on `pairs` of states and labels; `known` are those of the labels that the old one had.

    Method, smoothing and the rules of events stay; a threshold, calibrated or set by hand, is calibrated anew, as the
    scores have another scale. The sites stay too, unless `choose` lets the method choose among all that were read.
    Raises the errors of `hiprobe.probe.fit`.
    """
    sites = None if choose else old.sites
    settings = (
        replace(old.localization, rule="calibrated", threshold=None)
        if (old.localization.rule == "fixed")
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
    )
    after = (made.provenance["auc"] or {}).get("value")
    return Refit(made, _without(old, pairs, known, sites, seed), after)


def _without(
    old: Probe,
    pairs: Sequence[Pair],
    known: Sequence[LabelArray],
    sites: Sequence[Site] | None,
    seed: int,
) -> float | None:
    """The AUC on all labels of probes that are fitted, in the same folds, on the labels known before."""
    labels = np.concatenate([labels for _, labels in pairs])
    try:
        scores = _held_out(old, pairs, known, sites, seed)
        return roc_auc(labels[labels >= 0], scores[labels >= 0])
    except LabelError:
        return None


def _held_out(
    old: Probe,
    pairs: Sequence[Pair],
    known: Sequence[LabelArray],
    sites: Sequence[Site] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Smoothed scores (n,): each fold, dealt by all labels, is scored by a fit on the known labels of the others."""
    how = methods.load(old.method)
    data, before = calibration_set(how, pairs, sites), np.concatenate(known)
    split = deal(data.labels, data.groups, CLASSES[how.LABELS], FOLDS, seed)
    raw = np.empty(len(before))
    for fold in range(split.number):
        out = split.of == fold
        train = usable(how, np.where(out, -1, before).astype(np.int8))
        if any((train == c).sum() < MIN_SEGMENTS for c in CLASSES[how.LABELS]):
            raise LabelError("too few labels of one class in a fold")
        indices = how.select(data, train).indices if len(data.sites) > 1 else (0,)
        tensors = how.fit(data.at(indices, train >= 0), train[train >= 0])
        raw[out] = how.score(data.at(indices, out), tensors)
    return data.smoothed(raw, old.localization.sigma)
