"""Read a video coarsely, and finely where that finds something: `detect --every N`.

The windows of a video come in blocks of N. Of each block the model reads the one in which most
moves. Then it reads the neighbours of every window that scores at least `low`, and so on, until the
windows around are read or score less. All other windows are left out: they get no score.

Every window is decoded, as what moves in it says which one to read; only the model does less. The
pixels of two blocks are held, so one pass over the video is enough: a window further away is behind
one that was read and scored less. The rule is our own; docs/data/sparse_reading.md compares it with
reading the first window of each block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np

from hiprobe.errors import EmptyVideo, UnsupportedVideo
from hiprobe.localize import JOIN_S
from hiprobe.pipeline.reading import Reading, ReadPlan, Segments, controls_of, source_of
from hiprobe.pipeline.window_states import states_of
from hiprobe.probe import Probe
from hiprobe.types import UNREAD, FloatArray, Gap, HiddenStates, Segment, Source
from hiprobe.video.controls import motion_and_brightness

BATCH_BYTES = 256 << 20  # of pixels that are held so that several windows are read at once
MOST_BYTES = 2 << 30  # of pixels that are held at all


@dataclass(frozen=True)
class CoarseToFine:
    """How a video is read coarsely: one window of each `every`, and what is around `low` or more.

    `low` is a raw score of `probe`.
    """

    every: int
    low: float
    probe: Probe

    def read(
        self, segments: Segments, path: str | Path, video_id: str, reading: Reading, plan: ReadPlan
    ) -> HiddenStates:
        """Read the states of some of the segments of a video; the others are `Gap`s, unread.

        Takes the place of `read_states` in `read_or_load`, and raises the same errors;
        UnsupportedVideo where the blocks do not fit into memory.
        """
        found = _Found(self, path, reading, plan)
        for some in self._groups(iter(segments), reading.model.batch, path):
            found.add(some)
            reading.progress(str(path), some[-1])
        if not found.windows:
            raise EmptyVideo("the video has no segments", where=path)
        return found.states(segments, video_id)

    def _groups(
        self, segments: Iterator[Segment], batch: int, path: str | Path
    ) -> Iterator[list[Segment]]:
        """Yield the segments of several blocks at a time: so many that a batch is full."""
        first = next(segments, None)
        if first is None:
            return
        block = self.every * first.frames.nbytes
        if 2 * block > MOST_BYTES:
            raise UnsupportedVideo(
                f"--every {self.every} holds {2 * self.every} windows of "
                f"{first.frames.nbytes >> 20} MiB",
                where=path,
                cure="choose a smaller --every, or a probe with a smaller --size",
            )
        blocks = max(1, min(batch, BATCH_BYTES // block - 1))
        coming = chain([first], segments)
        while some := list(islice(coming, blocks * self.every)):
            yield some


@dataclass
class _Window:
    """A window: its pixels while they are held, what moves in it, and its values once read."""

    segment: Segment | None
    start: float
    end: float
    measured: tuple[float, float, float]
    values: FloatArray | None = None
    source: Source = "read"
    hot: bool = False  # it scores so much that its neighbours are read

    @property
    def moving(self) -> tuple[float, float]:
        """How much moves: the 95th percentile of the differences of frames, then their mean."""
        return self.measured[1], self.measured[0]


@dataclass
class _Found:
    """The windows of a video so far; those from `held` on still have their pixels."""

    how: CoarseToFine
    path: str | Path
    reading: Reading
    plan: ReadPlan
    windows: list[_Window] = field(default_factory=list)
    held: int = 0

    def add(self, some: Sequence[Segment]) -> None:
        """Read what is to be read of the next blocks, and of the last one before them."""
        first, every = len(self.windows), self.how.every
        self.windows += [
            _Window(one, one.start, one.end, motion_and_brightness(one.frames)) for one in some
        ]
        blocks = [
            range(start, min(start + every, len(self.windows)))
            for start in range(first, len(self.windows), every)
        ]
        self._read([max(block, key=lambda i: self.windows[i].moving) for block in blocks])
        while wanted := [i for i in range(self.held, len(self.windows)) if self._is_wanted(i)]:
            self._read(wanted)
        for one in self.windows[self.held : blocks[-1].start]:
            one.segment = None
        self.held = blocks[-1].start

    def _is_wanted(self, place: int) -> bool:
        """Tell whether a window is not read yet and beside one that scores `low` or more."""
        one, last = self.windows[place], len(self.windows) - 1
        before = self.windows[place - 1] if place else None
        after = self.windows[place + 1] if place < last else None
        beside = (before is not None and before.hot and one.start - before.end < JOIN_S) or (
            after is not None and after.hot and after.start - one.end < JOIN_S
        )
        return one.values is None and beside

    def _read(self, places: Sequence[int]) -> None:
        """Read the windows at these places; one that repeats an earlier one gets its values."""
        model, batch = self.reading.backbone(self.path), self.reading.model.batch
        twins = {place: self._twin(place, places) for place in places}
        new = [place for place in places if twins[place] is None]
        for first in range(0, len(new), batch):
            some = new[first : first + batch]
            segments = [one for i in some if (one := self.windows[i].segment) is not None]
            values = model.read(segments, self.plan.sites, self.plan.recipe)
            for place, value in zip(some, values, strict=True):
                self.windows[place].values = value
        for place, twin in twins.items():  # a twin comes before what repeats it
            if twin is not None:
                self.windows[place].values, self.windows[place].source = twin.values, "repeated"
        self._score(places)

    def _twin(self, place: int, asked: Sequence[int]) -> _Window | None:
        """Return the window before this one that is read, if the model would get the same input."""
        one, known = self.windows[place], set(asked)
        for i in range(place - 1, self.held - 1, -1):
            other = self.windows[i]
            if other.values is not None or i in known:
                assert one.segment is not None
                same = source_of(one.segment, other.segment, self.reading.backbone(self.path))
                return other if same == "repeated" else None
        return None

    def _score(self, places: Sequence[int]) -> None:
        video = {(self.windows[i].start, self.windows[i].end): self.windows[i] for i in places}
        values = {span: np.asarray(one.values) for span, one in video.items()}
        raw = self.how.probe.score(states_of("", self.plan, values))
        for one, score in zip(video.values(), raw.tolist(), strict=True):
            one.hot = score >= self.how.low

    def states(self, segments: Segments, video_id: str) -> HiddenStates:
        """Return the states of what was read, and the other windows as gaps."""
        known = [one for one in self.windows if one.values is not None]
        left_out = [Gap(one.start, one.end, UNREAD) for one in self.windows if one.values is None]
        gaps = sorted((*segments.gaps, *left_out), key=lambda gap: (gap.start, gap.end))
        return HiddenStates(
            video_id,
            self.plan.recipe,
            self.plan.sites,
            np.array([one.start for one in known]),
            np.array([one.end for one in known]),
            np.stack([np.asarray(one.values) for one in known]),
            segments.duration,
            tuple(gaps),
            segments.skipped,
            tuple(one.source for one in known),
            controls=controls_of([one.measured for one in known], segments.facts),
        )
