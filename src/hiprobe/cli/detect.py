"""`hiprobe detect`: videos to results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _passed, _ray, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Device,
    Dtype,
    Model,
    OutOrAddress,
    Paths,
    Ray,
    Revision,
    Verbose,
    Worker,
)


def detect(
    context: typer.Context,
    paths: Paths,
    probe: Annotated[Path, typer.Option("--probe", "-p", help="A probe made by hiprobe fit.")],
    model: Model = "embedded",
    out: OutOrAddress = str(OUT),
    explain: Annotated[
        bool, typer.Option(help="Let the model explain each event in words.")
    ] = True,
    method: Annotated[
        str | None,
        typer.Option(
            help="The module:attribute that the probe was fitted with. Its code is "
            "imported, so name it only if you trust it."
        ),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    again: Annotated[bool, typer.Option("--again", help="Also do finished videos again.")] = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="Also write the events of all videos of this command to a sink: csv, jsonl, "
            "webvtt or module:attribute, for example jsonl=events.jsonl. Repeatable.",
        ),
    ] = None,
    ray: Ray = None,
    worker: Worker = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Find, locate and explain anomalies in videos.

    Each video gets a folder with report.html, timeline.png, events.jsonl, scores.csv and
    events.vtt; manifest.jsonl lists all videos. A video that cannot be read is named, the others
    continue, and the exit code is 3. An interrupted command continues when it is given again:
    videos finished with this probe, model and settings are not read again.
    """
    from hiprobe import backbones
    from hiprobe.cli._sinks import SinkOutput
    from hiprobe.cli._terminal import total
    from hiprobe.runs import DetectionRun

    seen = _passed.watch(context, verbose)
    fitted = _run.load_probe(probe, method)
    sinks = SinkOutput(sink or ())
    output = _run.Output(out, as_json, sinks)
    deepest = None if explain else backbones.deepest(fitted.sites)
    loading = backbones.Loading(model, revision, device, dtype, deepest)
    if ray is not None:
        on_ray = _ray.ray_run(ray, worker, loading)
        request = _ray.RayDetection(fitted, output, explain, again)
        videos, failed = _ray.find_everywhere(paths, seen)
        sinks.check([probe, *videos], out)
        raise typer.Exit(_ray.detect_and_show(videos, failed, on_ray, request))
    _ray.without(worker, *paths, out)
    found, failed = _run.find_videos(paths, seen)
    sinks.check([probe, *found], out)
    run = DetectionRun(_run.load_backbone(loading), fitted, Path(out), explain=explain)
    results = failed + _run.detect_with_progress(found, run, output, failed, again)
    if not as_json:
        total(results, Path(out))
    sinks.write(found)
    raise typer.Exit(_run.exit_code_of(results))
