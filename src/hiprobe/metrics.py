"""How well scores and events agree with the truth, and the folds that keep the figure honest.

Knows labels, scores, events and which segments belong together: no video, no model, no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Event, LabelArray

Labels = NDArray[np.integer[Any]]
Array = NDArray[np.float64]
Pair = tuple[Labels, Array]


def roc_auc(labels: Labels, scores: Array) -> float:
    """Area under the ROC curve of `scores` (n,) for `labels` (n,) of 0 and 1; ties count half.

    Raises LabelError for one class, another label than 0 or 1, unequal lengths, or a score that is not finite.
    """
    from sklearn.metrics import roc_auc_score

    _check(labels, scores)
    return float(roc_auc_score(labels, scores))


def average_precision_step(labels: Labels, scores: Array) -> float:
    """Average precision as a step sum (scikit-learn's `average_precision_score`); raises LabelError like `roc_auc`."""
    from sklearn.metrics import average_precision_score

    _check(labels, scores)
    return float(average_precision_score(labels, scores))


def average_precision_trapezoid(labels: Labels, scores: Array) -> float:
    """Area under the precision-recall curve by trapezoids, the "AP" of LAVAD, VERA and UR-DMU; errors as `roc_auc`."""
    from sklearn.metrics import auc, precision_recall_curve

    _check(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(auc(recall, precision))


def frame_auc(videos: Sequence[Pair]) -> float:
    """ROC-AUC over the frames of all `videos`, pooled, each (labels (n,), scores (n,)); raises LabelError."""
    if not videos:
        raise LabelError("no video to evaluate")
    return roc_auc(np.concatenate([labels for labels, _ in videos]), np.concatenate([scores for _, scores in videos]))


def macro_auc(videos: Sequence[Pair]) -> float:
    """Mean over the videos that hold both classes of the ROC-AUC within the video: localisation alone.

    Raises LabelError if no video holds both classes.
    """
    within = [roc_auc(labels, scores) for labels, scores in videos if len(np.unique(labels)) == 2]
    if not within:
        raise LabelError("no video holds both anomalous and normal frames")
    return float(np.mean(within))


def auc_interval(videos: Sequence[Pair], *, level: float = 0.95, resamples: int = 1000, seed: int = 0,
                 ) -> tuple[float, float]:
    """Percentile bootstrap interval of the pooled ROC-AUC, whole videos drawn with replacement (seeded).

    Draws that hold one class only have no AUC and are left out. Raises LabelError as `roc_auc`, and for fewer
    than two videos. Each draw is a sum over a table of wins between pairs of videos, which is exact.
    """
    if len(videos) < 2:
        raise LabelError(f"a bootstrap over videos needs at least two, got {len(videos)}")
    _check(np.concatenate([labels for labels, _ in videos]), np.concatenate([scores for _, scores in videos]))
    wins = _wins(videos)
    positive, negative = (np.array([(labels == c).sum() for labels, _ in videos]) for c in (1, 0))
    draws = np.random.default_rng(seed).multinomial(len(videos), np.full(len(videos), 1 / len(videos)), resamples)
    pairs = (draws @ positive) * (draws @ negative)
    aucs = ((draws @ wins) * draws).sum(1)[pairs > 0] / pairs[pairs > 0]
    if not len(aucs):
        raise LabelError(f"none of {resamples} draws of videos held both classes", cure="draw more")
    low, high = np.quantile(aucs, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def tiou(one: Event, other: Event) -> float:
    """Temporal intersection over union of two events, 0 to 1; raises LabelError for an event without a finite end."""
    if math.isinf(one.end) or math.isinf(other.end):
        raise LabelError("an event has no finite end", cure="clip it to the video's duration")
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    return shared / ((one.end - one.start) + (other.end - other.start) - shared)


def matches(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> int:
    """How many events of one video match: pairs taken greedily by falling tIoU, at least `at`, each event once."""
    if not 0 < at <= 1:
        raise ValueError(f"tIoU {at} does not lie in (0, 1]")
    pairs = sorted((-tiou(t, p), i, j) for i, t in enumerate(truth) for j, p in enumerate(predicted))
    left, right = set(), set()
    for overlap, i, j in pairs:
        if -overlap >= at and i not in left and j not in right:
            left.add(i)
            right.add(j)
    return len(left)


def event_f1(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> float:
    """F1 of the events of one video at tIoU `at`: 2 matches / (true + predicted).

    Raises LabelError where there is neither a true nor a predicted event, as nothing is measured then.
    """
    if not truth and not predicted:
        raise LabelError("neither a true nor a predicted event: F1 is undefined")
    return 2 * matches(truth, predicted, at) / (len(truth) + len(predicted))


class Folds(NamedTuple):
    """The fold `of` (n,) in which each segment is held out, their `number`, and what they are made of."""

    of: NDArray[np.int64]
    number: int
    by: str
    warnings: tuple[str, ...] = ()


def deal(labels: LabelArray, groups: NDArray[np.int64], classes: Sequence[int], folds: int, seed: int) -> Folds:
    """Up to `folds` folds of whole videos that leave each of `classes` on both sides; `labels` and `groups` (n,).

    Of blocks of segments, with a warning, where one of the classes lies in a single video; without `classes`
    nothing is fitted and all is one fold. Raises UsageError for fewer than two folds.
    """
    if folds < 2:
        raise UsageError(f"folds={folds}: at least 2 are needed to hold anything out")
    if not classes:
        return Folds(np.zeros(len(labels), np.int64), 1, "none: nothing is fitted")
    videos = [len(np.unique(groups[labels == c])) for c in classes]
    if min(videos) >= 2:
        number = min(folds, *videos)
        return Folds(_by_video(labels, groups, number, seed), number, "video")
    number = int(min(folds, *((labels == c).sum() for c in classes)))
    return Folds(_by_segment(labels, number), number, "segment", (
        "a class lies in one video only: folds are of segments, not of videos, so the cross-validated figures and "
        "the threshold are too good; label a second video of it",))


def _by_video(labels: LabelArray, groups: NDArray[np.int64], number: int, seed: int) -> NDArray[np.int64]:
    """Shuffled videos dealt like cards: anomalous only, then mixed, then normal only; our own.

    In that order each class's videos are consecutive, so that each fold, and what is left for it to fit on, has both.
    """
    videos = np.unique(groups)
    has = {c: np.isin(videos, groups[labels == c]) for c in (1, 0)}
    kind = np.select([has[1] & ~has[0], has[1] & has[0], has[0]], [0, 1, 2], 3)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(videos)), kind))
    fold = np.empty(int(videos.max()) + 1, np.int64)
    fold[videos[order]] = np.arange(len(videos)) % number
    return fold[groups]


def _by_segment(labels: LabelArray, number: int) -> NDArray[np.int64]:
    """Each class cut into blocks in time order; a segment left out goes with the labelled one before it."""
    fold = np.zeros(len(labels), np.int64)
    for c in (1, 0):
        where = np.flatnonzero(labels == c)
        fold[where] = np.arange(len(where)) * number // max(len(where), 1)
    before = np.maximum.accumulate(np.where(labels >= 0, np.arange(len(labels)), 0))
    return fold[before]


def _wins(videos: Sequence[Pair]) -> Array:
    """(videos, videos): how often a positive of video i scores above a negative of video j, ties half."""
    positive = np.concatenate([scores[labels == 1] for labels, scores in videos])
    owner = np.repeat(np.arange(len(videos)), [(labels == 1).sum() for labels, _ in videos])
    negative = [np.sort(scores[labels == 0]) for labels, scores in videos]
    ranks = ((np.searchsorted(n, positive, "left") + np.searchsorted(n, positive, "right")) / 2 for n in negative)
    return np.stack([np.bincount(owner, rank, len(videos)) for rank in ranks], axis=1)


def _check(labels: Labels, scores: Array) -> None:
    if labels.shape != scores.shape or labels.ndim != 1:
        raise LabelError(f"labels of shape {labels.shape} for scores of shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise LabelError(f"{int((~np.isfinite(scores)).sum())} scores are not finite",
                         cure="leave out frames that were not scored, and say how many")
    if not np.isin(labels, (0, 1)).all():
        raise LabelError("a label is neither 0 nor 1", cure="leave out unlabelled segments")
    if len(np.unique(labels)) < 2:
        raise LabelError(f"one class only: {int((labels == 1).sum())} anomalous, {int((labels == 0).sum())} normal")
