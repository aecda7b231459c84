"""The times at which a video's frames are shown, decoded once and kept. Knows no score."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.errors import LabelError
from hiprobe.store import write_atomic

Array = NDArray[np.float64]

TIMES = "frame_times"


def kept_frame_times(path: str, video_id: str, store: Path) -> Array:
    """Return the times (frames,), in seconds, at which the frames of a video are shown.

    They are decoded once and kept in the folder `store` under `video_id`. Raises VideoError's
    children, StoreError, and LabelError for a damaged file of kept times.
    """
    file = store / TIMES / f"{video_id[:32]}.npy"
    if file.is_file():
        try:
            found = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise LabelError(
                f"no sound frame times: {error}", where=file, cure="delete it"
            ) from error
        if (
            not isinstance(found, np.ndarray)
            or found.dtype.kind != "f"
            or found.ndim != 1
            or not (np.isfinite(found).all() and (np.diff(found) > 0).all())
        ):
            raise LabelError("no sound frame times: they do not rise", where=file, cure="delete it")
        return np.asarray(found, np.float64)
    times, data = video.frame_times(path), io.BytesIO()
    np.save(data, times, allow_pickle=False)
    write_atomic(file, data.getvalue())
    return times
