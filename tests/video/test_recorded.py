"""When a video was recorded: what its container says, and what its name says."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from hiprobe import video
from hiprobe.errors import UsageError
from hiprobe.pipeline import with_recording_time
from hiprobe.types import Result
from hiprobe.video.recorded import time_in_tags

PATTERN = "%Y%m%d_%H%M%S"


def movie(path: Path, creation_time: str | None = None) -> Path:
    """Write half a second of video with a creation time in the headers of the container."""
    with av.open(str(path), "w") as output:
        if creation_time is not None:
            output.metadata["creation_time"] = creation_time
        stream = output.add_stream("libx264" if path.suffix != ".webm" else "libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(5):
            pixels = np.full((48, 64, 3), 20 * index, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def with_raw_time(path: Path, seconds: int) -> Path:
    """Set the creation time in the headers of an MP4: seconds since 1904, as cameras write it."""
    data = bytearray(path.read_bytes())
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        for found in re.finditer(box, bytes(data)):
            data[found.end() + 4 : found.end() + 8] = seconds.to_bytes(4, "big")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_creation_time_of_a_container_is_read(tmp_path: Path, suffix: str) -> None:
    path = movie(tmp_path / f"a{suffix}", "2026-11-29T09:00:00Z")
    assert video.info(path).recorded == "2026-11-29T09:00:00+00:00"
    assert video.info(movie(tmp_path / f"b{suffix}")).recorded is None


def test_a_clock_that_was_never_set_says_nothing(tmp_path: Path) -> None:
    """Zero is 1904 in an MP4; a camera without a battery begins in 1970 or 1980."""
    path = movie(tmp_path / "a.mp4", "2026-11-29T09:00:00Z")
    since_1904 = 2_082_844_800  # until 1970
    for seconds in (0, 1, since_1904, since_1904 + 315_532_800):
        assert video.info(with_raw_time(path, seconds)).recorded is None, seconds
    moment = since_1904 + 1_500_000_000
    assert video.info(with_raw_time(path, moment)).recorded == "2017-07-14T02:40:00+00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29T09:00:00.000000Z", "2026-11-29T09:00:00+00:00"),
        ("2026-11-29T09:00:00+0100", "2026-11-29T09:00:00+01:00"),
        ("2026-11-29 09:00:00-05:30", "2026-11-29T09:00:00-05:30"),
        ("2026-11-29T09:00:00", "2026-11-29T09:00:00"),  # a clock without a zone
        (" 2026-11-29T09:00 ", "2026-11-29T09:00:00"),
        ("2026-11-29", None),  # no time of day
        ("2026", None),
        ("", None),
        ("1970-01-01T00:00:00Z", None),
        ("0000-00-00T00:00:00Z", None),
        ("2026-13-45T99:00:00Z", None),
        ("yesterday at nine, I think", None),
        ("2026-11-29T09:00:00+99:99", None),
        ("<script>alert(1)</script>", None),
        ("9" * 10_000, None),
    ],
)
def test_a_tag_is_a_date_and_a_time_or_nothing(text: str, expected: str | None) -> None:
    assert time_in_tags({"creation_time": text}) == expected
    assert time_in_tags({"CREATION_TIME": text}) == expected


def test_the_local_time_of_a_phone_comes_first_and_a_broken_tag_hides_no_other() -> None:
    apple = "com.apple.quicktime.creationdate"
    tags = {"creation_time": "2026-11-29T08:00:00Z", apple: "2026-11-29T09:00:00+0100"}
    assert time_in_tags(tags) == "2026-11-29T09:00:00+01:00"
    assert time_in_tags({**tags, apple: "no idea"}) == "2026-11-29T08:00:00+00:00"
    assert time_in_tags({"title": "2026-11-29T08:00:00Z"}) is None


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (PATTERN, "20261129_090000.mp4", "2026-11-29T09:00:00"),
        (PATTERN, "cam1/front-20261129_090000-x264.mp4", "2026-11-29T09:00:00"),
        (PATTERN, "99_20261129_090000.mp4", "2026-11-29T09:00:00"),  # digits before it
        (PATTERN, "99999999_20261129_090000.mp4", "2026-11-29T09:00:00"),  # no date before it
        (PATTERN, "20261129_090000/front.mp4", None),  # of the folder, not of the video
        (PATTERN, "20261329_090000.mp4", None),
        (PATTERN, "20260230_090000.mp4", None),
        (PATTERN, "front.mp4", None),
        (PATTERN, "", None),
        (PATTERN, "٢٠٢٦١١٢٩_٠٩٠٠٠٠.mp4", None),  # only the digits 0 to 9
        ("%Y-%m-%d %H.%M", "Shop 2026-11-29 09.30.mkv", "2026-11-29T09:30:00"),
        ("%d.%m.%y %H%M", "29.11.26 0930.mp4", "2026-11-29T09:30:00"),
        ("%d.%m.%Y %H Uhr", "1.3.2026 9 Uhr.mp4", "2026-03-01T09:00:00"),
        ("%Y-%m-%d-%H", "2026-11-29-123.mp4", None),  # not 12 o'clock
        (PATTERN, "PXL_20261129_090000123.mp4", "2026-11-29T09:00:00"),
        (PATTERN + "%f", "PXL_20261129_090000123.mp4", "2026-11-29T09:00:00.123000"),
        (PATTERN, "120261129_090000.mp4", None),  # not in the year 1202
        (PATTERN, "11111111_111111_20261129_090000.mp4", "2026-11-29T09:00:00"),
        ("%Y%jT%H", "2026333T09.mp4", "2026-11-29T09:00:00"),
        ("100%%_" + PATTERN, "100%_20261129_090000.mp4", "2026-11-29T09:00:00"),
        ("(" + PATTERN + ")[*]", "a(20261129_090000)[*].mp4", "2026-11-29T09:00:00"),
    ],
)
def test_a_pattern_finds_the_time_in_a_name(pattern: str, name: str, expected: str | None) -> None:
    assert video.NamePattern(pattern).time(name) == expected


@pytest.mark.parametrize(
    "pattern",
    ["", "%", "%H%M%S", "%Y%m%d", "%Q%Y%m%d%H", "%Y%m%d_%H %", "%Y%Y%m%d%H", "%c", "2026"],
)
def test_a_pattern_without_a_date_and_a_time_is_wrong_usage(pattern: str) -> None:
    with pytest.raises(UsageError, match="--time-from-name must be a date and a time"):
        video.NamePattern(pattern)


def test_a_name_full_of_digits_takes_no_time() -> None:
    began = time.process_time()
    for pattern in (PATTERN, "%d_%m_%Y_%H_%M", "%Y%m%d%H%M%S%f"):
        for name in ("1" * 4000, "1_" * 2000, ("1" * 60 + "_") * 60):
            assert video.NamePattern(pattern).time(f"{name}.mp4") is None
    assert time.process_time() - began < 1


def test_the_name_comes_before_the_container(tmp_path: Path) -> None:
    path = movie(tmp_path / "20200101_120000.mp4", "2026-11-29T09:00:00Z")

    def recorded(name: str, pattern: str | None) -> object:
        result = Result(str(path), "", "failed", name=name)
        return with_recording_time(result, pattern).provenance["recorded"]

    named = {"at": "2020-01-01T12:00:00", "from": "file name"}
    inside = {"at": "2026-11-29T09:00:00+00:00", "from": "container"}
    assert recorded(path.name, PATTERN) == named
    assert recorded(path.name, None) == inside
    assert recorded("front.mp4", PATTERN) == inside


def test_a_folder_of_pictures_has_only_the_time_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "20261129_090000@10fps"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(folder / f"{index}.png")
    result = Result(str(folder), "", "failed", name=folder.name)
    made = with_recording_time(result, PATTERN).recorded
    assert made == "2026-11-29T09:00:00"
    assert with_recording_time(result).recorded is None
    shutil.rmtree(folder)
