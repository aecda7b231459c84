"""What several commands do alike: find videos, load the model, extract, fit and detect with progress shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.errors import HiProbeError, UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.pipeline import Pair
    from hiprobe.probe import Probe
    from hiprobe.types import Recipe, Result, Site, Video


def load(name: str, revision: str | None, device: str, dtype: str, max_layer: int | None = None) -> Backbone:
    """The model, whole or up to block `max_layer`; what it has to say to its user is said."""
    from hiprobe import backbones
    from hiprobe.terminal import warn

    model = backbones.load(name, revision=revision, device=device, dtype=dtype, max_layer=max_layer)
    if model.notice:
        warn(model.notice)
    return model


def find(paths: Sequence[str]) -> tuple[list[Path], list[Result]]:
    """The videos meant by `paths`, each once, and a failed result for each path that means none."""
    from hiprobe import pipeline, video
    from hiprobe.terminal import complain

    found: dict[Path, Path] = {}
    failed = []
    for path in paths:
        try:
            for file in video.find([path]):
                found.setdefault(file.resolve(), file)
        except VideoError as error:
            complain(error)
            failed.append(pipeline.failure(path, error))
    return list(found.values()), failed


def seconds(paths: Iterable[str]) -> dict[str, float]:
    """How long each video says it is, for the progress bar; one that cannot be read counts nothing here."""
    from hiprobe import video
    from hiprobe.terminal import err

    stated = {}
    for path in paths if err.is_terminal else ():
        try:
            stated[path] = video.info(path).duration or 0.0
        except VideoError:
            stated[path] = 0.0
    return stated


def extract(videos: Sequence[Video], model: Backbone, method: str, store: Path, lost: list[str],
            recipe: Recipe | None = None, sites: Sequence[Site] | None = None) -> list[Pair]:
    """Hidden states and labels of each video; the paths of those that cannot be read are added to `lost`."""
    from hiprobe import pipeline
    from hiprobe.terminal import bar, complain

    def failed(one: Video, error: HiProbeError) -> None:
        complain(error)
        lost.append(one.path)

    with bar(seconds(one.path for one in videos)) as progress:
        return list(pipeline.extract(videos, model, method=method, sites=sites, recipe=recipe, root=store,
                                     progress=progress, failed=failed))


def fit(data: Path, model: Backbone, method: str, store: Path, *, layer: int | None = None, prompt: str | None = None,
         split: str | None = None, seed: int = 0, layer_curve: bool = True) -> tuple[Probe, list[str]]:
    """A probe fitted on labelled clips, and the paths that could not be read."""
    from dataclasses import replace

    from hiprobe import datasets, pipeline
    from hiprobe.types import Site

    if layer is not None and not 0 <= layer < model.layers:
        raise UsageError(f"layer {layer} of a model whose layers are 0 to {model.layers - 1}")
    if prompt is not None and not prompt.strip():
        raise UsageError("the prompt is empty")
    recipe = model.recipe if prompt is None else replace(model.recipe, prompts=(prompt,))
    sites = None if layer is None else (Site("residual", layer),)
    lost: list[str] = []
    pairs = extract(list(datasets.load("folder", data, split)), model, method, store, lost, recipe, sites)
    return pipeline.fit(method, pairs, model=model, seed=seed, sites=sites, layer_curve=layer_curve), lost


def detect(paths: Sequence[Path], model: Backbone, probe: Probe, folder: Path, explain: bool = True,
            as_json: bool = False, failed: Sequence[Result] = ()) -> list[Result]:
    """Detects in each video and writes what was found as soon as the video is done."""
    from hiprobe import pipeline, report, store, terminal

    results = []
    store.note(folder, failed)
    for result in failed:
        tell(result, folder, as_json)
    with terminal.bar(seconds(map(str, paths))) as progress:
        for result in pipeline.detect_all(paths, model, probe, failed=terminal.complain, explain=explain,
                                          root=folder / ".store", progress=progress):
            if result.scores is not None:
                report.write(result, Path(result.path), store.result_folder(folder, result), thumbnails(result))
            store.note(folder, [result])
            tell(result, folder, as_json)
            results.append(result)
    return results


def tell(result: Result, folder: Path, as_json: bool) -> None:
    """What is said of one result, once its files are written."""
    from hiprobe import report, sinks, store, terminal

    if as_json:
        terminal.emit({"path": result.path, "status": result.status, "reason": result.reason,
                       "events": [sinks.event_line(result, event) for event in result.events]})
    elif result.scores is not None:
        terminal.show(report.events_table(result))
        terminal.say(f"report: [bold]{terminal.shown(store.result_folder(folder, result) / 'report.html')}[/]")


def thumbnails(result: Result) -> list[tuple[float, Any]]:
    """The frame at the peak of each of the first 12 events."""
    from hiprobe import video

    peaks = [event.peak for event in result.events[:12] if event.peak is not None]
    return [(peak, video.span(result.path, peak, peak + 0.04, 1).frames[0]) for peak in peaks]


def code(results: Iterable[Result]) -> int:
    return 3 if any(result.status in ("failed", "quarantined") for result in results) else 0
