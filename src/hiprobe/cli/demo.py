"""`hiprobe demo`: the whole tool on the clips and the model in the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hiprobe.cli import _detection, _run
from hiprobe.cli._chosen import ChosenProbe
from hiprobe.cli._options import OUT, Out
from hiprobe.cli._passed import PassedOver
from hiprobe.cli._videos import Found, find_videos

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone

DEFAULT = "default-probe"  # the folder in OUT with what the shipped probe finds


def demo(folder: Out = OUT) -> None:
    """Find and explain anomalies with the shipped probe, then with one fitted on labelled clips.

    Model, probe, labelled clips and video are in the package, so this needs no network and no
    argument. All of them are rendered: the demo shows how the tool works, not how well a model does
    on real footage.
    """
    from hiprobe import embedded
    from hiprobe.backbones import Loading
    from hiprobe.cli._chosen import choose_probe
    from hiprobe.cli._terminal import fitted, markup, say
    from hiprobe.store.local_places import FittedOn

    model = _run.load_backbone(Loading("embedded"))
    found = find_videos([str(embedded.VIDEO)], PassedOver())
    say(f"[bold]1. detect[/] in {embedded.VIDEO.name} with the probe that comes with hiprobe")
    codes = [_detect(found, choose_probe(embedded.PROBE, folder), folder / DEFAULT, model)]

    say(f"\n[bold]2. fit[/] a probe on the labelled clips in {markup(embedded.CLIPS)}")
    request = _run.FitRequest(embedded.CLIPS, "hiprobe", layer_curve=False)
    probe, _ = _run.fit_probe(request, model, folder / ".store")
    fitted(probe)
    fit = FittedOn(data=str(embedded.CLIPS), store=str((folder / ".store").absolute()))

    say(f"\n[bold]3. detect[/] in {embedded.VIDEO.name} with that probe")
    codes.append(_detect(found, ChosenProbe(probe, embedded.PROBE, fit), folder, model))
    raise typer.Exit(max(codes))


def _detect(found: Found, chosen: ChosenProbe, out: Path, model: Backbone) -> int:
    """Detect in the videos with a probe, show the results, and return the exit code."""
    from hiprobe.runs import check_out

    check_out(out, chosen.probe)
    _detection.keep_places(out, found, chosen)
    asked = _detection.DetectionRequest(chosen.probe, out, chosen.probe.localization, dtype=None)
    output = _detection.Output(out)
    code = _detection.show_detection(found, asked, lambda: model, output)
    output.end(found)
    return code
