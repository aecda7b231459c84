"""Several decoders at once give what one decoder gives, also from files that mislead."""

from __future__ import annotations

import gc
import math
import os
import shutil
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scale.test_spans import FILES
from tests.support.numbered_videos import noisy, packet_places, recipe, steady, write
from tests.video.test_decoder_process import decoders

from hiprobe import isolate, video
from hiprobe.errors import DecoderLost, MissingVideo
from hiprobe.types import Segment
from hiprobe.video import VideoInfo, parallel
from hiprobe.video.sampling import Span

RECIPE = recipe(frames=2, size=(32, 32))
ID = "0" * 64


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four decoders on any machine, parts of five windows, and no decoder left over."""
    monkeypatch.setattr(parallel, "decoders", lambda: 4)
    monkeypatch.setattr(parallel, "LEAST_WINDOWS", 3)
    monkeypatch.setattr(parallel, "LEAST_PIXELS", 0.0)
    monkeypatch.setattr(isolate.parent, "SLOTS", 6)
    isolate.parent._end_all()
    yield
    while parallel._begun:
        parallel._begun.popitem()[1].close()
    isolate.parent._end_all()


def read(reader: Any) -> tuple[list[Segment], tuple[Any, ...]]:
    found = list(reader)
    return found, (reader.duration, reader.gaps, reader.skipped)


def check_same(path: Path, reader: Any = None) -> list[Segment]:
    """Check that several decoders give what one gives; return the segments."""
    wanted, known = read(video.segments(path, RECIPE))
    found, told = read(reader or parallel.decode_segments(path, RECIPE, ID))
    assert [one.index for one in found] == [one.index for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert (one.start, one.end) == (other.start, other.end)
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.frames, other.frames)
    assert told == known
    return found


def long(path: Path, **more: Any) -> Path:
    return write(path, steady(604, 10), rate=10, pictures=noisy, **more)


def parts(path: Path) -> int:
    return len(parallel.plan_parts(video.info(path), RECIPE))


def said(
    seconds: float | None, container: str = "mov,mp4", side: int = 480, seekable: bool = True
) -> VideoInfo:
    return VideoInfo("h264", container, side, side, 30.0, seconds, True, seekable)


@pytest.mark.parametrize("seconds", [1.0, 9.0, 20.0, 31.9, 60.4, 61.0, 7200.0])
def test_parts_cover_a_video_once(seconds: float) -> None:
    plan = parallel.plan_parts(said(seconds), RECIPE)
    assert (plan[0].first, plan[-1].count) == (0, None)
    for one, following in pairwise(plan):
        assert one.count is not None
        assert one.first + one.count == following.first
    lengths = [one.count or math.ceil(seconds / 1.6) - one.first for one in plan]
    if len(plan) <= 4:  # all begun at once: each is read while those after it are decoded
        assert sum(lengths) / len(lengths) >= 3 or len(plan) == 1
        assert lengths == sorted(lengths)
    else:  # as long as a decoder may be ahead
        assert max(lengths) <= 5
        assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("facts", [said(100.0, "mpegts", seekable=False), said(None)])
def test_a_video_without_index_or_length_is_not_cut(facts: VideoInfo) -> None:
    assert parallel.plan_parts(facts, RECIPE) == [Span(0, None)]


def test_a_video_that_is_decoded_quickly_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST_PIXELS", 100e6)
    small, large = (said(600.0, side=side) for side in (96, 1080))
    assert len(parallel.plan_parts(small, RECIPE)) == 1
    assert len(parallel.plan_parts(large, RECIPE)) > 4


@pytest.mark.parametrize("kind", FILES)
def test_several_decoders_give_what_one_gives(kind: str, tmp_path: Path) -> None:
    suffix, more = FILES[kind]
    path = long(tmp_path / f"long{suffix}", **more)
    assert parts(path) == 8
    assert len(check_same(path)) == 38


def test_several_decoders_run_at_the_same_time(tmp_path: Path) -> None:
    segments = iter(parallel.decode_segments(long(tmp_path / "long.mp4"), RECIPE, ID))
    next(segments)
    assert len(decoders()) >= 4
    del segments  # as where its reader is interrupted
    assert len(decoders()) <= 1  # the one that told the facts


@pytest.mark.parametrize("first", [20, 280])
def test_damage_gives_what_one_decoder_gives(first: int, tmp_path: Path) -> None:
    path = long(tmp_path / "long.mp4")
    data = bytearray(path.read_bytes())
    for _, place, size in packet_places(path)[first : first + 15]:
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    check_same(path)


@pytest.mark.parametrize("step", [60, pytest.param(20, marks=pytest.mark.soak)])
def test_a_concealed_picture_gives_what_one_decoder_gives(step: int, tmp_path: Path) -> None:
    """Damage without an error: what the picture is patched with depends on where decoding began."""
    path = long(tmp_path / "long.mp4")
    whole, patched = path.read_bytes(), 0
    for _, place, size in packet_places(path)[350:590:step]:
        data = bytearray(whole)
        data[place + size // 2] ^= 0x55
        path.write_bytes(data)
        reader = video.segments(path, RECIPE)
        list(reader)
        patched += bool(reader.concealed and not reader.skipped)
        check_same(path)
    assert patched > 2


def test_a_truncated_file_gives_what_one_decoder_gives(tmp_path: Path) -> None:
    path = long(tmp_path / "long.mp4", muxer={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert parts(path) == 8
    assert len(check_same(path)) < 30


def test_a_pause_or_a_jump_gives_what_one_decoder_gives(tmp_path: Path) -> None:
    for pause in (3.0, 4000.0):
        times = [*steady(300, 10), *(30.0 + pause + time for time in steady(300, 10))]
        check_same(write(tmp_path / f"{pause:g}.mp4", times, rate=10, pictures=noisy))


def test_a_low_frame_rate_gives_what_one_decoder_gives(tmp_path: Path) -> None:
    check_same(write(tmp_path / "slow.mp4", steady(60, 1), rate=1, pictures=noisy))


def test_a_folder_of_pictures_is_read_by_several_decoders(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "frames").mkdir()
    for index in range(160):
        Image.fromarray(noisy(index)).save(tmp_path / "frames" / f"{index}.png")
    path = Path(f"{tmp_path}/frames@2.5fps")
    assert parts(path) == 8
    check_same(path)


def test_parts_with_different_windows_at_the_seam_are_not_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = long(tmp_path / "long.mp4")
    true = video.SegmentReader.__next__

    def shifted(self: video.SegmentReader) -> Segment:
        segment = true(self)
        if self.first > 0:
            segment.frames[:] = 255 - segment.frames
        return segment

    monkeypatch.setattr(video.SegmentReader, "__next__", shifted)
    check_same(path)


def test_a_video_is_still_read_if_a_decoder_ahead_dies(tmp_path: Path) -> None:
    path = long(tmp_path / "long.mp4")
    reader = iter(parallel.decode_segments(path, RECIPE, ID))
    found = [next(reader)]
    for victim in sorted(decoders())[-2:]:
        os.kill(victim, signal.SIGKILL)
    found += reader
    for one, other in zip(found, video.segments(path, RECIPE), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


def test_a_decoder_that_dies_again_gives_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "short.mp4", steady(200, 20), rate=20, pictures=noisy)
    reader = iter(
        parallel.decode_segments(path, recipe(frames=2, size=(32, 32), segment_s=0.05), ID)
    )
    next(reader)
    for victim in decoders():
        os.kill(victim, signal.SIGKILL)
    with pytest.raises(DecoderLost, match=r"short\.mp4: the decoder crashed: killed by SIGKILL"):
        _read_and_kill(reader)


def _read_and_kill(reader: Iterator[Segment]) -> None:
    for _ in reader:
        for victim in decoders():
            os.kill(victim, signal.SIGKILL)


def test_an_early_start_on_a_missing_file_fails_when_it_is_read(tmp_path: Path) -> None:
    parallel.start_decoding(tmp_path / "none.mp4", RECIPE, ID)
    reader = parallel.decode_segments(tmp_path / "none.mp4", RECIPE, ID)
    with pytest.raises(MissingVideo):
        list(reader)


@pytest.mark.parametrize("frames", [10, 30, 79, 80, 81, 100, 604])
def test_an_early_start_is_used(frames: int, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", steady(frames, 10), rate=10, pictures=noisy)
    parallel.start_decoding(path, RECIPE, ID)
    begun = decoders()
    reader = parallel.decode_segments(path, RECIPE, ID)
    assert not parallel._begun
    check_same(path, reader)
    assert begun <= decoders()  # it was used, and can be used again


def test_an_early_start_is_used_for_stored_size(tmp_path: Path) -> None:
    path = long(tmp_path / "long.mp4")
    own = recipe(frames=2, size=None)
    parallel.start_decoding(path, own, ID)
    found = [one.frames for one in parallel.decode_segments(path, own, ID)]
    np.testing.assert_array_equal(found, [one.frames for one in video.segments(path, own)])


def test_an_early_start_on_other_content_or_recipe_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", steady(30, 10), rate=10, pictures=noisy)
    parallel.start_decoding(path, RECIPE, ID)
    path.unlink()
    other = write(
        tmp_path / "other.mp4", steady(30, 10), rate=10, pictures=lambda index: noisy(index + 9)
    )
    shutil.move(other, path)
    for reader in (
        parallel.decode_segments(path, RECIPE, "1" * 64),
        parallel.decode_segments(path, recipe(frames=3), ID),
    ):
        first = next(iter(reader))
        height, width = first.frames.shape[1:3]
        now = next(video.segments(path, recipe(len(first.frames), (height, width))))
        np.testing.assert_array_equal(first.frames, now.frames)
    assert len(parallel._begun) == 1


def test_the_oldest_early_start_is_given_up(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{index}.mp4", steady(30, 10), rate=10, pictures=noisy)
        for index in range(6)
    ]
    for path in paths:
        parallel.start_decoding(path, RECIPE, ID)
    assert [key[0] for key in parallel._begun] == [str(path) for path in paths[2:]]
    assert len(decoders()) == 4


@pytest.mark.parametrize("number", [0, 1, 2, 4, 9])
def test_the_next_items_are_started_once_and_in_time(number: int) -> None:
    begun: list[int] = []
    for turn, item in enumerate(parallel.coming(range(number), begun.append)):
        assert item == turn
        assert begun == list(range(1, min(turn + 4, number)))


@pytest.mark.parametrize("number", [2, 4])
def test_the_next_videos_stay_started_until_they_are_read(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "decoders", lambda: number)
    paths = [
        write(tmp_path / f"{index}.mp4", steady(30, 10), rate=10, pictures=noisy)
        for index in range(7)
    ]
    begun = []
    for path in parallel.coming(paths, lambda path: parallel.start_decoding(path, RECIPE, ID)):
        begun.append((str(path), RECIPE.digest, ID) in parallel._begun)
        assert len(list(parallel.decode_segments(path, RECIPE, ID))) == 2
    assert begun == [False, *[True] * 6]
    assert not parallel._begun


def test_one_core_runs_one_decoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parallel, "decoders", lambda: 1)
    path = long(tmp_path / "long.mp4")
    parallel.start_decoding(path, RECIPE, ID)
    assert not parallel._begun
    check_same(path)
    assert len(decoders()) <= 2


def test_a_forked_process_leaves_early_starts_to_its_parent(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", steady(30, 10), rate=10, pictures=noisy)
    parallel.start_decoding(path, RECIPE, ID)
    child = os.fork()
    if child == 0:
        begun = len(parallel._begun)
        gc.collect()
        os._exit(begun)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(decoders()) == 1
    check_same(path, parallel.decode_segments(path, RECIPE, ID))
