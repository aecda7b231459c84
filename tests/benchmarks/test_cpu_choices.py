"""Run the scripts on precisions, batches and the plain loop on tiny shapes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cpu_choices, vs_shapes
from hiprobe.backbones._batching import cpu_batch


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    pytest.importorskip("num2words")
    monkeypatch.setattr(sys, "argv", ["script", "--small", "--json", str(tmp_path / "a.json")])
    return tmp_path / "a.json"


def test_precisions_and_batches_are_compared(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cpu_choices.models
    monkeypatch.setattr(cpu_choices, "models", lambda small: {"tiny": real(small)["SmolVLM2-256M"]})
    monkeypatch.setattr(cpu_choices, "THREADS", (1,))  # two would wait for each other here
    cpu_choices.main()
    threads, precisions = json.loads(small.read_text())["tables"].values()
    assert [(row["threads"], row["batch"]) for row in threads] == [(1, 1), (1, 4)]
    assert cpu_batch(16, 448, 448) == 1, "the bound holds again"
    assert [row["weights"] for row in precisions][:3] == ["float32", "bfloat16", "int8"]
    assert [row["differs by (of scale)"] > 0 for row in precisions][:3] == [False, True, True]


def test_asking_is_compared_with_reading(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = vs_shapes.models

    def tiny(given: Any) -> Any:
        return {"tiny": real(given)["SmolVLM2-256M"]}

    monkeypatch.setattr(vs_shapes, "models", tiny)
    monkeypatch.setattr(vs_shapes, "ROUNDS", 1)
    vs_shapes.main()
    ((row,),) = json.loads(small.read_text())["tables"].values()
    assert row["blocks read"] == "3 of 4"
    assert row["ratio of wall time"] > 0
