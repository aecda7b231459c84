"""Frames as windows of samples, and as upright RGB of one size.

Knows no model and no process. All times are seconds as a player shows them; `frames.FrameReader`
says where zero is and what a gap is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from os import PathLike
from typing import Any, Protocol, cast

import av
import av.error
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from hiprobe.errors import CorruptVideo, EmptyVideo, UnsupportedVideo
from hiprobe.ranges import STALE_S, require
from hiprobe.types import Gap
from hiprobe.video import pictures
from hiprobe.video.frames import EPSILON_S, ShownFrame
from hiprobe.video.sampling import Grid, Sampling

WIDE_S = 10 * EPSILON_S  # a sample this near to a frame may fall on it
Place = Callable[[tuple[int, ...]], NDArray[np.uint8]]  # provides memory for an array of a shape

# Averaging over the area of a pixel neither aliases when a frame shrinks nor overshoots at edges,
# as bicubic scaling does. The exact forms give the same pixels on every processor. It changes
# hidden states, so it is not a setting.
SCALING = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


class Painter:
    """Turn decoded frames into upright RGB of one size, with one scaler for all of them.

    `size` is (height, width); None takes the stored pixels of the first frame, upright. Tagged
    colour spaces and ranges are honoured. Untagged ones are read as BT.601, limited range, as
    FFmpeg does. HDR is not tone-mapped.
    """

    def __init__(self, size: tuple[int, int] | None, path: str | PathLike[str]) -> None:
        self.size, self.path = size, path
        self._scaler = VideoReformatter()

    def paint(self, image: av.VideoFrame) -> NDArray[np.uint8]:
        """Return `image` as uint8 (height, width, 3).

        Raises UnsupportedVideo for a pixel format that cannot be converted.
        """
        a, b, c, d = orientation(image)
        turned = a == 0
        if self.size is None:
            self.size = (image.width, image.height) if turned else (image.height, image.width)
        height, width = self.size[::-1] if turned else self.size
        pixels = self._scaled(image, height, width)
        pixels, across, down = (pixels.transpose(1, 0, 2), c, b) if turned else (pixels, a, d)
        return pixels[::down, ::across]

    def _scaled(self, image: av.VideoFrame, height: int, width: int) -> NDArray[np.uint8]:
        try:
            rgb = self._scaler.reformat(
                image, width, height, "rgb24", interpolation=SCALING, threads=1
            )
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            raise UnsupportedVideo(
                f"pixel format {image.format.name} cannot be converted to RGB", where=self.path
            ) from error
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


def orientation(image: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return how a player turns `image`: x' = a x + c y, y' = b x + d y, each factor 0, 1 or -1.

    From the container's display matrix. Any matrix but the eight quarter turns and mirrors counts
    as upright.
    """
    matrix = cast(Any, image.side_data).get("DISPLAYMATRIX") if len(image.side_data) else None
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (round(value / 65536) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    upright, turned = (
        (abs(a), abs(b), abs(c), abs(d)) == (1, 0, 0, 1),
        (abs(a), abs(b), abs(c), abs(d)) == (0, 1, 1, 0),
    )
    return (a, b, c, d) if upright or turned else (1, 0, 0, 1)


def displayed(image: av.VideoFrame, aspect: float) -> tuple[int, int]:
    """Return (height, width) of `image` on a screen: with square pixels, then turned."""
    height, width = (
        int(image.height / min(1.0, aspect) + 0.5),
        int(image.width * max(1.0, aspect) + 0.5),
    )
    return (width, height) if orientation(image)[0] == 0 else (height, width)


class Window:
    """The span `[start, end)` seconds with `count` sample times and the frame on screen at each.

    `frames` are uint8 (count, height, width, 3), in memory that `place` provides once their shape
    is known; `times` are those of the frames, in seconds.
    """

    def __init__(self, start: float, end: float, count: int, place: Place) -> None:
        self.start, self.end, self._count, self._place = start, end, count, place
        self._wanted = [start + (index + 0.5) * (end - start) / count for index in range(count)]
        self.frames: NDArray[np.uint8] | None = None
        self.times: list[float] = []

    def cut(self, end: float | None) -> Window:
        """Return this window, still empty, ending at `end` if that is known and comes sooner."""
        end = min(self.end, end) if end and end > self.start else self.end
        return Window(self.start, end, self._count, self._place)

    def fill(self, screen: ShownFrame, painter: Painter, until: float) -> bool:
        """Take the samples that come before the next frame, at `until`.

        Return whether all samples are taken.
        """
        done = len(self.times)
        count = bisect_left(self._wanted, until - EPSILON_S) - done
        if count > 0:
            assert screen.image is not None
            pixels = painter.paint(screen.image)
            if self.frames is None:
                self.frames = self._place(_checked((self._count, *pixels.shape), painter))
            self.frames[done : done + count] = pixels
            self.times += [screen.time] * count
        return len(self.times) == self._count


def _checked(shape: tuple[int, ...], painter: Painter) -> tuple[int, ...]:
    """Return the shape of a window; raises UnsupportedVideo if it takes too much memory."""
    try:
        require("bytes of a window", math.prod(shape))
    except ValueError as error:
        cure = "use fewer frames, or a size"
        raise UnsupportedVideo(str(error), where=painter.path, cure=cure) from error
    return shape


class TimedFrames(Protocol):
    """What a `WindowReader` needs of the frames: a file's, a folder's or a camera's.

    `first`, `duration` and `frame_s` are in seconds, as `frames.FrameReader` describes them. The
    window reader sets `wants`, and adds to `gaps`.
    """

    first: float
    duration: float
    frame_s: float
    aspect: float
    gaps: tuple[Gap, ...]
    wants: Callable[[float, float], bool] | None

    @property
    def end(self) -> float | None:
        """Where the frames end, in seconds; None while it is not known."""
        ...

    def __iter__(self) -> Iterator[ShownFrame]: ...


class WindowReader:
    """Iterate over the full `Window`s of `grid`, of a file, a folder of pictures or a camera.

    The last window is cut where the video ends. `size` is (height, width) of the first frame as
    displayed, None before it. If `grid.first` is above 0, the `reader` must have
    sought to it. If its first frame is too late for that window, there are no windows.

    A window is a gap, added to the reader's, if no frame came within `STALE_S` before its end: so
    the work is bounded by the frames that a file holds, whatever times it states.
    """

    def __init__(self, reader: TimedFrames, grid: Grid, painter: Painter, place: Place) -> None:
        self.reader, self._length, self._samples = reader, grid.segment_s, grid.count
        self._painter, self._place = painter, place
        self._first, self._slot, self._given = 0.0, grid.first, grid.first
        self._seen = 0.0  # the time of the last frame, also of one that was not decoded
        self._window: Window | None = None
        self.size: tuple[int, int] | None = None
        reader.wants = self._wants

    def __iter__(self) -> Iterator[Window]:
        screen: ShownFrame | None = None
        for shown in self.reader:
            if screen is None:
                self._first = self.reader.first if self._slot else shown.time
                if self._slot and shown.time > self._first + self._slot * self._length + EPSILON_S:
                    return
            else:
                yield from self._advance(screen, shown.time, shown.gap)
            self._seen = shown.time
            if screen is None or shown.image is not None:
                screen = shown
            if self.size is None and shown.image is not None:
                self.size = displayed(shown.image, self.reader.aspect)
        if screen is not None:
            yield from self._advance(screen, math.inf, None)

    def _wants(self, start: float, end: float) -> bool:
        """Tell whether a sample of this or a later window may be between `start` and `end`."""
        last = self.reader.end
        # The samples of the last window are closer together.
        if last is not None and end > last - self._length - WIDE_S:
            return True
        step = self._length / self._samples
        earliest = max(start - WIDE_S, self._first + self._slot * self._length)
        return (
            self._first + (math.ceil((earliest - self._first) / step - 0.5) + 0.5) * step
            < end + WIDE_S
        )

    def _advance(self, screen: ShownFrame, until: float, gap: Gap | None) -> Iterator[Window]:
        """Yield the windows that are complete when the next frame comes, at `until`."""
        while True:
            self._window = self._window or self._next_window(until, gap)
            if self._window is None or not self._window.fill(screen, self._painter, until):
                return
            if until == math.inf:
                self._window.end = min(self._window.end, self.reader.duration)
            full, self._window = self._window, None
            self._given, self._slot = self._given + 1, self._slot + 1
            yield full

    def _next_window(self, until: float, gap: Gap | None) -> Window | None:
        length, limit, rest = self._length, until, 0.0
        if gap and self._first + self._slot * length > gap.start - EPSILON_S:
            self._slot = max(self._slot, math.floor((gap.end - self._first) / length + EPSILON_S))
        if until == math.inf:  # a remainder below half a frame is rounding, not video
            limit = self.reader.duration
            rest = min(self.reader.frame_s, length) / 2 if self._given else 0.0
        self._skip_stale(limit, ended=until == math.inf)
        start = self._first + self._slot * length
        if start >= limit - rest - EPSILON_S:
            return None
        return Window(start, start + length, self._samples, self._place).cut(self.reader.end)

    def _skip_stale(self, limit: float, *, ended: bool) -> None:
        """Go past the next windows, up to `limit`, if they end `STALE_S` after the last frame."""
        first, length = self._first, self._length
        slots = (limit - first) / length
        after = math.ceil(slots - EPSILON_S) if ended else math.floor(slots + EPSILON_S)
        start, end = first + self._slot * length, min(first + after * length, limit)
        fresh = self._seen + STALE_S + EPSILON_S
        if self._slot < after and min(start + length, end) > fresh:
            reason = f"no frame for {limit - self._seen:.0f} s"
            self.reader.gaps += (Gap(start, end, reason),)
            self._slot = after


def read_window(
    path: str | PathLike[str], sampling: Sampling, place: Place, beat: Callable[[], None]
) -> Window | None:
    """Return the window `sampling`, cut at the video's end; None if it begins after that."""
    start, ahead_s = sampling.start, 2 * (sampling.end - sampling.start)
    asked = Window(start, sampling.end, sampling.count, place)
    try:
        sought = pictures.reader(path, ahead_s=ahead_s, after=start, beat=beat)
        found = _filled(sought, asked, Painter(sampling.size, path))
    except MemoryError:
        raise
    except (av.error.FFmpegError, CorruptVideo, EmptyVideo):
        found = None  # the index misleads: only reading from the beginning can tell
    if found is not None:
        return found
    from_beginning = pictures.reader(path, ahead_s=ahead_s, beat=beat)
    return _filled(from_beginning, asked, Painter(sampling.size, path))


def _filled(reader: pictures.FrameSource, asked: Window, painter: Painter) -> Window | None:
    """Return the window; None if, after a seek, the frames begin too late or end too soon."""
    start, window, screen = asked.start, None, None
    with closing(iter(reader)) as shown_frames:
        for shown in chain(shown_frames, [None]):
            until = shown.time if shown else math.inf
            if screen is None and until > start + EPSILON_S and reader.sought:
                return None
            screen = screen or shown
            if (
                screen
                and start < min(until, reader.duration if shown is None else until) - EPSILON_S
            ):
                window = window or asked.cut(reader.end)
                if window.fill(screen, painter, until):
                    window.end = window.end if shown else min(window.end, reader.duration)
                    return window
            screen = shown
    return None
