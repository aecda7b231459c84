"""How well scores and events agree with the truth.

Knows labels, scores and events: no video, no model, no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.types import Event

Labels = NDArray[np.integer[Any]]
Array = NDArray[np.float64]
Pair = tuple[Labels, Array]
TIOUS = (0.1, 0.3, 0.5)  # temporal overlaps at which events are compared
CACHED = (
    2**18
)  # numbers in an array that a draw works on: as many draws at once as keep it in the processor's cache


def roc_auc(labels: Labels, scores: Array) -> float:
    """Area under the ROC curve of `scores` (n,) for `labels` (n,) of 0 and 1: scikit-learn's `roc_auc_score`.

    Computed as the share of pairs in which the positive scores higher, ties half (Hanley and McNeil 1982).
    Raises LabelError for one class, another label than 0 or 1, unequal lengths, or a score that is not finite.
    """
    _check(labels, scores)
    positive, negative = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    twice = (
        np.searchsorted(negative, positive, "left").sum()
        + np.searchsorted(negative, positive, "right").sum()
    )
    return float(twice / (2 * len(positive) * len(negative)))


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
    return roc_auc(
        np.concatenate([labels for labels, _ in videos]),
        np.concatenate([scores for _, scores in videos]),
    )


def macro_auc(videos: Sequence[Pair]) -> float:
    """Mean over the videos that hold both classes of the ROC-AUC within the video: localisation alone.

    Raises LabelError if no video holds both classes.
    """
    within = [roc_auc(labels, scores) for labels, scores in videos if len(np.unique(labels)) == 2]
    if not within:
        raise LabelError("no video holds both anomalous and normal frames")
    return float(np.mean(within))


class Pooled(NamedTuple):
    """Figures over the frames of all videos: ROC-AUC, average precision by steps and by trapezoids."""

    auc: float
    ap_step: float
    ap_trapezoid: float


class Ranking:
    """The frames of all `videos`, each (labels (n,), scores (n,)), sorted by score once.

    Every pooled figure of the videos, or of any draw of them, then follows exactly from how many frames of each
    video lie at and above each score that a positive frame has. Raises LabelError as `roc_auc`.
    """

    def __init__(self, videos: Sequence[Pair]) -> None:
        if not videos:
            raise LabelError("no video to evaluate")
        labels, scores = (np.concatenate(parts) for parts in zip(*videos, strict=True))
        _check(labels, scores)
        owner = np.repeat(np.arange(len(videos)), [len(of) for of, _ in videos])
        order = np.argsort(-scores)
        positive, owner, scores = labels[order] == 1, owner[order], scores[order]
        level = np.cumsum(
            np.append(False, scores[1:] != scores[:-1])
        )  # equal scores are one level, the highest is 0
        kept = np.bincount(level, positive) > 0
        row: NDArray[np.int64] = (np.cumsum(kept) - kept)[level]
        tied = kept[level]
        self.videos, rows = len(videos), int(kept.sum())
        self._true = _counts(row[positive], owner[positive], (rows, self.videos))
        self._tied = _counts(row[tied & ~positive], owner[tied & ~positive], (rows, self.videos))
        self._between = _counts(row[~tied], owner[~tied], (rows + 1, self.videos))
        self._sizes = np.stack(
            [np.bincount(owner, positive, self.videos), np.bincount(owner, ~positive, self.videos)]
        )

    def pooled(self) -> Pooled:
        """The figures of all videos, each counted once."""
        return Pooled(*map(float, self._figures(np.ones((self.videos, 1)))[:, 0]))

    def interval(
        self, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
    ) -> tuple[Pooled, Pooled]:
        """The ends of the percentile bootstrap intervals, whole videos drawn with replacement (seeded).

        Draws that hold one class only have no figures and are left out; raises LabelError if all are, and for fewer
        than two videos (Efron and Tibshirani 1993, chapter 13).
        """
        draws = _draws(self.videos, resamples, seed)
        weights = draws[(draws @ self._sizes.T > 0).all(1)].T.astype(np.float64)
        if not weights.shape[1]:
            raise LabelError(
                f"none of {resamples} draws of videos held both classes", cure="draw more"
            )
        width = max(1, CACHED // self._true.shape[0])
        figures = [
            self._figures(weights[:, i : i + width]) for i in range(0, weights.shape[1], width)
        ]
        low, high = np.quantile(
            np.concatenate(figures, 1), [(1 - level) / 2, (1 + level) / 2], axis=1
        )
        return Pooled(*map(float, low)), Pooled(*map(float, high))

    def _figures(self, weights: Array) -> Array:
        """The three figures (3, draws) where each video counts `weights` (videos, draws) times."""
        true, tied, between = (
            counts @ weights for counts in (self._true, self._tied, self._between)
        )
        positives, negatives = self._sizes @ weights
        hits, alarms = (
            np.cumsum(true, 0),
            np.cumsum(between[:-1] + tied, 0),
        )  # at and above each level
        before = hits - true + alarms - tied
        precision = hits / np.maximum(hits + alarms, 1)
        last = np.where(
            before > 0, (hits - true) / np.maximum(before, 1), 1
        )  # the curve begins at precision 1
        return np.stack(
            [
                (true * (negatives - alarms + tied / 2)).sum(0) / (positives * negatives),
                (true * precision).sum(0) / positives,
                (true * (precision + last)).sum(0) / (2 * positives),
            ]
        )


def auc_interval(
    videos: Sequence[Pair],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The bootstrap interval of the pooled ROC-AUC alone, by `Ranking.interval`, whose errors it raises."""
    if len(videos) < 2:
        raise LabelError(f"a bootstrap over videos needs at least two, got {len(videos)}")
    low, high = Ranking(videos).interval(level=level, resamples=resamples, seed=seed)
    return low.auc, high.auc


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
    pairs = sorted(
        (-tiou(t, p), i, j) for i, t in enumerate(truth) for j, p in enumerate(predicted)
    )
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


