"""NumPy's .npy: the scores of each frame of one video, float64 (frames,). Knows no video.

NaN means that a frame has no score. The scores are smoothed; Parquet has the raw ones too.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from hiprobe.formats import FrameScores

suffix, one_file = ".npy", False


def write_frame_scores(videos: Sequence[FrameScores]) -> bytes:
    """Return the smoothed scores of one video as an array."""
    (video,) = videos
    data = io.BytesIO()
    np.save(data, np.asarray(video.smoothed, np.float64), allow_pickle=False)
    return data.getvalue()
