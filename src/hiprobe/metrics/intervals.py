"""Draws of whole videos, and intervals from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError

Array = NDArray[np.float64]
Groups = Sequence[str] | None  # what each video is drawn with; None for each by itself


def mean_interval(
    values: Array,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    groups: Groups = None,
) -> tuple[float, float]:
    """Compute the bootstrap interval of the mean of `values` (videos,); at least two are needed."""
    draws = draw_videos(len(values), resamples, seed, groups)
    ends = central_interval(draws @ values / draws.sum(1), level)
    assert ends is not None  # every draw has a mean
    return ends


def draw_videos(videos: int, resamples: int, seed: int, groups: Groups = None) -> NDArray[np.int64]:
    """Count how often each video is in each draw with replacement, (draws, videos).

    The videos of a group are drawn together.
    """
    if groups is not None:
        names, index = np.unique(groups, return_inverse=True)
        return draw_videos(len(names), resamples, seed)[:, index]
    if videos < 2:
        raise LabelError(f"a bootstrap needs at least two videos or groups, got {videos}")
    return np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), resamples)


class Owned:
    """Numbers that belong to videos: `values[i]` are those of video `i`.

    The median of any bootstrap draw of the videos follows from how often each number counts.

    >>> import numpy as np
    >>> Owned([[1.0, 5.0], [2.0]]).medians(np.array([[1, 1], [1, 3], [0, 0]])).tolist()
    [2.0, 2.0, nan]
    """

    def __init__(self, values: Sequence[Sequence[float]]) -> None:
        flat = np.array([value for some in values for value in some], np.float64)
        order = np.argsort(flat, kind="stable")
        self._values = flat[order]
        self._owner = np.repeat(np.arange(len(values)), [len(some) for some in values])[order]

    def medians(self, draws: NDArray[np.int64]) -> Array:
        """Compute the median (draws,) where video `j` counts `draws[i, j]` times in draw `i`.

        The mean of the two middle numbers if there are as many below as above, as numpy does. NaN
        for a draw without a number.
        """
        if not len(self._values):
            return np.full(len(draws), np.nan)
        counts = np.cumsum(draws[:, self._owner], axis=1)
        numbers = counts[:, -1]
        middle = [
            self._values[np.argmax(counts > rank[:, None], axis=1)]
            for rank in ((numbers - 1) // 2, numbers // 2)
        ]
        return np.where(numbers > 0, (middle[0] + middle[1]) / 2, np.nan)


def central_interval(values: Array, level: float) -> tuple[float, float] | None:
    """Return the central interval of the finite `values` (draws,); None if no value is finite."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
