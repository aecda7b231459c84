"""Smoothing of the scores of segments."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Smoother:
    """Gaussian smoothing of the scores of one run of segments without a gap.

    The kernel is cut at 4 `sigma`. Weights outside the run are dropped and the rest are normalised,
    so that the ends are not pulled towards zero and a constant stays constant (our own). A smoothed
    score is final once `radius` more scores have arrived.

    >>> smoother = Smoother(sigma=0.5)
    >>> smoother.push(1.0), smoother.push(1.0), smoother.push(1.0), smoother.flush()
    ([], [], [1.0], [1.0, 1.0])
    """

    def __init__(self, sigma: float) -> None:
        self.radius = int(4.0 * sigma + 0.5)
        offsets = np.arange(-self.radius, self.radius + 1)
        self._weights = np.exp(-0.5 * (offsets / sigma) ** 2) if self.radius else np.ones(1)
        self._window: deque[float] = deque(maxlen=2 * self.radius + 1)
        self._seen = self._given = 0

    def push(self, score: float) -> list[float]:
        """Add the next raw score; return the smoothed scores that became final: none or one."""
        self._window.append(score)
        self._seen += 1
        return [self._next()] if self._given + self.radius < self._seen else []

    def flush(self) -> list[float]:
        """End the run: return the remaining smoothed scores, and begin a new run."""
        due = [self._next() for _ in range(self._given, self._seen)]
        self._window.clear()
        self._seen = self._given = 0
        return due

    def _next(self) -> float:
        centre, base = self._given, self._seen - len(self._window)
        low, high = max(centre - self.radius, 0), min(centre + self.radius + 1, self._seen)
        values = np.array(self._window)[low - base : high - base]
        weights = self._weights[low - centre + self.radius : high - centre + self.radius]
        self._given += 1
        mean = float(weights @ values / weights.sum())
        return min(max(mean, float(values.min())), float(values.max()))  # exact for a constant


def smooth(scores: Array, sigma: float = 1.5, breaks: Sequence[int] | None = None) -> Array:
    """Smooth raw scores (n,) with `Smoother`, each run on its own; returns an array (n,).

    `breaks` are the indices that start a new run, as `contiguous_runs` returns them.

    >>> smooth(np.array([0.5, 0.5, 0.9, 0.9]), sigma=1.5, breaks=[2])
    array([0.5, 0.5, 0.9, 0.9])
    """
    smoother, out, new = Smoother(sigma), [], set(breaks or ())
    for index, score in enumerate(scores):
        if index in new:
            out += smoother.flush()
        out += smoother.push(float(score))
    return np.array(out + smoother.flush(), dtype=np.float64)
