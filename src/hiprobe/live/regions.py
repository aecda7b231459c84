"""Parts of a camera's picture that are blanked before the model sees them. Arrays only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import digest_json
from hiprobe.types.events import check

GREY = 128  # near the mean of natural pictures, so that a blank is no strong signal
SMALLEST = 1e-6  # of the picture: what is smaller is a line
MOST_CORNERS = 1000

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Regions:
    """Polygons in relative coordinates of the picture as shown.

    (0, 0) is its left upper corner and (1, 1) the right lower one. A pixel is blanked if its centre
    is in any polygon; where one crosses itself, the even-odd rule applies. Raises ValueError for a
    polygon that is not in the picture, has fewer than three corners, or covers nothing.

    >>> sky = Regions.parse([[[0, 0], [1, 0], [1, 0.5], [0, 0.5]]])
    >>> frames = np.full((1, 4, 4, 3), 200, np.uint8)
    >>> sky.blank(frames)[0, :, 0, 0]
    array([128, 128, 200, 200], dtype=uint8)
    """

    polygons: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        for polygon in self.polygons:
            _check_polygon(polygon)

    @classmethod
    def parse(cls, polygons: Iterable[Sequence[Sequence[float]]]) -> Regions:
        """Build regions from lists of corners `[x, y]`; raises ValueError."""
        return cls(tuple(tuple(_corner(one) for one in polygon) for polygon in polygons))

    def blank(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `frames`, uint8 (T, H, W, 3), with the regions grey; the same array if none."""
        if not self.polygons:
            return frames
        _, height, width, _ = frames.shape
        return np.where(mask_of(self, height, width)[:, :, None], np.uint8(GREY), frames)

    def to_json(self) -> list[list[list[float]]]:
        """Return the regions as JSON values, the form in which settings of a result hold them."""
        return [[list(corner) for corner in polygon] for polygon in self.polygons]

    @property
    def digest(self) -> str | None:
        """SHA-256 of the regions, in hex, for the key of a cache; None without any."""
        return digest_json(self.to_json()) if self.polygons else None


@lru_cache(maxsize=64)
def mask_of(regions: Regions, height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels are blanked: bool (height, width), not to be written to.

    >>> mask_of(Regions.parse([[[0, 0], [1, 0], [0, 1]]]), 2, 2)
    array([[ True, False],
           [False, False]])
    """
    across, down = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    mask = np.zeros((height, width), bool)
    for polygon in regions.polygons:
        inside = np.zeros((height, width), bool)
        for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
            if y1 == y2:
                continue
            rows = (down >= min(y1, y2)) & (down < max(y1, y2))
            edge = x1 + (down[rows] - y1) / (y2 - y1) * (x2 - x1)
            inside[rows] ^= across[None, :] < edge[:, None]
        mask |= inside
    mask.setflags(write=False)
    return mask


def _corner(values: Sequence[float]) -> tuple[float, float]:
    check(len(values) == 2, f"a corner must be [x, y], got {len(values)} numbers")
    return _number(values[0]), _number(values[1])


def _number(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    check(number and math.isfinite(value), f"a corner must be two numbers, got {value!r:.40}")
    return float(value)


def _check_polygon(polygon: Polygon) -> None:
    check(
        3 <= len(polygon) <= MOST_CORNERS,
        f"a region must have 3 to {MOST_CORNERS} corners, got {len(polygon)}",
    )
    for x, y in polygon:
        check(
            0 <= x <= 1 and 0 <= y <= 1,
            f"a region must be in the picture, from 0 to 1 in both directions, got ({x:g}, {y:g})",
        )
    points = np.array(polygon) - polygon[0]
    farthest = points[np.argmax((points**2).sum(axis=1))]
    beside = np.abs(points[:, 0] * farthest[1] - points[:, 1] * farthest[0])
    check(bool(beside.max() >= SMALLEST), "a region must not have all its corners on one line")
