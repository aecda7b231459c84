"""What a video looks like without any model: motion, brightness, and what its file says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.ranges import require, require_all
from hiprobe.types.events import check

LONGEST_CODEC = 64  # characters


@dataclass(frozen=True)
class VideoFacts:
    """What a file says of its video.

    `width` and `height` are in pixels as displayed, `file_bytes` is the size of the file with
    everything in it, or of all pictures of a folder. Raises ValueError for values out of range.

    >>> VideoFacts("h264", 640, 480, 1_000_000).width
    640
    """

    codec: str
    width: int
    height: int
    file_bytes: int

    def __post_init__(self) -> None:
        check(
            isinstance(self.codec, str) and len(self.codec) <= LONGEST_CODEC,
            f"the codec must be a text of at most {LONGEST_CODEC} characters",
        )
        require("pixels", self.width, "the width of the video")
        require("pixels", self.height, "the height of the video")
        require("file bytes", self.file_bytes)


@dataclass(frozen=True)
class Controls:
    """Numbers of each segment of one video that need no model, and the facts of its file.

    `motion` and `motion_p95` (segments,) are mean and 95th percentile of the differences between
    neighbouring frames, `brightness` (segments,) is the mean of all frames: all from 0 to 255, of
    the frames that the model gets. `video.controls` computes them. Raises ValueError for other
    lengths or values out of range.

    >>> still = np.zeros(3)
    >>> Controls(VideoFacts("h264", 640, 480, 9000), still, still, still + 90.0).brightness
    array([90., 90., 90.])
    """

    facts: VideoFacts
    motion: NDArray[np.float64]
    motion_p95: NDArray[np.float64]
    brightness: NDArray[np.float64]

    def __post_init__(self) -> None:
        arrays = (self.motion, self.motion_p95, self.brightness)
        shapes = {one.shape for one in arrays}
        check(
            len(shapes) == 1 and len(self.motion.shape) == 1,
            f"motion, its percentile and brightness must have one length, got {sorted(shapes)}",
        )
        for one in arrays:
            require_all("pixel value", one)
