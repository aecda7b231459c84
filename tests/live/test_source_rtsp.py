"""A real RTSP server: what a source gives, and what it says when a camera fails in any way.

The limits are shortened; `benchmarks/live_faults.py` measures the true ones.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from tests.support.live_source import (
    is_segment,
    is_state,
    quick,
    segments_of,
    states_of,
    until,
)
from tests.support.numbered_videos import recipe
from tests.support.rtsp_camera import (
    B_FRAMES,
    MJPEG,
    SOUND,
    UNKNOWN,
    RtspCamera,
    caps,
    free_port,
    h264,
    need_rtsp,
)

from hiprobe.live.cameras import Camera
from hiprobe.live.source import Footage, Source, Status

pytestmark = pytest.mark.usefixtures("rtsp")
SMALL = recipe(frames=8, size=(48, 64))


@pytest.fixture(scope="module")
def rtsp() -> None:
    need_rtsp()


@pytest.fixture(scope="module")
def server(rtsp: None) -> Iterator[RtspCamera]:
    """One server for all tests that leave it alone."""
    media = {"/live": h264(), "/b": B_FRAMES, "/jpeg": MJPEG, "/sound": SOUND, "/odd": UNKNOWN}
    with RtspCamera(media) as camera:
        yield camera


def watching(url: str, **how: object) -> Source:
    camera = Camera("yard", url, **({"offline_after_s": 2.0} | how))  # type: ignore[arg-type]
    return Source(camera, SMALL, backoff=quick())


def first_status(url: str) -> Status:
    with watching(url) as source:
        item = until(source, is_state("online", "offline"))[-1]
    assert isinstance(item, Status)
    return item


@pytest.mark.parametrize("path", ["/live", "/b", "/jpeg"])
def test_a_stream_gives_segments_in_time(server: RtspCamera, path: str) -> None:
    pieces: list[Footage] = []
    camera = Camera("yard", server.url(path))
    with Source(camera, SMALL, record=pieces.append) as source:
        items = [item for _ in range(3) for item in until(source, is_segment)]
        last_s = time.time() - items[-1].wall
        counts = source.counts
    assert states_of(items) == ["online"]
    found = segments_of(items)
    assert [one.segment.index for one in found] == [0, 1, 2]
    for index, one in enumerate(found):
        assert one.segment.start == pytest.approx(index * 1.6)
        assert one.segment.end == pytest.approx(index * 1.6 + 1.6)
        assert one.segment.frames.shape == (8, 48, 64, 3)
        assert np.ptp(one.segment.frames) > 100
        wanted = one.segment.start + (np.arange(8) + 0.5) * 0.2
        assert ((wanted - one.segment.times > -1e-6) & (wanted - one.segment.times < 0.045)).all()
        assert not one.jump
    assert found[2].wall - found[0].wall == pytest.approx(3.2, abs=0.2)
    assert 1.4 < last_s < 7.0  # it came when its last sample had come
    assert counts.dropped == counts.damaged == counts.leaps == 0
    assert all(piece.key for piece in pieces)


WRONG = {
    "/none": ("CameraUnreachable", "it answers, but has no such stream; check the address"),
    "/sound": ("NoVideoStream", "it sends sound or data, but no video; check the address"),
    "/odd": (
        "UnsupportedVideo",
        "there is no decoder for its video codec; set the camera to H.264",
    ),
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_path_no_video_and_a_wrong_codec_are_named(server: RtspCamera, path: str) -> None:
    name, says = WRONG[path]
    for _ in range(3):  # on a busy machine the server may take longer than a camera may
        found = first_status(server.url(path))
        if says in found.detail:
            break
    assert (found.state, type(found.error).__name__) == ("offline", name)
    assert says in found.detail
    assert str(found.error).startswith("camera yard (rtsp://127.0.0.1:")
    assert "\n" not in str(found.error)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("rtsp://127.0.0.1:{port}/live", "nothing listens at its port; check that it is on"),
        ("rtsp://no-such-host.invalid/live", "its host name is not known; check the address"),
        ("http://127.0.0.1:{port}/live", "nothing listens at its port"),
        ("/dev/video97", "there is no such device"),
    ],
)
def test_a_wrong_address_is_named(address: str, says: str) -> None:
    found = first_status(address.format(port=free_port()))
    assert (found.state, type(found.error).__name__) == ("offline", "CameraUnreachable")
    assert says in found.detail


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_passwords(kind: str) -> None:
    with RtspCamera(login=(kind, "admin", "s3cret/p@w #%?")) as camera:
        wrong = [first_status(camera.url(login=login)) for login in ("", "admin:n0tit", "s3cret:x")]
        right = first_status(camera.url(login="admin:s3cret%2Fp%40w%20%23%25%3F"))
    for one in wrong:
        assert (one.state, type(one.error).__name__) == ("offline", "LoginRefused")
        assert one.detail == (
            "it refuses the login; check the user name and password in the address; "
            "write @ / : # ? % in them as %40 %2F %3A %23 %3F %25"
        )
        assert not any(secret in f"{one!r} {one.error}" for secret in ("n0tit", "s3cret", "admin"))
    assert right.state == "online"


def test_a_server_that_does_not_answer_is_named_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket

    from hiprobe.live import source as module

    class Hasty(module.StreamRequest):
        def __init__(self, *args: object, **how: object) -> None:
            super().__init__(*args, **(how | {"open_s": 1.0}))  # type: ignore[arg-type]

    monkeypatch.setattr(module, "StreamRequest", Hasty)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        found = first_status(f"rtsp://127.0.0.1:{deaf.getsockname()[1]}/live")
    assert found.state == "offline"
    assert "no answer within 1 s; check that it is on and connected" in found.detail


def test_a_camera_that_sends_nothing_is_offline_and_comes_back() -> None:
    with RtspCamera() as camera, watching(camera.url(), offline_after_s=5.0) as source:
        until(source, is_segment)
        camera.set("valve", "drop", True)
        begun = time.monotonic()
        items = until(source, is_state("offline"))
        took = time.monotonic() - begun
        assert "no packets for 5 s" in items[-1].detail  # type: ignore[union-attr]
        assert 4.5 < took < 8.0  # not twice as long
        camera.set("valve", "drop", False)
        items = until(source, is_segment)
        assert states_of(items)[-1] == "online"


def test_a_server_that_is_killed_and_comes_back() -> None:
    with RtspCamera() as camera, watching(camera.url()) as source:
        before = segments_of(until(source, is_segment) + until(source, is_segment))
        camera.kill()
        killed = time.monotonic()
        items = until(source, is_state("offline"))
        assert 1.0 < time.monotonic() - killed < 5.0
        before += segments_of(items)
        assert all(one.wall for one in before)
        camera.start()
        items = until(source, is_segment)
        after = segments_of(items)[0]
        gone = time.monotonic() - killed
        assert states_of(items)[-1] == "online"
        assert source.counts.connections == 2
        # The camera's clock goes on, by as much as has passed; a jump is of the wall clock only.
        assert before[-1].segment.end <= after.segment.start
        assert after.segment.start - before[-1].segment.start == pytest.approx(gone, abs=5.0)
        passed = after.segment.start - before[-1].segment.start
        assert after.wall - before[-1].wall == pytest.approx(passed, abs=1.5)
        assert after.segment.index == before[-1].segment.index + 1
        assert after.segment.start > before[-1].segment.end


def test_a_short_loss_is_no_state() -> None:
    """A camera that is back within its time was never offline."""
    with RtspCamera() as camera, watching(camera.url(), offline_after_s=25.0) as source:
        until(source, is_segment)
        camera.kill()
        camera.start()
        items = until(source, lambda item: source.counts.connections == 2 and is_segment(item))
        assert states_of(items) == []


def test_a_changed_resolution_is_reported_and_segments_go_on() -> None:
    with RtspCamera() as camera, watching(camera.url(), offline_after_s=15.0) as source:
        until(source, is_segment)
        camera.set("size", "caps", caps(640, 360))
        items = until(source, is_state("changed"))
        assert items[-1].detail == "320 x 240 became 640 x 360 pixels"  # type: ignore[union-attr]
        more = until(source, is_segment) + until(source, is_segment)
        assert "offline" not in states_of(items + more)
        assert segments_of(more)[-1].segment.frames.shape == (8, 48, 64, 3)
        assert source.counts.connections == 1


def test_a_resolution_that_changed_while_it_was_away_is_reported() -> None:
    with RtspCamera() as camera, watching(camera.url()) as source:
        until(source, is_segment)
        camera.kill()
        with RtspCamera({"/live": h264(640, 480)}, port=camera.port):
            items = until(source, is_state("changed"))
            assert items[-1].detail == "320 x 240 became 640 x 480 pixels"  # type: ignore[union-attr]


def test_a_frozen_picture_is_reported_without_connecting_again() -> None:
    with RtspCamera() as camera, watching(camera.url(), frozen_after_s=3.0) as source:
        until(source, is_segment)
        camera.set("source", "pattern", 3)  # black
        begun = time.monotonic()
        items = until(source, is_state("frozen"))
        assert 2.0 < time.monotonic() - begun < 12.0
        assert items[-1].detail == "no new picture for 3 s"  # type: ignore[union-attr]
        more = until(source, is_segment)  # they still come
        camera.set("source", "pattern", 18)  # the ball
        more += until(source, is_state("online"))
        assert more[-1].detail == "the picture changes again"  # type: ignore[union-attr]
        assert source.counts.connections == 1


def children() -> set[int]:
    """The processes of cameras that this process has."""
    found = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                with open(f"/proc/{entry.name}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
                with open(f"/proc/{entry.name}/cmdline") as file:
                    ours = "hiprobe.live.source_child" in file.read()
            except OSError:
                continue
            if ours and state != "Z" and int(parent) == os.getpid():
                found.add(int(entry.name))
    return found


def test_a_decoder_that_is_killed_or_hangs_is_replaced_and_harms_no_other(
    server: RtspCamera,
) -> None:
    before = children()
    with watching(server.url()) as yard, watching(server.url("/jpeg")) as gate:
        until(yard, is_segment)
        (victim,) = (
            children() - before
            if len(children() - before) == 1
            else sorted(children() - before)[:1]
        )
        until(gate, is_segment)
        os.kill(victim, signal.SIGKILL)
        until(
            yard,
            lambda item: (
                yard.counts.connections + gate.counts.connections == 3 and is_segment(item)
            ),
        )
        until(gate, is_segment)
        assert victim not in children()
        assert yard.counts.dropped + gate.counts.dropped < 10
    assert not (children() - before) or len(children()) <= 5


def test_a_reader_who_stops_takes_no_memory_and_closing_is_quick(server: RtspCamera) -> None:
    with watching(server.url()) as source:
        until(source, is_segment)
        end = time.monotonic() + 30
        while source.counts.dropped < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert source.counts.dropped >= 2
        assert source.waiting == 4
        begun = time.monotonic()
    assert time.monotonic() - begun < 1.0
    assert "camera yard" not in [thread.name for thread in threading.enumerate()]
