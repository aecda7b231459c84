"""`hiprobe extract`: read hidden states and keep them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from hiprobe.cli import _passed, _quiet, _ray, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Compile,
    Device,
    Dtype,
    Method,
    Model,
    Paths,
    Quiet,
    Ray,
    Revision,
    StoreOrAddress,
    Verbose,
    Worker,
)
from hiprobe.cli._reading import (
    Frames,
    Prompt,
    ReadingOptions,
    SegmentLength,
    Size,
    Still,
    recipe_options,
    windows_to_read,
)
from hiprobe.cli._videos import find_videos


def extract(
    context: typer.Context,
    paths: Paths,
    model: Model = "embedded",
    method: Method = "hiprobe",
    prompt: Prompt = None,
    segment: SegmentLength = None,
    frames: Frames = None,
    size: Size = None,
    still: Still = False,
    store: StoreOrAddress = str(OUT / ".store"),
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = False,
    ray: Ray = None,
    worker: Worker = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Read the hidden states of all layers and keep them.

    fit and detect then need not run the model again; with --still only detect --still, as such
    states are kept apart.
    """
    from hiprobe.backbones import Loading

    _quiet.be_quiet(quiet)
    seen = _passed.watch(context, verbose)
    loading = Loading(model, revision, device, dtype, compiled=compiled)
    reading = ReadingOptions(method, recipe_options(prompt, segment, frames, size))
    reading.options.check(method)
    windows = windows_to_read(1, still, ray)
    if ray is not None:
        run = _ray.ray_run(ray, worker, loading)
        found = find_videos(paths, seen, anywhere=True)
        unread = _ray.extract_and_show(found.videos, run, store, reading, as_json)
        raise typer.Exit(_run.exit_code(found.failed or unread))
    _ray.without(worker, *paths, store)
    found = find_videos(paths, seen)
    backbone = _run.load_backbone(loading)
    lost = [result.path for result in found.failed]
    plan = replace(reading.plan(backbone), kept_as=windows.name)
    _run.say_forecast(backbone, plan, found.videos, Path(store))
    for states, _ in _run.extract_with_progress(found.videos, backbone, Path(store), plan, lost):
        shape, gaps = states.values.shape, len(states.gaps)
        _run.show_states(states.video_id, shape, states.duration, gaps, as_json)
    raise typer.Exit(_run.exit_code(lost))
