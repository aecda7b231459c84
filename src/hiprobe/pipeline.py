"""The verbs, composed once: extract, detect, explain. Knows no command line, picture or page.

A video is read in one pass, `batch` segments of the backbone at a time; hidden states are kept in
a store and never read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from hiprobe import localize as _localize
from hiprobe import methods, video
from hiprobe.backbones import Backbone, ModelFacts
from hiprobe.errors import (
    CorruptVideo,
    EmptyVideo,
    HiProbeError,
    LabelError,
    ModelError,
    OutOfMemory,
    RecipeMismatch,
    StoreError,
    UsageError,
    VideoError,
)
from hiprobe.localize import Localization, label_segments
from hiprobe.probe import Probe
from hiprobe.store import find_states, index, save_states
from hiprobe.types import (
    Event,
    HiddenStates,
    LabelArray,
    Recipe,
    Result,
    Segment,
    Site,
    Status,
    Video,
)
from hiprobe.video import parallel, pictures

MAX_TOKENS = 96
DEADLINE_S = 60.0
Progress = Callable[[str, Segment], None]
Failed = Callable[[str, HiProbeError], None]
Pair = tuple[HiddenStates, LabelArray]


def ignore(*_: object) -> None:
    """Do nothing: the default of every callback."""


@dataclass(frozen=True)
class Reading:
    """Who reads, where the states are kept, and who is told: passed down as one object.

    `model`: a backbone; facts about a model alone can use only what `store` holds. `store`: the
    folder that keeps hidden states, None to keep none. `progress` gets the path and the last
    segment of each batch. `failed` gets the path and the error of a video that is passed over;
    without it the error is raised.
    """

    model: ModelFacts
    store: Path | None = None
    progress: Progress = ignore
    failed: Failed | None = None

    @property
    def dtype(self) -> str:
        """The precision in which the model runs."""
        return str(self.model.provenance.get("dtype", "unknown"))

    def backbone(self, path: str | Path) -> Backbone:
        """Return the model that reads; raise VideoError where only facts about it are known."""
        if hasattr(self.model, "read"):
            return cast(Backbone, self.model)
        raise VideoError("no worker has read it", where=path, cure="see why above")


@dataclass(frozen=True)
class ReadPlan:
    """What is read of a video: the sites, and the recipe by which."""

    sites: tuple[Site, ...]
    recipe: Recipe


def states(
    path: str | Path,
    model: Backbone,
    sites: Sequence[Site],
    *,
    recipe: Recipe | None = None,
    store: str | Path | None = None,
    progress: Progress = ignore,
) -> HiddenStates:
    """Return the hidden states of one video at `sites`, from the store or read.

    What is read is kept in the folder `store`, if one is given. Raises VideoError's children for
    a video that cannot be read, ModelError and StoreError.
    """
    reading = Reading(model, _folder(store), progress)
    return _states(path, reading, ReadPlan(tuple(sites), recipe or model.recipe))


def _states(path: str | Path, reading: Reading, plan: ReadPlan) -> HiddenStates:
    video_id = video.digest(path)
    kept = _kept(video_id, reading, plan)
    if kept is not None:
        return kept
    segments = parallel.decode_segments(path, plan.recipe, video_id)
    fresh = read_states(segments, path, video_id, reading, plan)
    check_same(path, video_id)
    if reading.store is not None:
        index.enter(reading.store, save_states(reading.store, fresh, reading.dtype))
    return fresh


def _kept(video_id: str, reading: Reading, plan: ReadPlan) -> HiddenStates | None:
    """Return the states that the store holds, None if it holds none or there is no store."""
    if reading.store is None:
        return None
    return find_states(reading.store, video_id, plan.recipe, plan.sites, reading.dtype)


def _folder(store: str | Path | None) -> Path | None:
    return None if store is None else Path(store)


def decode_ahead(path: str | Path, reading: Reading, plan: ReadPlan) -> None:
    """Let a decoder begin on a video that is read next, unless its states are kept.

    An error of the video or the store is reported when its turn comes.
    """
    with suppress(VideoError, StoreError):
        video_id = video.digest(path)
        if _kept(video_id, reading, plan) is None:
            parallel.start_decoding(path, plan.recipe, video_id)


def check_same(path: str | Path, video_id: str, read_as: str | None = None) -> None:
    """Raise CorruptVideo if the file at `path` no longer has the digest `video_id`.

    `read_as` is the digest with which it was read, if that is known.
    """
    if (read_as or video.digest(path)) != video_id:
        raise CorruptVideo(
            "the file changed while it was read", where=path, cure="give it again once it is whole"
        )


def read_states(
    segments: video.SegmentReader | parallel.ParallelReader,
    path: str | Path,
    video_id: str,
    reading: Reading,
    plan: ReadPlan,
) -> HiddenStates:
    """Read the hidden states of the segments of one video, `model.batch` at a time.

    Raises EmptyVideo if there is no segment, VideoError's children and the errors of the model.
    """
    values, starts, ends = [], [], []
    coming = iter(segments)
    while batch := list(islice(coming, reading.model.batch)):
        values.append(reading.backbone(path).read(batch, plan.sites, plan.recipe))
        starts += [segment.start for segment in batch]
        ends += [segment.end for segment in batch]
        reading.progress(str(path), batch[-1])
    if not values:
        raise EmptyVideo("no segment here", where=path)
    return HiddenStates(
        video_id,
        plan.recipe,
        plan.sites,
        np.array(starts),
        np.array(ends),
        np.concatenate(values),
        segments.duration,
        segments.gaps,
        segments.skipped,
    )


def extract(
    videos: Iterable[Video],
    model: ModelFacts,
    *,
    method: str = "hiprobe",
    sites: Sequence[Site] | None = None,
    recipe: Recipe | None = None,
    store: str | Path | None = None,
    progress: Progress = ignore,
    failed: Failed | None = None,
) -> Iterator[Pair]:
    """Yield the hidden states and segment labels of each video, at the sites that `method` reads.

    All layers are read in one pass. Labels (segments,): 1 anomalous, 0 normal, -1 left out. A
    video that cannot be read, does not fit the memory or has an event after its end is passed
    over: `failed` gets its path and the error; without `failed` the error is raised. `recipe` is
    by default `recipe_for(method, model)`. Raises ModelError for a model without what the method
    reads.

    >>> from hiprobe import backbones, datasets, embedded
    >>> model = backbones.load("embedded", device="cpu")
    >>> clips = list(datasets.load("folder", embedded.CLIPS))[:2]
    >>> for states, labels in extract(clips, model):
    ...     print(states.values.shape, labels.shape)
    (8, 8, 160) (8,)
    (8, 8, 160) (8,)
    """
    plan = ReadPlan(sites_for(method, model, sites), recipe or recipe_for(method, model))
    return extract_pairs(videos, Reading(model, _folder(store), progress, failed), plan)


def extract_pairs(videos: Iterable[Video], reading: Reading, plan: ReadPlan) -> Iterator[Pair]:
    """`extract` with its arguments grouped."""
    for one in parallel.coming(videos, lambda one: decode_ahead(one.path, reading, plan)):
        try:
            found = _states(one.path, reading, plan)
            labels = _labels(one, found)
        except (VideoError, OutOfMemory, LabelError) as error:
            if reading.failed is None:
                raise
            reading.failed(one.path, error)
            continue
        yield found, labels


def recipe_for(method: str, model: ModelFacts, prompts: Sequence[str] = ()) -> Recipe:
    """Return the model's recipe with the questions of `method`, or with `prompts` in their place.

    Raises UsageError for more or fewer `prompts` than the method asks.
    """
    own = methods.load(method).PROMPTS
    if prompts and len(prompts) != max(len(own), 1):
        raise UsageError(f"method {method} asks {max(len(own), 1)} questions, not {len(prompts)}")
    asked = tuple(prompts) or own
    return replace(model.recipe, prompts=asked) if asked else model.recipe


def sites_for(
    method: str, model: ModelFacts, sites: Sequence[Site] | None = None
) -> tuple[Site, ...]:
    """Return the sites that `method` reads, or `sites`; raises ModelError if the model has none."""
    how = methods.load(method)
    found = methods.candidates(how, model.layers, model.heads, model.head_layers, sites)
    if not found:
        raise ModelError(
            f"the model has no site that method {method} reads",
            where=model.recipe.model,
            cure="use a method that reads layers, such as hiprobe",
        )
    return found


def unread(method: str, model: Backbone, *, recipe: Recipe | None = None) -> Pair:
    """Return states and labels without a segment, enough to fit a method that needs no labels.

    Raises UsageError for a method that needs them.
    """
    if methods.load(method).LABELS != "none":
        raise UsageError(
            f"method {method} is fitted on labelled clips", cure="name a folder or a CSV of them"
        )
    sites, recipe, none = (
        sites_for(method, model, None),
        recipe or recipe_for(method, model),
        np.empty(0),
    )
    states = HiddenStates("", recipe, sites, none, none, model.read([], sites, recipe), 0.0)
    return states, np.empty(0, np.int8)


def _labels(one: Video, found: HiddenStates) -> LabelArray:
    """Return the labels of its segments.

    An event after the end is an error: ignored, it would turn an anomalous video into a normal one.
    """
    end = max([found.duration, *(gap.end for gap in found.gaps)])
    for event in one.events or ():
        if event.start >= end:
            raise LabelError(
                f"an event starts at {event.start:g} s, but the video ends at {end:.3f} s",
                where=one.path,
                cure="labels are in seconds",
            )
    return label_segments(found.starts, found.ends, one.events)


def check_probe(model: ModelFacts, probe: Probe) -> None:
    """Raise RecipeMismatch unless `probe` was fitted on this model and revision.

    The rest of the recipe comes with the probe.
    """
    own = replace(probe.recipe, model=model.recipe.model, revision=model.recipe.revision)
    probe.check(own)
    if probe.sites and max(site.layer for site in probe.sites) >= model.layers:
        raise RecipeMismatch(
            f"the probe reads layer {max(s.layer for s in probe.sites)} of {model.layers} layers"
        )


def detect(
    path: str | Path,
    model: Backbone,
    probe: Probe,
    *,
    explain: bool = True,
    store: str | Path | None = None,
    localization: Localization | None = None,
    max_tokens: int = MAX_TOKENS,
    deadline_s: float = DEADLINE_S,
    progress: Progress = ignore,
) -> Result:
    """Return the scores and events of one video; the same model explains each event.

    The probe brings prompt, sampling, layer, smoothing and threshold; `localization` overrides the
    last two. With `explain=False` no event is put into words. Raises VideoError's children,
    RecipeMismatch for a probe of another model, ModelError and StoreError.

    >>> from hiprobe import backbones, embedded, fit
    >>> model = backbones.load("embedded", device="cpu")
    >>> probe = fit("likelihood", [unread("likelihood", model)], model=model)
    >>> result = detect(embedded.VIDEO, model, probe, explain=False)
    >>> result.status, len(result.scores.starts)
    ('done', 25)
    """
    reading = Reading(model, _folder(store), progress)
    result = detect_events(path, reading, probe, localization)
    if not explain:
        return result
    limits = ExplainLimits(max_tokens, deadline_s)
    words = [_explained(path, model, probe.recipe, event, limits) for event in result.events]
    return replace(result, events=tuple(words))


def detect_events(
    path: str | Path, reading: Reading, probe: Probe, localization: Localization | None = None
) -> Result:
    """`detect` without explanations, with its arguments grouped."""
    check_probe(reading.model, probe)
    found = _states(path, reading, ReadPlan(tuple(probe.sites), probe.recipe))
    scores, events = _localize.localize(
        found.starts,
        found.ends,
        probe.score(found),
        found.gaps,
        localization or probe.localization,
    )
    parts = "pictures missing" if pictures.is_folder(path) else "damaged packets skipped"
    lost = f"{found.skipped} {parts}" if found.skipped else "spans lost" if found.gaps else None
    status: Status = "partial" if lost else "done"
    made_with = _provenance(reading.model, probe)
    return Result(
        str(path), found.video_id, status, found.duration, scores, events, lost, made_with
    )


def detect_all(
    paths: Iterable[str | Path],
    model: Backbone,
    probe: Probe,
    *,
    failed: Failed | None = None,
    **options: Any,
) -> Iterator[Result]:
    """`detect` each path in turn; a video that cannot be read gives a `failed` result.

    So does one that does not fit the memory. The result's reason begins with the name of the
    error; `failed` gets the path and the error. `options` are those of `detect`.

    >>> from hiprobe import backbones, embedded, fit
    >>> model = backbones.load("embedded", device="cpu")
    >>> probe = fit("likelihood", [unread("likelihood", model)], model=model)
    >>> paths = [embedded.VIDEO, "no-such-video.mp4"]
    >>> [result.status for result in detect_all(paths, model, probe, explain=False)]
    ['done', 'failed']
    """
    check_probe(model, probe)
    reading = Reading(model, _folder(options.get("store")))
    plan = ReadPlan(tuple(probe.sites), probe.recipe)
    for path in parallel.coming(paths, lambda one: decode_ahead(one, reading, plan)):
        try:
            result = detect(path, model, probe, **options)
        except (VideoError, OutOfMemory) as error:
            if failed is not None:
                failed(str(path), error)
            result = failure(path, error)
        yield result


def failure(path: str | Path, error: HiProbeError) -> Result:
    """Return the result of a video without scores, with the reason."""
    return Result(
        str(path),
        _digest_or_blank(path),
        "failed",
        reason=error.named,
    )


def _digest_or_blank(path: str | Path) -> str:
    try:
        return video.digest(path)
    except VideoError:
        return ""


def explain(
    path: str | Path,
    model: Backbone,
    event: Event,
    *,
    prompt: str | None = None,
    recipe: Recipe | None = None,
    max_tokens: int = MAX_TOKENS,
    deadline_s: float = DEADLINE_S,
) -> tuple[str, bool | None]:
    """Return the model's words about one event, and whether they call it abnormal.

    The second value is None if the words say neither. The model sees the event's own frames, at
    most `model.explain_span_s` seconds of them around its peak.

    >>> from hiprobe import backbones, embedded
    >>> model = backbones.load("embedded", device="cpu")
    >>> text, abnormal = explain(embedded.VIDEO, model, Event(6.2, 11.6))
    >>> text.split(",")[0], abnormal
    ('fight', True)
    """
    recipe = recipe or model.recipe
    start, end = _shown(event, model.explain_span_s)
    clip = video.span(path, start, end, recipe.frames, recipe.size)
    return model.explain(clip, prompt or model.explain_prompt, max_tokens, deadline_s)


@dataclass(frozen=True)
class ExplainLimits:
    """The longest answer, in tokens, and the longest time to give it, in seconds."""

    max_tokens: int = MAX_TOKENS
    deadline_s: float = DEADLINE_S


def _explained(
    path: str | Path, model: Backbone, recipe: Recipe, event: Event, limits: ExplainLimits
) -> Event:
    text, _abnormal = explain(path, model, event, recipe=recipe, **vars(limits))
    return replace(event, explanation=text)


def _shown(event: Event, longest: float | None) -> tuple[float, float]:
    """Return the part of an event to show: all, or `longest` seconds of it around its peak."""
    if longest is None or event.end - event.start <= longest:
        return event.start, event.end
    middle = event.peak if event.peak is not None else (event.start + event.end) / 2
    start = min(max(middle - longest / 2, event.start), event.end - longest)
    return start, start + longest


def _provenance(model: ModelFacts, probe: Probe) -> dict[str, Any]:
    sites = [str(site) for site in probe.sites]
    return {
        "model": {"id": probe.recipe.model, "revision": probe.recipe.revision, "sites": sites},
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "method": probe.method,
        "reader": dict(model.provenance),
        "notice": model.notice,
    }
