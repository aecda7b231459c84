"""A long video in spans that several processes read, and that join to the very states of an unsplit read.

Knows no cluster. A span begins at a multiple of the batch, so that every forward pass holds the same segments, and is
read from a keyframe before it. From there on a decoder gives what it would have given anyway, unless the file misleads;
so each span first reads the window before it, whose pixels and times must be those that the span before it ended with.
Where they are not, or a span meets damage, a gap or frames far apart, the video is read unsplit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hiprobe import pipeline, store, video
from hiprobe.backbones import Backbone
from hiprobe.errors import CorruptVideo, EmptyVideo, StoreError
from hiprobe.types import HiddenStates, Recipe, Segment, Site

SPAN_S = 1800.0
MOST_BATCH = 32  # a power of two that every batch found from memory divides
FOLDER = ".spans"


@dataclass(frozen=True)
class Span:
    """`count` windows of a video from window `first` on; None for all that follow."""

    first: int
    count: int | None


@dataclass(frozen=True)
class Seam:
    """What must fit where spans meet: digests of the window before the span and of its last one; `sound` if it may."""

    head: str
    tail: str
    sound: bool


@dataclass(frozen=True)
class Part:
    """The states of one span, None where it gave none, and its seam."""

    states: HiddenStates | None
    seam: Seam


def plan_spans(
    seconds: float | None, segment_s: float, batch: int, span_s: float = SPAN_S
) -> tuple[Span, ...]:
    """Spans of about `span_s` seconds, multiples of the batch; none for a video that is not worth splitting.

    The last one takes what is left, at least half a span.
    """
    step = math.lcm(batch, MOST_BATCH)
    each = step * max(1, round(span_s / segment_s / step))
    number = int((seconds or 0.0) / segment_s / each + 0.5)
    if number < 2:
        return ()
    return tuple(Span(k * each, each if k < number - 1 else None) for k in range(number))


class _Seamed(video.SegmentReader):
    """The segments of a span; the window before it is only looked at."""

    def __init__(self, path: str | Path, recipe: Recipe, span: Span) -> None:
        self._before = span.first > 0
        count = None if span.count is None else span.count + self._before
        super().__init__(path, recipe, span.first - self._before, count)
        self.head, self.given = "", 0
        self._last: Segment | None = None

    def __next__(self) -> Segment:
        if self._before:
            self._before, self.head = False, _digest(super().__next__())
        self._last = super().__next__()
        self.given += 1
        return self._last

    @property
    def tail(self) -> str:
        return "" if self._last is None else _digest(self._last)


def read_part(
    path: str | Path,
    video_id: str,
    model: Backbone,
    sites: tuple[Site, ...],
    recipe: Recipe,
    span: Span,
) -> Part:
    """The states of one span, and whether they may be joined.

    Raises VideoError's children for a video that cannot be read, and the errors of the model.
    """
    reader = _Seamed(path, recipe, span)
    try:
        states = pipeline.read_states(
            reader, path, video_id, pipeline.Reading(model), pipeline.ReadPlan(sites, recipe)
        )
    except (
        CorruptVideo,
        EmptyVideo,
    ):  # keyframes that mislead: only reading from the beginning can tell
        return Part(None, Seam("", "", False))
    whole = span.count in (None, reader.given)
    sound = whole and not (reader.gaps or reader.skipped or reader.concealed or reader.uneven)
    return Part(states, Seam(reader.head, reader.tail, sound))


def can_join(parts: Sequence[Part]) -> bool:
    """Whether the parts of a video, in order, join to what an unsplit read gives."""
    met = all(one.seam.tail == two.seam.head != "" for one, two in pairwise(parts))
    return met and all(part.seam.sound and part.states is not None for part in parts)


def join(parts: Sequence[Part]) -> HiddenStates:
    """The states of the whole video from parts that `can_join`."""
    all_states = [part.states for part in parts if part.states is not None]
    starts, ends, values = (
        np.concatenate([getattr(one, name) for one in all_states])
        for name in ("starts", "ends", "values")
    )
    return replace(all_states[-1], starts=starts, ends=ends, values=values)


def part_store(root: Path, span: Span) -> Path:
    """The store of one span within the store `root`, apart from the states of whole videos."""
    return root / FOLDER / f"{span.first}-{span.count or 'end'}"


def save_part(root: Path, span: Span, part: Part, dtype: str) -> Path:
    """Keeps a part in the store `root`, its seam first; raises StoreError, and ValueError for one without states."""
    if part.states is None:
        raise ValueError("a span without states is not kept")
    folder = store.states_folder(part_store(root, span), part.states.video_id, part.states.recipe)
    store.write_atomic(folder / f"{dtype}.json", json.dumps(asdict(part.seam)).encode())
    return store.save_states(part_store(root, span), part.states, dtype)


def find_part(
    root: Path, span: Span, video_id: str, recipe: Recipe, sites: Sequence[Site], dtype: str
) -> Part | None:
    """The kept part, None where there is none; raises StoreError if it is damaged."""
    states = store.find_states(part_store(root, span), video_id, recipe, sites, dtype)
    seam = store.states_folder(part_store(root, span), video_id, recipe) / f"{dtype}.json"
    if states is None or states.sites != tuple(sites):
        return None
    try:
        return Part(states, Seam(**json.loads(seam.read_bytes())))
    except (OSError, TypeError, ValueError) as error:
        raise StoreError(f"no sound seam: {error}", where=seam, cure="delete it") from error


def _digest(segment: Segment) -> str:
    facts = repr((segment.start, segment.end, segment.times.tolist(), segment.frames.shape))
    return hashlib.sha256(facts.encode() + segment.frames.tobytes()).hexdigest()
