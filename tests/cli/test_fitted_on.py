"""A result of a video that the probe was fitted on says so, wherever a person looks."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import Fitted

from hiprobe import cli, embedded
from hiprobe.cli import _terminal

SAID = "this probe was fitted on this video: its scores say nothing about new videos"


def detected(
    args: tuple[object, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Run `hiprobe detect`, which must succeed; returns standard output."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(_terminal, "out", Console(highlight=False, width=200))
    monkeypatch.setattr(sys, "argv", ["hiprobe", "detect", "--no-explain", *map(str, args)])
    try:
        with pytest.raises(SystemExit) as caught:
            cli.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not caught.value.code
    return capsys.readouterr().out


def test_a_video_that_the_probe_was_fitted_on_is_marked_and_another_is_not(
    fitted: Fitted,
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known, new = tmp_path / "renamed.mp4", tmp_path / "new.mp4"
    shutil.copy(clips / "abnormal_00.mp4", known)  # by its content, not by its name
    shutil.copy(embedded.CLIPS / "abnormal_09.mp4", new)
    given = ("-p", fitted.alarm_path, "-o", tmp_path / "out")
    text = detected((known, new, *given), capsys, monkeypatch)
    assert text.count(SAID) == 2  # below the events, and in the table of videos
    (line,) = (line for line in text.splitlines() if "renamed.mp4" in line and "done" in line)
    assert SAID in line
    lines = detected((known, new, *given, "--json"), capsys, monkeypatch).splitlines()
    marked = {Path(one["path"]).name: one["fitted_on_this_video"] for one in map(json.loads, lines)}
    assert marked == {"renamed.mp4": True, "new.mp4": False}
    for name in marked:
        (result,) = tmp_path.glob(f"out/{Path(name).stem}-*/result.json")
        provenance = json.loads(result.read_text())["provenance"]
        assert provenance.get("fitted_on_this_video", False) == marked[name]
        page = (result.parent / "report.html").read_text()
        assert (f"<strong>Not a test:</strong> {SAID}." in page) == marked[name]
