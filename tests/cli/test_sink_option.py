"""`hiprobe detect --sink NAME=TARGET`: what other programs find in the target afterwards."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import steady, write

from hiprobe import cli

Detect = Callable[..., tuple[int, str]]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos that give one event each, and a probe that makes every video one event."""
    (tmp_path / "in").mkdir()
    for name in ("b", "a"):
        write(tmp_path / "in" / f"{name}.mp4", steady(30, 10), rate=10)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    return tmp_path / "in"


@pytest.fixture
def detect(
    videos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Detect:
    """Run `hiprobe detect` in this process; return the exit code and standard error."""

    def call(*options: str) -> tuple[int, str]:
        fixed = ["-p", str(tmp_path / "p.safetensors"), "-m", "tests.support.fake_backbone:load"]
        command = ["hiprobe", "detect", str(videos), *fixed, "-o", str(tmp_path / "out"), *options]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), capsys.readouterr().err

    return call


def names(path: Path) -> list[str]:
    """The videos of the events in a JSONL target, in the order in which they stand there."""
    return [json.loads(line)["video"]["name"] for line in path.read_text().splitlines()]


def test_each_sink_holds_the_events_of_all_videos_in_the_order_of_the_command(
    detect: Detect, tmp_path: Path
) -> None:
    lines, table = tmp_path / "deep" / "all.jsonl", tmp_path / "all.csv"
    code, _ = detect("--sink", f"jsonl={lines}", "--sink", f"csv={table}")
    assert (code, names(lines)) == (0, ["a.mp4", "b.mp4"])
    with table.open(newline="") as file:
        assert [row["video_name"] for row in csv.DictReader(file)] == ["a.mp4", "b.mp4"]
    ids = {json.loads(line)["id"] for line in lines.read_text().splitlines()}
    beside = {
        json.loads(line)["id"]
        for path in tmp_path.glob("out/*/events.jsonl")
        for line in path.read_text().splitlines()
    }
    assert ids == beside


def test_a_sink_given_later_holds_the_videos_finished_before(
    detect: Detect, tmp_path: Path
) -> None:
    assert detect()[0] == 0
    detect("--sink", f"jsonl={tmp_path / 'late.jsonl'}")
    assert names(tmp_path / "late.jsonl") == ["a.mp4", "b.mp4"]


FORBIDDEN = {  # targets in the folder of the test, and why they are refused
    "in/a.mp4": "the target is an input of this command",
    "in/../in/b.mp4": "the target is an input of this command",
    "p.safetensors": "the target is an input of this command",
    "out/manifest.jsonl": "the target is among the results in",
    "out/a-0123/events.jsonl": "the target is among the results in",
    "out/.store/index.sqlite": "the target is among the results in",
    "in": "the target is not a regular file",
    "p.safetensors/x.jsonl": "no file can be made in",
}


@pytest.mark.parametrize("target", FORBIDDEN)
def test_a_target_that_holds_something_else_is_refused_before_any_video_is_read(
    detect: Detect, tmp_path: Path, target: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, err = detect("--sink", f"jsonl={tmp_path / target}")
    assert (code, FORBIDDEN[target] in err) == (2, True), err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_device_is_not_replaced(detect: Detect, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code, err = detect("--sink", f"csv={pipe}")
    assert (code, "the target is not a regular file" in err) == (2, True)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_failing_sink_from_outside_is_one_line_and_keeps_the_results(
    detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "def boom(target):\n    raise RuntimeError('boom')\nclass failing:\n"
        "    open, schemas, network = boom, ('hiprobe.event/2',), False\n"
    )
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "outside_sink.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "plug")
    exit_code, err = detect("--sink", f"outside_sink:failing={tmp_path / 'x'}")
    assert exit_code == 4
    assert "failed: RuntimeError: boom; repair the sink" in err
    assert len(list(tmp_path.glob("out/*/result.json"))) == 2


WRONG: dict[tuple[str, ...], str] = {
    ("jsonl",): "--sink must be NAME=TARGET, got 'jsonl'; write --sink jsonl=events.jsonl",
    ("=x.jsonl",): "--sink must be NAME=TARGET",
    ("jsonl=",): "--sink must be NAME=TARGET",
    ("nosuch=x",): "nosuch",
    ("jsonl=x", "csv=x"): "two --sink options write to x; give each its own target",
    ("jsonl=x", "csv=./x"): "two --sink options write to x; give each its own target",
}


@pytest.mark.parametrize("targets", WRONG)
def test_a_wrong_sink_is_refused_before_any_video_is_read(
    detect: Detect, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    options: list[Any] = [part for target in targets for part in ("--sink", target)]
    code, err = detect(*options)
    assert (code, WRONG[targets] in err) == (2, True), err
    assert not (tmp_path / "out").exists()
