"""`fit --prefer-early`: what it says and refuses; tests/probe/test_early_layer.py has the rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import run
from tests.conftest import Fitted

from hiprobe.probe import Probe

__all__ = ["run"]


def test_the_layer_that_is_read_and_the_one_it_replaces_are_named(
    run: Any, clips: Path, fitted: Fitted, tmp_path: Path
) -> None:
    out = tmp_path / "probe.safetensors"
    fit = ("fit", clips, "--no-verify", "--store", fitted.store, "--device", "cpu", "-o", out)
    said = run(*fit, "--prefer-early")
    record = Probe.load(out).provenance["prefer_early"]
    chosen = str(Probe.load(out).sites[0])
    if record["instead_of"] == chosen:
        assert "instead of" not in said.out
    else:
        assert f"  instead of {record['instead_of']}: AUC {record['auc']:.3f}" in said.out
    assert record["within"] == 0.01


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--layer", "3"), "a method that selects a layer, and --layer names one"),
        (("--method", "output_layer"), "selects a layer, and this method does not do that"),
        (("--method", "likelihood"), "selects a layer, and this method does not do that"),
    ],
)
def test_it_is_refused_where_there_is_no_choice(
    options: tuple[str, ...], reason: str, run: Any, clips: Path
) -> None:
    said = run("fit", clips, "--prefer-early", *options)
    assert said.code == 2
    assert reason in said.err
    assert "needs labelled clips" in run("fit", "--prefer-early").err
