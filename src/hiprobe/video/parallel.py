"""Decode ahead of the model: one video in several decoders, and the next videos early.

Knows no model. A decoder with several threads conceals damage by chance; several decoders of one
thread each do not. A video is cut where it can be sought, and `joining` checks that the parts
meet. Where they do not, one decoder reads the video from its beginning and skips what was given
already. So the result is always what one decoder gives.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Literal, TypeVar

from hiprobe import isolate
from hiprobe.errors import DecoderLost, EnvironmentFailed, VideoError
from hiprobe.types import Gap, Recipe, Segment, VideoFacts
from hiprobe.video import decoder
from hiprobe.video.joining import SpanReader, cut, fingerprint, meet
from hiprobe.video.sampling import Span

MOST = 4  # decoders at once; each takes about 70 MB, and its windows that nobody has read yet
MOST_BESIDE_CARD = 16  # if the model leaves the processors to the decoders
# The fewest windows of a part: a decoder also reads the window before it, from a keyframe on.
LEAST_WINDOWS = 16
LEAST_PIXELS = 300e6  # of a part: decoded in about the time that a decoder takes to start
USUAL_FPS = 30.0  # assumed for a file that does not say
Item = TypeVar("Item")
# How a part ended: all its windows were given, the video ended, or it cannot be trusted.
End = Literal["full", "video", "misfit"]
_begun: dict[tuple[str, str, str], SpanReader] = {}
_beside_card = False


def expect_card(runs_model: bool) -> None:
    """Say whether a card runs the model, so that more decoders may run."""
    global _beside_card
    _beside_card = runs_model


def decoders() -> int:
    """Return how many decoders run at once: one for each core, at most 4, or 16 beside a card."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(MOST_BESIDE_CARD if _beside_card else MOST, cores)


def start_decoding(path: str | Path, recipe: Recipe, video_id: str) -> None:
    """Start a decoder on a video for which `decode_segments` will be called later.

    If more videos are started than there are decoders, the oldest is dropped. Raises DecoderLost.
    """
    key = (os.fspath(path), recipe.digest, video_id)
    if key in _begun or decoders() < 2:
        return
    while len(_begun) >= decoders():
        _begun.pop(next(iter(_begun))).close()
    _begun[key] = SpanReader(path, recipe, Span(0, _most_windows(recipe)), begun=True)


def coming(items: Iterable[Item], begin_on: Callable[[Item], None]) -> Iterator[Item]:
    """Yield the items in turn, calling `begin_on` ahead of time with those that come next.

    As many items are begun ahead as there are spare decoders.
    """
    held: deque[Item] = deque()
    for item in items:
        if held:
            begin_on(item)
        held.append(item)
        if len(held) >= decoders():
            yield held.popleft()
    yield from held


def decode_segments(path: str | Path, recipe: Recipe, video_id: str) -> ParallelReader:
    """Return what `video.segments` gives, decoded by several decoders."""
    return ParallelReader(
        path, recipe, _begun.pop((os.fspath(path), recipe.digest, video_id), None)
    )


