"""A Ray that does not start on this machine is named, and leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import fake_backbone

from hiprobe.errors import EnvironmentFailed

pytest.importorskip("ray", reason="ray is not installed: its start cannot be tested")

from hiprobe.scale.cluster import _whole_or_none

HERE = Path(__file__).parents[2]
# A raylet that never answers, with an agent of its own.
RAYLET = '#!/bin/sh\nsh "$(dirname "$0")/agent" &\nwhile :; do sleep 1; done\n'
AGENT = "while :; do sleep 1; done\n"
RUN = """
import sys
from ray._private import services
services.RAYLET_EXECUTABLE = sys.argv.pop(1)
from hiprobe.cli import main
main()
"""


@pytest.fixture
def raylet(tmp_path: Path) -> Path:
    folder = tmp_path / "ray"
    folder.mkdir()
    (folder / "agent").write_text(AGENT)
    (folder / "raylet").write_text(RAYLET)
    (folder / "raylet").chmod(0o755)
    return folder / "raylet"


def processes_of(folder: Path) -> list[str]:
    """The command lines of living processes that name the folder."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdecimal():
            try:
                state = (one / "stat").read_text().rpartition(")")[2].split()[0]
                line = (one / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += [line] if state != "Z" and str(folder) in line else []
    return found


def start_and_fail(raylet: Path, failure: Exception) -> None:
    with _whole_or_none():
        subprocess.Popen([raylet], start_new_session=True)
        while len(processes_of(raylet.parent)) < 2:
            time.sleep(0.01)
        raise failure


@pytest.mark.parametrize("failure", [Exception("timed out"), RuntimeError("no port")])
def test_what_was_started_is_ended_and_the_failure_named(raylet: Path, failure: Exception) -> None:
    """Ray raises a bare Exception if it is too slow, and nothing else knows its processes."""
    with pytest.raises(EnvironmentFailed, match="--ray local: Ray does not start") as caught:
        start_and_fail(raylet, failure)
    assert caught.value.exit_code == 4
    assert processes_of(raylet.parent) == []


@pytest.mark.soak
def test_a_ray_that_is_too_slow_is_named(raylet: Path, tmp_path: Path) -> None:
    """Ray waits half a minute for its raylet."""
    (tmp_path / "in").mkdir()
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    (tmp_path / "in/a.mp4").write_bytes(b"a")
    words = ["detect", "in", "-p", "p.safetensors", "-m", "tests.support.fake_backbone:load"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(raylet), *words, "--ray", "local"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE / "src")])},
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 4
    assert line.startswith("EnvironmentFailed: --ray local: Ray does not start on this machine: ")
    assert processes_of(raylet.parent) == []
