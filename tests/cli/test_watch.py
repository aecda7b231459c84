"""`hiprobe watch` as a process: alerts on standard output, signals, and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import refusals
from tests.support.numbered_videos import encode, steady
from tests.support.staged_cameras import bright_probe

MODEL = "tests.support.staged_cameras:load_bright"
RATE = 5
LIT_S = 8.0  # from when on the scene is bright


def grey(index: int) -> NDArray[np.uint8]:
    """A dark scene that becomes bright; no two frames are the same."""
    level = 20 if index < LIT_S * RATE else 240
    return np.full((32, 32, 3), level + index % 3, np.uint8)


# A command that is started elsewhere imports the model of these tests, too.
SEARCH = os.pathsep.join(filter(None, sys.path))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", SEARCH)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of video with an anomaly that goes on to its end."""
    path = tmp_path_factory.mktemp("footage") / "yard.mp4"
    return encode(path, steady(60 * RATE, RATE), pictures=grey, rate=RATE)


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    path = tmp_path / "bright.safetensors"
    bright_probe().save(path)
    return path


def command(*words: object) -> list[str]:
    program = "from hiprobe.cli import main; main()"
    page = () if "--port" in words else ("--no-page",)
    return [sys.executable, "-c", program, "watch", "--model", MODEL, *page, *map(str, words)]


@contextmanager
def running(folder: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*words),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SEARCH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(folder: Path, *words: object) -> tuple[int, str]:
    """Return the exit code and the last line of a command that is refused at once."""
    code, said = refusals.refused(folder, "watch", "--model", MODEL, "--no-page", *words)
    return code, said.splitlines()[-1]


def messages(process: subprocess.Popen[str], until: str) -> list[dict[str, object]]:
    """Read messages up to the first one of a type."""
    found = []
    assert process.stdout is not None
    for line in process.stdout:
        found.append(json.loads(line))
        if found[-1]["type"] == until:
            return found
    raise AssertionError(f"no {until} in {found}, {process.stderr and process.stderr.read()}")


