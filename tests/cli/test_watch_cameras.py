"""`hiprobe watch` on a real RTSP camera: alerts, page, health, a kill, a restart, and the end."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.cli.test_watch import running
from tests.support.review_folder import Page, free_port
from tests.support.rtsp_camera import RtspCamera, h264, need_rtsp
from tests.support.staged_cameras import bright_probe
from tests.support.watching import until

BLACK, WHITE = 2, 3  # patterns of the camera
LOGIN = ("digest", "admin", "s3cret-pw")
CAMERAS = """
probe = "bright.safetensors"
[defaults]
cooldown_s = 0
[[camera]]
name = "yard"
place = "behind the house"
url = "{good}"
[[camera]]
name = "door"
url = "{bad}"
[[sink]]
sink = "jsonl"
target = "alerts.jsonl"
"""


@pytest.fixture
def street(tmp_path: Path) -> Iterator[RtspCamera]:
    """A camera with a login, and a camera file with a right and a wrong password."""
    need_rtsp()
    dark = h264(160, 120, fps=10).replace("pattern=ball", "pattern=black")
    with RtspCamera({"/live": dark}, login=LOGIN) as camera:
        good, bad = (camera.url(login=f"admin:{word}") for word in (LOGIN[2], "wr0ng-pw"))
        (tmp_path / "cameras.toml").write_text(CAMERAS.format(good=good, bad=bad))
        bright_probe().save(tmp_path / "bright.safetensors")
        yield camera


def sent(folder: Path) -> list[dict[str, Any]]:
    """Return what the file of alerts holds."""
    path = folder / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def metric(page: Page, name: str) -> float:
    found = re.search(rf"(?m)^hiprobe_{name} (\S+)$", page.get("/metrics")[2].decode())
    return float(found[1]) if found else 0.0


def test_a_camera_is_watched_through_a_kill_and_to_the_end(
    tmp_path: Path, street: RtspCamera
) -> None:
    page = Page(free_port())
    how = ("cameras.toml", "--port", page.port, "--who", "ann")
    with running(tmp_path, *how) as first:
        until(lambda: _answers(page), 60)
        until(lambda: metric(page, 'segments_total{camera="yard"}') >= 2, 60)
        assert page.get("/healthz")[2] == b"ok\n"
        assert metric(page, 'camera_online{camera="door"}') == 0.0
        assert b"behind the house" in page.get("/")[2]
        street.set("source", "pattern", WHITE)
        (new, *_) = until(lambda: sent(tmp_path), 60)
        assert (new["type"], new["camera"], new["provisional"]) == ("new", "yard", True)
        until(lambda: any(one["snapshot"] for one in sent(tmp_path)), 60)
        first.kill()
        said = first.communicate()[1]
    assert "camera door: offline: it refuses the login" in said
    street.set("source", "pattern", BLACK)
    with running(tmp_path, *how) as second:
        until(lambda: [one for one in sent(tmp_path) if one["type"] == "end"], 60)
        assert {one["id"] for one in sent(tmp_path)} == {new["id"]}
        numbers = [one["sequence"] for one in sent(tmp_path)]
        assert numbers == sorted(numbers)  # what was sent just before the kill may come again
        assert set(numbers) == set(range(1, max(numbers) + 1))
        clip = f"/live/alerts/{new['id']}/clip.mp4"
        until(lambda: page.get(clip)[0] == 200, 60)  # of what the killed watcher had received
        assert page.post(f"/live/alerts/{new['id']}/see")[0] == 200
        assert page.post(f"/live/alerts/{new['id']}/delete")[0] == 200
        assert page.get(clip)[0] == 404
        street.set("source", "pattern", WHITE)
        until(lambda: {one["id"] for one in sent(tmp_path)} != {new["id"]}, 60)
        began = time.monotonic()
        second.send_signal(signal.SIGTERM)
        said += second.communicate(timeout=10)[1]
        assert time.monotonic() - began < 5.0
        assert second.returncode == 0
    last = {one["id"]: one for one in sent(tmp_path)}
    assert {one["type"] for one in last.values()} <= {"end", "withdrawn"}
    assert LOGIN[2] not in said
    assert "wr0ng-pw" not in said
    for path in (one for one in tmp_path.rglob("*") if one.name != "cameras.toml"):
        if path.is_file():
            data = path.read_bytes()
            assert LOGIN[2].encode() not in data, path
            assert b"wr0ng-pw" not in data, path
            assert new["id"] not in path.name or "alerts.jsonl" in path.name, path


def _answers(page: Page) -> bool:
    try:
        return page.get("/healthz")[0] in (200, 503)
    except OSError:
        return False


def test_a_port_that_is_taken_is_named_and_nothing_is_watched(tmp_path: Path) -> None:
    bright_probe().save(tmp_path / "bright.safetensors")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lazy = ("--model", "tests.cli.test_watch:not_loaded")
        how = ("rtsp://127.0.0.1:1/x", "-p", "bright.safetensors", "--port", port, *lazy)
        with running(tmp_path, *how) as process:
            _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith(f"UsageError: 127.0.0.1: port {port} cannot be used")