class Watched(NamedTuple):
    """The true and the predicted events of one video, and how long it is, all in seconds."""

    true: Sequence[Event]
    predicted: Sequence[Event]
    seconds: float


def overlaps(one: Event, other: Event) -> bool:
    """Whether two events share any time."""
    return one.start < other.end and other.start < one.end


def delays(video: Watched) -> list[float]:
    """For each true event that a predicted one overlaps, the seconds from its start to the first such alarm; our own.

    0 for an alarm that began before it. How long a live run takes to settle a score comes on top.
    """
    first = [
        min((p.start for p in video.predicted if overlaps(t, p)), default=None) for t in video.true
    ]
    return [
        max(0.0, start - t.start)
        for t, start in zip(video.true, first, strict=True)
        if start is not None
    ]


def false_alarms(video: Watched) -> int:
    """How many predicted events overlap no true one; our own."""
    return sum(not any(overlaps(t, p) for t in video.true) for p in video.predicted)


class EventTable:
    """The counts of each video that every event figure of the videos, or of any draw of them, follows from."""

    def __init__(self, videos: Sequence[Watched]) -> None:
        late = [delays(video) for video in videos]
        self._rows = np.array(
            [
                [
                    *(matches(video.true, video.predicted, at) for at in TIOUS),
                    len(video.true),
                    len(video.predicted),
                    len(waits),
                    sum(waits),
                    false_alarms(video),
                    video.seconds / 3600,
                ]
                for video, waits in zip(videos, late, strict=True)
            ],
            dtype=np.float64,
        ).reshape(len(videos), -1)
        self._waits = [wait for waits in late for wait in waits]

    def counts(self) -> dict[str, float]:
        """Over all videos: true events, how many of them an alarm overlaps, predicted events, false alarms, hours."""
        true, predicted, detected, _, false, hours = map(float, self._rows.sum(0)[len(TIOUS) :])
        return {
            "true": true,
            "detected": detected,
            "predicted": predicted,
            "false_alarms": false,
            "hours": hours,
        }

    def figures(self) -> dict[str, float]:
        """The figures over all videos by name; NaN where undefined, as precision is without a predicted event.

        `precision`, `recall`, `f1` at each tIoU: matches of all videos over predicted, true, and half of both events.
        `delay_mean` and `delay_median` in seconds, over the true events detected at all; `false_alarms_per_hour`.
        """
        median = float(np.median(self._waits)) if self._waits else math.nan
        return {
            **{
                name: float(value[0])
                for name, value in _event_figures(self._rows.sum(0)[:, None]).items()
            },
            "delay_median": median,
        }

    def intervals(
        self, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Percentile bootstrap intervals, whole videos drawn with replacement; draws without a figure are left out.

        Raises LabelError for fewer than two videos (Efron and Tibshirani 1993, chapter 13).
        """
        figures = _event_figures((_draws(len(self._rows), resamples, seed) @ self._rows).T)
        return {
            name: ends
            for name, values in figures.items()
            if (ends := _ends(values, level)) is not None
        }


def _event_figures(totals: Array) -> dict[str, Array]:
    """The figures (draws,) from summed counts (counts, draws)."""
    hit, (true, predicted, detected, waited, false, hours) = (
        totals[: len(TIOUS)],
        totals[len(TIOUS) :],
    )
    found: dict[str, Array] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for at, matched in zip(TIOUS, hit, strict=True):
            found |= {
                f"precision@{at}": matched / predicted,
                f"recall@{at}": matched / true,
                f"f1@{at}": 2 * matched / (true + predicted),
            }
        return {**found, "delay_mean": waited / detected, "false_alarms_per_hour": false / hours}


def mean_interval(
    values: Array, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of `values` (videos,), e.g. of AUCs within videos.

    Raises LabelError for fewer than two.
    """
    ends = _ends(_draws(len(values), resamples, seed) @ values / len(values), level)
    assert ends is not None  # the mean of a draw is always defined
    return ends


def _draws(videos: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each video stands in each draw with replacement, (draws, videos)."""
    if videos < 2:
        raise LabelError(f"a bootstrap over videos needs at least two, got {videos}")
    return np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), resamples)


def _ends(values: Array, level: float) -> tuple[float, float] | None:
    """The central interval of the finite `values` (draws,); None without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _counts(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """How often each (row, column) occurs, as a sparse matrix."""
    from scipy.sparse import coo_matrix

    return coo_matrix((np.ones(len(rows)), (rows, columns)), shape).tocsr()


def _check(labels: Labels, scores: Array) -> None:
    if labels.shape != scores.shape or labels.ndim != 1:
        raise LabelError(f"labels of shape {labels.shape} for scores of shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise LabelError(
            f"{int((~np.isfinite(scores)).sum())} scores are not finite",
            cure="leave out frames that were not scored, and say how many",
        )
    if not np.isin(labels, (0, 1)).all():
        raise LabelError("a label is neither 0 nor 1", cure="leave out unlabelled segments")
    if len(np.unique(labels)) < 2:
        raise LabelError(
            f"one class only: {int((labels == 1).sum())} anomalous, {int((labels == 0).sum())} normal"
        )
