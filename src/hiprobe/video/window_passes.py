"""Read many windows of a video in as few decoding passes as possible.

Each window is what `windows.read_window` gives. Windows that are near each other share a pass;
before a distant one the reader seeks. Knows no model and no process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from os import PathLike

import av.error
import numpy as np

from hiprobe.errors import CorruptVideo, EmptyVideo
from hiprobe.video import pictures
from hiprobe.video.frames import EPSILON_S, ShownFrame
from hiprobe.video.sampling import Sampling
from hiprobe.video.windows import Painter, Window

# A seek costs a keyframe interval, a few seconds of video; nearer windows are read on to.
FAR_S = 10.0
OPEN_BYTES = 256 * 2**20  # of the windows that one pass fills at the same time; at least one


def read_windows(
    path: str | PathLike[str], asked: Sequence[Sampling], beat: Callable[[], None]
) -> Iterator[tuple[int, Window]]:
    """Yield each window of `asked` with its place there, as soon as it is complete.

    A window is cut at the video's end; one that begins after that is left out.
    """
    waiting = sorted(enumerate(asked), key=lambda one: (one[1].start, one[1].end))
    misled: list[tuple[int, Sampling]] = []
    while waiting:
        one_pass = _Pass(path, waiting, beat, waiting[0][1].start)
        try:
            yield from one_pass.windows()
        except MemoryError:
            raise
        except (av.error.FFmpegError, CorruptVideo, EmptyVideo):
            pass  # the index misleads: only reading from the beginning can tell
        if one_pass.given:
            waiting = one_pass.left
        else:
            misled, waiting = [*misled, waiting[0]], waiting[1:]
    while misled:
        one_pass = _Pass(path, misled, beat, None)
        yield from one_pass.windows()
        misled = one_pass.left if one_pass.given else []


class _Pass:
    """One pass over the frames from before `after`, None for the beginning.

    `wanted` are sorted by their start. `given` counts the windows that were completed, `left` are
    the others.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        wanted: Sequence[tuple[int, Sampling]],
        beat: Callable[[], None],
        after: float | None,
    ) -> None:
        self._todo, self._late = list(wanted), list[tuple[int, Sampling]]()
        self._open: list[tuple[int, Sampling, Window]] = []
        longest = max(one.end - one.start for _, one in wanted)
        self._reader = pictures.reader(path, ahead_s=2 * longest, after=after, beat=beat)
        self._painter = Painter(wanted[0][1].size, path)
        self.given = 0

    @property
    def left(self) -> list[tuple[int, Sampling]]:
        """The windows that this pass did not complete, sorted by their start."""
        unfinished = [(place, asked) for place, asked, _ in self._open]
        left = [*unfinished, *self._late, *self._todo]
        return sorted(left, key=lambda one: (one[1].start, one[1].end))

    def windows(self) -> Iterator[tuple[int, Window]]:
        """Yield the windows that are complete; stop where the next one is worth a seek."""
        screen: ShownFrame | None = None
        with closing(iter(self._reader)) as shown_frames:
            for shown in chain(shown_frames, [None]):
                until = shown.time if shown else math.inf
                late = until > self._todo[0][1].start + EPSILON_S if self._todo else False
                if screen is None and late and self._reader.sought:
                    return
                screen = screen or shown
                if screen:
                    self._begin(until if shown else min(until, self._reader.duration))
                    yield from self._filled(screen, until)
                screen = shown
                if not self._open and not self._near(until):
                    return

    def _near(self, time: float) -> bool:
        """Tell whether to read on at `time` to the next window, instead of seeking to it."""
        if not self._todo:
            return False
        return not self._reader.sought or self._todo[0][1].start < time + FAR_S

    def _begin(self, limit: float) -> None:
        """Open the windows that start before `limit`; without room they are left for later."""
        while self._todo and self._todo[0][1].start < limit - EPSILON_S:
            place, asked = self._todo.pop(0)
            if self._has_room():
                window = Window(asked.start, asked.end, asked.count, _new_memory)
                self._open.append((place, asked, window.cut(self._reader.end)))
            else:
                self._late.append((place, asked))

    def _has_room(self) -> bool:
        sizes = [0 if one.frames is None else one.frames.nbytes for _, _, one in self._open]
        return not sizes or (len(sizes) + 1) * max(sizes) <= OPEN_BYTES

    def _filled(self, screen: ShownFrame, until: float) -> Iterator[tuple[int, Window]]:
        """Take the samples before the next frame, at `until`, and yield what is complete."""
        for one in list(self._open):
            place, _, window = one
            if window.fill(screen, self._painter, until):
                if until == math.inf:
                    window.end = min(window.end, self._reader.duration)
                self._open.remove(one)
                self.given += 1
                yield place, window


def _new_memory(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.empty(shape, np.uint8)
