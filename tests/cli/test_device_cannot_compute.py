"""`hiprobe doctor` and `models` where torch finds a device but cannot compute on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import run

from hiprobe import backbones, estimate

__all__ = ["run"]
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
RAISED = (
    RuntimeError(f"{NO_KERNEL}\nCompile with `TORCH_USE_CUDA_DSA`"),
    MemoryError("the card is full"),
    TypeError("BFloat16 is not supported"),
)


@pytest.fixture(params=RAISED, ids=lambda one: type(one).__name__)
def error(request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The first line of what every measurement of the device raises."""

    def block_speed(*_: object) -> float:
        raise request.param

    decoded = estimate.DecodingSpeed("a video", 30.0, 2)
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    monkeypatch.setattr(backbones, "block_speed", block_speed)
    monkeypatch.setattr(estimate, "measure_decoding", lambda *_: decoded)
    return str(request.param).partition("\n")[0]


def no_measuring(*_: object) -> Any:
    raise RuntimeError(NO_KERNEL)


def test_doctor_names_the_device_and_the_error(
    run: Any, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "measure_model", no_measuring)
    device = backbones.device_facts()["auto"]
    said = run("doctor")
    assert said.code == 0
    assert f"{device} cannot compute: {error}" in " ".join(said.out.split())
    assert f"embedded: {NO_KERNEL}" in " ".join(said.out.split())
    (facts,) = run("doctor", "--json", "--model", "smolvlm2-256m").objects
    assert facts["arithmetic"] == {"device": device, "busy": False, "error": error}
    assert facts["model"]["error"] == f"not estimated: {device} cannot compute: {error}"


def test_models_lists_them_without_a_time(run: Any, error: str) -> None:
    said = run("models")
    assert said.code == 0
    (row,) = (line.split() for line in said.out.splitlines() if line.split()[:1] == ["embedded"])
    assert row[3] == "?"
    assert f"cannot compute: {error}." in " ".join(said.out.split())
    assert "this machine: none" in said.out
    assert {one["segment_s"] for one in run("models", "--json").objects} == {None}
