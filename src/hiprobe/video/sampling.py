"""What to sample of a video, as numbers. Knows no file and no frame."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """`count` windows of a video from window `first` on; `count` None for all that follow."""

    first: int
    count: int | None


@dataclass(frozen=True)
class Grid:
    """Windows of `segment_s` seconds end to end from the first frame on, with `count` samples each.

    `size` is (height, width), None for the stored size. `first` and `windows` limit the grid to a
    part of the video: the first window, and how many.
    """

    segment_s: float
    count: int
    size: Size | None
    first: int = 0
    windows: int | None = None


@dataclass(frozen=True)
class Sampling:
    """One window: `count` samples from `start` to `end`, in seconds (`end` exclusive).

    `size` is (height, width), None for the stored size.
    """

    start: float
    end: float
    count: int
    size: Size | None
