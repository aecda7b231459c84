"""Compute ROC-AUC over time, with intervals over labelled draws and test videos.

It knows spans, labels and scores only. A segment has one score, so the AUC over all moments of the
test videos follows from the anomalous and normal seconds of each segment. It equals the AUC over
frames at any constant frame rate, up to one frame at each end of an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.types import Event, HiddenStates

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """Hold a mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def signed(self) -> str:
        """Return the interval as text, with signs, as for a difference."""
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


@dataclass(frozen=True)
class Truth:
    """Hold the anomalous and normal seconds (n,) and the video number (n,) of each test segment."""

    positive: Array
    negative: Array
    video: NDArray[np.int64]
    resamples: int = 400
    seed: int = 0

    @cached_property
    def weights(self) -> Array:
        """Return how often each video counts (videos, 1 + resamples).

        The first column counts each video once, the others are bootstrap draws.
        """
        count = int(self.video.max()) + 1
        draws = np.random.default_rng(self.seed).multinomial(
            count, np.full(count, 1 / count), self.resamples
        )
        return np.concatenate([np.ones((1, count)), draws]).T

    def aucs(self, scores: Array) -> Array:
        """Return the AUC (1 + resamples,) of segment `scores` (n,): all videos, then each draw.

        Ties count half; a draw with one class only gives NaN. Raises LabelError for scores that are
        not finite, or truth with one class only.
        """
        if not np.isfinite(scores).all() or not self.positive.any() or not self.negative.any():
            raise LabelError("an AUC needs finite scores, and both anomalous and normal seconds")
        levels, where = np.unique(-scores, return_inverse=True)
        order = np.argsort(where, kind="stable")
        first = np.searchsorted(where[order], np.arange(len(levels)))
        weights = self.weights[self.video[order]]
        hits, alarms = (
            np.add.reduceat(seconds[order, None] * weights, first, axis=0)
            for seconds in (self.positive, self.negative)
        )
        below = alarms.sum(0) - np.cumsum(alarms, 0)
        with np.errstate(invalid="ignore"):
            return np.asarray((hits * (below + alarms / 2)).sum(0) / (hits.sum(0) * alarms.sum(0)))


def truth(
    states: Sequence[HiddenStates], events: Sequence[Sequence[Event]], resamples: int = 400
) -> Truth:
    """Return the truth of test videos from the states and events of each.

    Overlapping events count once.
    """
    inside = [
        overlap(one.starts, one.ends, found) for one, found in zip(states, events, strict=True)
    ]
    length = np.concatenate([one.ends - one.starts for one in states])
    positive = np.concatenate(inside)
    return Truth(
        positive,
        np.maximum(length - positive, 0.0),
        np.repeat(np.arange(len(states)), [len(one.starts) for one in states]),
        resamples,
    )


def overlap(starts: Array, ends: Array, events: Sequence[Event]) -> Array:
    """Return the seconds (n,) of each segment `[start, end)` that are inside any event."""
    total, reached = np.zeros(len(starts)), -np.inf
    for event in sorted(events, key=lambda one: one.start):
        first = max(event.start, reached)
        total += np.clip(np.minimum(ends, event.end) - np.maximum(starts, first), 0.0, None)
        reached = max(reached, event.end)
    return total


def interval(curves: Sequence[Array], seed: int = 0) -> Interval:
    """Return the mean over draws, with a bootstrap interval over draws and test videos together.

    `curves` holds, for each draw of labelled videos, what `Truth.aucs` returns or the difference of
    two of them. Resample r uses the test videos of column r and draws the draws with replacement;
    the interval is given by percentiles (our own).
    """
    table = np.stack(curves)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(table), (table.shape[1] - 1, len(table)))
    means = table[rows, np.arange(1, table.shape[1])[:, None]].mean(1)
    low, high = np.nanquantile(means, [0.025, 0.975])
    return Interval(float(table[:, 0].mean()), float(low), float(high))


def over_draws(figures: Sequence[float]) -> Interval:
    """Return the mean of one figure per draw, with the t interval over draws.

    The interval does not cover the variation between test videos.
    """
    from scipy.stats import t

    values = np.asarray(figures, dtype=np.float64)
    if len(values) < 2:
        return Interval(float(values.mean()), float("nan"), float("nan"))
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def verdict(difference: Interval) -> str:
    """Return whether a difference is above zero by its interval: yes, no (below) or undecided."""
    if not np.isfinite([difference.low, difference.high]).all():
        return "undecided"
    return "yes" if difference.low > 0 else "no" if difference.high < 0 else "undecided"


def below(figure: Interval, limit: float) -> str:
    """Return whether a figure is below `limit` by its interval: yes, no (above) or undecided."""
    return "yes" if figure.high < limit else "no" if figure.low > limit else "undecided"
