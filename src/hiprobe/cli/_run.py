"""What several commands do alike: find videos, load the model, extract, fit and detect with progress shown."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.errors import HiProbeError, UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.pipeline import Pair
    from hiprobe.probe import Probe
    from hiprobe.types import Recipe, Result, Site, Video


def load_model(
    name: str, revision: str | None, device: str, dtype: str, max_layer: int | None = None
) -> Backbone:
    """The model, whole or up to block `max_layer`; what it has to say to its user is said."""
    from hiprobe import backbones, video
    from hiprobe.cli._terminal import warn

    video.warm()  # beside the model: the decoder's process takes a third of a second to start
    with _lasting():
        model = backbones.load(
            name, revision=revision, device=device, dtype=dtype, max_layer=max_layer
        )
    if model.notice:
        warn(model.notice)
    return model


@contextmanager
def _lasting() -> Iterator[None]:
    """What is made meanwhile is taken to stay: no search for garbage, and none of it is searched later.

    Torch and transformers are 600,000 objects, and each full search of them takes a quarter of a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def find_videos(paths: Sequence[str]) -> tuple[list[Path], list[Result]]:
    """The videos meant by `paths`, each once, and a failed result for each path that means none."""
    from hiprobe import pipeline, video
    from hiprobe.cli._terminal import complain

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
    from hiprobe.cli._terminal import err

    stated = {}
    for path in paths if err.is_terminal else ():
        try:
            stated[path] = video.info(path).duration or 0.0
        except VideoError:
            stated[path] = 0.0
    return stated


def extract_with_progress(
    videos: Sequence[Video],
    model: Backbone,
    method: str,
    store: Path,
    lost: list[str],
    recipe: Recipe | None = None,
    sites: Sequence[Site] | None = None,
) -> list[Pair]:
    """Hidden states and labels of each video; the paths of those that cannot be read are added to `lost`."""
    from hiprobe import pipeline
    from hiprobe.cli._terminal import bar, complain

    def failed(one: Video, error: HiProbeError) -> None:
        complain(error)
        lost.append(one.path)

    with bar(seconds(one.path for one in videos)) as progress:
        return list(
            pipeline.extract(
                videos,
                model,
                method=method,
                sites=sites,
                recipe=recipe,
                root=store,
                progress=progress,
                failed=failed,
            )
        )


def fit_and_show(
    data: Path | None,
    model: Backbone,
    method: str,
    store: Path,
    *,
    layer: int | None = None,
    prompts: Sequence[str] = (),
    split: str | None = None,
    seed: int = 0,
    layer_curve: bool = True,
) -> tuple[Probe, list[str]]:
    """A probe fitted on labelled clips, or on none if the method needs none, and the paths that could not be read."""
    from hiprobe import datasets, pipeline
    from hiprobe.types import Site

    if layer is not None and not 0 <= layer < model.layers:
        raise UsageError(f"layer {layer} of a model whose layers are 0 to {model.layers - 1}")
    if not all(prompt.strip() for prompt in prompts):
        raise UsageError("the prompt is empty")
    recipe = pipeline.recipe_for(method, model, prompts)
    if data is None:
        if layer is not None or split is not None:
            raise UsageError("without labelled clips there is no layer and no split to choose")
        return pipeline.fit(
            method, [pipeline.unread(method, model, recipe=recipe)], model=model
        ), []
    sites = None if layer is None else (Site("residual", layer),)
    lost: list[str] = []
    pairs = extract_with_progress(
        list(datasets.load("folder", data, split)), model, method, store, lost, recipe, sites
    )
    return pipeline.fit(
        method, pairs, model=model, seed=seed, sites=sites, layer_curve=layer_curve
    ), lost


def detect_and_show(
    paths: Sequence[Path],
    model: Backbone,
    probe: Probe,
    folder: Path,
    explain: bool = True,
    as_json: bool = False,
    failed: Sequence[Result] = (),
    again: bool = False,
) -> list[Result]:
    """Detects in each video that is not done yet and writes what was found as soon as the video is done."""
    from hiprobe import runs, store
    from hiprobe.cli import _terminal

    run = runs.DetectionRun(model, probe, folder, explain=explain)
    if again:
        run.forget(paths)
    before, left = run.done(paths)
    if before and not as_json:
        goes_on = (
            f"{len(before)} of {len(paths)} done before, going on" if left else "all done before"
        )
        _terminal.say(f"{goes_on}; --again does them anew")
    made = [*failed, *before]
    with store.Notes(folder) as notes, _terminal.bar(seconds(map(str, left))) as progress:
        notes.add(made)
        for result in made:
            tell(result, folder, as_json)
        for result in run.detect(
            left, keep=keep, failed=_terminal.complain, progress=progress, waiting=_waiting
        ):
            notes.add([result])
            tell(result, folder, as_json)
            made.append(result)
    order = {str(path): place for place, path in enumerate(paths)}
    return sorted(made[len(failed) :], key=lambda result: order[result.path])


def _waiting(videos: int) -> None:
    from hiprobe.cli._terminal import warn
    from hiprobe.store.leases import LEASE_S

    warn(
        f"waiting for {videos} video{'s'[videos == 1 :]} of another worker; if it has died, at most {LEASE_S:g} s"
    )


def keep(result: Result, place: Path) -> None:
    """Write the files of a result that a person looks at; matplotlib is loaded for the first one."""
    from hiprobe import report

    report.report_video(result, place)


def tell(result: Result, folder: Path | str, as_json: bool) -> None:
    """What is said of one result, once its files are written in `folder`, which may be an address."""
    from hiprobe import sinks, store
    from hiprobe.cli import _terminal

    if as_json:
        _terminal.emit(
            {
                "path": result.path,
                "status": result.status,
                "reason": result.reason,
                "scored_s": round(result.scores.scored_s, 3) if result.scores else 0.0,
                "gaps": [vars(gap) for gap in result.scores.gaps] if result.scores else [],
                "events": [sinks.event_line(result, event) for event in result.events],
            }
        )
    elif result.scores is not None:
        _terminal.show(_terminal.events_table(result))
        place = store.result_folder(Path(), result)
        _terminal.say(f"report: [bold]{_terminal.markup(f'{folder}/{place}/report.html')}[/]")


def code(results: Iterable[Result]) -> int:
    return 3 if any(result.status in ("failed", "quarantined") for result in results) else 0
