"""`--verify` of detect and fit: who is asked, what is written, and what is said if nobody can be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import run
from tests.conftest import Fitted
from tests.support import fake_backbone
from tests.support.numbered_videos import steady, write

from hiprobe.backbones import Loading
from hiprobe.probe import Probe

__all__ = ["run"]  # a fixture


def result(out: Path) -> dict[str, Any]:
    (path,) = out.glob("*/result.json")
    values: dict[str, Any] = json.loads(path.read_text())
    return values


@pytest.fixture
def alarm(fitted: Fitted, tmp_path: Path) -> Path:
    """A probe that makes one event of every video, which is then checked."""
    asked = replace(fitted.alarm, verification=fitted.probe.verification)
    asked.save(tmp_path / "alarm.safetensors")
    return tmp_path / "alarm.safetensors"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The deepest block of each load, None for the whole model."""
    seen: list[int | None] = []
    load = Loading.load

    def noted(self: Loading) -> Any:
        seen.append(self.max_layer)
        return load(self)

    monkeypatch.setattr(Loading, "load", noted)
    return seen


def test_detect_checks_events_unless_told_not_to(
    run: Any, alarm: Path, normal_clip: Path, tmp_path: Path, loaded: list[int | None]
) -> None:
    command = ("detect", normal_clip, "-p", alarm, "--no-explain", "-o")
    assert run(*command, tmp_path / "on").code == 0
    assert run(*command, tmp_path / "off", "--no-verify").code == 0
    (on,), (off,) = (result(tmp_path / name)["events"] for name in ("on", "off"))
    assert (on["severity"], on["verification"]["result"]) == ("low", "rejected")
    assert on["verification"]["log_odds"] < 0
    assert (off["severity"], off["verification"]) == (
        "medium",
        {"result": "not_checked", "log_odds": None},
    )
    assert {**on, "severity": "medium", "verification": off["verification"]} == off
    settings = [result(tmp_path / name)["settings"]["verify"] for name in ("on", "off")]
    assert settings == [True, False]
    assert loaded == [None, Probe.load(alarm).sites[0].layer]  # a check needs the whole model
    assert run(*command, tmp_path / "on").code == 0
    assert len(loaded) == 2  # finished before
    assert run(*command, tmp_path / "on", "--no-verify").code == 0
    assert result(tmp_path / "on")["events"] == [off]


def test_a_rejected_event_is_not_explained(
    run: Any, alarm: Path, normal_clip: Path, tmp_path: Path
) -> None:
    command = ("detect", normal_clip, "-p", alarm, "-o")
    assert run(*command, tmp_path / "on").code == 0
    assert [one["explanation"] for one in result(tmp_path / "on")["events"]] == [None]


def test_events_of_a_probe_that_cannot_check_are_not_checked(run: Any, tmp_path: Path) -> None:
    videos = [write(tmp_path / f"{name}.mp4", steady(20, 10)) for name in "ab"]
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    given = ("-p", tmp_path / "p.safetensors", "-m", "tests.support.fake_backbone:load")
    ran = run("detect", *videos, *given, "--no-explain", "-o", tmp_path / "out")
    assert (ran.code, "not checked" in ran.out) == (0, True)
    events = [json.loads(path.read_text())["events"] for path in tmp_path.glob("out/*/result.json")]
    assert [one["verification"]["result"] for some in events for one in some] == ["not_checked"] * 2


def test_fit_asks_about_the_labelled_clips_unless_told_not_to(
    run: Any, clips: Path, fitted: Fitted, tmp_path: Path
) -> None:
    command = ("fit", clips, "--store", fitted.store, "-o")
    ran = run(*command, tmp_path / "on.safetensors")
    assert ran.code == 0
    rule = Probe.load(tmp_path / "on.safetensors").verification
    assert rule is not None
    assert rule.source.startswith("best F1")
    assert f"confirmed from log-odds {rule.threshold:.2f} on" in " ".join(ran.out.split())
    ran = run(*command, tmp_path / "off.safetensors", "--no-verify")
    assert Probe.load(tmp_path / "off.safetensors").verification is None
    assert "verification: off" in ran.out


def test_fit_says_and_keeps_the_level_given_to_it(
    run: Any, clips: Path, fitted: Fitted, tmp_path: Path
) -> None:
    path = tmp_path / "p.safetensors"
    ran = run("fit", clips, "--store", fitted.store, "-o", path, "--confirm", 3)
    said = "verification: confirmed from log-odds 3.00 on: given with the settings"
    assert (ran.code, said in " ".join(ran.out.split())) == (0, True)
    rule = Probe.load(path).verification
    assert rule is not None
    assert rule.threshold == 3.0
