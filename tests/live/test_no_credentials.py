"""No login of a camera appears in an error, a state, a log, a process list or a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.http_camera import http_camera
from tests.support.live_source import is_segment, is_state, quick, until
from tests.support.numbered_videos import recipe, steady, write
from tests.support.rtsp_camera import SOUND, UNKNOWN, RtspCamera, free_port, h264, need_rtsp

from hiprobe.live import source as module
from hiprobe.live.cameras import Camera, ClipSettings
from hiprobe.live.recorder import Recorder
from hiprobe.live.source import Source, Status

USER, PASSWORD = "opera%20tor", "s3cret%2Fp%40ss"
LOGIN = f"{USER}:{PASSWORD}"
SECRETS = (USER, PASSWORD, "opera tor", "s3cret", "p@ss", "p%40ss", "tok3n")
SMALL = recipe(frames=4, size=(32, 32))


def check_clean(*texts: object) -> None:
    for text in map(str, texts):
        assert not any(secret in text for secret in SECRETS), text


def everything(error: BaseException | None) -> str:
    """What a traceback of the error would show, with all its causes."""
    return "" if error is None else "".join(traceback.format_exception(error))


def check_status(source: Source) -> Status:
    (*_, found) = until(source, is_state("offline", "online"))
    assert isinstance(found, Status)
    check_clean(found, found.detail, found.error, repr(found.error), everything(found.error))
    check_clean(source.camera, repr(source.camera))
    return found


ADDRESSES = (
    "rtsp://{login}@127.0.0.1:{port}/tok3n1",
    "rtsp://{login}@no-such-host.invalid/live",
    "rtsps://{login}@127.0.0.1:{port}/live",
    "http://{login}@127.0.0.1:{port}/video?pwd=tok3n1",
    "https://127.0.0.1:{port}/video?user=opera%20tor&pwd=tok3n1",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_do_not_answer(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    camera = Camera("yard", address.format(login=LOGIN, port=free_port()))
    with Source(camera, SMALL, backoff=quick()) as source:
        assert check_status(source).state == "offline"
    check_clean(*capfd.readouterr())


@pytest.fixture(scope="module")
def server() -> Iterator[RtspCamera]:
    need_rtsp()
    media = {"/live": h264(), "/sound": SOUND, "/odd": UNKNOWN}
    with RtspCamera(media, login=("digest", "opera tor", "s3cret/p@ss")) as camera:
        yield camera


@pytest.mark.parametrize("path", ["/live", "/none/tok3n1", "/sound", "/odd", "/live?pwd=tok3n1"])
def test_a_camera_with_a_login(
    server: RtspCamera, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Source(Camera("yard", server.url(path, LOGIN)), SMALL, backoff=quick()) as source:
        check_status(source)
    with Source(Camera("yard", server.url(path, f"{LOGIN}wrong")), SMALL) as source:
        assert check_status(source).state == "offline"
    check_clean(*capfd.readouterr())


@pytest.mark.parametrize("path", ["/none", "/text", "/file", "/moved", "/busy"])
def test_an_http_camera_with_a_login(
    tmp_path: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ts = write(tmp_path / "a.ts", steady(50, 25), rate=25)
    with (
        http_camera(ts, 2.0, "opera tor:s3cret/p@ss") as address,
        Source(Camera("yard", f"http://{LOGIN}@{address}{path}?key=tok3n1"), SMALL) as source,
    ):
        assert check_status(source).state == "offline"
    check_clean(*capfd.readouterr())


@pytest.mark.parametrize("named", [True, False])
def test_words_from_elsewhere_are_scrubbed(monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    monkeypatch.setattr(module, "CHILD", "tests.support.leaking_calls")
    record = (lambda footage: None) if named else None
    camera = Camera("yard", f"rtsp://{LOGIN}@127.0.0.1/live")
    with Source(camera, SMALL, record=record, backoff=quick()) as source:
        found = check_status(source)
    assert "cannot read rtsp://127.0.0.1 (user ***)" in found.detail
    assert "rtsp://127.0.0.1" in str(found.error)


def test_processes_and_files(server: RtspCamera, tmp_path: Path) -> None:
    camera = Camera("yard", server.url("/live", LOGIN))
    with (
        Recorder(tmp_path, ClipSettings(after_s=0.0), print) as recorder,
        Source(camera, SMALL, record=recorder.keep) as source,
    ):
        recorder.begin("a1", "yard", 0.0)
        until(source, is_segment)
        for entry in filter(str.isdecimal, os.listdir("/proc")):
            try:
                check_clean(Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
        recorder.finish("a1", 1.0)
        end = time.monotonic() + 20
        while not (recorder.counts.clips + recorder.counts.failed) and time.monotonic() < end:
            until(source, is_segment)
        assert recorder.counts.clips == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        assert not any(secret.encode() in data for secret in SECRETS), path


PROGRAM = """
import logging, sys, warnings
logging.basicConfig(level=logging.DEBUG)
warnings.simplefilter("always")
from hiprobe.live.cameras import Camera
from hiprobe.live.source import Source
from hiprobe.types import Recipe
for url in sys.stdin.read().split():
    with Source(Camera("yard", url), Recipe("m", ("p",), frames=2, size=(16, 16))) as source:
        status = source.poll(30.0)
        logging.getLogger().info("%r %s %r", status, status.error, source.camera)
"""


def test_logs(server: RtspCamera) -> None:
    urls = [one.format(login=LOGIN, port=free_port()) for one in ADDRESSES]
    urls += [server.url("/live", f"{LOGIN}x"), server.url("/odd", LOGIN)]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PROGRAM],
        input="\n".join(urls),
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "AV_LOG_FORCE_NOCOLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Status(camera='yard'") == len(urls)
    check_clean(done.stdout, done.stderr)
