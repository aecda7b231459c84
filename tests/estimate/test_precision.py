"""`--dtype fastest`: 16 bits only where this machine was measured to be faster with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.cli.test_commands import run

from hiprobe import backbones
from hiprobe.backbones import Loading
from hiprobe.errors import UsageError
from hiprobe.estimate import cache, fastest, speeds

__all__ = ["run"]
EMBEDDED = Loading("embedded", device="cpu", dtype="fastest")


@pytest.fixture
def ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A machine at rest; bfloat16 is as many times as fast as `ratio` says, below width 256."""
    found = {"bfloat16": 1.0, "float32": 1.0, "measured": 0}
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path))
    monkeypatch.setattr(speeds, "_watch_load", lambda device: lambda: False)

    def block_speed(width: int, device: str, dtype: str, clock: Any) -> float:
        found["measured"] += 1
        return 1e9 * (found[dtype] if width < 256 else 9.0)

    monkeypatch.setattr(speeds.backbones, "block_speed", block_speed)
    return found


def test_the_faster_precision_is_taken_and_remembered(ratio: dict[str, float]) -> None:
    ratio["bfloat16"] = 3.0
    loading, reason = fastest(EMBEDDED)
    assert loading == Loading("embedded", device="cpu", dtype="bfloat16")
    assert reason.startswith("bfloat16, as bfloat16 is ")
    assert reason.endswith(" times as fast as float32 here")
    assert ratio["measured"] == 4  # widths 128 and 256, in two precisions
    ratio["bfloat16"] = 0.1
    assert fastest(EMBEDDED)[0].dtype == "bfloat16"  # remembered
    assert ratio["measured"] == 4
    cache.save_points({speeds.speeds_key("cpu", "bfloat16"): {128: 1e8}})
    assert fastest(EMBEDDED)[0].dtype == "float32"


@pytest.mark.parametrize("faster", [0.18, 1.0, 1.1])
def test_a_gain_that_is_small_or_none_is_not_taken(ratio: dict[str, float], faster: float) -> None:
    ratio["bfloat16"] = faster
    assert fastest(EMBEDDED)[0].dtype == "float32"


def test_a_busy_machine_decides_nothing_and_remembers_nothing(
    ratio: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ratio["bfloat16"] = 3.0
    monkeypatch.setattr(speeds, "_watch_load", lambda device: lambda: True)
    loading, reason = fastest(EMBEDDED)
    assert loading.dtype == "float32"
    assert "cannot be compared" in reason
    assert cache.load_points() == {}


def test_a_card_and_a_quantised_checkpoint_keep_their_own(
    ratio: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fastest(Loading("embedded", device="cuda", dtype="fastest"))[0].dtype == "auto"
    monkeypatch.setattr(sys.modules["hiprobe.estimate.precision"].backbones, "widths", lambda _: ())
    assert fastest(EMBEDDED)[0].dtype == "auto"
    assert ratio["measured"] == 0


def test_a_model_from_outside_must_be_told_its_precision(ratio: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="does not state the widths"):
        fastest(Loading("tests.support.fake_backbone:load", device="cpu", dtype="fastest"))


@pytest.mark.parametrize("family", ["fuyu", "vision-encoder-decoder", "perception_lm", "florence2"])
def test_a_family_without_two_widths_must_be_told_its_precision(
    family: str, ratio: dict[str, float], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    save_file({"a": np.zeros(2, np.float32)}, folder / "model.safetensors")
    with pytest.raises(UsageError, match="does not state the widths"):
        fastest(Loading(str(folder), device="cpu", dtype="fastest"))


@pytest.mark.parametrize(
    ("family", "found"), [("qwen3_vl", (32, 32)), ("smolvlm", (32, 32)), ("gemma4", (32, 32))]
)
def test_the_widths_are_those_of_the_configuration(family: str, found: Any, folders: Any) -> None:
    assert backbones.widths(Loading(str(folders(family)))) == found


def test_the_widths_agree_with_what_is_counted(shipped: Any) -> None:
    work = shipped.work()
    assert backbones.widths(EMBEDDED) == (work.vision_width, work.block_width)


def test_the_command_says_what_was_taken_and_records_it(
    run: Any, ratio: dict[str, float], clips: Path, tmp_path: Path
) -> None:
    ratio["bfloat16"] = 3.0
    clip = min(clips.glob("*.mp4"))
    out = ("-o", tmp_path / "out", "--no-explain", "--no-verify")
    said = run("detect", clip, "--dtype", "fastest", "--device", "cpu", *out)
    assert "precision: bfloat16, as bfloat16 is " in said.err
    (result,) = (tmp_path / "out").glob("*/result.json")
    assert '"dtype": "bfloat16"' in result.read_text()
    assert run("detect", clip, "--ray", "local", "--dtype", "fastest", *out).code == 2
