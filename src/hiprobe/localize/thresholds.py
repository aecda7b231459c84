"""The threshold of each smoothed score: a number, or one that follows the scores."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.localize.settings import Localization

Array = NDArray[np.float64]
# Lower bound of the running deviation: keeps a constant score below its own threshold.
STD_FLOOR = 1e-3


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
    return lambda _: threshold
