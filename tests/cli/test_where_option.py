"""`hiprobe detect --where`: the box of an event in `events.jsonl`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write

from hiprobe import cli


def boxes(out: Path) -> list[list[float] | None]:
    (lines,) = out.glob("*/events.jsonl")
    return [json.loads(line)["box"] for line in lines.read_text().splitlines()]


def test_the_option_writes_a_box_and_is_part_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.mp4", steady(16, 10), pictures=noisy)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    out = tmp_path / "out"

    def detect(*options: str) -> list[list[float] | None]:
        model = ["-p", str(tmp_path / "p.safetensors"), "-m", "tests.support.fake_backbone:load"]
        fixed = ["hiprobe", "detect", str(tmp_path / "a.mp4"), *model, "--no-explain"]
        monkeypatch.setattr(sys, "argv", [*fixed, "-o", str(out), *options])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 0, capsys.readouterr().err
        return boxes(out)

    (box,) = detect("--where")
    assert box is not None
    assert box[2:] == [0.25, 0.25]
    assert {box[0] * 4 % 1, box[1] * 4 % 1} == {0.0}
    assert json.loads((out / "run.json").read_text())["settings"]["where"] is True
    assert detect() == [None]
