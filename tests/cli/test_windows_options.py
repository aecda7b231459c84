"""`hiprobe detect --every` and `--still`: what is written, what is resumed and what is refused."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.test_coarse_to_fine import grey_probe
from tests.test_window_sources import y4m

from hiprobe import cli

MODEL = "tests.support.fake_backbone:load"
Detect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a probe and a video of 20 windows with 4.8 s that are bright and move, from 12.8 s on."""
    folder = tmp_path_factory.mktemp("inputs")
    grey_probe().save(folder / "p.safetensors")
    y4m(folder / "a.y4m", 320, lambda k: 190 + k % 16 if 128 <= k < 176 else 50 + k % 3 + k // 16)
    return folder


@pytest.fixture
def detect(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Detect:
    """Return a function that runs the command and returns its line of JSON; an error is `error`."""

    def run(*options: str, log: str = "log") -> dict[str, Any]:
        monkeypatch.setenv("READ_LOG", str(tmp_path / log))
        named = ["-p", str(inputs / "p.safetensors"), "-m", MODEL, "--no-explain", "--json"]
        given = ["hiprobe", "detect", str(inputs / "a.y4m"), *named, "-o", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", [*given, *options])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return {"error": said.err} if caught.value.code else dict(json.loads(said.out))

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    (path,) = (folder / "out").glob("*/scores.csv")
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_marks_what_is_not_read_everywhere(detect: Detect, tmp_path: Path) -> None:
    line = detect("--every", "5")
    assert [(one["start"], one["end"]) for one in line["events"]] == [(12.8, 17.6)]
    assert line["gaps"] == []
    assert line["status"] == "done"
    table = rows(tmp_path)
    unread = [row for row in table if row["status"] == "unread"]
    assert len(table) == 20
    assert 10 < len(unread) == line["unread"] < 17
    assert all(row["raw"] == row["smoothed"] == "" for row in unread)
    assert {row["source"] for row in unread} == {"unread"}
    (result,) = (tmp_path / "out").glob("*/result.json")
    counts = json.loads(result.read_text())["windows"]
    scored = counts["read"] + counts["repeated"]
    assert scored + counts["unread"] == 20
    page = (result.parent / "report.html").read_text()
    assert f"{scored} of 20, the others were not read" in page
    assert '<li class="unread">not read</li>' in page
    assert "Not scored:" not in page
    manifest = json.loads((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[-1])
    assert manifest["gaps"] == 0


def test_a_result_is_never_taken_for_one_of_other_windows(detect: Detect, tmp_path: Path) -> None:
    assert detect("--every", "5", "--where")["unread"] > 0
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["every"] == 5
    assert settings["where"] is True
    assert detect("--every", "5", log="again")["unread"] > 0
    assert not (tmp_path / "again").exists()  # so nothing was read
    assert detect("--still")["carried"] > 0
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert settings["still"] == 4.0
    assert "every" not in settings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--every", "0"), "--every must be a whole number from 1 to 64 windows, got 0"),
        (("--every", "65"), "--every must be a whole number from 1 to 64 windows, got 65"),
        (("--every", "4", "--still"), "--every and --still cannot be used together"),
        (("--every", "4", "--ray", "local"), "--every cannot be used with --ray"),
        (("--still", "--ray", "local"), "--still cannot be used with --ray"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(
    detect: Detect, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    error = detect(*options)["error"]
    assert said in " ".join(error.split())
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
