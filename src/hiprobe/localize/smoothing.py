"""Smoothing of the scores of segments, one after the other."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize.settings import Localization, Smoothing

Array = NDArray[np.float64]
_DEFAULT = Localization()


class Smoother:
    """Smoothing of the scores of one run of segments without a gap.

    A smoothed score is made of the score itself, of `behind` scores before it and of `ahead` scores
    after it, as far as they are in the run. It is final once `ahead` more scores have arrived.

    - `gaussian`: the mean with the weights of a Gaussian of width `sigma`, cut at 4 `sigma`. The
      weights inside the run are normalised, so that the ends are not pulled towards zero and a
      constant stays constant (our own).
    - `causal`: the half of it that looks back, so that a score is final at once. It comes later: at
      `sigma` 1.5 the scores it is made of are 0.9 segments back on average.
    - `median`: the median of a window whose length is the odd number nearest to
      sqrt(12 `sigma`^2 + 1): a box of that length has the variance of the Gaussian (our own).
      5 segments at sigma 1.5. At an end of the run the window is cut, and the median of an even
      number of scores is the mean of the middle two.
    - `none`: the score as it is. So are the others at a `sigma` of 0.

    A NaN stands for a window that was left out on purpose. It keeps the others at their distance,
    counts for none of them, and stays NaN.

    >>> smoother = Smoother(sigma=0.5)
    >>> smoother.push(1.0), smoother.push(1.0), smoother.push(1.0), smoother.flush()
    ([], [], [1.0], [1.0, 1.0])
    >>> [Smoother(1.5, kind).ahead for kind in ("gaussian", "causal", "median", "none")]
    [6, 0, 2, 0]
    """

    def __init__(self, sigma: float, smoothing: Smoothing = "gaussian") -> None:
        self.behind, self.ahead = _reach(sigma, smoothing)
        offsets = np.arange(-self.behind, self.ahead + 1)
        self._weights = np.exp(-0.5 * (offsets / sigma) ** 2) if self.behind else np.ones(1)
        self._median = smoothing == "median"
        self._window: deque[float] = deque(maxlen=len(offsets))
        self._seen = self._given = 0

    def push(self, score: float) -> list[float]:
        """Add the next raw score; return the smoothed scores that became final: none or one."""
        self._window.append(score)
        self._seen += 1
        return [self._next()] if self._given + self.ahead < self._seen else []

    def flush(self) -> list[float]:
        """End the run: return the remaining smoothed scores, and begin a new run."""
        due = [self._next() for _ in range(self._given, self._seen)]
        self._window.clear()
        self._seen = self._given = 0
        return due

    def _next(self) -> float:
        centre, base = self._given, self._seen - len(self._window)
        low, high = max(centre - self.behind, 0), min(centre + self.ahead + 1, self._seen)
        values = np.array(self._window)[low - base : high - base]
        weights = self._weights[low - centre + self.behind : high - centre + self.behind]
        self._given += 1
        known = ~np.isnan(values)
        if not known.all():
            if not known[centre - low]:
                return math.nan
            values, weights = values[known], weights[known]
        if self._median:
            return float(np.median(values))
        mean = float(weights @ values / weights.sum())
        return min(max(mean, float(values.min())), float(values.max()))  # exact for a constant


def _reach(sigma: float, smoothing: Smoothing) -> tuple[int, int]:
    """Return how many scores before and after a segment its smoothed score is made of."""
    if smoothing == "none":
        return 0, 0
    if smoothing == "median":
        half = int((math.sqrt(12 * sigma**2 + 1) - 1) / 2 + 0.5)
        return half, half
    radius = int(4.0 * sigma + 0.5)
    return radius, 0 if smoothing == "causal" else radius


def smooth(
    scores: Array, settings: Localization = _DEFAULT, breaks: Sequence[int] | None = None
) -> Array:
    """Smooth raw scores (n,) as `settings` say, each run on its own; returns an array (n,).

    `breaks` are the indices that start a new run, as `contiguous_runs` returns them.

    >>> smooth(np.array([0.5, 0.5, 0.9, 0.9]), Localization(sigma=1.5), breaks=[2])
    array([0.5, 0.5, 0.9, 0.9])
    """
    smoother, out, new = Smoother(settings.sigma, settings.smoothing), [], set(breaks or ())
    for index, score in enumerate(scores):
        if index in new:
            out += smoother.flush()
        out += smoother.push(float(score))
    return np.array(out + smoother.flush(), dtype=np.float64)
