"""`hiprobe fit`: labelled clips to a probe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import OUT, AsJson, Device, Dtype, Method, Model, Revision, Seed, Store


def fit(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with normal/ and abnormal/, or a CSV: "
            "path,label,start,end,split. A method of normal videos needs no "
            "abnormal/, one without labels no data at all."
        ),
    ] = None,
    probe: Annotated[Path, typer.Option("-o", "--out", help="Where the probe goes.")] = Path(
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
            help="Ask this instead of the model's or the method's own "
            "question; as often as the method asks."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Take only the CSV rows of this split.")] = None,
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Fit a probe on labelled clips, and say which layer or heads it reads and why.

    A row of the CSV is a video or one event of it: the label `normal` or a word for the anomaly, its start and end in
    seconds, both blank for the whole video. Paths count from the folder of the CSV.
    """
    from hiprobe.backbones import Loading
    from hiprobe.cli._terminal import emit, fitted, markup, say

    backbone = _run.load_model(Loading(model, revision, device, dtype))
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
    raise typer.Exit(3 if failed else 0)
