"""Read a video in spans, and tell whether together they equal what one decoder gives.

Knows no model and no cluster. A decoder that starts at a keyframe gives the same frames as one that
started earlier, unless the file is misleading. So each span first reads the window before it, whose
pixels and times must equal the last window of the span before it. If they differ, or a span meets
damage, a gap or frames far apart, the video has to be read unsplit, from its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hiprobe.types import Recipe, Segment
from hiprobe.video.decoder import SegmentReader
from hiprobe.video.sampling import Span


@dataclass(frozen=True)
class Seam:
    """What must match where two spans meet.

    `head` and `tail` are fingerprints of the window before the span and of its last one. `sound`
    says whether the span itself is what one decoder would give.
    """

    head: str
    tail: str
    sound: bool


def cut(starts: Sequence[int]) -> list[Span]:
    """Return the spans that begin at the windows `starts`, each up to the next one."""
    inner = [Span(start, after - start) for start, after in pairwise(starts)]
    return [*inner, Span(starts[-1], None)]


def meet(tail: str, head: str) -> bool:
    """Tell whether the last window of a span (`tail`) is the one read before the next (`head`)."""
    return tail == head != ""


def can_join(seams: Sequence[Seam]) -> bool:
    """Tell whether the spans of a video, in order, together equal what one decoder gives."""
    return all(seam.sound for seam in seams) and all(
        meet(one.tail, two.head) for one, two in pairwise(seams)
    )


def fingerprint(segment: Segment | None) -> str:
    """Compute the SHA-256, in hex, of a window's span, times and pixels; empty for None."""
    if segment is None:
        return ""
    facts = repr((segment.start, segment.end, segment.times.tolist(), segment.frames.shape))
    digest = hashlib.sha256(facts.encode())
    digest.update(np.ascontiguousarray(segment.frames).data)
    return digest.hexdigest()


class SpanReader(SegmentReader):
    """Iterate over the segments of one span; keep a fingerprint of the window before it."""

    def __init__(
        self, path: str | Path, recipe: Recipe, span: Span, *, begun: bool = False
    ) -> None:
        before = span.first > 0
        count = None if span.count is None else span.count + before
        super().__init__(path, recipe, span.first - before, count, begun=begun)
        self.span, self.given = span, 0
        self._head: str | None = None if before else ""
        self._before: Segment | None = None
        self._last: Segment | None = None

    def __next__(self) -> Segment:
        self.read_head()
        self._last = super().__next__()
        self.given += 1
        return self._last

    def read_head(self) -> str:
        """Return the fingerprint of the window before the span, empty if there is none.

        Raises the errors of `segments`.
        """
        if self._head is None:
            self._head = ""
            with suppress(StopIteration):  # the video may end before it
                self._before = super().__next__()
                self._head = fingerprint(self._before)
        return self._head

    @property
    def before(self) -> Segment | None:
        """The window before the span, None if there is none. Raises the errors of `segments`."""
        self.read_head()
        return self._before

    @property
    def hurt(self) -> bool:
        """Whether it met something that a decoder coming from further back may read differently."""
        return bool(self.gaps or self.skipped or self.concealed or self.uneven)

    @property
    def sound(self) -> bool:
        """Whether, once it ended, it gave all its windows as one decoder would."""
        return self.span.count in (None, self.given) and not self.hurt

    @property
    def seam(self) -> Seam:
        """Return what must match its neighbours, once it has ended."""
        return Seam(self._head or "", fingerprint(self._last), self.sound)
