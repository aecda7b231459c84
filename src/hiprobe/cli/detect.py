"""`hiprobe detect`: videos to results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _ray, _run
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
    Worker,
)


def detect(
    paths: Paths,
    probe: Annotated[Path, typer.Option("--probe", "-p", help="A probe made by hiprobe fit.")],
    model: Model = "embedded",
    out: OutOrAddress = str(OUT),
    explain: Annotated[bool, typer.Option(help="Let the model put each event into words.")] = True,
    method: Annotated[
        str | None,
        typer.Option(
            help="The module:attribute that the probe was fitted with: name it if "
            "you trust that code."
        ),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    again: Annotated[bool, typer.Option("--again", help="Do all anew, also what is done.")] = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="Also write the events of all videos to this sink: csv, jsonl, webvtt or "
            "module:attribute, for example jsonl=events.jsonl. Repeatable.",
        ),
    ] = None,
    ray: Ray = None,
    worker: Worker = None,
    as_json: AsJson = False,
) -> None:
    """Find, locate and explain anomalies in videos.

    Each video gets a folder with report.html, timeline.png, events.jsonl, scores.csv and events.vtt; manifest.jsonl
    lists all. A video that cannot be read is named, the others go on, and the exit code is 3. The same command goes
    on where it was cut off: a video done before with this probe, model and settings is not done again.
    """
    from hiprobe import backbones
    from hiprobe.cli._sinks import SinkOutput
    from hiprobe.cli._terminal import total
    from hiprobe.probe import Probe
    from hiprobe.runs import DetectionRun

    fitted = Probe.load(probe, method=method)
    output = _run.Output(out, as_json, SinkOutput(sink or ()))
    deepest = None if explain else backbones.deepest(fitted.sites)
    loading = backbones.Loading(model, revision, device, dtype, deepest)
    if ray is not None:
        on_ray = _ray.ray_run(ray, worker, loading)
        request = _ray.RayDetection(fitted, output, explain, again)
        raise typer.Exit(_ray.detect_and_show(*_ray.find_everywhere(paths), on_ray, request))
    _ray.without(worker, *paths, out)
    found, failed = _run.find_videos(paths)
    run = DetectionRun(_run.load_model(loading), fitted, Path(out), explain=explain)
    results = failed + _run.detect_with_progress(found, run, output, failed, again)
    if not as_json:
        total(results, Path(out))
    raise typer.Exit(_run.code(results))
