"""Folders of pictures are read as videos; the pictures are numbered, so every sample is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.numbered_videos import (
    check_all,
    number,
    numbered,
    numbers,
    png,
    recipe,
    steady,
    write,
)

from hiprobe import video
from hiprobe.errors import CorruptVideo, EmptyVideo, MissingVideo, UnsupportedVideo, VideoError
from hiprobe.video import pictures


def folder(path: Path, count: int, name: str = "frame{}.png") -> Path:
    """`count` numbered pictures.

    Without leading zeros, so that `frame10` sorts before `frame9` as text.
    """
    path.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(numbered(index)).save(
            path / name.format(index), **({"quality": 95} if "jp" in name else {})
        )
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "PNG"])
def test_a_folder_is_read_as_a_video_at_its_rate(tmp_path: Path, suffix: str) -> None:
    """In natural order, with the windows and samples of a video."""
    path = pictures.named(folder(tmp_path / "clip", 23, f"frame{{}}.{suffix}"), 10)
    reader = video.segments(path, recipe())
    check_all(list(reader), steady(23, 10), 2.3, 16)
    assert (reader.duration, reader.frame_count, reader.gaps, reader.skipped) == (
        pytest.approx(2.3),
        23,
        (),
        0,
    )
    assert video.frame_times(path) == pytest.approx(np.arange(23) / 10)


def test_a_folder_gives_the_pixels_of_a_lossless_video(tmp_path: Path) -> None:
    """Same frames, rate and segments, and therefore the same hidden states."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3)).astype(np.uint8) for _ in range(20)]
    (tmp_path / "clip").mkdir()
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(tmp_path / "clip" / f"{index}.png")
    film = write(
        tmp_path / "film.mkv",
        steady(20, 10),
        codec="ffv1",
        pix_fmt="bgr0",
        rate=10,
        pictures=lambda index: pictures[index],
        options={},
        last_s=0.1,
    )
    for size in (None, (24, 32)):
        one = list(video.segments(f"{tmp_path / 'clip'}@10fps", recipe(size=size)))
        other = list(video.segments(film, recipe(size=size)))
        assert [a.end for a in one] == pytest.approx([b.end for b in other], abs=1e-3)
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.frames, b.frames)


def test_a_folder_has_spans_facts_and_a_browser_copy(tmp_path: Path) -> None:
    path = f"{folder(tmp_path / 'clip', 30)}@10fps"
    assert numbers(video.span(path, 1.0, 2.0, 5)) == [11, 13, 15, 17, 19]
    facts = video.info(path)
    assert (facts.width, facts.height, facts.fps, facts.duration, facts.playable) == (
        64,
        64,
        10,
        3.0,
        False,
    )
    made = video.browser_copy(path, tmp_path / "copy.mp4")
    assert [number(one.frames[0]) for one in video.segments(made, recipe(frames=1))] == [8, 23]


def test_the_digest_depends_on_content_order_and_rate(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "a", 4), folder(tmp_path / "b", 4, "renamed_{}.png")
    same = video.digest(f"{one}@10fps")
    assert same == video.digest(f"{other}@10.0fps")
    assert same != video.digest(f"{one}@12fps"), "another rate gives other windows"
    shutil.move(other / "renamed_0.png", other / "renamed_9.png")
    assert same != video.digest(f"{other}@10fps")


def test_folders_of_pictures_are_found_below_a_folder(tmp_path: Path) -> None:
    for name in ("clip10", "clip9", "deep/clip1", ".hidden"):
        folder(tmp_path / name, 1)
    found = video.find([f"{tmp_path}@25fps"])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "clip9@25fps",
        "clip10@25fps",
        "deep/clip1@25fps",
    ]
    with pytest.raises(MissingVideo, match="FOLDER@25fps"):
        video.find([str(tmp_path)])


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    """The archive of UCSD holds a `._001.tif` beside each `001.tif`."""
    path = folder(tmp_path / "clip", 3)
    (path / "._frame0.png").write_bytes(b"\0")
    (path / "notes.txt").write_text("no frame")
    assert len(video.frame_times(f"{path}@10fps")) == 3


