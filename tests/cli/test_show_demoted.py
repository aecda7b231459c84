"""`hiprobe detect --show-demoted`: what a person and a program see of events that were rejected."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import steady, write

from hiprobe import cli
from hiprobe.report import write_report
from hiprobe.store import read_manifest, results
from hiprobe.types import Verification

Detect = Callable[..., tuple[str, str]]
SAID = "1 event was rejected by the model's own check; --show-demoted lists it"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two videos of one event each; that of `a.mp4` is made again as if rejected."""
    home = tmp_path_factory.mktemp("demoted")
    (home / "in").mkdir()
    for name in ("b", "a"):
        write(home / "in" / f"{name}.mp4", steady(30, 10), rate=10)
    fake_backbone.constant_probe().save(home / "p.safetensors")
    run(home)
    folder = next(home.glob("out/a-*"))
    settings = json.loads((folder / "result.json").read_text())["settings"]
    result = results.read_result(folder)
    checked = Verification("rejected", -1.53)
    low = replace(result.events[0], severity="low", verification=checked)
    write_report(replace(result, events=(low,)), None, folder)
    results.save_result(folder, replace(result, events=(low,)), settings)
    return home


def run(home: Path, *options: str) -> None:
    fixed = ["-p", str(home / "p.safetensors"), "-m", "tests.support.fake_backbone:load"]
    command = ["hiprobe", "detect", str(home / "in"), *fixed, "-o", str(home / "out"), *options]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as caught:
            cli.main()
    assert not caught.value.code


@pytest.fixture
def detect(given: Path, capsys: pytest.CaptureFixture[str]) -> Detect:
    """Run `hiprobe detect` on the two videos; return standard output and error."""

    def call(*options: str) -> tuple[str, str]:
        run(given, *options)
        return capsys.readouterr()

    return call


def test_a_rejected_event_is_left_out_and_counted(detect: Detect, given: Path) -> None:
    shown, _ = detect()
    assert SAID in shown
    assert "no alarm: the" in shown  # the table may break the line
    assert shown.rstrip().split("\n")[-3].strip() == "2 done; 1 event, 1 demoted"
    counts = {line.name: (line.events, line.demoted) for line in read_manifest(given / "out")}
    assert counts == {"a.mp4": (0, 1), "b.mp4": (1, 0)}


def test_it_is_shown_on_demand_and_nothing_is_made_again(detect: Detect, given: Path) -> None:
    folder = next(given.glob("out/a-*"))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    shown, _ = detect("--show-demoted")
    assert "demoted: rejected by" in shown
    assert "-1.5" in shown
    assert "--show-demoted lists" not in shown
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_program_gets_it_in_a_list_of_its_own(detect: Detect) -> None:
    shown, _ = detect("--json")
    a, b = (json.loads(line) for line in shown.splitlines())
    assert (len(a["events"]), len(b["events"]), len(b["demoted"])) == (0, 1, 0)
    assert [event["verification"] for event in a["demoted"]] == [
        {"result": "rejected", "log_odds": -1.53}
    ]


def test_a_sink_gets_it_on_demand_only(detect: Detect, tmp_path: Path) -> None:
    target = tmp_path / "alarms.jsonl"
    _, error = detect("--sink", f"jsonl={target}")
    assert [json.loads(line)["video"]["name"] for line in target.read_text().splitlines()] == [
        "b.mp4"
    ]
    assert f"--sink: {SAID.replace('event', 'more event', 1)}" in error
    _, error = detect("--sink", f"webvtt={tmp_path / 'all.vtt'}", "--show-demoted")
    assert "demoted, log-odds -1.5: event" in (tmp_path / "all.vtt").read_text()
    assert "rejected" not in error
