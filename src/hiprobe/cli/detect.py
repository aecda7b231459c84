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
    from hiprobe.cli._terminal import total
    from hiprobe.probe import Probe

    fitted = Probe.load(probe, method=method)
    deepest = None if explain else backbones.deepest(fitted.sites)
    if ray is not None:
        at = _ray.cluster(ray, worker)
        from hiprobe.scale import Loading

        raise typer.Exit(
            _ray.detect_and_show(
                *_ray.find_everywhere(paths),
                Loading(model, revision, device, dtype, deepest),
                fitted,
                out,
                at,
                explain,
                again,
                as_json,
            )
        )
    _ray.without(worker, *paths, out)
    folder = Path(out)
    found, failed = _run.find_videos(paths)
    backbone = _run.load_model(model, revision, device, dtype, deepest)
    results = failed + _run.detect_and_show(
        found, backbone, fitted, folder, explain, as_json, failed, again
    )
    if not as_json:
        total(results, folder)
    raise typer.Exit(_run.code(results))
