"""`hiprobe detect --sink` to other programs: new results only, one by one, and never a password."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import fake_backbone
from tests.support.http_receiver import Receiver
from tests.support.numbered_videos import steady, write

from hiprobe import cli

Detect = Callable[..., tuple[int, str]]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
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
    """Run `hiprobe detect` in this process; return the exit code and all that it showed."""

    def call(*options: str) -> tuple[int, str]:
        fixed = ["-p", str(tmp_path / "p.safetensors"), "-m", "tests.support.fake_backbone:load"]
        command = ["hiprobe", "detect", str(videos), *fixed, "-o", str(tmp_path / "out"), *options]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        shown = capsys.readouterr()
        return int(caught.value.code or 0), " ".join((shown.out + shown.err).split())

    return call


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "hook") as receiver:
        yield receiver


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hiprobe.cli._sinks.TRIES", 2)


def got(hook: Receiver) -> list[str]:
    """The videos of the events that the receiver has, in order."""
    return [one.json["data"]["video"]["name"] for one in hook.received()]


def test_a_network_sink_gets_the_events_of_new_results_only(
    detect: Detect, hook: Receiver, videos: Path, tmp_path: Path
) -> None:
    log = tmp_path / "all.jsonl"
    options = ("--sink", f"webhook={hook.url}", "--sink", f"jsonl={log}")
    assert detect(*options)[0] == 0
    assert got(hook) == ["a.mp4", "b.mp4"]
    assert hook.received()[0].json["data"] == json.loads(log.read_text().splitlines()[0])
    write(videos / "c.mp4", steady(30, 12), rate=10)
    assert detect(*options)[0] == 0
    assert got(hook) == ["a.mp4", "b.mp4", "c.mp4"]
    assert len(log.read_text().splitlines()) == 3


def test_events_found_again_at_another_threshold_are_new(detect: Detect, hook: Receiver) -> None:
    assert detect("--sink", f"webhook={hook.url}")[0] == 0
    assert detect("--sink", f"webhook={hook.url}", "--threshold", "-1")[0] == 0
    assert got(hook) == ["a.mp4", "b.mp4"] * 2


@pytest.mark.usefixtures("impatient")
def test_a_receiver_that_is_away_costs_no_result_and_is_one_line(
    detect: Detect, tmp_path: Path
) -> None:
    gone = Receiver(tmp_path / "gone")
    target = f"http://me:secret-5@127.0.0.1:{gone.port}/secret-5?t=secret-5"
    log = tmp_path / "all.jsonl"
    code, shown = detect("--sink", f"webhook={target}", "--sink", f"jsonl={log}")
    assert code == 4
    assert f"--sink webhook=http://127.0.0.1:{gone.port}: 2 events not delivered" in shown
    assert shown.count("failed, and is tried again at the end") == 1
    assert "do these videos with --again; the results are kept" in shown
    assert "secret-5" not in shown
    assert len(list(tmp_path.glob("out/*/result.json"))) == 2
    assert len(log.read_text().splitlines()) == 2
    for path in tmp_path.rglob("out/**/*"):
        assert not path.is_file() or b"secret-5" not in path.read_bytes()


def test_a_receiver_that_comes_back_before_the_end_gets_all(
    detect: Detect, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiprobe.cli._sinks import GivenSink

    hook.behave(503)
    first = GivenSink.send_again

    def back(self: GivenSink) -> None:
        hook.behave(200)
        first(self)

    monkeypatch.setattr(GivenSink, "send_again", back)
    code, shown = detect("--sink", f"webhook={hook.url}")
    assert (code, got(hook)) == (0, ["a.mp4", "b.mp4"])
    assert "answered 503" in shown


@pytest.mark.usefixtures("impatient")
def test_an_event_that_is_refused_does_not_hold_up_the_next(detect: Detect, hook: Receiver) -> None:
    hook.behave(422)
    code, shown = detect("--sink", f"webhook={hook.url}")
    assert code == 4
    assert "2 events not delivered: webhook" in shown
    assert "answered 422" in shown


WRONG: dict[str, str] = {
    "webhook=ftp://me:secret-5@host/x": "must begin with http://HOST or https://HOST, got ftp://",
    "webhook=env:NOT_SET": "the environment variable 'NOT_SET' is not set",
    "mqtt=http://me:secret-5@host": "must begin with mqtt://HOST",
    "apprise=secret-5://": "not one address of a service",
    "frigate=http://host:5000": "the sink frigate takes no events of detect, only alerts",
    "http://me:secret-5@host": "--sink must be NAME=TARGET",
}


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_address_is_refused_before_any_video_is_read(
    detect: Detect, tmp_path: Path, option: str
) -> None:
    code, shown = detect("--sink", option)
    assert (code, WRONG[option] in shown) == (2, True), shown
    assert "me:secret-5" not in shown
    assert not list(tmp_path.glob("out/*/result.json"))


def test_two_options_with_one_address_are_refused_without_its_password(detect: Detect) -> None:
    option = "webhook=https://me:secret-5@example.org/hook"
    code, shown = detect("--sink", option, "--sink", option)
    assert code == 2
    assert "two --sink options write to https://example.org" in shown
    assert "secret-5" not in shown


def test_a_sink_whose_library_is_missing_says_how_to_install_it(
    detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: dict[str, Any] = {"paho.mqtt": None, "paho": None}
    for name, value in missing.items():
        monkeypatch.setitem(sys.modules, name, value)
    code, shown = detect("--sink", "mqtt=mqtt://127.0.0.1")
    assert code == 2
    assert "this sink needs paho" in shown
    assert "pip install 'hiprobe[alerts]'" in shown
