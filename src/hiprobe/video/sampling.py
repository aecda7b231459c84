"""What is to be sampled of a video, as numbers. Knows no file and no frame."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """`count` windows of a video from window `first` on; None for all that follow."""

    first: int
    count: int | None


@dataclass(frozen=True)
class Grid:
    """Windows of `segment_s` seconds laid end to end from the first frame on, each with `count` samples.

    `size` is (height, width), None for the stored one. `first` and `windows` limit them to a part of the video.
    """

    segment_s: float
    count: int
    size: Size | None
    first: int = 0
    windows: int | None = None


@dataclass(frozen=True)
class Sampling:
    """One window: `count` samples of `[start, end)` seconds; `size` is (height, width), None for the stored one."""

    start: float
    end: float
    count: int
    size: Size | None
