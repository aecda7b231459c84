"""A video, and one window of it; names of videos as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from hiprobe.types.events import Event, check


def file_name(path: str) -> str:
    """Return the last part of a path; of an address only the host, as the rest may hold a password.

    >>> file_name("/videos/shop.mp4"), file_name("rtsp://admin:secret@camera:554/live")
    ('shop.mp4', 'camera:554')
    """
    if "://" in path:
        return re.split("[/?#]", path.partition("://")[2].rpartition("@")[2])[0]
    return PurePath(path).name or path


def unicode(text: str) -> str:
    """Replace what UTF-8 cannot hold, such as bytes of an undecodable file name, by U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@dataclass(frozen=True)
class Video:
    """A video: its path, and what is known about it.

    `events` are its annotated events: None if unknown, empty for a normal video. `split` and
    `categories` come from the data set. `id` is the SHA-256 of the file, once it was read. `name`
    is what people see and what results are filed under: the path relative to the folder that was
    given, such as `cam1/0900.mp4`, by default the file's name. `group` names what it has in common
    with other videos, such as the camera: folds keep a group whole.

    >>> Video("shop/0900.mp4", events=(Event(12.8, 20.8),)).name
    '0900.mp4'
    """

    path: str
    events: tuple[Event, ...] | None = None
    split: str | None = None
    categories: tuple[str, ...] = ()
    id: str | None = None
    name: str = ""
    group: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or file_name(self.path))


@dataclass(frozen=True)
class Segment:
    """One window of a video, covering `[start, end)` in seconds.

    `frames` is uint8 (T, H, W, 3), `times` (T,) holds the time of each frame in seconds, and
    `index` counts the windows of a video from 0. Raises ValueError for other shapes or an empty
    span.

    >>> frames = np.zeros((2, 48, 64, 3), np.uint8)
    >>> Segment(frames, np.array([0.4, 1.2]), start=0.0, end=1.6, index=0).frames.shape
    (2, 48, 64, 3)
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    start: float
    end: float
    index: int

    @property
    def clock_ms(self) -> tuple[int, tuple[int, ...]]:
        """Its length, and the times of its frames from its start, in whole milliseconds.

        Models get no other times, so that equal content is equal input anywhere in a video.
        """
        moments = [max(0, round(float(time - self.start) * 1000)) for time in self.times]
        return max(1, round((self.end - self.start) * 1000)), tuple(moments)

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        check(
            len(shape) == 4 and shape[3] == 3 and dtype == np.uint8,
            f"frames must be uint8 (T, H, W, 3), got {dtype} {shape}",
        )
        check(
            self.times.shape == shape[:1],
            f"{shape[0]} frames need as many times, got times of shape {self.times.shape}",
        )
        check(
            self.end > self.start,
            f"segment {self.index} must end after its start at {self.start:.10g} s, "
            f"got end {self.end:.10g} s",
        )