def plan_parts(facts: decoder.VideoInfo, recipe: Recipe, first: int = 0) -> list[Span]:
    """Plan the parts of a video from window `first` on; a single one if it is not worth cutting.

    Each is about as long as a decoder may be ahead. If all parts start at once, later ones are
    longer, so that none is finished long before it is read. A part is worth a decoder of its own
    if, on average, it holds 16 windows and 300 million pixels to decode.
    """
    if not facts.seekable or not facts.duration:
        return cut([first])
    left, most = math.ceil(facts.duration / recipe.segment_s) - first, _most_windows(recipe, facts)
    if left <= 0:
        return []
    pixels = facts.width * facts.height * (facts.fps or USUAL_FPS) * recipe.segment_s
    least = max(LEAST_WINDOWS, math.ceil(LEAST_PIXELS / pixels))
    number = max(1, min(decoders(), left // least), math.ceil(left / most)) if least <= most else 1
    # Each decoder continues while the parts before it are read. If more parts follow than there are
    # decoders, they get out of step anyway.
    growth = number / (number - 1) if 1 < number <= decoders() else 1.0
    shares = list(accumulate(growth**k for k in range(number)))
    return cut([first, *(first + round(left * share / shares[-1]) for share in shares[:-1])])


def _most_windows(recipe: Recipe, facts: decoder.VideoInfo | None = None) -> int:
    """Return how many windows a decoder may be ahead, without the one before its part."""
    if recipe.size is None and facts is None:
        return LEAST_WINDOWS
    height, width = recipe.size or ((facts.height, facts.width) if facts else (0, 0))
    return max(1, isolate.arrays_ahead(recipe.frames * height * width * 3) - 1)


class ParallelReader:
    """Iterate over the `Segment`s of a video, once.

    `duration`, `gaps`, `skipped` and `facts` are as in `SegmentReader`. Raises the errors of
    `video.segments`, while iterating.
    """

    def __init__(self, path: str | Path, recipe: Recipe, begun: SpanReader | None = None) -> None:
        self._path, self._recipe, self._begun = path, recipe, begun
        self._now: decoder.SegmentReader = begun or decoder.segments(path, recipe)
        # Held back until what follows confirms it, because damage may show late.
        self._held: Segment | None = None
        self._next = 0  # index of the segment to give next

    @property
    def before(self) -> None:
        """The segment before the first one: there is none."""
        return None

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

    @property
    def facts(self) -> VideoFacts | None:
        """What the file says of the video; None before its first frame."""
        return self._now.facts

    def __iter__(self) -> Generator[Segment, None, None]:
        end: End = "full"
        if self._begun:
            end = yield from self._part(self._begun)
        if end == "full":
            end = yield from self._parts(self._planned())
        if end != "video":
            yield from self._unsplit()

    def _planned(self) -> list[Span]:
        """Return the parts after the one started early; the whole if the file cannot be cut."""
        first = self._begun.span.count or 0 if self._begun else 0
        try:
            return plan_parts(decoder.info(self._path), self._recipe, first)
        except DecoderLost:
            raise
        except VideoError:  # reading the video will raise it
            return [] if first else cut([0])

    def _parts(self, parts: list[Span]) -> Generator[Segment, None, End]:
        """Yield the segments of the parts, with as many decoders at once as may run."""
        waiting, running = deque(parts), deque[SpanReader]()
        end: End = "full"
        try:
            while end == "full" and (waiting or running):
                while waiting and len(running) < decoders():
                    part = waiting.popleft()
                    running.append(SpanReader(self._path, self._recipe, part, begun=True))
                reader = self._now = running.popleft()
                end = yield from self._part(reader)
        finally:
            for reader in running:
                reader.close()
        return end

    def _part(self, reader: SpanReader) -> Generator[Segment, None, End]:
        """Yield a part's segments while they are what one decoder gives; return how it ended."""
        # The first part is read from the beginning, so whatever it gives counts.
        later = reader.span.first > 0
        try:
            if later and not meet(fingerprint(self._held), reader.read_head()):
                return "misfit"
            for segment in reader:
                if later and reader.hurt:
                    return "misfit"
                yield from self._give()
                self._held = segment
        except (VideoError, EnvironmentFailed):
            if later:  # one decoder reads on, and raises it if it lasts
                return "misfit"
            yield from self._give()
            raise
        whole = not later and reader.given != reader.span.count
        if not (whole or reader.sound):
            return "misfit"
        if reader.span.count is not None and not whole:
            return "full"
        yield from self._give()
        return "video"

    def _give(self) -> Iterator[Segment]:
        """Yield the segment that was held back, if there is one."""
        held, self._held = self._held, None
        if held is not None:
            self._next = held.index + 1
            yield held

    def _unsplit(self) -> Iterator[Segment]:
        """Return the rest of the video, as one decoder gives it."""
        self._now.close()
        self._now = decoder.segments(self._path, self._recipe)
        return (segment for segment in self._now if segment.index >= self._next)


# A forked process must not read from decoders that its parent has started.
os.register_at_fork(after_in_child=_begun.clear)
