"""Files that cameras and recorders write are read in a folder by their suffix."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.support.numbered_videos import check_all, numbered, recipe, steady, write

from hiprobe import video
from hiprobe.errors import UnsupportedVideo

RATE, COUNT = 25, 50


def raw(path: Path, codec: str = "libx264") -> Path:
    quiet = {"x265-params": "log-level=none:bframes=0"} if codec == "libx265" else {}
    made = write(
        path.with_suffix(".hevc" if codec == "libx265" else ".h264"),
        steady(COUNT, RATE),
        codec=codec,
        rate=RATE,
        options=quiet or {"bf": "0", "x264-params": "force-cfr=1"},
    )
    return made.rename(path)


def hevc(path: Path) -> Path:
    return raw(path, "libx265")


def jpegs(path: Path) -> Path:
    data = io.BytesIO()
    for index in range(COUNT):
        Image.fromarray(numbered(index)).save(data, "JPEG", quality=95)
    path.write_bytes(data.getvalue())
    return path


def apng(path: Path) -> Path:
    first, *rest = [Image.fromarray(numbered(index)) for index in range(COUNT)]
    first.save(path, "PNG", save_all=True, append_images=rest, duration=1000 / RATE)
    return path


def dav(path: Path) -> Path:
    """Packets of H.264 as a Dahua recorder stores them: each between `DHAV` and `dhav`."""
    written = b""
    with av.open(str(raw(path.with_name("raw.264")))) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
    for index, packet in enumerate(packets):
        facts = bytes([0x80, 0, 64 // 8, 64 // 8, 0x81, 0, 2, RATE])  # size, H.264, rate
        second = 26 << 26 | 11 << 22 | 29 << 17 | 10 << 12 | index // RATE
        length = 24 + len(facts) + packet.size + 8
        written += b"DHAV" + bytes([0xFD if packet.is_keyframe else 0xFC, 0, 0, 0])
        written += struct.pack("<III", index, length, second)
        written += struct.pack("<HBB", index % RATE * 1000 // RATE, len(facts), 0)
        written += facts + bytes(packet) + b"dhav" + struct.pack("<I", length)
    path.with_name("raw.264").unlink()
    path.write_bytes(written)
    return path


MAKERS = {
    ".264": raw,
    ".265": hevc,
    ".mjpeg": jpegs,
    ".mjpg": jpegs,
    ".apng": apng,
    ".dav": dav,
}


@pytest.mark.parametrize("suffix", MAKERS)
def test_a_file_is_found_in_a_folder_and_read(tmp_path: Path, suffix: str) -> None:
    MAKERS[suffix](tmp_path / f"a{suffix.upper()}")
    (path,) = video.find([str(tmp_path)])
    reader = video.segments(path, recipe())
    # FFmpeg's reader of DAV lets every frame last one tick of its clock.
    end = (COUNT - 1) / RATE + 0.001 if suffix == ".dav" else COUNT / RATE
    check_all(list(reader), steady(COUNT, RATE), end, 16)
    assert (reader.gaps, reader.skipped, reader.concealed) == ((), 0, 0)
    assert not video.info(path).playable


def test_a_webp_that_moves_is_refused_by_name(tmp_path: Path) -> None:
    """FFmpeg has no reader of animated WebP, so its suffix is not one of a video."""
    first, *rest = [Image.fromarray(np.full((64, 64, 3), index, np.uint8)) for index in range(5)]
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, duration=40)
    with pytest.raises(UnsupportedVideo, match="not a video container"):
        list(video.segments(tmp_path / "a.webp", recipe()))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_lone_picture_is_still_no_video(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(numbered(1)).save(tmp_path / f"a{suffix}")
    path = (tmp_path / f"a{suffix}").rename(tmp_path / "a.mp4")
    with pytest.raises(UnsupportedVideo, match="not a video container"):
        list(video.segments(path, recipe()))
