"""Sum up what moves where in a clip, for training: a coarse grid over each picture.

Arrays only: no shapes and no cameras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CELLS, SCALE = 24, 32.0


def traced(motion: Array) -> Array:
    """Sum up motion (frames, side, side, 3), as `raster.draw` returns it, in CELLS x CELLS cells.

    Returns int8 (frames, CELLS, CELLS, 3): the share of a cell that something moving covers, times
    127, and its mean velocity there times SCALE, at most 127.
    """
    count, side = motion.shape[:2]
    step = side // CELLS
    sums = motion.reshape(count, CELLS, step, CELLS, step, 3).sum((2, 4))
    out = np.empty(sums.shape, np.int8)
    out[..., 0] = np.rint(sums[..., 0] * (127 / step**2))
    mean = sums[..., 1:] / np.maximum(sums[..., :1], 1)
    out[..., 1:] = np.clip(np.rint(mean * SCALE), -127, 127)
    return out
