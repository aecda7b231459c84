"""Run the script of estimates on tiny shapes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.published import CONFIGS, family_of

from benchmarks import estimates, first_line
from hiprobe import backbones, embedded, estimate


def test_the_script_compares_four_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("num2words")
    measured = estimate.measure_model
    points = estimate.Speeds("cpu", "float32", ((64, 1e9),))
    monkeypatch.setattr(estimate, "measured_speeds", lambda *_, **__: points)
    monkeypatch.setattr(estimate, "measure_model", lambda *given: measured(*given, seconds=0.0))
    monkeypatch.setattr(sys, "argv", ["script", "--small", "--json", str(tmp_path / "a.json")])
    estimates.main()
    ((rows),) = json.loads((tmp_path / "a.json").read_text())["tables"].values()
    assert len(rows) == 4
    assert all(row["measured s"] > 0 and row["estimated s"] > 0 for row in rows)
    assert "estimated / measured" in capsys.readouterr().out


def test_every_listed_model_but_gemma_has_published_sizes() -> None:
    listed = {one.model: one for one in backbones.catalogue() if one.family != "gemma4"}
    assert set(CONFIGS) == set(listed) - {"embedded"}
    assert all(family_of(name, listed[name].family).frames == 16 for name in CONFIGS)


def test_what_is_said_first_is_compared_with_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Any
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    points = estimate.Speeds("cpu", "float32", ((64, 1e11), (1024, 1e11)))
    monkeypatch.setattr(estimate, "measured_speeds", lambda *_, **__: points)
    clip = min(embedded.CLIPS.glob("*.mp4"))
    row = first_line.compared("a clip", [clip], shipped, processor=True)
    assert row["segments"] == 8
    assert row["said s"] > 0
    assert row["read s"] > 0
