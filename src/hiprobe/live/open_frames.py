"""The frames of a camera that may still be needed: bounded. Knows no model and no score.

A window of any time is put together from the samples that were kept: those of a window that begins
a quarter of a segment later are among them, as long as a segment has a multiple of four.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import Segment

EPSILON_S = 1e-6  # as in `video.frames`: absorbs rounding of seconds
MOST = 48  # segments kept of a camera, or as many as fit in `MOST_BYTES`
LEAST = 12
MOST_BYTES = 128 * 2**20
Span = tuple[float, float]


class OpenFrames:
    """The last segments of a camera, and earlier ones that an open event may need.

    >>> frames = OpenFrames()
    >>> for place in range(3):
    ...     times = place * 1.6 + np.array([0.4, 1.2])
    ...     pixels = np.full((2, 1, 1, 3), place, np.uint8)
    ...     frames.add(Segment(pixels, times, place * 1.6, place * 1.6 + 1.6, place))
    >>> window = frames.window(0.8, 2.4, 2)
    >>> window.frames[:, 0, 0, 0].tolist(), window.times.tolist()
    ([0, 1], [1.2, 2.0])
    """

    def __init__(self, kept: Sequence[Segment] = ()) -> None:
        self._kept = list(kept)

    def add(self, segment: Segment) -> None:
        """Add the next segment; one that begins before the last one ended begins anew."""
        if self._kept and segment.start < self._kept[-1].end - EPSILON_S:
            self._kept.clear()
        self._kept.append(segment)

    def trim(self, needed: Sequence[Span], spread: Sequence[Span] = ()) -> None:
        """Forget what lies in none of the spans, in seconds.

        If that is not enough, segments go that lie in a span of `spread` only, first those with the
        nearest neighbours; then the oldest ones.
        """
        self._kept = [one for one in self._kept if _meets(one, [*needed, *spread])]
        while len(self._kept) > self._most():
            starts = [one.start for one in self._kept]
            gaps = [
                (after - before, place)
                for place, (before, after) in enumerate(zip(starts, starts[2:], strict=False), 1)
                if not _meets(self._kept[place], needed)
            ]
            del self._kept[min(gaps)[1] if gaps else 0]

    def _most(self) -> int:
        size = max((one.frames.nbytes for one in self._kept), default=1)
        return max(LEAST, min(MOST, MOST_BYTES // max(size, 1)))

    def copy(self) -> OpenFrames:
        """Return these frames as they are now; the pixels are shared."""
        return OpenFrames(self._kept)

    @property
    def bytes(self) -> int:
        """The bytes of all frames that are kept."""
        return sum(one.frames.nbytes for one in self._kept)

    @property
    def last(self) -> Segment | None:
        """The last segment; None before the first one."""
        return self._kept[-1] if self._kept else None

    def covers(self, start: float, end: float) -> bool:
        """Tell whether all segments from `start` to `end`, in seconds, are kept."""
        inside = [one for one in self._kept if _meets(one, [(start, end)])]
        if not inside or inside[0].start > start + EPSILON_S or inside[-1].end < end - EPSILON_S:
            return False
        return all(after.start <= before.end + EPSILON_S for before, after in pairwise(inside))

    def window(self, start: float, end: float, count: int) -> Segment:
        """Return a window of `count` samples from `start` to `end`, in seconds.

        Sample `i` is the frame that was on screen at `start + (i + 0.5) * (end - start) / count`,
        among those that are kept; before the first of them, that one. Raises LookupError if nothing
        is kept, or if the picture has changed its size.
        """
        times = np.concatenate([np.empty(0), *(one.times for one in self._kept)])
        if not len(times):
            raise LookupError("no frame is kept")
        wanted = [start + (place + 0.5) * (end - start) / count for place in range(count)]
        places = [max(bisect_right(times, one + EPSILON_S) - 1, 0) for one in wanted]
        frames = [self._frame(place) for place in places]
        if len({one.shape for one in frames}) > 1:
            raise LookupError("the picture has changed its size")
        return Segment(np.stack(frames), times[places], start, end, 0)

    def picture(self, time: float) -> NDArray[np.uint8]:
        """Return the frame (height, width, 3) on screen at `time`; raises LookupError."""
        return np.asarray(self.window(time, time + EPSILON_S, 1).frames[0])

    def _frame(self, place: int) -> NDArray[np.uint8]:
        for one in self._kept:
            if place < len(one.times):
                return np.asarray(one.frames[place])
            place -= len(one.times)
        raise LookupError("no such frame")


def _meets(one: Segment, spans: Sequence[Span]) -> bool:
    return any(one.start < end - EPSILON_S and one.end > start + EPSILON_S for start, end in spans)
