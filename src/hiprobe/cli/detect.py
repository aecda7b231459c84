"""`hiprobe detect`: videos to results."""

from __future__ import annotations

from typing import Annotated

import typer

from hiprobe.cli import _chosen, _passed, _ray, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Device,
    Dtype,
    ModelOfProbe,
    OutOrAddress,
    Paths,
    ProbeOfFolder,
    Ray,
    Revision,
    Verbose,
    Worker,
)
from hiprobe.cli._videos import find_videos


def detect(
    context: typer.Context,
    paths: Paths,
    probe: ProbeOfFolder = None,
    model: ModelOfProbe = None,
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
    events.vtt; index.html lists all videos, manifest.jsonl too. A video that cannot be read is
    named, the others continue, and the exit code is 3. An interrupted command continues when it is
    given again: videos finished with this probe, model and settings are not read again.
    """
    from hiprobe import backbones
    from hiprobe.cli._sinks import SinkOutput
    from hiprobe.runs import DetectionRun, check_out

    seen = _passed.watch(context, verbose)
    home = _ray.results_home(out)
    chosen = _chosen.choose_probe(probe, home, method)
    if not again:
        check_out(home, chosen.probe)
    name = _chosen.choose_model(model, chosen)
    if probe is None:
        _chosen.say_choice(chosen, name)
    sinks = SinkOutput(sink or ())
    output = _run.Output(out, as_json, sinks)
    deepest = None if explain else backbones.deepest(chosen.probe.sites)
    revision = revision or chosen.revision(name)
    loading = backbones.Loading(name, revision, device, dtype, deepest)
    if ray is None:
        _ray.without(worker, *paths, out)
    found = find_videos(paths, seen, anywhere=ray is not None)
    sinks.check([chosen.path, *(one.path for one in found.videos)], out)
    if ray is not None:
        request = _ray.RayDetection(chosen, output, explain, again)
        raise typer.Exit(_ray.detect_and_show(found, _ray.ray_run(ray, worker, loading), request))
    run = DetectionRun(_run.load_backbone(loading), chosen.probe, home, explain=explain)
    _run.keep_places(home, found, chosen)
    results = found.failed + _run.detect_with_progress(found, run, output, again)
    _run.show_end(results, output)
    sinks.write(one.name for one in found.videos)
    raise typer.Exit(_run.exit_code_of(results))
