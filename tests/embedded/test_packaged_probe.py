"""The shipped probe is what `hiprobe fit` makes of the shipped clips with the shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import hiprobe
from hiprobe import backbones, embedded, pipeline
from hiprobe.backbones import Backbone
from hiprobe.cli import _run
from hiprobe.probe import Probe


def test_the_shipped_probe_equals_a_fresh_fit(shipped: Backbone, tmp_path: Path) -> None:
    kept = Probe.load(embedded.PROBE)
    assert backbones.name_of(kept.recipe.model) == "embedded"
    request = _run.FitRequest(embedded.CLIPS, "hiprobe", layer_curve=False)
    made, failed = _run.fit_probe(request, shipped, tmp_path)
    assert not failed
    assert (made.method, made.recipe, made.sites, made.width) == (
        kept.method,
        kept.recipe,
        kept.sites,
        kept.width,
    )
    assert made.localization.threshold is not None
    np.testing.assert_allclose(
        made.localization.threshold, kept.localization.threshold, rtol=0, atol=1e-6
    )
    pipeline.check_probe(shipped, kept)
    clips = list(hiprobe.datasets.load("folder", embedded.CLIPS))[:4]
    for states, _ in hiprobe.extract(clips, shipped, store=tmp_path):
        np.testing.assert_allclose(made.score(states), kept.score(states), rtol=0, atol=1e-6)
