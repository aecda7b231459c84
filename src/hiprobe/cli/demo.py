"""`hiprobe demo`: the whole tool on the clips and the model in the package."""

from __future__ import annotations

import typer

from hiprobe.cli import _detection, _run
from hiprobe.cli._chosen import ChosenProbe
from hiprobe.cli._options import OUT, Out
from hiprobe.cli._passed import PassedOver
from hiprobe.cli._videos import find_videos


def demo(folder: Out = OUT) -> None:
    """Fit a probe on the shipped clips, then find and explain the anomalies of a shipped video.

    Model, labelled clips and video are in the package, so this needs no network and no argument.
    All of them are rendered: the demo shows how the tool works, not how well a model does on real
    footage.
    """
    from hiprobe import embedded
    from hiprobe.backbones import Loading
    from hiprobe.cli._terminal import fitted, markup, say
    from hiprobe.runs import check_out
    from hiprobe.store.local_places import FittedOn

    model = _run.load_backbone(Loading("embedded"))
    say(f"[bold]1. fit[/] on the labelled clips in {markup(embedded.CLIPS)}")
    request = _run.FitRequest(embedded.CLIPS, "hiprobe", layer_curve=False)
    probe, _ = _run.fit_probe(request, model, folder / ".store")
    fitted(probe)
    check_out(folder, probe)
    place = "a place that neither the model nor the probe has seen"
    say(f"\n[bold]2. detect[/] in {embedded.VIDEO.name}: {place}")
    found = find_videos([str(embedded.VIDEO)], PassedOver())
    fit = FittedOn(data=str(embedded.CLIPS), store=str((folder / ".store").absolute()))
    _detection.keep_places(folder, found, ChosenProbe(probe, embedded.PROBE, fit))
    asked = _detection.DetectionRequest(probe, folder, probe.localization, dtype=None)
    output = _detection.Output(folder)
    code = _detection.show_detection(found, asked, lambda: model, output)
    output.end(found)
    raise typer.Exit(code)
