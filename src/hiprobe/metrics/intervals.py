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


def central_interval(values: Array, level: float) -> tuple[float, float] | None:
    """Return the central interval of the finite `values` (draws,); None if no value is finite."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
