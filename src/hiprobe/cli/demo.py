"""`hiprobe demo`: the whole tool on what the package ships."""

from __future__ import annotations

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import OUT, Out


def demo(folder: Out = OUT) -> None:
    """Fit a probe on the shipped clips, then find and explain the anomalies of a shipped video.

    Model, labelled clips and video are in the package: no network, no argument. All of them are rendered, so this
    shows how the tool works, not how well a model does on real footage.
    """
    from hiprobe import embedded
    from hiprobe.cli._terminal import fitted, markup, say

    model = _run.load_model("embedded", None, "auto", "auto")
    say(f"[bold]1. fit[/] on the labelled clips in {markup(embedded.CLIPS)}")
    probe, _ = _run.fit_and_show(
        embedded.CLIPS, model, "hiprobe", folder / ".store", layer_curve=False
    )
    probe.save(folder / "demo.probe.safetensors")
    fitted(probe)
    say(
        f"\n[bold]2. detect[/] in {embedded.VIDEO.name}: a place that neither the model nor the probe has seen"
    )
    results = _run.detect_and_show([embedded.VIDEO], model, probe, folder)
    raise typer.Exit(_run.code(results))
