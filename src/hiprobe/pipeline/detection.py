"""Detect events: states, scores, localisation, composed once. Knows no command line and no page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hiprobe import localize as _localize
from hiprobe import video
from hiprobe.backbones import Backbone, ModelFacts
from hiprobe.errors import HiProbeError, OutOfMemory, RecipeMismatch, VideoError
from hiprobe.localize import Localization
from hiprobe.pipeline.coarse_to_fine import CoarseToFine
from hiprobe.pipeline.explanation import (
    DEADLINE_S,
    MAX_TOKENS,
    ExplainLimits,
    explained,
    wants_words,
)
from hiprobe.pipeline.reading import (
    Failed,
    Progress,
    Reading,
    ReadPlan,
    as_folder,
    decode_ahead,
    ignore,
    read_or_load,
)
from hiprobe.pipeline.refinement import refined_events, windows_to_refine
from hiprobe.pipeline.relocalization import with_words
from hiprobe.pipeline.verification import check_events
from hiprobe.pipeline.where import located
from hiprobe.pipeline.window_states import VideoWindows
from hiprobe.pipeline.windows_to_read import ALL, WindowsToRead
from hiprobe.probe import Probe
from hiprobe.types import Event, HiddenStates, Result, Scores, Status
from hiprobe.video import parallel, pictures


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
    verify: bool = True,
    where: bool = False,
    store: str | Path | None = None,
    localization: Localization | None = None,
    known: Sequence[Event] = (),
    max_tokens: int = MAX_TOKENS,
    deadline_s: float = DEADLINE_S,
    progress: Progress = ignore,
    windows: WindowsToRead = ALL,
) -> Result:
    """Return the scores and events of one video; the same model explains each event.

    The probe supplies prompt, sampling, layer, smoothing and threshold; `localization` overrides
    the last two. Unless `verify` is False, the model is asked about each event as the probe's
    `verification` says, if it has one; an event that it rejects is demoted. With `explain=False`
    events get no explanation, and a demoted event never does; an event with exactly the times of
    one that is `known` gets its words, and the model is not asked again. With `where=True` each
    event gets `heat` and `box`: where in the picture its score comes from. `windows` says which
    windows are read, by default all. Raises VideoError's subclasses, RecipeMismatch for a probe of
    another model, ModelError and StoreError.

    >>> from hiprobe import backbones, embedded, fit
    >>> from hiprobe.pipeline import unread
    >>> model = backbones.load("embedded", device="cpu")
    >>> probe = fit("likelihood", [unread("likelihood", model)], model=model)
    >>> result = detect(embedded.VIDEO, model, probe, explain=False)
    >>> result.status, len(result.scores.starts)
    ('done', 25)
    """
    reading = Reading(model, as_folder(store), progress)
    result = detect_events(path, reading, probe, localization, verify=verify, windows=windows)
    result = located(result, model, probe, known) if where else result
    if not explain:
        return result
    limits = ExplainLimits(max_tokens, deadline_s)
    words = [
        explained(path, model, probe.recipe, event, limits) if wants_words(event) else event
        for event in with_words(result.events, known)
    ]
    return replace(result, events=tuple(words))


def detect_events(
    path: str | Path,
    reading: Reading,
    probe: Probe,
    localization: Localization | None = None,
    *,
    verify: bool = False,
    windows: WindowsToRead = ALL,
) -> Result:
    """Do what `detect` does, without explanations and with its arguments grouped."""
    check_probe(reading.model, probe)
    settings = localization or probe.localization
    found = _read(path, reading, probe, settings, windows)
    scores, events = _localize.localize(
        found.starts,
        found.ends,
        probe.score(found),
        found.gaps,
        settings,
        found.sources,
    )
    single = VideoWindows(path, found.video_id, reading)
    verified = refined = 0
    if verify and probe.verification is not None:
        rule = probe.verification.at(settings.confirm)
        events, verified = check_events(events, scores, rule, single, probe.recipe)
    if settings.refine:  # after the check, as a demoted event keeps its span
        events, refined = _refined(events, scores, settings, single, probe)
    parts = "pictures missing" if pictures.is_folder(path) else "damaged packets skipped"
    count = found.damaged_packets
    lost = f"{count} {parts}" if count else "spans lost" if scores.lost else None
    status: Status = "partial" if lost else "done"
    made_with = {
        **_provenance(reading.model, probe, found.video_id),
        "threshold_from": (localization or probe.localization).threshold_from,
        **({"windows": asked} if (asked := windows.settings(settings)) else {}),
    }
    return Result(
        str(path),
        found.video_id,
        status,
        found.duration,
        scores,
        events,
        lost,
        made_with,
        refined=refined,
        verified=verified,
    )


def _read(
    path: str | Path, reading: Reading, probe: Probe, settings: Localization, windows: WindowsToRead
) -> HiddenStates:
    """Return the states of the windows that are to be read."""
    plan = windows.plan(probe, settings)
    if windows.every == 1:
        return read_or_load(path, reading, plan)
    how = CoarseToFine(windows.every, windows.low(settings), probe)
    return read_or_load(path, reading, plan, how.read)


def _refined(
    events: Sequence[Event],
    scores: Scores,
    settings: Localization,
    windows: VideoWindows,
    probe: Probe,
) -> tuple[tuple[Event, ...], int]:
    """Return the events with refined boundaries, and how many windows that took."""
    wanted = windows_to_refine(events, scores)
    if not wanted:
        return tuple(events), 0
    raw = probe.score(windows.states(ReadPlan(probe.sites, probe.recipe), wanted))
    extra = dict(zip(wanted, raw.tolist(), strict=True))
    return refined_events(events, scores, settings, extra), len(wanted)


def detect_all(
    paths: Iterable[str | Path],
    model: Backbone,
    probe: Probe,
    *,
    failed: Failed | None = None,
    **options: Any,
) -> Iterator[Result]:
    """Run `detect` on each path in turn; a video that cannot be read gives a `failed` result.

    So does one that does not fit into memory. The result's reason begins with the name of the
    error; `failed` gets the path and the error. `options` are those of `detect`.

    >>> from hiprobe import backbones, embedded, fit
    >>> from hiprobe.pipeline import unread
    >>> model = backbones.load("embedded", device="cpu")
    >>> probe = fit("likelihood", [unread("likelihood", model)], model=model)
    >>> paths = [embedded.VIDEO, "no-such-video.mp4"]
    >>> [result.status for result in detect_all(paths, model, probe, explain=False)]
    ['done', 'failed']
    """
    check_probe(model, probe)
    reading = Reading(model, as_folder(options.get("store")))
    settings = options.get("localization") or probe.localization
    plan = options.get("windows", ALL).plan(probe, settings)
    for path in parallel.coming(paths, lambda one: decode_ahead(one, reading, plan)):
        try:
            result = detect(path, model, probe, **options)
        except (VideoError, OutOfMemory) as error:
            if failed is not None:
                failed(str(path), error)
            result = failure(path, error)
        yield result


def failure(path: str | Path, error: HiProbeError, name: str = "") -> Result:
    """Return the result of a video without scores, with the reason."""
    return Result(str(path), _digest_or_blank(path), "failed", reason=error.named, name=name)


def _digest_or_blank(path: str | Path) -> str:
    try:
        return video.digest(path)
    except VideoError:
        return ""


def _provenance(model: ModelFacts, probe: Probe, video_id: str) -> dict[str, Any]:
    """Say what the result was made with; `fitted_on_this_video` is there only if it is true."""
    fitted_on = {"fitted_on_this_video": True} if video_id in probe.fitted_videos else {}
    recipe, sites = probe.recipe, [str(site) for site in probe.sites]
    name = model.provenance.get("name", recipe.model)
    return {
        "model": {"name": name, "id": recipe.model, "revision": recipe.revision, "sites": sites},
        "probe": probe.digest,
        "fitted_on": _fitted_on(probe),
        "recipe": probe.recipe.digest,
        **({"probe_source": probe.source} if probe.source else {}),
        "method": probe.method,
        "reader": dict(model.provenance),
        "notice": model.notice,
        **fitted_on,
    }


def _fitted_on(probe: Probe) -> dict[str, Any]:
    """Return the number of labelled videos, None if unknown, and the out-of-fold AUC."""
    return {"videos": probe.video_count, "auc": probe.provenance.get("auc")}