def test_a_file_whose_name_ends_with_a_rate_is_a_file(tmp_path: Path) -> None:
    film = write(tmp_path / "film.mp4", steady(5, 10), rate=10)
    shutil.move(film, tmp_path / "film@10fps")
    assert len(video.frame_times(tmp_path / "film@10fps")) == 5


def large(path: Path) -> None:
    path.write_bytes(png(16_000, 16_000))


def deep(path: Path) -> None:
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(path)


BAD = {
    "another size": (
        lambda path: Image.new("RGB", (64, 62)).save(path),
        UnsupportedVideo,
        "64 x 62",
    ),
    "no picture": (lambda path: path.write_bytes(b"not a picture"), CorruptVideo, "frame2.png"),
    "cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:60]),
        CorruptVideo,
        "frame2.png",
    ),
    "empty": (lambda path: path.write_bytes(b""), CorruptVideo, "frame2.png"),
    "past the pixel cap": (large, UnsupportedVideo, "cap"),
    "16 bits": (deep, UnsupportedVideo, "8 bits"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_gives_a_named_error(tmp_path: Path, kind: str) -> None:
    spoil, error, words = BAD[kind]
    path = folder(tmp_path / "clip", 4)
    spoil(path / "frame2.png")
    with pytest.raises(error, match=words):
        list(video.segments(f"{path}@10fps", recipe()))


def test_a_picture_without_a_sample_is_not_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "clip", 64)  # samples at 0.225 and 0.675 s
    sampled = {2, 6}
    for index in set(range(8)) - sampled - {0}:
        (path / f"frame{index}.png").write_bytes(b"not a picture")
    first = next(video.segments(f"{path}@10fps", recipe(frames=2, segment_s=0.9)))
    assert numbers(first) == sorted(sampled)
    (path / "frame6.png").write_bytes(b"not a picture")
    with pytest.raises(CorruptVideo, match=r"frame6\.png"):
        next(video.segments(f"{path}@10fps", recipe(frames=2, segment_s=0.9)))


def test_a_folder_that_is_not_a_video_gives_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    path = folder(tmp_path / "clip", 3)
    mixed = folder(folder(tmp_path / "mixed", 3), 3, "mask{}.bmp")
    for name, error, words in (
        (f"{tmp_path / 'empty'}@10fps", EmptyVideo, "no pictures"),
        (f"{tmp_path / 'absent'}@10fps", MissingVideo, "no such folder"),
        (str(path), UnsupportedVideo, "give its frame rate as FOLDER@25fps"),
        (f"{path}@0fps", UnsupportedVideo, "to 1000 frames a second, got 0"),
        (f"{mixed}@10fps", UnsupportedVideo, "BMP, PNG"),
    ):
        for read in (
            lambda one: list(video.segments(one, recipe())),
            video.digest,
            video.frame_times,
            video.info,
        ):
            with pytest.raises(error, match=words):
                read(name)
    assert issubclass(UnsupportedVideo, VideoError), "so that the other videos of a run go on"


def numbered_from(path: Path, kept: list[int], name: str = "cam1_{:04}.png") -> Path:
    """Pictures of which each shows its own number, which is also in its name."""
    path.mkdir()
    for index in kept:
        Image.fromarray(numbered(index)).save(path / name.format(index))
    return path


@pytest.mark.parametrize("step", [1, 5])
def test_missing_numbers_are_a_gap_and_later_times_do_not_shift(tmp_path: Path, step: int) -> None:
    kept = [*range(20), *range(60, 80)]
    clip = numbered_from(tmp_path / "clip", [step * index + 7 for index in kept])
    reader = video.segments(f"{clip}@10fps", recipe(size=None))
    shown = {
        time: number(picture)
        for segment in reader
        for time, picture in zip(segment.times, segment.frames, strict=True)
    }
    assert {round(time * 10): seen for time, seen in shown.items()} == {
        index: step * index + 7 for index in kept
    }
    (gap,) = reader.gaps
    assert (gap.start, gap.end) == pytest.approx((2.0, 6.0))
    assert gap.reason == f"pictures are missing before cam1_{60 * step + 7:04}.png"
    assert (reader.duration, reader.frame_count, reader.skipped) == (pytest.approx(8.0), 40, 40)
    assert video.frame_times(f"{clip}@10fps") == pytest.approx(np.array(kept) / 10)
    assert video.info(f"{clip}@10fps").duration == pytest.approx(8.0)
    assert numbers(video.span(f"{clip}@10fps", 6.5, 7.5, 2)) == [67 * step + 7, 72 * step + 7]


