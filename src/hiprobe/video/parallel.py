"""Decodes ahead of the model: one video in several decoders at once, and the next videos while this one is read.

Knows no model. A frame-threaded decoder conceals damage by chance; several decoders of one thread each do not. A video
is cut where it can be sought, and each part first reads the window before it, which must be the very one that the part
before it ended with. Where it is not, or a part meets damage, a gap or frames far apart, one decoder reads the video
from its beginning, and what was given already is passed over: what comes is always what one decoder gives.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from hiprobe import isolate
from hiprobe.errors import DecoderLost, VideoError
from hiprobe.types import Gap, Recipe, Segment
from hiprobe.video import decoder

MOST = 4  # decoders at once: each holds some 70 MB, and the windows that it is ahead
LEAST_WINDOWS = 16  # of a part: beside its own it decodes the window before it, from a keyframe on
LEAST_PIXELS = 300e6  # of a part: decoded in about the time that a decoder takes to start
USUAL_FPS = 30.0  # of a file that states none
Item = TypeVar("Item")
End = Literal[
    "full", "video", "misfit"
]  # of a part: all its windows given, the video's end met, or not to be trusted
Part = tuple[int, int | None]  # its first window, and how many; None for all that follow
_begun: dict[tuple[str, str, str], decoder.SegmentReader] = {}


def decoders() -> int:
    """How many decode at once: as many as this process has cores, at most four. One that is far ahead waits."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(MOST, cores)


def start_decoding(path: str | Path, recipe: Recipe, video_id: str) -> None:
    """Lets a decoder begin on a video, for the `decode_segments` that is to come.

    Raises DecoderLost.


    The oldest of more such videos than there are decoders is given up.
    """
    key = (os.fspath(path), recipe.digest, video_id)
    if key in _begun or decoders() < 2:
        return
    while len(_begun) >= decoders():
        _begun.pop(next(iter(_begun))).close()
    _begun[key] = decoder.SegmentReader(path, recipe, 0, _most_windows(recipe), begun=True)


def coming(items: Iterable[Item], begin_on: Callable[[Item], None]) -> Iterator[Item]:
    """The items in turn; before one is given, `begin_on` is called with those after it, one for each spare decoder."""
    held: deque[Item] = deque()
    for item in items:
        if held:
            begin_on(item)
        held.append(item)
        if len(held) >= decoders():
            yield held.popleft()
    yield from held


def decode_segments(path: str | Path, recipe: Recipe, video_id: str) -> ParallelReader:
    """What `decoder.segments` gives of the video with the digest `video_id`, decoded by several decoders."""
    return ParallelReader(
        path, recipe, _begun.pop((os.fspath(path), recipe.digest, video_id), None)
    )


