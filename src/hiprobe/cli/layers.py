"""`hiprobe layers`: draw saliency over the layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli import _passed, _run
from hiprobe.cli._labels import check_normal, label_words, warn_of_copies, warn_of_short
from hiprobe.cli._options import (
    OUT,
    AnomalyLabel,
    AsJson,
    Device,
    Dtype,
    Method,
    Model,
    NormalLabel,
    Revision,
    Seed,
    Store,
    Verbose,
)
from hiprobe.cli._reading import Frames, Prompt, SegmentLength, Size, recipe_options


def layers(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Labelled clips as for fit, or a probe file made by fit.")
    ],
    picture: Annotated[Path, typer.Option("-o", "--out", help="The picture to write.")] = Path(
        "layers.png"
    ),
    model: Model = "embedded",
    method: Method = "hiprobe",
    prompt: Prompt = None,
    segment: SegmentLength = None,
    frames: Frames = None,
    size: Size = None,
    normal_label: NormalLabel = None,
    anomaly_label: AnomalyLabel = None,
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Draw saliency over the layers: KL, LDR, entropy and their sum, each with its chance level.

    The cross-validated AUC of each layer is drawn as well.
    """
    from hiprobe import datasets, report
    from hiprobe.backbones import Loading
    from hiprobe.cli import _terminal
    from hiprobe.probe import Probe
    from hiprobe.probe.curves import saliency_curves

    _passed.watch(context, verbose).search_clips(data)
    failed: list[str] = []
    if data.suffix == ".safetensors":
        _run.check_output(picture, [data])
        made = Probe.load(data, method=method)
    else:
        words = label_words(normal_label, anomaly_label)
        options = recipe_options(prompt, segment, frames, size)
        request = _run.FitRequest(data, method, options=options, seed=seed, words=words)
        request.check_options()
        check_normal(request.clips, method, words)
        warn_of_copies(request.clips)
        counts = datasets.count_labels(request.clips, request.segment_s)
        warn_of_short(counts, request.segment_s)
        _run.check_output(picture, [data, *(clip.path for clip in request.clips)])
        backbone = _run.load_backbone(Loading(model, revision, device, dtype))
        made, failed = _run.fit_probe(request, backbone, store)
    curves = saliency_curves(made, data)
    report.layers_png(curves, picture)
    if as_json:
        _terminal.emit(curves)
    else:
        _terminal.show(_terminal.layers_table(curves))
        _terminal.say(f"picture: [bold]{_terminal.markup(picture)}[/]")
    raise typer.Exit(_run.exit_code(failed))
