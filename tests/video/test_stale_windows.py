"""A window is a gap if no frame came within 60 s before its end, whatever times a file states."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image
from tests.support.numbered_videos import check_all, numbered, recipe, steady, write

from hiprobe import video
from hiprobe.types import Segment

MOST = 38  # windows of 1.6 s in 60 s, a last one that is cut included


def y4m(path: Path, frames: int, rate: str) -> Path:
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W64 H48 F{rate} Ip A1:1 C420jpeg\n".encode())
        for index in range(frames):
            file.write(b"FRAME\n" + bytes([index * 7 % 256]) * (64 * 48 * 3 // 2))
    return path


def patched(path: Path, seconds: int) -> Path:
    """An MP4 of 50 frames at 25 a second, whose one entry of `stts` says `seconds` a frame."""
    write(path, steady(50, 25), rate=25, last_s=0.04, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    place = data.index(b"stts") + 8
    assert struct.unpack(">II", data[place : place + 8]) == (1, 50)
    clock = struct.unpack(">I", data[data.index(b"mdhd") + 16 :][:4])[0]
    data[place + 8 : place + 12] = struct.pack(">I", seconds * clock)
    path.write_bytes(data)
    return path


def folder(path: Path, numbers: list[int]) -> Path:
    path.mkdir()
    for index in numbers:
        Image.fromarray(numbered(index % 1000)).save(path / f"{index}.png")
    return path


def hostile(tmp_path: Path, kind: str) -> Path | str:
    """Return a video whose frames are further apart than 60 s."""
    match kind:
        case "y4m, 68 years":
            return y4m(tmp_path / "a.y4m", 20, "1:2147483647")
        case "y4m, 68 years, one frame":
            return y4m(tmp_path / "a.y4m", 1, "1:2147483647")
        case "y4m, 3500 s":
            return y4m(tmp_path / "a.y4m", 20, "1:3500")
        case "mp4, stts":
            return patched(tmp_path / "a.mp4", 3500)
        case "pictures at 0.01 fps":
            return f"{folder(tmp_path / 'a', list(range(5)))}@0.01fps"
        case _:
            return f"{folder(tmp_path / 'a', [0, 10, 20, 10**13])}@0.01fps"


@pytest.mark.parametrize(
    "kind",
    [
        "y4m, 68 years",
        "y4m, 68 years, one frame",
        "y4m, 3500 s",
        "mp4, stts",
        "pictures at 0.01 fps",
        "pictures numbered far",
    ],
)
def test_windows_are_bounded_by_the_frames_and_the_rest_is_a_gap(tmp_path: Path, kind: str) -> None:
    reader = video.segments(hostile(tmp_path, kind), recipe(frames=2, size=(16, 16)))
    segments = list(reader)
    assert 0 < len(segments) <= MOST * reader.frame_count
    assert reader.gaps
    assert all(gap.reason for gap in reader.gaps)
    assert all(0 <= gap.start < gap.end <= 1e9 for gap in reader.gaps)
    assert not any(overlaps(one, gap.start, gap.end) for one in segments for gap in reader.gaps)


def overlaps(one: Segment, start: float, end: float) -> bool:
    return one.start < end - 1e-6 and one.end > start + 1e-6


def test_every_window_is_read_or_in_a_gap(tmp_path: Path) -> None:
    reader = video.segments(y4m(tmp_path / "a.y4m", 5, "1:100"), recipe(frames=2, size=(16, 16)))
    spans = [(one.start, one.end) for one in reader]
    spans += [(gap.start, gap.end) for gap in reader.gaps]
    edges = sorted(spans)
    assert [end for _, end in edges[:-1]] == pytest.approx([start for start, _ in edges[1:]])
    assert (edges[0][0], edges[-1][1]) == pytest.approx((0.0, 500.0))
    assert [gap.reason for gap in reader.gaps] == ["no frame for 100 s"] * 5


@pytest.mark.parametrize("every_s", [10, 60])
def test_a_time_lapse_with_a_picture_a_minute_is_read_whole(tmp_path: Path, every_s: int) -> None:
    reader = video.segments(y4m(tmp_path / "a.y4m", 3, f"1:{every_s}"), recipe(frames=2))
    segments = list(reader)
    assert reader.gaps == ()
    assert segments[-1].end == pytest.approx(3 * every_s, abs=0.8)
    assert [one.index for one in segments] == list(range(len(segments)))


def test_a_slow_video_is_read_to_its_end(tmp_path: Path) -> None:
    """A remainder below half a frame is rounding, but not if a frame is longer than a window."""
    clip = folder(tmp_path / "a", [0, 1, 2])
    reader = video.segments(f"{clip}@0.0625fps", recipe())
    check_all(list(reader), [0.0, 16.0, 32.0], 48.0, 16)
