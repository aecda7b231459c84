"""The gate for still scenes: whether a segment hardly differs from one that the model has read.

A pure function of frames. Off by default, as it may miss what is small or slow. Cameras (`watch`)
and files (`detect --still`) use the same rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STILL = "still"  # the name of a reading in which such segments were not read
BLOCKS = 16  # parts of the picture in each direction
# Levels of 255 by which the mean of a block may change. The noise of rendered and of real fixed
# cameras at 96 x 96 makes 3 to 4, a person who moves in the distance more than 20.
THRESHOLD = 4.0


def change(before: NDArray[np.uint8], frames: NDArray[np.uint8]) -> float:
    """Return by how many levels (0 to 255) the block that changed most has changed.

    Both are uint8 (T, H, W, 3) of one shape, and frame `i` is compared with frame `i`. Each frame
    is cut into 16 x 16 blocks, and a block counts by its mean grey level, so that the noise of a
    sensor averages out and a small object does not. Infinite for different shapes.

    `before` must be the last segment that was read, not the last one that was seen: otherwise a
    slow change would never be read.

    >>> before = np.full((2, 64, 64, 3), 100, np.uint8)
    >>> after = before.copy()
    >>> after[1, :4, :4] = 140
    >>> change(before, before), change(before, after)
    (0.0, 40.0)
    """
    if before.shape != frames.shape:
        return float("inf")
    return float(np.abs(_blocks(frames) - _blocks(before)).max())


def is_still(
    before: NDArray[np.uint8], frames: NDArray[np.uint8], threshold: float = THRESHOLD
) -> bool:
    """Tell whether the model need not read `frames`, as it has read `before`; see `change`.

    >>> before = np.full((2, 64, 64, 3), 100, np.uint8)
    >>> is_still(before, before + np.uint8(1)), is_still(before, before + np.uint8(50))
    (True, False)
    """
    return change(before, frames) <= threshold


def _blocks(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean grey levels of blocks: float32 (T, rows, columns)."""
    _, height, width, _ = frames.shape
    rows, columns = _edges(height), _edges(width)
    lines = np.add.reduceat(frames.sum(axis=3, dtype=np.float32), rows, axis=1)
    sums = np.add.reduceat(lines, columns, axis=2)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return np.asarray(sums / (3 * sizes), np.float32)


def _edges(length: int) -> list[int]:
    """Return where up to `BLOCKS` equal parts of `length` pixels begin."""
    parts = min(BLOCKS, length)
    return [length * part // parts for part in range(parts)]
