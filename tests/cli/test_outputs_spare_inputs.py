"""`-o` may not name what the command reads: the clips, the labels or the probe."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hiprobe import cli, embedded


@pytest.mark.parametrize("command", ["fit", "layers"])
@pytest.mark.parametrize("name", ["labels.csv", "normal_00.mp4", "../clips/normal_00.mp4"])
def test_an_input_is_not_overwritten(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips = tmp_path / "clips"
    shutil.copytree(embedded.CLIPS, clips)
    before = {path.name: path.read_bytes() for path in clips.iterdir()}
    words = ["hiprobe", command, str(clips / "labels.csv"), "-o", str(clips / name)]
    monkeypatch.setattr(sys, "argv", [*words, "--store", str(tmp_path / "store")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert "the file to write is an input of this command" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in clips.iterdir()} == before
