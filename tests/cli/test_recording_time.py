"""The time of recording: in the terminal, the pages, the manifest, the events and the table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.cli.test_commands import manifest, run, shortest
from tests.support import fake_backbone
from tests.video.test_recorded import movie

from hiprobe.backbones import Loading

__all__ = ["run"]  # a fixture

FAKE = ("-p", "p.safetensors", "-m", "tests.support.fake_backbone:load", "--no-explain")
PATTERN = "%Y%m%d_%H%M%S"


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One video with a time in its name, one with a time in its container, two with none."""
    monkeypatch.chdir(tmp_path)
    fake_backbone.constant_probe().save("p.safetensors")
    folder = tmp_path / "videos"
    folder.mkdir()
    shortest(folder / "cam_20261129_235959.mp4", 30)
    movie(folder / "inside.mp4", "2026-11-29T09:00:00Z")
    shortest(folder / "plain.mp4", 4)
    (folder / "scans@10fps").mkdir()
    for index in range(5):
        Image.new("RGB", (16, 16), (40 * index, 0, 0)).save(folder / "scans@10fps" / f"{index}.png")
    return folder


def page(out: Path, name: str) -> str:
    (path,) = out.glob(f"{name}-*/report.html")
    return path.read_text()


def test_the_time_is_shown_wherever_it_is_known(run: Any, tmp_path: Path, videos: Path) -> None:
    given = (videos, videos / "scans@10fps", "-o", "out", *FAKE)  # a folder in a folder
    ran = run("detect", *given, "--time-from-name", PATTERN, "--sink", "csv=events.csv")
    assert ran.code == 0
    lines = [line for line in ran.err.splitlines() if "--time-from-name" in line]
    assert len(lines) == 1
    assert "3 of 4 names have no such time, the first is " in lines[0]
    said = " ".join(ran.out.split())
    assert "cam_20261129_235959.mp4, recorded 2026-11-29 23:59:59" in said
    assert "inside.mp4, recorded 2026-11-29 09:00:00 UTC" in said
    known = {
        "videos/cam_20261129_235959.mp4": "2026-11-29T23:59:59",
        "videos/inside.mp4": "2026-11-29T09:00:00+00:00",
        "videos/plain.mp4": None,
        "scans@10fps": None,
    }
    lines_of = manifest(tmp_path / "out")
    assert {name: line["recorded"] for name, line in lines_of.items()} == known
    for name, line in lines_of.items():
        folder = tmp_path / "out" / line["folder"]
        (event,) = [json.loads(text) for text in (folder / "events.jsonl").read_text().splitlines()]
        assert event["video"]["recorded"] == known[name]
        assert ("<dt>recorded</dt>" in (folder / "report.html").read_text()) == bool(known[name])
    rows = list(csv.DictReader((tmp_path / "events.csv").open()))
    assert {row["video_name"]: row["video_recorded"] or None for row in rows} == known
    assert "2026-11-29 23:59:59" in page(tmp_path / "out", "cam_20261129_235959")
    index = (tmp_path / "out/index.html").read_text()
    assert "2026-11-29 23:59:59" in index
    assert "2026-11-29 09:00:00 UTC" in index


def test_without_any_time_nothing_is_shown(run: Any, tmp_path: Path, videos: Path) -> None:
    ran = run("detect", videos / "plain.mp4", "-o", "out", *FAKE)
    assert (ran.code, "recorded" in ran.out, "clock" in ran.out) == (0, False, False)
    assert "recorded" not in (tmp_path / "out/index.html").read_text()
    assert "<dt>recorded</dt>" not in page(tmp_path / "out", "plain")


def test_a_pattern_given_later_needs_no_model(
    run: Any, tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = videos / "cam_20261129_235959.mp4"
    assert run("detect", named, "--no-explain", "-o", "out").code == 0
    assert manifest(tmp_path / "out")[named.name]["recorded"] is None
    loads: list[Loading] = []
    monkeypatch.setattr(Loading, "load", loads.append)
    for pattern, recorded in ((PATTERN, "2026-11-29T23:59:59"), (None, None)):
        option = () if pattern is None else ("--time-from-name", pattern)
        ran = run("detect", named, "--no-explain", "-o", "out", *option)
        assert (ran.code, "all were finished before" in ran.out) == (0, True)
        assert manifest(tmp_path / "out")[named.name]["recorded"] == recorded
        settings = json.loads((tmp_path / "out/run.json").read_text())["settings"]
        assert settings.get("time_from_name") == pattern
    assert loads == []


def test_a_pattern_that_cannot_be_is_wrong_usage(run: Any, tmp_path: Path, videos: Path) -> None:
    for pattern in ("%H%M", "day %d", "%Y%m%d%Q"):
        ran = run("detect", videos, "-o", "out", *FAKE, "--time-from-name", pattern)
        assert ran.code == 2
        assert (
            f"UsageError: --time-from-name must be a date and a time, got '{pattern}'; " in ran.err
        )
    assert not (tmp_path / "out").exists()
