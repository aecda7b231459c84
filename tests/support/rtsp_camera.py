"""A real RTSP server on loopback for tests, in a child process; see `rtsp_server.py`."""

from __future__ import annotations

import json
import socket
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDED = ("videotestsrc", "x264enc", "rtph264pay", "jpegenc", "rtpjpegpay", "capssetter")
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly"
)
_CHECK = f"""
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in {NEEDED!r})
"""


def h264(width: int = 320, height: int = 240, fps: int = 25, more: str = "") -> str:
    """Write a pipeline of moving H.264; its elements `source`, `size` and `valve` can be changed."""
    return (
        "videotestsrc name=source is-live=true pattern=ball ! capsfilter name=size "
        f"caps=video/x-raw,format=I420,width={width},height={height},framerate={fps}/1 ! "
        f"valve name=valve ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} {more} ! "
        "rtph264pay name=pay0 pt=96 config-interval=1"
    )


def caps(width: int, height: int, fps: int = 25) -> str:
    """Write the caps with which the element `size` sends another size."""
    return f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"


# JPEG, which is not H.264; sound only; and video in a codec that nobody knows
MJPEG = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,"
    "framerate=25/1 ! jpegenc ! rtpjpegpay name=pay0 pt=96"
)
SOUND = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8"
UNKNOWN = (
    "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc "
    "tune=zerolatency speed-preset=ultrafast ! rtph264pay pt=96 ! "
    "capssetter name=pay0 caps=application/x-rtp,encoding-name=X-UNKNOWN"
)
B_FRAMES = h264().replace(
    "tune=zerolatency speed-preset=ultrafast", "speed-preset=medium bframes=2"
)


@cache
def missing() -> bool:
    """Whether GStreamer's RTSP server cannot be used here."""
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", _CHECK], capture_output=True, timeout=60)
    except FileNotFoundError:
        return True
    return done.returncode != 0


def need_rtsp() -> None:
    """Skip the test if there is no RTSP server."""
    if missing():
        pytest.skip(f"no RTSP server: apt-get install {PACKAGES}")


def free_port() -> int:
    """Find a port that nothing uses at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RtspCamera:
    """An RTSP server with one pipeline for each path; `login` is (kind, user, password)."""

    def __init__(
        self,
        media: dict[str, str] | None = None,
        *,
        port: int = 0,
        login: tuple[str, str, str] | None = None,
    ) -> None:
        self._settings = {"port": port, "media": media or {"/live": h264()}, "login": login}
        self.port = port

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start the server, at the same port as before."""
        self._server = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(self._settings | {"port": self.port})
        assert self._server.stdout is not None
        self.port = int(self._server.stdout.readline())

    def kill(self) -> None:
        """Kill the server, as a camera that loses its power."""
        self._server.kill()
        self._server.wait()

    def set(self, element: str, name: str, value: Any) -> None:
        """Set a property of an element in the pipelines that run."""
        self._say([element, name, value])

    def times(self) -> dict[str, float]:
        """Tell when each path that plays was at its second 0, in Unix time."""
        self._say("times")
        assert self._server.stdout is not None
        found: dict[str, float] = json.loads(self._server.stdout.readline())
        return found

    @property
    def process(self) -> int:
        """The process id of the server."""
        return self._server.pid

    def url(self, path: str = "/live", login: str = "") -> str:
        """Write the address of a path, with a login if one is given."""
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}{path}"

    def _say(self, message: Any) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe:
                pipe.close()
        self.kill()
