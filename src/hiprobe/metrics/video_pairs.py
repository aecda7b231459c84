"""How well scores rank anomalous segments above normal ones, by pairs of videos of one fold.

Arrays only. Scores of different fits are not on one scale, so segments are compared only if the
same fit scored both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

MIXED = 4  # videos with both classes from which on the half inside videos counts


def pair_wins(scores: Array, labels: LabelArray, videos: Numbers, folds: Numbers) -> Array:
    """Compute the share of wins (V, V) of the anomalous segments of a row's video.

    A win is a higher score than a normal segment of the column's video; ties count half. `scores`,
    `labels` (1, 0 or -1 for left out), `videos` (0 to V - 1) and `folds` are (n,). NaN where two
    videos are of different folds or a class is missing.

    >>> scores, labels = np.array([0.9, 0.1, 0.5]), np.array([1, 0, 0], np.int8)
    >>> pair_wins(scores, labels, np.array([0, 0, 1]), np.zeros(3, np.int64))
    array([[ 1.,  1.],
           [nan, nan]])
    """
    count = int(videos.max()) + 1
    wins = np.full((count, count), np.nan)
    for fold in np.unique(folds):
        normal = (labels == 0) & (folds == fold)
        number = np.bincount(videos[normal], minlength=count)
        for video in np.unique(videos[(labels == 1) & (folds == fold)]):
            high = np.sort(scores[(labels == 1) & (videos == video)])
            below = len(high) - _halfway(high, scores[normal])
            total = np.bincount(videos[normal], below / len(high), count)
            wins[video] = np.divide(total, number, out=wins[video], where=number > 0)
    return wins


def _halfway(sorted_scores: Array, values: Array) -> Array:
    """Count the sorted scores below each value; an equal one counts half."""
    left, right = (np.searchsorted(sorted_scores, values, side) for side in ("left", "right"))
    return np.asarray((left + right) / 2, dtype=np.float64)


def balanced_auc(wins: Array, weights: NDArray[np.integer] | None = None) -> Array:
    """Compute the mean (draws,) of the AUC between videos and the AUC inside videos.

    `wins` (V, V) are those of `pair_wins`, `weights` (draws, V) say how often each video counts,
    by default once. Between: the mean over pairs of different videos. Inside: the mean over
    videos with both classes; left out if fewer than 4 have both. Each video counts alike, however
    long it is. NaN for a draw without a pair. The mean of both is our own: a score that only tells
    videos apart gets at most 0.75, if it is the same all through a video.

    >>> balanced_auc(np.array([[np.nan, 1.0], [np.nan, np.nan]]))
    array([1.])
    """
    count = np.ones((1, len(wins))) if weights is None else weights.astype(np.float64)
    known, inside = np.isfinite(wins), np.diagonal(wins)
    mixed = np.isfinite(inside)
    across = known & ~np.eye(len(wins), dtype=bool)
    with np.errstate(invalid="ignore"):
        between = _over_pairs(np.where(across, wins, 0.0), count) / _over_pairs(across, count)
        if mixed.sum() < MIXED:
            return between
        within = count @ np.where(mixed, inside, 0.0) / (count @ mixed)
    return np.asarray((between + within) / 2, dtype=np.float64)


def _over_pairs(table: NDArray[Any], count: Array) -> Array:
    """Sum `table` (V, V) over pairs (draws,), each as often as the draw holds both videos."""
    return np.asarray(((count @ table) * count).sum(1), dtype=np.float64)
