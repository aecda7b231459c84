"""The verbs, composed once: extract, detect, explain. Knows no command line, no picture and no page.

Videos are read in one pass, as many segments at a time as the backbone's `batch` says, else `BATCH`; hidden states are
kept in a store and never read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import localize as _localize
from hiprobe import methods, store, video
from hiprobe.backbones import Backbone
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
from hiprobe.store import index
from hiprobe.types import Event, HiddenStates, LabelArray, Recipe, Result, Segment, Site, Video
from hiprobe.video import parallel

BATCH = 8
MAX_TOKENS = 96
DEADLINE_S = 60.0
Progress = Callable[[str, Segment], None]
Pair = tuple[HiddenStates, LabelArray]


def _quiet(_path: str, _segment: Segment) -> None:
    """The progress nobody asked for."""


def states(
    path: str | Path,
    model: Backbone,
    sites: Sequence[Site],
    *,
    recipe: Recipe | None = None,
    root: str | Path | None = None,
    progress: Progress = _quiet,
) -> HiddenStates:
    """The hidden states of one video at `sites`, from the store `root` if they are there, else read and kept there.

    Raises VideoError's children for a video that cannot be read, and the errors of the model and the store.
    """
    recipe = recipe or model.recipe
    video_id, dtype = video.digest(path), str(model.provenance.get("dtype", "unknown"))
    if root is not None:
        kept = store.find_states(Path(root), video_id, recipe, sites, dtype)
        if kept is not None:
            return kept
    fresh = read_states(
        parallel.decode_segments(path, recipe, video_id),
        path,
        video_id,
        model,
        tuple(sites),
        recipe,
        progress,
    )
    check_same(path, video_id)
    if root is not None:
        index.enter(Path(root), store.save_states(Path(root), fresh, dtype))
    return fresh


def decode_ahead(
    path: str | Path,
    model: Backbone,
    sites: Sequence[Site],
    *,
    recipe: Recipe | None = None,
    root: str | Path | None = None,
) -> None:
    """Lets a decoder begin on a video whose `states` are to be asked for next, unless they are kept.

    What is wrong with the video or the store is told when its turn comes.
    """
    recipe, dtype = recipe or model.recipe, str(model.provenance.get("dtype", "unknown"))
    with suppress(VideoError, StoreError):
        video_id = video.digest(path)
        if root is None or store.find_states(Path(root), video_id, recipe, sites, dtype) is None:
            parallel.start_decoding(path, recipe, video_id)


def check_same(path: str | Path, video_id: str) -> None:
    """Raises CorruptVideo if the file is not what it was when it was called `video_id`: replaced, or still written."""
    if video.digest(path) != video_id:
        raise CorruptVideo(
            "the file changed while it was read", where=path, cure="give it again once it is whole"
        )


def read_states(
    reader: video.SegmentReader | parallel.ParallelReader,
    path: str | Path,
    video_id: str,
    model: Backbone,
    sites: tuple[Site, ...],
    recipe: Recipe,
    progress: Progress = _quiet,
) -> HiddenStates:
    """The hidden states of what `reader` gives of a video, as many segments at a time as the model's `batch` says.

    Raises VideoError's children, and the errors of the model.
    """
    values, starts, ends = [], [], []
    segments = iter(reader)
    while batch := list(islice(segments, getattr(model, "batch", BATCH))):
        values.append(model.read(batch, sites, recipe))
        starts += [segment.start for segment in batch]
        ends += [segment.end for segment in batch]
        progress(str(path), batch[-1])
    if not values:
        raise EmptyVideo("no segment here", where=path)
    return HiddenStates(
        video_id,
        recipe,
        sites,
        np.array(starts),
        np.array(ends),
        np.concatenate(values),
        reader.duration,
        reader.gaps,
        reader.skipped,
    )


def extract(
    videos: Iterable[Video],
    model: Backbone,
    *,
    method: str = "hiprobe",
    sites: Sequence[Site] | None = None,
    recipe: Recipe | None = None,
    root: str | Path | None = None,
    progress: Progress = _quiet,
    failed: Callable[[Video, HiProbeError], None] | None = None,
) -> Iterator[Pair]:
    """The hidden states and segment labels of each video, at the sites that `method` reads (all layers in one pass).

    Labels (segments,): 1 anomalous, 0 normal, -1 left out. A video that cannot be read, does not fit the memory or
    has an event after its end is handed to `failed` and passed over; without `failed` its error is raised. `recipe`
    is by default `recipe_for(method, model)`. Raises ModelError for a model without what the method reads.
    """
    wanted, recipe = sites_for(method, model, sites), recipe or recipe_for(method, model)
    for one in parallel.coming(
        videos, lambda one: decode_ahead(one.path, model, wanted, recipe=recipe, root=root)
    ):
        try:
            found = states(one.path, model, wanted, recipe=recipe, root=root, progress=progress)
            labels = _labels(one, found)
        except (VideoError, OutOfMemory, LabelError) as error:
            if failed is None:
                raise
            failed(one, error)
            continue
        yield found, labels


def recipe_for(method: str, model: Backbone, prompts: Sequence[str] = ()) -> Recipe:
    """The model's recipe with the questions that `method` asks, if it has its own, or with `prompts` in their place.

    Raises UsageError for more or fewer `prompts` than the method asks.
    """
    own = methods.load(method).PROMPTS
    if prompts and len(prompts) != max(len(own), 1):
        raise UsageError(f"method {method} asks {max(len(own), 1)} questions, not {len(prompts)}")
    asked = tuple(prompts) or own
    return replace(model.recipe, prompts=asked) if asked else model.recipe


def sites_for(
    method: str, model: Backbone, sites: Sequence[Site] | None = None
) -> tuple[Site, ...]:
    """The sites of the model that `method` reads, or `sites`; raises ModelError where it has none."""
    how = methods.load(method)
    found = methods.candidates(how, model.layers, model.heads, model.head_layers, sites)
    if not found:
        raise ModelError(
            f"has nothing that method {method} reads",
            where=model.recipe.model,
            cure="use a method that reads layers, such as hiprobe",
        )
    return found


def unread(method: str, model: Backbone, *, recipe: Recipe | None = None) -> Pair:
    """States and labels of no segment: enough to fit a method that needs no labels; raises UsageError for others."""
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
    """The labels of its segments; an event after the end would silently make a normal video of an anomalous one."""
    end = max([found.duration, *(gap.end for gap in found.gaps)])
    for event in one.events or ():
        if event.start >= end:
            raise LabelError(
                f"an event starts at {event.start:g} s, but the video ends at {end:.3f} s",
                where=one.path,
                cure="labels are in seconds",
            )
    return label_segments(found.starts, found.ends, one.events)


def check_probe(model: Backbone, probe: Probe) -> None:
    """Raises RecipeMismatch unless `probe` was fitted on this model and revision; the rest it brings itself."""
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
    root: str | Path | None = None,
    localization: Localization | None = None,
    max_tokens: int = MAX_TOKENS,
    deadline_s: float = DEADLINE_S,
    progress: Progress = _quiet,
) -> Result:
    """The scores and events of one video; each event is explained by the same model unless `explain` is False.

    The probe brings prompt, sampling, layer, smoothing and threshold; `localization` overrides the last two.
    Raises VideoError's children, RecipeMismatch for a probe of another model, ModelError, StoreError.
    """
    check_probe(model, probe)
    found = states(path, model, probe.sites, recipe=probe.recipe, root=root, progress=progress)
    scores, events = _localize.localize(
        found.starts, found.ends, probe.score(found), found.gaps, localization or probe.localization
    )
    if explain:
        events = tuple(
            _explained(path, model, probe.recipe, event, max_tokens, deadline_s) for event in events
        )
    lost = (
        f"{found.skipped} damaged packets skipped"
        if found.skipped
        else "spans lost"
        if found.gaps
        else None
    )
    return Result(
        str(path),
        found.video_id,
        "partial" if lost else "done",
        found.duration,
        scores,
        events,
        lost,
        _provenance(model, probe),
    )


def detect_all(
    paths: Iterable[str | Path],
    model: Backbone,
    probe: Probe,
    *,
    failed: Callable[[HiProbeError], None] | None = None,
    **options: Any,
) -> Iterator[Result]:
    """`detect` on each path in turn; a video that cannot be read, or does not fit the memory, gives a `failed` result.

    Its reason begins with the name of the error, which is also handed to `failed`.
    """
    check_probe(model, probe)
    root = options.get("root")
    for path in parallel.coming(
        paths, lambda one: decode_ahead(one, model, probe.sites, recipe=probe.recipe, root=root)
    ):
        try:
            result = detect(path, model, probe, **options)
        except (VideoError, OutOfMemory) as error:
            if failed is not None:
                failed(error)
            result = failure(path, error)
        yield result


def failure(path: str | Path, error: HiProbeError) -> Result:
    """The result of a video that gave no scores, and why."""
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
    """The model's words about one event of a video, and its verdict: abnormal, normal, or None.

    The event's own frames are shown, at most `model.explain_span_s` seconds of them around its peak.
    """
    recipe = recipe or model.recipe
    start, end = _shown(event, model.explain_span_s)
    clip = video.span(path, start, end, recipe.frames, recipe.size)
    return model.explain(clip, prompt or model.explain_prompt, max_tokens, deadline_s)


def _explained(
    path: str | Path,
    model: Backbone,
    recipe: Recipe,
    event: Event,
    max_tokens: int,
    deadline_s: float,
) -> Event:
    text, _verdict = explain(
        path, model, event, recipe=recipe, max_tokens=max_tokens, deadline_s=deadline_s
    )
    return replace(event, explanation=text)


def _shown(event: Event, longest: float | None) -> tuple[float, float]:
    """The part of an event to show: all of it, or `longest` seconds around its peak that stay inside it."""
    if longest is None or event.end - event.start <= longest:
        return event.start, event.end
    middle = event.peak if event.peak is not None else (event.start + event.end) / 2
    start = min(max(middle - longest / 2, event.start), event.end - longest)
    return start, start + longest


def _provenance(model: Backbone, probe: Probe) -> dict[str, Any]:
    sites = [str(site) for site in probe.sites]
    return {
        "model": {"id": probe.recipe.model, "revision": probe.recipe.revision, "sites": sites},
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "method": probe.method,
        "reader": dict(model.provenance),
        "notice": model.notice,
    }
