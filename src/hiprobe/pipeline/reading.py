"""Read the hidden states of one video, or load them from the store.

A video is read in one pass, `batch` segments of the backbone at a time; hidden states are kept in
a store and never read twice. Knows no method and no probe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import cast

import numpy as np

from hiprobe import video
from hiprobe.backbones import Backbone, ModelFacts
from hiprobe.errors import CorruptVideo, EmptyVideo, HiProbeError, StoreError, VideoError
from hiprobe.store import find_states, index, save_states, states_folder
from hiprobe.types import (
    Controls,
    FloatArray,
    HiddenStates,
    LabelArray,
    Recipe,
    Segment,
    Site,
    Source,
    VideoFacts,
)
from hiprobe.video import parallel
from hiprobe.video.controls import motion_and_brightness
from hiprobe.video.still import STILL, is_still
from hiprobe.video.whole_video import WholeVideo

Progress = Callable[[str, Segment], None]
Failed = Callable[[str, HiProbeError], None]
Pair = tuple[HiddenStates, LabelArray]
Segments = video.SegmentReader | parallel.ParallelReader | WholeVideo
ReadStates = Callable[..., HiddenStates]


def ignore(*_: object) -> None:
    """Do nothing: the default of every callback."""


@dataclass(frozen=True)
class Reading:
    """The model, the store and the callbacks of a run, passed down as one object.

    `model` is a backbone, or only facts about a model if `store` already holds all states. `store`
    is the folder that keeps hidden states, None to keep none. `progress` gets the path and the last
    segment of each batch. `failed` gets the path and the error of a video that is skipped; without
    it the error is raised.
    """

    model: ModelFacts
    store: Path | None = None
    progress: Progress = ignore
    failed: Failed | None = None

    @property
    def dtype(self) -> str:
        """The precision in which the model runs."""
        return str(self.model.provenance.get("dtype", "unknown"))

    @property
    def on_card(self) -> bool:
        """Whether a card runs the model, or the first part of it."""
        return str(self.model.provenance.get("device", "")).startswith("cuda")

    @property
    def can_read(self) -> bool:
        """Whether there is a model to run, not only facts about one."""
        return hasattr(self.model, "read")

    def backbone(self, path: str | Path) -> Backbone:
        """Return the model; raise VideoError if only facts about it are known."""
        if self.can_read:
            return cast(Backbone, self.model)
        raise VideoError("no worker has read it", where=path, cure="see the error above")


@dataclass(frozen=True)
class ReadPlan:
    """What to read from a video: the sites, and the recipe to read them by.

    `kept_as` names a reading that leaves windows out, as its states are kept apart: see
    `WindowsToRead.plan`.
    """

    sites: tuple[Site, ...]
    recipe: Recipe
    kept_as: str = ""


def states(
    path: str | Path,
    model: Backbone,
    sites: Sequence[Site],
    *,
    recipe: Recipe | None = None,
    store: str | Path | None = None,
    progress: Progress = ignore,
) -> HiddenStates:
    """Return the hidden states of one video at `sites`, from the store or by running the model.

    New states are kept in the folder `store`, if one is given. Raises a subclass of VideoError for
    a video that cannot be read, ModelError and StoreError.
    """
    reading = Reading(model, as_folder(store), progress)
    return read_or_load(path, reading, ReadPlan(tuple(sites), recipe or model.recipe))


def read_or_load(
    path: str | Path, reading: Reading, plan: ReadPlan, read: ReadStates | None = None
) -> HiddenStates:
    """Do what `states` does, with its arguments grouped; `read` may replace `read_states`."""
    video_id = video.digest(path)
    kept = _stored(video_id, reading, plan)
    if kept is not None:
        return kept
    parallel.expect_card(reading.on_card)
    segments = _windows(path, plan.recipe, video_id)
    fresh = (read or read_states)(segments, path, video_id, reading, plan)
    check_same(path, video_id)
    if reading.store is not None:
        _keep(reading.store, fresh, reading.dtype, plan.kept_as)
    return fresh


def _keep(store: Path, fresh: HiddenStates, dtype: str, kept_as: str) -> None:
    file = save_states(store, fresh, dtype, kept_as)
    if not kept_as:
        index.enter(store, file)


def _windows(
    path: str | Path, recipe: Recipe, video_id: str
) -> WholeVideo | parallel.ParallelReader:
    """Return the windows of a video in the unit of the recipe."""
    if recipe.unit == "video":
        return WholeVideo(path, recipe)
    return parallel.decode_segments(path, recipe, video_id)


def _stored(video_id: str, reading: Reading, plan: ReadPlan) -> HiddenStates | None:
    """Return the stored states; None if there are none, or no store."""
    if reading.store is None:
        return None
    dtype, kept_as = reading.dtype, plan.kept_as
    return find_states(reading.store, video_id, plan.recipe, plan.sites, dtype, kept_as)


def as_folder(store: str | Path | None) -> Path | None:
    """Return the folder of a store, None for none."""
    return None if store is None else Path(store)


def decode_ahead(path: str | Path, reading: Reading, plan: ReadPlan) -> None:
    """Start decoding a video that will be read soon, unless its states are kept.

    An error of the video or the store is reported when its turn comes.
    """
    with suppress(VideoError, StoreError):
        video_id = video.digest(path)
        parallel.expect_card(reading.on_card)
        if plan.recipe.unit == "segment" and _stored(video_id, reading, plan) is None:
            parallel.start_decoding(path, plan.recipe, video_id)


def decode_before_model(path: str | Path, store: Path | None, plan: ReadPlan) -> None:
    """Start decoding the first video while the model loads, unless states of it are kept.

    An error of the video is reported when its turn comes.
    """
    with suppress(VideoError):
        video_id = video.digest(path)
        kept = store is not None and states_folder(store, video_id, plan.recipe).exists()
        if plan.recipe.unit == "segment" and not kept:
            parallel.start_decoding(path, plan.recipe, video_id)


def check_same(path: str | Path, video_id: str, read_as: str | None = None) -> None:
    """Raise CorruptVideo if the file at `path` no longer has the digest `video_id`.

    `read_as` is the digest that it had when it was read, if that is known.
    """
    if (read_as or video.digest(path)) != video_id:
        raise CorruptVideo(
            "the file changed while it was read", where=path, cure="try again once it is complete"
        )


def read_states(
    segments: Segments,
    path: str | Path,
    video_id: str,
    reading: Reading,
    plan: ReadPlan,
) -> HiddenStates:
    """Read the hidden states of the segments of one video, `model.batch` at a time.

    A segment that repeats the one before it is not read but gets the same bits. A batch counts
    both, so that all of its segments are the same wherever the reading begins. If the first ones
    repeat the segment before a span, their values are NaN until the spans are joined. If the plan
    is kept as `still`, a segment that hardly differs from the last one that was read is not read
    either, and gets the same bits. Raises EmptyVideo if there are no segments, other VideoErrors
    and the errors of the model.
    """
    values: list[FloatArray] = []
    measured: list[tuple[float, float, float]] = []
    starts, ends = [], []
    sources: list[Source] = []
    coming, before = iter(segments), segments.before
    gate = _StillGate(plan.kept_as == STILL)
    while batch := list(islice(coming, reading.model.batch)):
        model = reading.backbone(path)
        sources += map(gate.after, batch, map(source_of, batch, [before, *batch], repeat(model)))
        new = [one for one, how in zip(batch, sources[-len(batch) :], strict=True) if how == "read"]
        if new or not values:
            values.append(model.read(new, plan.sites, plan.recipe))
        measured += [motion_and_brightness(segment.frames) for segment in batch]
        starts += [segment.start for segment in batch]
        ends += [segment.end for segment in batch]
        before = batch[-1]
        reading.progress(str(path), batch[-1])
    if not values:
        raise EmptyVideo("the video has no segments", where=path)
    return HiddenStates(
        video_id,
        plan.recipe,
        plan.sites,
        np.array(starts),
        np.array(ends),
        repeated(np.concatenate(values), sources),
        segments.duration,
        segments.gaps,
        segments.skipped,
        tuple(sources),
        controls=controls_of(measured, segments.facts),
    )


@dataclass
class _StillGate:
    """Tells which segments hardly differ from the last one that was read; open unless `shut`."""

    shut: bool
    read: Segment | None = None

    def after(self, one: Segment, source: Source) -> Source:
        """Return where the values of the next segment come from, given what its pixels say."""
        if self.shut and source == "read":
            if self.read is not None and is_still(self.read.frames, one.frames):
                return "carried"
            self.read = one
        return source


def controls_of(
    measured: Sequence[tuple[float, float, float]], facts: VideoFacts | None
) -> Controls | None:
    """Return the controls of segments of which motion and brightness were measured."""
    if facts is None:  # a reader that is not a file's
        return None
    return Controls(facts, *(np.array(column) for column in zip(*measured, strict=True)))


def source_of(one: Segment, before: Segment | None, model: Backbone) -> Source:
    """Return "repeated" if the model would get the same input for `one` as for `before`.

    That is equal pixels, and equal times as far as the model gets them (`reads_times`).
    """
    same = (
        before is not None
        and _clock(one, model) == _clock(before, model)
        and all(map(np.array_equal, one.frames, before.frames))  # stops at the first difference
    )
    return "repeated" if same else "read"


def _clock(segment: Segment, model: Backbone) -> list[object]:
    """Return what the model gets of a segment's times: all, unless it says otherwise."""
    times = dict(zip(("length", "moments"), segment.clock_ms, strict=True))
    return [times[name] for name in getattr(model, "reads_times", tuple(times))]


def repeated(values: FloatArray, sources: Sequence[Source]) -> FloatArray:
    """Return the values (segments, sites, width) of all segments, from those that were read.

    One that was not read gets the values of the last one that was, or NaN if there is none.
    """
    if set(sources) <= {"read"}:
        return values
    unknown = np.full((1, *values.shape[1:]), np.nan, values.dtype)
    places = np.cumsum([source == "read" for source in sources])
    return np.asarray(np.concatenate([unknown, values])[places])
