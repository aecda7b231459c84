"""`hiprobe detect`: videos to results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import OUT, AsJson, Device, Dtype, Model, Out, Paths, Revision

if TYPE_CHECKING:
    from hiprobe.probe import Probe


def detect(
    paths: Paths,
    probe: Annotated[Path, typer.Option("--probe", "-p", help="A probe made by hiprobe fit.")],
    model: Model = "embedded",
    folder: Out = OUT,
    explain: Annotated[bool, typer.Option(help="Let the model put each event into words.")] = True,
    method: Annotated[str | None, typer.Option(help="The module:attribute that the probe was fitted with: name it if "
                                               "you trust that code.")] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Find, locate and explain anomalies in videos.

    Each video gets a folder with report.html, timeline.png, events.jsonl, scores.csv and events.vtt; manifest.jsonl
    lists all. A video that cannot be read is named, the others go on, and the exit code is 3.
    """
    from hiprobe.probe import Probe
    from hiprobe.terminal import total

    fitted = Probe.load(probe, method=method)
    found, failed = _run.find(paths)
    backbone = _run.load(model, revision, device, dtype, None if explain else _deepest(fitted))
    results = failed + _run.detect(found, backbone, fitted, folder, explain, as_json, failed)
    if not as_json:
        total(results, folder)
    raise typer.Exit(_run.code(results))


def _deepest(probe: Probe) -> int | None:
    """The deepest block that a probe reads: enough of the model where nothing is explained. None: all of it."""
    if any(site.kind == "logit" for site in probe.sites):
        return None
    return max((site.layer for site in probe.sites), default=None)