def test_sigterm_ends_and_stores_open_alerts_and_a_second_watcher_is_refused(
    tmp_path: Path, probe: Path, footage: Path
) -> None:
    how = (footage, "-p", probe, "--json", "--sink", "jsonl=alerts.jsonl")
    with running(tmp_path, *how) as process:
        (new,) = messages(process, "new")
        assert (new["camera"], new["provisional"]) == ("yard", True)
        code, line = refused(tmp_path, *how)
        assert code == 2
        assert line.startswith(
            f"UsageError: watch: another watcher uses this folder (process {process.pid})"
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert messages(process, "end")[-1]["id"] == new["id"]
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5.0
        assert process.stderr is not None
        assert "stopping: open alerts are ended and stored" in process.stderr.read()
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert {one["id"] for one in lines} == {new["id"]}
    assert (lines[0]["type"], lines[-1]["type"]) == ("new", "end")
    assert (tmp_path / "watch" / "outbox.sqlite").is_file()


def test_a_file_is_watched_to_its_end(tmp_path: Path, probe: Path, footage: Path) -> None:
    done = subprocess.run(
        command(footage, "-p", probe, "--speed", 60, "--no-clips", "--state", "kept"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert re.match(r"\d\d:\d\d:\d\d yard new: since \d\d:\d\d:\d\d, ", first)
    assert re.match(r"\d\d:\d\d:\d\d yard end: since \d\d:\d\d:\d\d, ", last)
    assert "confirmed: brightness 2" in last
    assert "camera yard: ended: the file was played" in done.stderr
    assert not (tmp_path / "kept" / "clips").exists()


def test_what_a_watcher_keeps_is_for_its_user_alone(
    tmp_path: Path, probe: Path, footage: Path
) -> None:
    how = (footage, "-p", probe, "--speed", 60, "--sink", "jsonl=alerts.jsonl")
    done = subprocess.run(
        command(*how),
        cwd=tmp_path,
        umask=0o022,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept = [tmp_path / "alerts.jsonl", tmp_path / "watch", *(tmp_path / "watch").rglob("*")]
    assert {".mp4", ".jpg", ".sqlite", ".json"} <= {one.suffix for one in kept}
    assert [(str(one), oct(one.stat().st_mode)) for one in kept if one.stat().st_mode & 0o077] == []


def test_cameras_of_a_file_can_be_named_and_the_probe_gone_over_to_is_used_again(
    tmp_path: Path, probe: Path, footage: Path
) -> None:
    (tmp_path / "cameras.toml").write_text(
        f'probe = "{probe}"\n'
        f'[[camera]]\nname = "yard"\nurl = "{footage}"\nspeed = 60\n'
        f'[[camera]]\nname = "door"\nurl = "{footage}"\nspeed = 60\n'
    )
    how = ("cameras.toml", "door", "--json", "--no-clips")

    def probes_of(*words: object) -> set[str]:
        with running(tmp_path, *words) as process:
            found = messages(process, "end")
            assert process.wait(20) == 0
        assert {one["camera"] for one in found} == {"door"}
        return {str(one["probe"]) for one in found}

    assert probes_of(*how) == {bright_probe().digest}
    later, other = bright_probe(0.4), bright_probe(0.45)
    later.save(tmp_path / "watch" / "probe.safetensors")
    assert probes_of(*how) == {later.digest}
    other.save(tmp_path / "other.safetensors")
    assert probes_of(*how, "-p", "other.safetensors") == {other.digest}
    code, line = refused(tmp_path, "cameras.toml", "hall")
    assert code == 2
    assert (
        line
        == "UsageError: cameras.toml: there is no camera 'hall'; name yard or door, or nothing for all"
    )


def test_what_cannot_be_watched_is_refused_in_one_line_and_nothing_is_begun(
    tmp_path: Path, probe: Path, footage: Path
) -> None:
    old, other = tmp_path / "old.safetensors", tmp_path / "other.safetensors"
    replace(bright_probe(), causal_threshold=None).save(old)
    replace(bright_probe(), recipe=replace(bright_probe().recipe, model="another")).save(other)
    for words, code, said in (
        (("-p", old), 3, "ProbeError: the probe has no threshold to raise alerts by; fit it again"),
        (("-p", other), 3, "RecipeMismatch: the probe was fitted with model 'another'"),
        (("-p", "missing.safetensors"), 2, "MissingProbe: missing.safetensors: no such file"),
        (("-p", probe, "--sink", "jsonl"), 2, "UsageError: --sink must be NAME=TARGET, got jsonl"),
        (("-p", probe, "--sink", "csv=a.csv"), 2, "UsageError: the sink csv takes no alerts"),
        (("-p", probe, "--speed", 0), 2, "UsageError: --speed must be"),
        (("-p", probe, "--learn", "soon"), 2, "UsageError: --learn: a time must be like 2h"),
        (
            ("-p", probe, "--false-alarms-per-day", 1),
            2,
            "UsageError: --false-alarms-per-day is for",
        ),
    ):
        got, line = refused(tmp_path, footage, *words)
        assert (got, line[: len(said)]) == (code, said)
    assert not (tmp_path / "watch").exists()


def not_loaded() -> object:
    raise AssertionError("the model was loaded")


def test_what_is_wrong_is_said_before_the_model_is_loaded(
    tmp_path: Path, probe: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOPE", raising=False)
    (tmp_path / "noise.mp4").write_bytes(bytes(1000))
    (tmp_path / "broken.j2").write_text("{% if %}")
    yard = f'[[camera]]\nname = "yard"\nurl = "{footage}"\n'
    files = {
        "missing": '[[camera]]\nname = "yard"\nurl = "nosuch.mp4"\n',
        "unset": yard + '[[sink]]\nsink = "webhook"\ntarget = "env:NOPE"\n',
        "nonsense": yard + '[[sink]]\nsink = "apprise"\ntarget = "nonsense://x"\n',
        "template": yard + '[[sink]]\nsink = "webhook"\ntarget = "http://127.0.0.1:1/"\n'
        'options = { template = "broken.j2" }\n',
        "unknown": yard + '[[sink]]\nsink = "pager"\ntarget = "x"\n',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    old = tmp_path / "old.safetensors"
    replace(bright_probe(), causal_threshold=None).save(old)
    lazy = ("--model", "tests.cli.test_watch:not_loaded")
    for words, code, said in (
        (("nosuch.mp4",), 2, "UsageError: nosuch.mp4: camera nosuch: no such file"),
        (("noise.mp4",), 2, "UsageError: noise.mp4: camera noise: "),
        ((footage, "-p", old), 3, "ProbeError: the probe has no threshold to raise alerts by"),
        ((footage, "--state", probe), 2, f"UsageError: {probe}: the state folder is a file"),
        ((footage, "--sink", "webhook=ftp://x"), 2, "UsageError: sink webhook: the address must"),
        ((footage, "--sink", "mqtt=mqtt://h/+"), 2, "UsageError: sink mqtt: topics cannot be"),
        ((footage, "--sink", f"jsonl={tmp_path}"), 2, f"UsageError: {tmp_path}: not a regular"),
        ((footage, "--sink", "frigate=http://"), 2, "UsageError: sink frigate: the address must"),
        (("missing.toml",), 2, "UsageError: nosuch.mp4: camera yard: no such file"),
        (("unset.toml",), 2, "UsageError: sink webhook: the environment variable 'NOPE' is not"),
        (("nonsense.toml",), 2, "UsageError: apprise nonsense://: not one address of a service"),
        (("template.toml",), 2, "UsageError: broken.j2: the template cannot be used"),
        (("unknown.toml",), 2, "UsageError: unknown.toml: sink 'pager': "),
    ):
        got, line = refused(tmp_path, *words, *lazy, *(() if "-p" in words else ("-p", probe)))
        assert (got, line[: len(said)]) == (code, said)
    assert not (tmp_path / "watch").exists()


def test_a_camera_learns_its_own_level_and_refuses_a_promise_that_the_time_cannot_show(
    tmp_path: Path, probe: Path, footage: Path
) -> None:
    """The scene is bright for 42 s: one event, which the model would confirm at log-odds of 4.5."""
    how = ("-p", probe, "--learn", "1min")
    code, line = refused(tmp_path, footage, *how, "--false-alarms-per-day", 1, "--speed", 60)
    assert code == 3
    assert "0.0167 hours cannot show less than 4.31e+03 false alarms per day, 1 are wanted" in line
    done = subprocess.run(
        command(footage, "-p", probe, "--learn", "50s", "--speed", 60),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "A check from log-odds 4." in done.stderr
    assert "in 50s a camera learns next to nothing: it may still raise 5,1" in done.stderr
    kept = json.loads((tmp_path / "watch" / "levels.json").read_text())["cameras"]["yard"]
    assert 4.0 < kept["confirm"] < 5.0
    with running(tmp_path, footage, "-p", probe, "--speed", 60, "--json", "--no-clips") as process:
        end = messages(process, "end")[-1]
        assert (end["severity"], process.wait(20)) == ("low", 0)


def test_a_plan_says_how_many_cameras_this_machine_can_watch(
    tmp_path: Path, probe: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run(
        command(footage, "-p", probe, "--plan", "--speed", 60),
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("the model reads ")
    assert said[1].startswith("decoding yard takes ")
    assert said[2].startswith("this machine can watch ")
    assert len(said) == 3
    assert not (tmp_path / "watch").exists()
