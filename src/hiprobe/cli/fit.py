"""`hiprobe fit`: fit a probe on labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _passed, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Device,
    Dtype,
    Method,
    Model,
    Revision,
    Seed,
    Store,
    Verbose,
)


def fit(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with normal/ and abnormal/, or a CSV with the columns "
            "path,label,start,end,split. A method that fits on normal videos needs no "
            "abnormal/; a method without labels needs no data."
        ),
    ] = None,
    probe: Annotated[Path, typer.Option("-o", "--out", help="The probe file to write.")] = Path(
        "probe.safetensors"
    ),
    model: Model = "embedded",
    method: Method = "hiprobe",
    layer: Annotated[
        int | None, typer.Option(help="Read this layer instead of choosing one.")
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="Ask this instead of the question of the model or the method. Give as many as "
            "the method asks."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Take only the CSV rows of this split.")] = None,
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Fit a probe on labelled clips; say which layer or heads it reads, and why.

    A row of the CSV is a video or one event of it: the label `normal` or a word for the anomaly,
    and start and end in seconds, both blank for the whole video. Paths are relative to the folder
    of the CSV.
    """
    from hiprobe.backbones import Loading
    from hiprobe.cli._terminal import emit, fitted, markup, say

    _passed.watch(context, verbose).search_clips(data)
    backbone = _run.load_backbone(Loading(model, revision, device, dtype))
    request = _run.FitRequest(data, method, layer, prompt or (), split, seed)
    made, failed = _run.fit_probe(request, backbone, store)
    made.save(probe)
    if as_json:
        emit(
            {
                "probe": str(probe),
                "digest": made.digest,
                "threshold": made.localization.threshold,
                **made.provenance,
                "failed": failed,
            }
        )
    else:
        fitted(made)
        say(f"probe: [bold]{markup(probe)}[/] ({made.digest[:8]})")
    raise typer.Exit(_run.exit_code(failed))
