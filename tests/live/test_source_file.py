"""A file that is played gives exactly its segments, at any speed, in time, and with bounded memory."""

from __future__ import annotations

import shutil
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.live_source import segments_of, states_of
from tests.support.numbered_videos import numbered, recipe, steady, write

from hiprobe import embedded, video
from hiprobe.errors import MissingVideo
from hiprobe.live.cameras import Camera
from hiprobe.live.regions import GREY, Regions
from hiprobe.live.source import Footage, LiveSegment, Source, Status
from hiprobe.types import Recipe

MANY = 10_000  # no segment is dropped


def played(
    path: str | Path, asked: Recipe, speed: float = 1000.0, **how: object
) -> list[LiveSegment | Status]:
    with Source(Camera("clip", str(path), speed=speed, **how), asked, waiting=MANY) as source:  # type: ignore[arg-type]
        return list(source)


def check_same(path: str | Path, asked: Recipe, items: list[LiveSegment | Status]) -> None:
    """Check that the segments are those of `video.segments`, byte for byte."""
    wanted, found = list(video.segments(path, asked)), segments_of(items)
    assert len(found) == len(wanted) > 0
    for one, two in zip(found, wanted, strict=True):
        assert one.segment.index == two.index
        assert (one.segment.start, one.segment.end) == (two.start, two.end)
        assert one.segment.times.tobytes() == two.times.tobytes()
        assert one.segment.frames.tobytes() == two.frames.tobytes()
        assert one.segment.frames.shape == two.frames.shape
    assert states_of(items) == ["online", "ended"]
    assert isinstance(items[-1], Status)
    assert items[-1].error is None


VIDEOS = {
    "b frames, a cut last window": ("a.mp4", steady(157, 25), {"rate": 25}),
    "shorter than a window": ("a.mp4", steady(7, 25), {"rate": 25}),
    "a variable rate": ("a.mkv", [0.0, 0.1, 0.15, 2.9, 3.0, 7.7, 7.8], {}),
    "begins late, with sound": ("a.mp4", [1.0 + one for one in steady(90, 30)], {"sound_at": 0.0}),
    "MPEG-TS": ("a.ts", steady(100, 25), {"rate": 25}),
    "AVI": ("a.avi", steady(100, 25), {"rate": 25, "codec": "mpeg4", "options": {"bf": "0"}}),
    "29.97 a second": ("a.mp4", steady(130, Fraction(30_000, 1001)), {"rate": Fraction(30_000, 1001)}),
}  # fmt: skip


@pytest.mark.parametrize("kind", VIDEOS)
@pytest.mark.parametrize("speed", [1000.0, 12.0])
def test_a_played_file_gives_its_segments_byte_for_byte(
    tmp_path: Path, kind: str, speed: float
) -> None:
    name, times, how = VIDEOS[kind]
    path = write(tmp_path / name, times, **how)
    asked = recipe(frames=8, size=(48, 64))
    check_same(path, asked, played(path, asked, speed))


def test_footage_does_not_change_the_segments(tmp_path: Path) -> None:
    path, pieces = write(tmp_path / "a.mp4", steady(157, 25), rate=25), list[Footage]()
    asked = recipe(frames=16, size=None)
    camera = Camera("clip", str(path), speed=1000.0)
    with Source(camera, asked, record=pieces.append, waiting=MANY) as source:
        check_same(path, asked, list(source))
    assert pieces[0].start == pytest.approx(0.0, abs=1e-6)
    assert pieces[-1].end == pytest.approx(157 / 25, abs=1e-3)
    assert all(one.end == pytest.approx(two.start, abs=0.13) for one, two in pairwise(pieces))


def test_a_shipped_clip_at_the_size_of_a_model(normal_clip: Path) -> None:
    asked = Recipe("model", ("prompt",), frames=8, size=(224, 224))
    check_same(normal_clip, asked, played(normal_clip, asked, 200.0))


def test_a_damaged_file_keeps_its_gaps(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", steady(300, 25), rate=25)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    asked = recipe(frames=8)
    check_same(path, asked, played(path, asked))


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for index in range(60):
        Image.fromarray(numbered(index)).save(tmp_path / f"{index}.png")
    asked = recipe(frames=8)
    pieces: list[Footage] = []
    camera = Camera("clip", f"{tmp_path}@25fps", speed=1000.0)
    with Source(camera, asked, record=pieces.append) as source:
        check_same(f"{tmp_path}@25fps", asked, list(source))
    assert pieces == []


def test_segments_come_when_they_have_been_played(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(160, 25), rate=25)
    arrived = []
    with Source(Camera("clip", str(path), speed=4.0), recipe(frames=4)) as source:
        for item in source:
            if isinstance(item, LiveSegment):
                arrived.append((time.time(), item))
    begun = arrived[0][1].wall
    for at, item in arrived:
        assert item.wall == pytest.approx(begun + item.segment.start / 4, abs=0.05)
        assert at - begun >= item.segment.end / 4 - 0.05  # never early
        assert at - begun <= item.segment.end / 4 + 2.0  # late only on a busy machine
        assert not item.jump


def test_a_slow_reader_loses_whole_segments_which_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(400, 25), rate=25)
    asked = recipe(frames=4, size=(32, 32))
    with Source(Camera("clip", str(path), speed=1000.0), asked, waiting=3) as source:
        while source.counts.segments < 10:
            time.sleep(0.05)
        assert source.waiting == 3
        left = segments_of(list(source))
        assert (source.counts.segments, source.counts.dropped) == (10, 7)
    assert [one.segment.index for one in left] == [7, 8, 9]  # the newest are kept
    wanted = {one.index: one for one in video.segments(path, asked)}
    for one in left:
        np.testing.assert_array_equal(one.segment.frames, wanted[one.segment.index].frames)


def test_ignored_regions_are_grey_and_the_rest_is_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(80, 25), rate=25)
    asked = recipe(frames=4, size=(64, 64))
    upper = Regions.parse([[[0, 0], [1, 0], [1, 0.5], [0, 0.5]]])
    items = played(path, asked, ignore=upper)
    for one, two in zip(segments_of(items), video.segments(path, asked), strict=True):
        assert (one.segment.frames[:, :32] == GREY).all()
        np.testing.assert_array_equal(one.segment.frames[:, 32:], two.frames[:, 32:])


def test_a_file_that_is_missing_or_damaged_ends_with_its_error(
    tmp_path: Path, bad_videos: dict[str, Path]
) -> None:
    for name, path in bad_videos.items():
        items = played(path, recipe(frames=4))
        assert states_of(items) == ["ended"]
        assert isinstance(items[-1], Status)
        assert type(items[-1].error).__name__ == name
        assert "camera clip" in str(items[-1].error)
    assert issubclass(type(played(tmp_path / "none.mp4", recipe())[-1].error), MissingVideo)  # type: ignore[union-attr]


def test_close_ends_the_child_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    shutil.copy(embedded.VIDEO, path)
    source = Source(Camera("clip", str(path), speed=0.5), recipe(frames=4))
    assert isinstance(source.poll(30.0), Status)
    begun = time.monotonic()
    source.close()
    assert time.monotonic() - begun < 1.0
    list(source)
    assert source.ended
    with pytest.raises(StopIteration):
        next(source)
