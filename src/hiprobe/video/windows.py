"""Frames as windows of samples, and as upright RGB of one size. Knows no model, no process and no second file.

All times are seconds as a player shows them; `decode.FrameReader` says where zero lies and what a gap is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from os import PathLike
from typing import Any, cast

import av
import av.error
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from hiprobe.errors import CorruptVideo, EmptyVideo, UnsupportedVideo
from hiprobe.types import Gap
from hiprobe.video import pictures as _pictures
from hiprobe.video.frames import EPSILON_S, ShownFrame

WIDE_S = 10 * EPSILON_S  # a sample as near as this to a frame may fall on it
Place = Callable[[tuple[int, ...]], NDArray[np.uint8]]  # room for an array of this shape

# Averaging over the area of a pixel neither aliases when a frame shrinks nor overshoots at edges, as bicubic does; the
# exact forms give the same pixels on every processor. It changes hidden states, so it is not a setting.
SCALING = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


class Painter:
    """Turns decoded frames into upright RGB of one size, with one scaler shared by all of them.

    `size` is (height, width); None takes the first frame's own stored pixels, upright. Tagged colour spaces and
    ranges are honoured; untagged ones are read as BT.601, limited range, as FFmpeg does; HDR is not tone-mapped.
    """

    def __init__(self, size: tuple[int, int] | None, path: str | PathLike[str]) -> None:
        self.size, self._path = size, path
        self._scaler = VideoReformatter()

    def paint(self, image: av.VideoFrame) -> NDArray[np.uint8]:
        """`image` as uint8 (height, width, 3); raises UnsupportedVideo for a pixel format without conversion."""
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
                f"pixel format {image.format.name} has no conversion", where=self._path
            ) from error
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


def orientation(image: av.VideoFrame) -> tuple[int, int, int, int]:
    """How a player turns `image`, a quarter turn or a mirror: x' = a x + c y, y' = b x + d y, each 0, 1 or -1.

    From the container's display matrix; one that is none of the eight orientations counts as upright.
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


class Window:
    """The span `[start, end)` with `count` sample times, filled with the frame on screen at each.

    `frames` uint8 (count, height, width, 3), in room that `place` gives once its shape is known, and their `times`.
    """

    def __init__(self, start: float, end: float, count: int, place: Place) -> None:
        self.start, self.end, self._count, self._place = start, end, count, place
        self._wanted = [start + (index + 0.5) * (end - start) / count for index in range(count)]
        self.frames: NDArray[np.uint8] | None = None
        self.times: list[float] = []

    def cut(self, end: float | None) -> Window:
        """This window, empty, ending at `end` if that is known and comes sooner."""
        end = min(self.end, end) if end and end > self.start else self.end
        return Window(self.start, end, self._count, self._place)

    def fill(self, screen: ShownFrame, painter: Painter, until: float) -> bool:
        """Takes the samples that come before the next frame does, at `until`; whether all are taken now."""
        done = len(self.times)
        count = bisect_left(self._wanted, until - EPSILON_S) - done
        if count > 0:
            assert screen.image is not None
            pixels = painter.paint(screen.image)
            if self.frames is None:
                self.frames = self._place((self._count, *pixels.shape))
            self.frames[done : done + count] = pixels
            self.times += [screen.time] * count
        return len(self.times) == self._count


class WindowReader:
    """Iterates the full `Window`s of a file or a folder of pictures, `size` (height, width) or as stored.

    The last window is cut where the video ends. `slot` leaves out as many windows, for a `reader` that has sought;
    where that has come too late to fill window `slot`, there are none.
    """

    def __init__(
        self,
        reader: _pictures.FrameSource,
        segment_s: float,
        count: int,
        painter: Painter,
        place: Place,
        slot: int = 0,
    ) -> None:
        self.reader, self._length, self._samples = reader, segment_s, count
        self._painter, self._place = painter, place
        self._first, self._slot, self._given = 0.0, slot, slot
        self._window: Window | None = None
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
            if screen is None or shown.image is not None:
                screen = shown
        if screen is not None:
            yield from self._advance(screen, math.inf, None)

    def _wants(self, start: float, end: float) -> bool:
        """Whether a sample of this window or a later one may fall on the frame shown from `start` to `end`."""
        last = self.reader.end
        if (
            last is not None and end > last - self._length - WIDE_S
        ):  # the last window's samples stand closer together
            return True
        step = self._length / self._samples  # of windows end to end
        earliest = max(start - WIDE_S, self._first + self._slot * self._length)
        return (
            self._first + (math.ceil((earliest - self._first) / step - 0.5) + 0.5) * step
            < end + WIDE_S
        )

    def _advance(self, screen: ShownFrame, until: float, gap: Gap | None) -> Iterator[Window]:
        """Yields the windows that are complete when the next frame comes, at `until`."""
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
        length, limit = self._length, until
        if gap and self._first + self._slot * length > gap.start - EPSILON_S:
            self._slot = max(self._slot, math.floor((gap.end - self._first) / length + EPSILON_S))
        if until == math.inf:  # a remainder shorter than half a frame is rounding, not video
            limit = self.reader.duration - (self.reader.frame_s / 2 if self._given else 0.0)
        start = self._first + self._slot * length
        if start >= limit - EPSILON_S:
            return None
        return Window(start, start + length, self._samples, self._place).cut(self.reader.end)


def read_window(
    path: str | PathLike[str],
    start: float,
    end: float,
    count: int,
    size: tuple[int, int] | None,
    place: Place,
    beat: Callable[[], None],
) -> Window | None:
    """The window `[start, end)` of `count` samples, cut at the video's end; None where it begins after that."""
    asked = Window(start, end, count, place)
    try:
        found = _filled(
            _pictures.reader(path, ahead_s=2 * (end - start), after=start, beat=beat),
            asked,
            Painter(size, path),
        )
    except MemoryError:
        raise
    except (av.error.FFmpegError, CorruptVideo, EmptyVideo):
        found = None  # an index that misleads: only reading from the beginning can tell
    return found or _filled(
        _pictures.reader(path, ahead_s=2 * (end - start), beat=beat), asked, Painter(size, path)
    )


def _filled(reader: _pictures.FrameSource, asked: Window, painter: Painter) -> Window | None:
    """The window asked for; None where the reader's frames begin (after a seek) past its start, or end before it."""
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