@pytest.mark.parametrize("begin", [9 * 3600, 9 * 3600 + 58 * 60])
def test_pictures_named_by_a_clock_are_a_second_apart(tmp_path: Path, begin: int) -> None:
    for time in range(begin, begin + 180):
        name = f"20261129_{time // 3600:02}{time // 60 % 60:02}{time % 60:02}.png"
        Image.fromarray(numbered(time - begin)).save(tmp_path / name)
    reader = video.segments(f"{tmp_path}@1fps", recipe(frames=1))
    assert [one.start for one in reader] == pytest.approx(np.arange(113) * 1.6)
    assert (reader.duration, reader.skipped, reader.gaps) == (pytest.approx(180), 0, ())


def test_counters_of_six_digits_are_not_a_clock() -> None:
    for kept in ([*range(58, 63)], [*range(100, 110), 115], [0, 1, 3, 4]):
        files = [Path(f"{number:06}.png") for number in kept]
        assert pictures.numbers(files).tolist() == [number - kept[0] for number in kept]


def test_one_missing_number_is_counted_and_makes_no_gap(tmp_path: Path) -> None:
    kept = [*range(13), *range(14, 32)]
    reader = video.segments(f"{numbered_from(tmp_path / 'clip', kept)}@10fps", recipe())
    assert [seen for segment in reader for seen in numbers(segment)] == [
        12 if index == 13 else index for index in range(32)
    ]
    assert (reader.gaps, reader.skipped, reader.frame_count) == ((), 1, 31)


@pytest.mark.parametrize(
    "names", [["9.png", "17.png", "20.png", "31.png"], ["a1.png", "a2.png", "a3.png", "b9.png"]]
)
def test_names_that_do_not_count_frames_only_give_an_order(
    tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        Image.fromarray(numbered(0)).save(tmp_path / name)
    assert video.frame_times(f"{tmp_path}@10fps") == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_places_that_are_free_change_the_digest(tmp_path: Path) -> None:
    """Else the hidden states of one folder would be taken for those of the other."""
    one, other = folder(tmp_path / "a", 6), folder(tmp_path / "b", 6)
    (other / "frame5.png").rename(other / "frame9.png")
    assert video.digest(f"{one}@10fps") != video.digest(f"{other}@10fps")


def test_two_numbers_far_apart_are_read_at_once(tmp_path: Path) -> None:
    clip = numbered_from(tmp_path / "clip", [*range(20), *range(20)], "{}.png")
    (clip / "19.png").rename(clip / "999999999999999.png")
    reader = video.segments(f"{clip}@10fps", recipe())
    assert len(list(reader)) <= 3
    assert len(reader.gaps) == 1


def test_a_folder_whose_own_name_ends_with_a_rate_has_it(tmp_path: Path) -> None:
    """Also if another folder has the name without the rate."""
    real = folder(tmp_path / "clip@10fps", 30)
    folder(tmp_path / "clip", 5)
    assert video.find([str(real)]) == [real]
    assert video.find([f"{tmp_path}/*@10fps"]) == [real]
    times = video.frame_times(real)
    assert (len(times), times[1]) == (30, 0.1)
    assert len(list(video.segments(real, recipe()))) == 2
    assert video.digest(real) == video.digest(f"{real}@10fps")
    assert video.frame_times(f"{real}@5fps")[1] == 0.2


def test_a_folder_of_videos_whose_name_ends_with_a_rate_is_searched(tmp_path: Path) -> None:
    clips = tmp_path / "clips@10fps"
    clips.mkdir()
    film = write(clips / "film.mp4", steady(5, 10), rate=10)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(clips / "thumbnail.png")
    assert video.find([str(clips)]) == [film]
