"""The threshold of each smoothed score: a number, or one that follows the scores."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.localize.settings import Localization

Array = NDArray[np.float64]
# Lower bound of the running deviation: keeps a constant score below its own threshold.
STD_FLOOR = 1e-3
ODDS_FLOOR = 0.1  # the same for log-odds
CERTAIN = 1e-6  # scores nearer to 0 or 1 count as this near
MEMORY = 1125  # scores that the level of a camera is made of


class RunningThreshold:
    """The adaptive rule: mean + kappa * std of all scores at least `lag` segments back (our own).

    The lag keeps an event from raising its own threshold. Until `warmup` scores are that old, the
    threshold is infinite and there is no event. The deviation is taken as at least 0.001, so that a
    constant score does not become an event. A gap does not reset the rule, as the camera is the
    same.
    """

    def __init__(self, kappa: float, warmup: int, lag: int) -> None:
        self._kappa, self._warmup, self._lag = kappa, warmup, lag
        self._recent: deque[float] = deque()
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def update(self, score: float) -> float:
        """Return the threshold for `score`, and count the score itself `lag` segments later."""
        if len(self._recent) == self._lag:
            self._absorb(self._recent.popleft())
        self._recent.append(score)
        if self._count < self._warmup:
            return math.inf
        return self._mean + self._kappa * max(math.sqrt(self._squares / self._count), STD_FLOOR)

    def _absorb(self, score: float) -> None:
        self._count += 1
        step = score - self._mean
        self._mean += step / self._count
        self._squares += step * (score - self._mean)


class RaisedThreshold:
    """The raised rule: a threshold that a camera's own scores can only raise (our own).

    The level of the camera is the median of its scores, plus `kappa` times the distance from there
    to their 0.84 quantile, which is one standard deviation of a Gaussian. So an event counts for
    little while it fills less than a sixth of the time. These are the last MEMORY scores (half an
    hour of segments of 1.6 s) that are at least `lag` segments back. The threshold is `threshold`
    until there are `warmup` of them, then it is the higher of both. A gap does not reset the rule.
    With a `threshold` between 0 and 1 the level is that of the scores' log-odds, as the scores are
    probabilities, so that it stays below 1.

    >>> rule = RaisedThreshold(0.5, kappa=3.0, warmup=2, lag=1)
    >>> [round(rule.update(score), 2) for score in (0.2, 0.8, 0.8, 0.9, 0.9)]
    [0.5, 0.5, 1.0, 0.84, 0.98]
    """

    def __init__(self, threshold: float, kappa: float, warmup: int, lag: int) -> None:
        self._least, self._kappa, self._warmup, self._lag = threshold, kappa, warmup, lag
        self._odds = 0.0 < threshold < 1.0
        self._recent: deque[float] = deque()
        self._past: deque[float] = deque()
        self._sorted: list[float] = []

    def update(self, score: float) -> float:
        """Return the threshold for `score`, and count the score itself `lag` segments later."""
        if len(self._recent) == self._lag:
            self._absorb(self._recent.popleft())
        self._recent.append(_log_odds(score) if self._odds else score)
        return max(self._least, self._level()) if len(self._past) >= self._warmup else self._least

    def _absorb(self, score: float) -> None:
        self._past.append(score)
        insort(self._sorted, score)
        if len(self._past) > MEMORY:
            del self._sorted[bisect_left(self._sorted, self._past.popleft())]

    def _level(self) -> float:
        median, high = (self._sorted[round(q * (len(self._sorted) - 1))] for q in (0.5, 0.84))
        floor = ODDS_FLOOR if self._odds else STD_FLOOR
        level = median + self._kappa * max(high - median, floor)
        return _probability(level) if self._odds else level


def _log_odds(score: float) -> float:
    kept = min(max(score, CERTAIN), 1 - CERTAIN)
    return math.log(kept / (1 - kept))


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > 0 else 1 - 1 / (1 + math.exp(odds))


def adaptive_threshold(scores: Array, kappa: float, warmup: int, lag: int) -> Array:
    """Compute the threshold (n,) for each of the smoothed `scores` (n,) with `RunningThreshold`.

    >>> adaptive_threshold(np.array([0.1, 0.1, 0.1, 0.9]), kappa=3.0, warmup=1, lag=2)
    array([  inf,   inf, 0.103, 0.103])
    """
    rule = RunningThreshold(kappa, warmup, lag)
    return np.array([rule.update(float(score)) for score in scores], dtype=np.float64)


def threshold_rule(settings: Localization) -> Callable[[float], float]:
    """Return a function that gives each smoothed score, in order, its threshold."""
    if settings.rule == "adaptive":
        return RunningThreshold(settings.kappa, settings.warmup, settings.lag).update
    threshold = settings.threshold
    if threshold is None:
        raise UsageError(
            f"the {settings.rule} rule has no threshold", cure="fit a probe or give a threshold"
        )
    if settings.rule == "raised":
        return RaisedThreshold(threshold, settings.kappa, settings.warmup, settings.lag).update
    return lambda _: threshold
