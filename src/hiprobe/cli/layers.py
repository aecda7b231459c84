"""`hiprobe layers`: saliency over depth, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import OUT, AsJson, Device, Dtype, Method, Model, Revision, Seed, Store


def layers(
    data: Annotated[
        Path, typer.Argument(help="Labelled clips as for fit, or a probe made by fit.")
    ],
    picture: Annotated[Path, typer.Option("-o", "--out", help="Where the picture goes.")] = Path(
        "layers.png"
    ),
    model: Model = "embedded",
    method: Method = "hiprobe",
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw saliency over depth: KL, LDR, entropy and their sum beside chance, and the cross-validated AUC per layer."""
    from hiprobe import report
    from hiprobe.backbones import Loading
    from hiprobe.cli import _terminal
    from hiprobe.probe import Probe
    from hiprobe.probe.curves import saliency_curves

    failed: list[str] = []
    if data.suffix == ".safetensors":
        made = Probe.load(data, method=method)
    else:
        backbone = _run.load_model(Loading(model, revision, device, dtype))
        made, failed = _run.fit_probe(_run.FitRequest(data, method, seed=seed), backbone, store)
    curves = saliency_curves(made, data)
    report.layers_png(curves, picture)
    if as_json:
        _terminal.emit(curves)
    else:
        _terminal.show(_terminal.layers_table(curves))
        _terminal.say(f"picture: [bold]{_terminal.markup(picture)}[/]")
    raise typer.Exit(3 if failed else 0)
