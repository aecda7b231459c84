"""How well frame scores rank anomalous frames above normal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.metrics.intervals import Groups, draw_videos

Labels = NDArray[np.integer[Any]]
Array = NDArray[np.float64]
Pair = tuple[Labels, Array]
FALSE_POSITIVE_RATE = 0.01  # at which `Ranking` finds the recall
# Numbers per block of bootstrap draws, so that a block fits into the cache of the processor.
CACHED = 2**18


def roc_auc(labels: Labels, scores: Array) -> float:
    """Compute the area under the ROC curve of `scores` (n,) for `labels` (n,) of 0 and 1.

    The share of pairs in which the positive has the higher score; ties count half (Hanley and
    McNeil 1982). Equal to scikit-learn's `roc_auc_score`. Raises LabelError for labels of one class
    or other than 0 and 1, unequal lengths, or a score that is not finite.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    _check(labels, scores)
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    twice = (
        np.searchsorted(negative, positive, "left").sum()
        + np.searchsorted(negative, positive, "right").sum()
    )
    return float(twice / (2 * len(positive) * len(negative)))


def average_precision_step(labels: Labels, scores: Array) -> float:
    """Compute average precision as a sum of steps, as scikit-learn does; errors as `roc_auc`."""
    from sklearn.metrics import average_precision_score

    _check(labels, scores)
    return float(average_precision_score(labels, scores))


