"""Find the times at which a video's frames are shown, and keep them.

It knows no score.
"""

from __future__ import annotations

import io
import math
import tokenize
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.datasets import MOST_FRAMES
from hiprobe.disk.regular import read_regular
from hiprobe.errors import LabelError, UsageError
from hiprobe.store import write_atomic

Array = NDArray[np.float64]

TIMES = "frame_times"
_INVALID = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
)


def kept_frame_times(path: str, video_id: str, store: Path) -> Array:
    """Return the times (frames,), in seconds, at which the frames of a video are shown.

    The video is decoded once and the times are kept in the folder `store` under `video_id`. Raises
    the subclasses of VideoError, StoreError if the times cannot be written, and LabelError for a
    damaged file of kept times.
    """
    file = store / TIMES / f"{video_id[:32]}.npy"
    if file.is_file():
        return _load(file)
    times, data = video.frame_times(path), io.BytesIO()
    np.save(data, times, allow_pickle=False)
    write_atomic(file, data.getvalue())
    return times


def _load(file: Path) -> Array:
    try:
        found = np.load(io.BytesIO(read_regular(file, 8 * MOST_FRAMES)), allow_pickle=False)
    except _INVALID as error:
        raise LabelError(
            f"not a valid file of frame times: {error}", where=file, cure="delete it"
        ) from error
    if (
        not isinstance(found, np.ndarray)
        or found.dtype.kind != "f"
        or found.ndim != 1
        or not (np.isfinite(found).all() and (np.diff(found) > 0).all())
    ):
        raise LabelError(
            "not a valid file of frame times: they must be numbers that increase",
            where=file,
            cure="delete it",
        )
    return np.asarray(found, np.float64)


def times_at_rate(count: int, fps: float | None) -> Array:
    """Return the times (count,), in seconds, of frames at a constant rate.

    Raises UsageError without a frame rate above 0.
    """
    if fps is None or not 0 < fps < math.inf:
        raise UsageError(
            f"event figures need the videos' frame rate, a number above 0, got {fps}",
            cure="give --fps; for a score file, or leave out --threshold",
        )
    return np.asarray(np.arange(count) / fps)