def plan_parts(facts: decoder.VideoInfo, recipe: Recipe, first: int = 0) -> list[Part]:
    """The parts that follow window `first`, each about as long as a decoder may be ahead; a single one if that is all.

    Parts that are all begun at once grow, so that none is done long before it is read. One is worth a decoder of its
    own if, on average, it holds 16 windows and 300 million pixels to decode.
    """
    if not facts.seekable or not facts.duration:
        return [(first, None)]
    left, most = math.ceil(facts.duration / recipe.segment_s) - first, _most_windows(recipe, facts)
    if left <= 0:
        return []
    pixels = facts.width * facts.height * (facts.fps or USUAL_FPS) * recipe.segment_s
    least = max(LEAST_WINDOWS, math.ceil(LEAST_PIXELS / pixels))
    number = max(1, min(decoders(), left // least), math.ceil(left / most)) if least <= most else 1
    # Each can go on decoding while those before it are read; where more follow, they fall out of step by themselves.
    growth = number / (number - 1) if 1 < number <= decoders() else 1.0
    shares = list(accumulate(growth**k for k in range(number)))
    starts = [first, *(first + round(left * share / shares[-1]) for share in shares[:-1])]
    return [*((start, after - start) for start, after in pairwise(starts)), (starts[-1], None)]


def _most_windows(recipe: Recipe, facts: decoder.VideoInfo | None = None) -> int:
    """How many windows a decoder may be ahead, beside the one that only tells whether its part fits."""
    if recipe.size is None and facts is None:
        return LEAST_WINDOWS
    height, width = recipe.size or ((facts.height, facts.width) if facts else (0, 0))
    return max(1, isolate.arrays_ahead(recipe.frames * height * width * 3) - 1)


class ParallelReader:
    """Iterates the `Segment`s of a video, once; `duration`, `gaps` and `skipped` as those of `decoder.SegmentReader`.

    Raises, on iteration, the errors of `decoder.segments`.
    """

    def __init__(
        self, path: str | Path, recipe: Recipe, begun: decoder.SegmentReader | None = None
    ) -> None:
        self._path, self._recipe, self._begun = path, recipe, begun
        self._now = begun or decoder.segments(path, recipe)
        self._held: Segment | None = (
            None  # not given until what follows bears it out: damage may show late
        )
        self._next = 0  # index of the segment to give next

    @property
    def duration(self) -> float:
        """The end, in seconds, of the last frame shown so far."""
        return self._now.duration

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The spans in which frames were lost."""
        return self._now.gaps

    @property
    def skipped(self) -> int:
        """The number of damaged packets."""
        return self._now.skipped

    def __iter__(self) -> Generator[Segment, None, None]:
        end: End = "full"
        if self._begun:
            end = yield from self._part(self._begun)
        if end == "full":
            end = yield from self._parts(self._planned())
        if end != "video":
            yield from self._unsplit()

    def _planned(self) -> list[Part]:
        """The parts that follow what was begun; the whole where the file says too little of itself to be cut."""
        first = self._begun.count or 0 if self._begun else 0
        try:
            return plan_parts(decoder.info(self._path), self._recipe, first)
        except DecoderLost:
            raise
        except VideoError:  # whoever reads on is told
            return [] if first else [(0, None)]

    def _parts(self, parts: list[Part]) -> Generator[Segment, None, End]:
        """Gives the segments of the parts, as many of them decoded at once as there are decoders."""
        waiting, running = deque(parts), deque[decoder.SegmentReader]()
        end: End = "full"
        try:
            while end == "full" and (waiting or running):
                while waiting and len(running) < decoders():
                    running.append(self._reader(*waiting.popleft()))
                self._now = running.popleft()
                end = yield from self._part(self._now)
        finally:
            for reader in running:
                reader.close()
        return end

    def _reader(self, first: int, count: int | None) -> decoder.SegmentReader:
        """A decoder that begins on a part and, but for the first one, on the window before it."""
        before = first > 0
        return decoder.SegmentReader(
            self._path, self._recipe, first - before, count and count + before, begun=True
        )

    def _part(self, reader: decoder.SegmentReader) -> Generator[Segment, None, End]:
        """Gives the segments of a part as long as they are what one decoder would give; how that ended."""
        later = (
            reader.first > 0
        )  # the first part is read from the beginning: whatever it gives counts
        taken = 0
        try:
            if later and not _same(next(reader, None), self._held):
                return "misfit"
            for segment in reader:
                if later and _hurt(reader):
                    return "misfit"
                yield from self._give()
                taken, self._held = taken + 1, segment
        except VideoError:
            if later:
                return "misfit"
            yield from self._give()
            raise
        if (later or reader.count == taken) and _hurt(reader):
            return "misfit"
        if reader.count is None or (not later and taken < reader.count):
            yield from self._give()
            return "video"
        return "full" if taken + later == reader.count else "misfit"

    def _give(self) -> Iterator[Segment]:
        """The segment that was held back, if there is one."""
        held, self._held = self._held, None
        if held is not None:
            self._next = held.index + 1
            yield held

    def _unsplit(self) -> Iterator[Segment]:
        """What is left of the video, as one decoder gives it."""
        self._now.close()
        self._now = decoder.segments(self._path, self._recipe)
        return (segment for segment in self._now if segment.index >= self._next)


def _same(one: Segment | None, other: Segment | None) -> bool:
    if one is None or other is None:
        return False
    spans = (one.start, one.end, one.times.tolist()) == (
        other.start,
        other.end,
        other.times.tolist(),
    )
    return spans and np.array_equal(one.frames, other.frames)


def _hurt(reader: decoder.SegmentReader) -> bool:
    """Whether it met what a decoder that comes from further back may take in another way."""
    return bool(reader.gaps or reader.skipped or reader.concealed or reader.uneven)


os.register_at_fork(
    after_in_child=_begun.clear
)  # a forked process must not read what its parent has begun
