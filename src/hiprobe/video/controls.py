"""Motion and brightness of a segment: numbers that need no model. Arrays only."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 0.95


def motion_and_brightness(frames: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Compute the motion, its 95th percentile and the brightness of `frames` (T, H, W, 3), uint8.

    The motion is the mean of |x(t + 1) - x(t)| over all pairs of neighbouring frames, pixels and
    channels; the percentile is the smallest difference that at least 95 % of them do not exceed.
    Both are 0 for a single frame. The brightness is the mean of all values. The scale is that of
    uint8, 0 to 255.

    >>> frames = np.zeros((2, 1, 4, 3), np.uint8)
    >>> frames[1, 0, 0] = 80
    >>> motion_and_brightness(frames)
    (20.0, 80.0, 10.0)
    """
    # Counting how often each of 256 values occurs is exact, and needs no sorting.
    differences = sum((_counts(_difference(*pair)) for pair in pairwise(frames)), _NONE)
    return _mean(differences), _percentile(differences), float(frames.mean())


_NONE = np.zeros(256, np.int64)


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(np.maximum(one, other) - np.minimum(one, other))


def _counts(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.bincount(values.ravel(), minlength=256)


def _mean(counts: NDArray[np.int64]) -> float:
    return float(counts @ np.arange(256) / max(counts.sum(), 1))


def _percentile(counts: NDArray[np.int64]) -> float:
    return float(np.searchsorted(np.cumsum(counts), PERCENTILE * counts.sum()))
