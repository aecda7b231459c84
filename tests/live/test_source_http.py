"""Streams over HTTP from a real server: MPEG-TS, MJPEG, and every way in which one can fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.support.http_camera import http_camera
from tests.support.live_source import is_segment, is_state, quick, segments_of, states_of, until
from tests.support.numbered_videos import numbers, recipe, steady, write

from hiprobe.live.cameras import Camera
from hiprobe.live.source import Footage, Source, Status

SMALL = recipe(frames=8, size=(64, 64))
LENGTH_S = 8.0


@pytest.fixture(scope="module")
def ts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    return write(path, steady(int(LENGTH_S * 25), 25), rate=25, options={"bf": "0"})


@pytest.fixture(scope="module")
def server(ts: Path) -> Iterator[str]:
    with http_camera(ts, LENGTH_S) as address:
        yield address


def watching(url: str, **how: object) -> Source:
    return Source(Camera("yard", url, **how), SMALL, backoff=quick())  # type: ignore[arg-type]


def test_mpeg_ts_in_real_time(server: str) -> None:
    with watching(f"http://{server}/ts") as source:
        found = segments_of(until(source, is_segment) + until(source, is_segment))
    shown = [number for one in found for number in numbers(one.segment)]
    assert shown == [index * 5 + 2 for index in range(16)]  # the frames on screen at their samples
    assert found[1].wall - found[0].wall == pytest.approx(1.6, abs=0.3)


def test_mjpeg_counts_time_from_when_pictures_arrive(server: str) -> None:
    pieces: list[Footage] = []
    with Source(Camera("yard", f"http://{server}/mjpeg"), SMALL, record=pieces.append) as source:
        begun = time.monotonic()
        found = segments_of(until(source, is_segment) + until(source, is_segment))
        took = time.monotonic() - begun
    assert found[1].segment.end == pytest.approx(3.2)
    assert took > 2.5  # and no faster than they came
    assert np.ptp(found[1].segment.frames) > 100
    assert len(np.unique(found[1].segment.times)) >= 6
    assert pieces
    assert all(piece.key for piece in pieces)


@pytest.mark.parametrize("leap", [-600.0, 600.0])
def test_a_camera_whose_clock_is_set_goes_on(tmp_path: Path, leap: float) -> None:
    """One TS file after another, whose times begin 600 s earlier or later."""
    begins = (0.0, leap) if leap > 0 else (-leap, 0.0)
    data = b""
    for begin in begins:
        part, times = tmp_path / f"{begin:.0f}.ts", [begin + one for one in steady(100, 25)]
        data += write(part, times, rate=25, options={"bf": "0"}).read_bytes()
    (tmp_path / "a.ts").write_bytes(data)
    with http_camera(tmp_path / "a.ts", 8.0) as address, watching(f"http://{address}/ts") as source:
        items = until(source, lambda item: is_segment(item) and source.counts.segments == 4)
        assert (source.counts.leaps, source.counts.connections) == (1, 1)
    found = segments_of(items)
    assert states_of(items) == ["online"]
    assert [one.segment.end for one in found] == pytest.approx([1.6, 3.2, 4.8, 6.4])
    assert not any(one.jump for one in found)
    walls = np.diff([one.wall for one in found])
    assert walls == pytest.approx([1.6] * 3, abs=0.5)


def test_a_stream_that_ends_is_connected_again(server: str, ts: Path) -> None:
    with watching(f"http://{server}/ts", offline_after_s=30.0) as source:
        items = until(source, lambda item: source.counts.connections == 2 and is_segment(item), 60)
        found = segments_of(items)
        assert states_of(items) == ["online"]
    ends = [one for one in found if one.segment.end - one.segment.start < 1.59]
    assert len(ends) <= 1  # the last window of the first connection is as long as it was
    assert all(two.segment.start >= one.segment.end - 1e-6 for one, two in pairwise(found))
    assert found[-1].segment.start >= LENGTH_S - 1.7


WRONG = {
    "/none": ("CameraUnreachable", "it answers, but has no such stream"),
    "/busy": ("CameraUnreachable", "it answers with an error of its own; restart the camera"),
    "/text": ("UnsupportedVideo", "it sends no video in a known format"),
    "/file": ("UnsupportedVideo", "it is a file and not a stream; download it"),
    "/moved": ("UnsupportedVideo", "it sends no video in a known format"),  # to a file
}


@pytest.mark.parametrize("path", WRONG)
def test_what_is_not_a_stream_is_named(server: str, path: str) -> None:
    with watching(f"http://{server}{path}") as source:
        (found,) = until(source, is_state("offline", "online"))
    assert isinstance(found, Status)
    name, says = WRONG[path]
    assert (found.state, type(found.error).__name__) == ("offline", name), found
    assert says in found.detail


def test_a_stream_that_falls_silent_is_offline(server: str) -> None:
    with watching(f"http://{server}/silent", offline_after_s=2.0) as source:
        items = until(source, is_state("offline"))
    assert "no packets for 2 s" in items[-1].detail  # type: ignore[union-attr]


def test_passwords(ts: Path) -> None:
    with http_camera(ts, LENGTH_S, "admin:s3cret/p@w") as address:
        for login in ("", "admin:n0tit@"):
            with watching(f"http://{login}{address}/ts") as source:
                (found,) = until(source, is_state("offline", "online"))
            assert isinstance(found, Status)
            assert type(found.error).__name__ == "LoginRefused"
            assert "n0tit" not in f"{found!r} {found.error}"
        with watching(f"http://admin:s3cret%2Fp%40w@{address}/ts") as source:
            until(source, is_segment)