def average_precision_trapezoid(labels: Labels, scores: Array) -> float:
    """Compute the area under the precision-recall curve by trapezoids.

    This is the "AP" that LAVAD, VERA and UR-DMU report. `labels` and `scores` (n,). Raises
    LabelError as `roc_auc` does.
    """
    from sklearn.metrics import auc, precision_recall_curve

    _check(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(auc(recall, precision))


def recall_at_fpr(labels: Labels, scores: Array, rate: float = FALSE_POSITIVE_RATE) -> float:
    """Compute the recall at the lowest threshold that keeps a false-positive rate.

    The highest share of the positives that score at least a threshold, over all thresholds that at
    most the share `rate` (0 to 1) of the negatives reach; 0 if no positive is above them. Equal
    scores pass a threshold together and nothing is interpolated, so that the value is reached by a
    real threshold (our own reading of "recall at a fixed false-positive rate"). `labels` and
    `scores` (n,). Raises LabelError as `roc_auc` does, and for another rate.

    >>> labels = np.array([0, 0, 0, 0, 1, 1])
    >>> recall_at_fpr(labels, np.array([0.1, 0.2, 0.3, 0.8, 0.7, 0.9]), rate=0.25)
    1.0
    """
    if not 0 <= rate <= 1:
        raise LabelError(f"the false-positive rate must be 0 to 1, got {rate}")
    _check(labels, scores)
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    false = len(negative) - np.searchsorted(negative, positive, "left")
    allowed = positive[false <= _most(rate, len(negative))]
    if not len(allowed):
        return 0.0
    return float((positive >= allowed[0]).mean())


def _most(rate: float, negatives: Any) -> Any:
    """Return how many of the negatives may be alarms; the margin is for rounding."""
    return rate * negatives * (1 + 1e-12)


def frame_auc(videos: Sequence[Pair]) -> float:
    """Compute the ROC-AUC over the frames of all `videos`, each (labels (n,), scores (n,)).

    Raises LabelError as `roc_auc` does, and if there are no videos.
    """
    if not videos:
        raise LabelError("there is no video to evaluate")
    return roc_auc(
        np.concatenate([labels for labels, _ in videos]),
        np.concatenate([scores for _, scores in videos]),
    )


def macro_auc(videos: Sequence[Pair]) -> float:
    """Compute the mean ROC-AUC within a video, over the `videos` that have both classes.

    This measures localisation alone. Each video is (labels (n,), scores (n,)). Raises LabelError if
    no video has both classes.
    """
    within = [roc_auc(labels, scores) for labels, scores in videos if len(np.unique(labels)) == 2]
    if not within:
        raise LabelError("no video has both anomalous and normal frames")
    return float(np.mean(within))


class Pooled(NamedTuple):
    """Metrics over the frames of all videos: ROC-AUC, average precision by steps and trapezoids.

    `recall_at_fpr` is the recall at a false-positive rate of 1 %.
    """

    auc: float
    ap_step: float
    ap_trapezoid: float
    recall_at_fpr: float


class Ranking:
    """The frames of all `videos`, each (labels (n,), scores (n,)), sorted by score once.

    The exact pooled metrics of the videos, and of any bootstrap draw of them, follow from how many
    frames of each video are at and above each score of a positive frame. Raises LabelError as
    `roc_auc` does.
    """

    def __init__(self, videos: Sequence[Pair]) -> None:
        if not videos:
            raise LabelError("there is no video to evaluate")
        labels, scores = (np.concatenate(parts) for parts in zip(*videos, strict=True))
        _check(labels, scores)
        owner = np.repeat(np.arange(len(videos)), [len(of) for of, _ in videos])
        order = np.argsort(-scores)
        positive, owner, scores = labels[order] == 1, owner[order], scores[order]
        # Equal scores are one level; the highest is level 0.
        level = np.cumsum(np.append(False, scores[1:] != scores[:-1]))
        used = np.bincount(level, positive) > 0
        row: NDArray[np.int64] = (np.cumsum(used) - used)[level]
        tied = used[level]
        self.videos, rows = len(videos), int(used.sum())
        self._true = _counts(row[positive], owner[positive], (rows, self.videos))
        self._tied = _counts(row[tied & ~positive], owner[tied & ~positive], (rows, self.videos))
        self._between = _counts(row[~tied], owner[~tied], (rows + 1, self.videos))
        self._sizes = np.stack(
            [np.bincount(owner, positive, self.videos), np.bincount(owner, ~positive, self.videos)]
        )

    def pooled(self) -> Pooled:
        """Compute the metrics of all videos, each counted once."""
        return Pooled(*map(float, self._figures(np.ones((self.videos, 1)))[:, 0]))

    def interval(
        self,
        *,
        level: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
        groups: Groups = None,
    ) -> tuple[Pooled, Pooled]:
        """Compute the ends of the percentile bootstrap intervals over videos (seeded).

        Whole videos are drawn with replacement (Efron and Tibshirani 1993, chapter 13), or whole
        groups of them if `groups` names the group of each. Draws with only one class have no
        metrics and are left out. Raises LabelError if no draw is left, or for fewer than two videos
        or groups.
        """
        figures = self.drawn(draw_videos(self.videos, resamples, seed, groups))
        figures = figures[:, np.isfinite(figures[0])]
        if not figures.shape[1]:
            raise LabelError(
                f"none of {resamples} draws of videos has both classes", cure="use more draws"
            )
        low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2], axis=1)
        return Pooled(*map(float, low)), Pooled(*map(float, high))

    def drawn(self, draws: NDArray[np.int64]) -> Array:
        """Compute the metrics (4, draws) where video `j` counts `draws[i, j]` times in draw `i`.

        `draws` is (draws, videos); the order is that of `Pooled`. NaN for a draw with one class.
        """
        found = np.full((len(Pooled._fields), len(draws)), np.nan)
        both = np.flatnonzero((draws @ self._sizes.T > 0).all(1))
        width = max(1, CACHED // self._true.shape[0])
        for i in range(0, len(both), width):
            some = both[i : i + width]
            found[:, some] = self._figures(draws[some].T.astype(np.float64))
        return found

    def _figures(self, weights: Array) -> Array:
        """Compute the metrics (4, draws) for `weights` (videos, draws) of each video."""
        true, tied, between = (
            counts @ weights for counts in (self._true, self._tied, self._between)
        )
        positives, negatives = self._sizes @ weights
        # Positive and negative frames at and above each level.
        hits, alarms = np.cumsum(true, 0), np.cumsum(between[:-1] + tied, 0)
        before = hits - true + alarms - tied
        precision = hits / np.maximum(hits + alarms, 1)
        # The curve begins at precision 1.
        last = np.where(before > 0, (hits - true) / np.maximum(before, 1), 1)
        kept = _most(FALSE_POSITIVE_RATE, negatives)
        return np.stack(
            [
                (true * (negatives - alarms + tied / 2)).sum(0) / (positives * negatives),
                (true * precision).sum(0) / positives,
                (true * (precision + last)).sum(0) / (2 * positives),
                np.where(alarms <= kept, hits, 0).max(0, initial=0) / positives,
            ]
        )


def auc_interval(
    videos: Sequence[Pair],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    groups: Groups = None,
) -> tuple[float, float]:
    """Compute the bootstrap interval of the pooled ROC-AUC; errors as `Ranking.interval`."""
    if len(videos) < 2:
        raise LabelError(f"a bootstrap needs at least two videos, got {len(videos)}")
    low, high = Ranking(videos).interval(level=level, resamples=resamples, seed=seed, groups=groups)
    return low.auc, high.auc


def _counts(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """Count each (row, column), as a sparse matrix."""
    from scipy.sparse import coo_matrix

    return coo_matrix((np.ones(len(rows)), (rows, columns)), shape).tocsr()


def _check(labels: Labels, scores: Array) -> None:
    if labels.shape != scores.shape or labels.ndim != 1:
        raise LabelError(
            f"scores of shape {scores.shape} need labels of that shape, got {labels.shape}"
        )
    if not np.isfinite(scores).all():
        raise LabelError(
            f"{int((~np.isfinite(scores)).sum())} scores are not finite",
            cure="leave out frames that were not scored, and report how many",
        )
    if not np.isin(labels, (0, 1)).all():
        raise LabelError("labels must be 0 or 1", cure="leave out unlabelled segments")
    if len(np.unique(labels)) < 2:
        raise LabelError(
            f"both classes are needed, got {int((labels == 1).sum())} anomalous and "
            f"{int((labels == 0).sum())} normal",
            cure="add videos of the other class",
        )
