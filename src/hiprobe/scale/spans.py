"""The hidden states of a long video in spans that several workers read. Knows no cluster.

A span begins at a multiple of the batch, so that every forward pass holds the same segments as
in an unsplit read. `video.joining` tells whether spans may be joined; if not, the video is read
unsplit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from hiprobe import pipeline
from hiprobe.backbones import Backbone
from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.errors import CorruptVideo, EmptyVideo, StoreError
from hiprobe.store import find_states, save_states, states_folder, write_atomic
from hiprobe.types import Controls, HiddenStates, Recipe, Site
from hiprobe.video.joining import Seam, SpanReader, cut
from hiprobe.video.sampling import Span

SPAN_S = 1800.0
MOST_BATCH = 32  # every batch size that is chosen by memory divides it
FOLDER = ".spans"


@dataclass(frozen=True)
class SpanStates:
    """The hidden states of one span, None if it gave none, and its seam."""

    states: HiddenStates | None
    seam: Seam


def plan_spans(
    seconds: float | None, segment_s: float, batch: int, span_s: float = SPAN_S
) -> tuple[Span, ...]:
    """Plan spans of about `span_s` seconds, whose lengths are multiples of the batch.

    The last span takes the rest, at least half a span. Empty for a video that is too short to be
    worth splitting, or whose length is not known (`seconds` None).
    """
    step = math.lcm(batch, MOST_BATCH)
    each = step * max(1, round(span_s / segment_s / step))
    number = int((seconds or 0.0) / segment_s / each + 0.5)
    return tuple(cut([k * each for k in range(number)])) if number > 1 else ()


def read_span(
    path: str | Path,
    video_id: str,
    model: Backbone,
    sites: tuple[Site, ...],
    recipe: Recipe,
    span: Span,
) -> SpanStates:
    """Read the states of one span, and whether they may be joined.

    Raises a subclass of VideoError if the video cannot be read, and the errors of the model.
    """
    reader = SpanReader(path, recipe, span)
    try:
        states = pipeline.read_states(
            reader, path, video_id, pipeline.Reading(model), pipeline.ReadPlan(sites, recipe)
        )
    except (CorruptVideo, EmptyVideo):
        # The keyframes are misleading: only reading from the beginning can tell.
        return SpanStates(None, Seam("", "", False))
    return SpanStates(states, reader.seam)


def join_states(parts: Sequence[SpanStates]) -> HiddenStates:
    """Return the states of the whole video, from spans whose seams `can_join`.

    If the first windows of a span repeat the window before it, they get its values here.
    """
    all_states = [part.states for part in parts if part.states is not None]
    starts, ends, values = (
        np.concatenate([getattr(one, name) for one in all_states])
        for name in ("starts", "ends", "values")
    )
    sources = tuple(source for one in all_states for source in one.sources)
    if "repeated" in sources:
        values = pipeline.repeated(values[[source == "read" for source in sources]], sources)
    return replace(
        all_states[-1],
        starts=starts,
        ends=ends,
        values=values,
        sources=sources,
        controls=_joined_controls([one.controls for one in all_states]),
    )


def _joined_controls(parts: Sequence[Controls | None]) -> Controls | None:
    """Return the controls of the whole video; None if those of a span are not known."""
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    arrays = (
        np.concatenate([getattr(one, name) for one in known])
        for name in ("motion", "motion_p95", "brightness")
    )
    return Controls(known[-1].facts, *arrays)


def span_store(store: Path, span: Span) -> Path:
    """Return the store of one span within `store`, apart from the states of whole videos."""
    return store / FOLDER / f"{span.first}-{span.count or 'end'}"


def save_span(store: Path, span: Span, part: SpanStates, dtype: str) -> Path:
    """Keep a span in `store`, its seam first.

    Raises StoreError, and ValueError for a span without states.
    """
    if part.states is None:
        raise ValueError("a span without states is not kept")
    folder = states_folder(span_store(store, span), part.states.video_id, part.states.recipe)
    write_atomic(folder / f"{dtype}.json", json.dumps(asdict(part.seam)).encode())
    return save_states(span_store(store, span), part.states, dtype)


def find_span(
    store: Path, span: Span, video_id: str, recipe: Recipe, sites: Sequence[Site], dtype: str
) -> SpanStates | None:
    """Return the kept span, or None. Raises StoreError if it is damaged."""
    states = find_states(span_store(store, span), video_id, recipe, sites, dtype)
    seam = states_folder(span_store(store, span), video_id, recipe) / f"{dtype}.json"
    if states is None or states.sites != tuple(sites):
        return None
    try:
        return SpanStates(states, Seam(**json.loads(read_regular(seam, JSON_BYTES))))
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise StoreError(f"not a valid seam: {error}", where=seam, cure="delete it") from error
