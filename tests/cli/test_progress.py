"""The progress bar: what it counts, and where it is shown."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.conftest import Fitted

from hiprobe import embedded
from hiprobe.cli import _progress, _run, _terminal
from hiprobe.cli._progress import VideoProgress
from hiprobe.pipeline import ReadPlan
from hiprobe.types import Segment, Video


def a_segment(end: float) -> Segment:
    return Segment(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1), 0.0, end, 0)


def test_the_bar_is_on_a_terminal_only_and_leaves_what_is_piped_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "SLOW_S", -1.0)  # as if two seconds had gone by
    with _progress.bar({"a.mp4": 10.0}) as report:
        report("a.mp4", a_segment(5.0))
    assert capsys.readouterr() == ("", "")
    screen = io.StringIO()
    monkeypatch.setattr(_terminal, "err", Console(file=screen, force_terminal=True, width=100))
    with _progress.bar({"a.mp4": 10.0, "[/x].mp4": 30.0}) as report:
        report("a.mp4", a_segment(10.0))
        _terminal.emit({"piped": 1})
        report("[/x].mp4", a_segment(10.0))
    assert capsys.readouterr().out == '{"piped": 1}\n'
    assert "x].mp4" in screen.getvalue()
    assert "50 %" in screen.getvalue()  # of 40 seconds of video


def test_a_video_that_has_ended_counts_whole() -> None:
    """Also if its states were stored, if it failed, or if it is shorter than it says."""
    videos = VideoProgress({"a": 10.0, "b": 20.0, "unknown": 0.0, "c": 30.0})
    assert videos.total == 80.0  # one without a length weighs the mean of the others
    videos.end("a")
    assert videos.done == 10.0
    videos.reach("b", 5.0)
    assert videos.done == 15.0
    videos.end("b")
    videos.reach("unknown", 500.0)
    assert videos.done == 50.0
    videos.reach("c", 3.0)
    videos.reach("c", 2.0)
    assert videos.done == 53.0
    videos.end("c")
    videos.end("not one of them")
    assert videos.done == videos.total


def test_a_video_whose_end_is_not_told_ends_when_the_next_one_begins() -> None:
    videos = VideoProgress({"a": 10.0, "b": 10.0})
    videos.reach("a", 4.0)
    videos.reach("b", 1.0)
    assert videos.done == 11.0


def test_stored_and_unreadable_videos_move_the_bar(
    tmp_path: Path, fitted: Fitted, shipped: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No segment of them is ever read."""
    screen = io.StringIO()
    monkeypatch.setattr(_progress, "SLOW_S", -1.0)
    monkeypatch.setattr(_terminal, "err", Console(file=screen, force_terminal=True, width=100))
    clips = sorted(embedded.CLIPS.glob("*.mp4"))[:2]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    videos = [Video(str(path)) for path in (clips[0], tmp_path / "broken.mp4", clips[1])]
    plan = ReadPlan(tuple(fitted.probe.sites), fitted.probe.recipe)
    for _ in range(2):
        lost: list[str] = []
        screen.seek(0)
        screen.truncate()
        pairs = _run.extract_with_progress(videos, shipped, tmp_path / "store", plan, lost)  # type: ignore[arg-type]
        assert (len(pairs), lost) == (2, [videos[1].path])
        assert "100 %" in screen.getvalue()
