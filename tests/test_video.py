"""Videos made here, whose every frame shows its own number, and the real ones: is what a player shows what is read?"""

from __future__ import annotations

import hashlib
import http.server
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.decode import PIXEL_CAP
from hiprobe.errors import (
    CorruptVideo,
    EmptyVideo,
    MissingVideo,
    NoVideoStream,
    StoreError,
    UnsupportedVideo,
    UsageError,
    VideoError,
)
from hiprobe.types import Recipe, Segment

CLOCK = Fraction(1, 90_000)
BITS = 16


def recipe(frames: int = 16, size: tuple[int, int] | None = (64, 64), segment_s: float = 1.6) -> Recipe:
    return Recipe("test", ("What happens?",), segment_s=segment_s, frames=frames, size=size)


def numbered(index: int) -> NDArray[np.uint8]:
    """A 64 x 64 picture of 16 blocks, black or white: the bits of `index`."""
    bits = np.array([(index >> bit) & 1 for bit in range(BITS)], np.uint8).reshape(4, 4)
    return np.repeat((np.kron(bits, np.ones((16, 16), np.uint8)) * 219 + 16)[:, :, None], 3, axis=2)


def number(picture: NDArray[np.uint8]) -> int:
    """The index in a picture of any size made from `numbered`."""
    height, width = picture.shape[0] / 4, picture.shape[1] / 4
    centres = [(int((row + 0.5) * height), int((column + 0.5) * width)) for row in range(4) for column in range(4)]
    return sum(int(picture[y, x].mean() > 128) << bit for bit, (y, x) in enumerate(centres))


def numbers(segment: Segment) -> list[int]:
    return [number(picture) for picture in segment.frames]


def write(path: Path, times: list[float], *, last_s: float | None = None, codec: str = "libx264",
          pictures: Callable[[int], NDArray[np.uint8]] = numbered, pix_fmt: str = "yuv420p", rate: Fraction | int = 30,
          options: dict[str, str] | None = None, muxer: dict[str, str] | None = None, sound_at: float | None = None,
          setup: Callable[[av.VideoStream], None] = lambda stream: None) -> Path:
    """A video whose frame `i` is shown from `times[i]` seconds, the last one for `last_s`."""
    ends = [*times[1:], times[-1] + (last_s or float(1 / Fraction(rate)))]
    with av.open(str(path), "w", options=muxer or {}) as output:
        # Matroska and friends round to milliseconds; AVI counts slots of its rate.
        stream = output.add_stream(codec, rate=rate, options={"g": "12", "bf": "2", "qp": "10"} | (options or {}))
        stream.height, stream.width = pictures(0).shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = 1 / Fraction(rate) if path.suffix == ".avi" else CLOCK
        setup(stream)
        packets: list[av.Packet] = []
        lasting = {}
        for index, (start, end) in enumerate(zip(times, ends, strict=True)):
            frame = av.VideoFrame.from_ndarray(pictures(index), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts, frame.duration = round(start / frame.time_base), round((end - start) / frame.time_base)
            lasting[frame.pts] = frame.duration
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:  # the encoders forget how long the last frame lasts
            packet.duration = lasting[packet.pts]
        if sound_at is not None:
            packets += silence(output, sound_at)
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * p.time_base):
            output.mux(packet)
    return path


def silence(output: av.container.OutputContainer, start: float) -> list[av.Packet]:
    stream = output.add_stream("aac", rate=48_000)
    stream.layout = "mono"
    packets = []
    for index in range(60):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = round(start * 48_000) + index * 1024
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def steady(count: int, rate: Fraction | float) -> list[float]:
    return [float(index / rate) for index in range(count)]


def truth(times: list[float], start: float, end: float, count: int) -> list[int]:
    """The contract, written out: the frame on screen at the middle of each of `count` equal parts."""
    samples = [start + (index + 0.5) * (end - start) / count for index in range(count)]
    return [max(i for i, time in enumerate(times) if time <= sample + 1e-6 or i == 0) for sample in samples]


def check_all(segments: list[Segment], times: list[float], end: float, frames: int, segment_s: float = 1.6) -> None:
    """Windows of `segment_s` from the first frame to `end`, the last one shorter, each showing the true frames."""
    count = int(np.ceil((end - times[0]) / segment_s - 1e-6))
    assert [segment.index for segment in segments] == list(range(count))
    for segment in segments:
        start = times[0] + segment.index * segment_s
        assert (segment.start, segment.end) == pytest.approx((start, min(start + segment_s, end)), abs=1e-3)
        wanted = truth(times, segment.start, segment.end, frames)
        assert numbers(segment) == wanted
        assert segment.times == pytest.approx([times[index] for index in wanted], abs=1e-3)


SCHEDULES = {
    "30 fps": (steady(130, 30), 30),
    "10 fps": (steady(47, 10), 10),
    "29.97 fps": (steady(130, Fraction(30_000, 1001)), Fraction(30_000, 1001)),
    "1 fps": (steady(9, 1), 1),
    "variable": (np.cumsum(np.random.default_rng(3).choice([0.02, 0.04, 0.3, 0.9], 40)).tolist(), 25),
}


@pytest.mark.parametrize("frames", [16, 8])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_sample_is_the_frame_on_screen(tmp_path: Path, schedule: str, suffix: str, frames: int) -> None:
    stored, rate = SCHEDULES[schedule]
    times = [time - stored[0] for time in stored]
    # MP4 stores durations in decoding order: only without reordering does the last one belong to the last frame.
    bframes = {".mp4": "0", ".mkv": "2"}[suffix]
    path = write(tmp_path / f"a{suffix}", times, rate=rate, last_s=0.6, options={"bf": bframes})
    if suffix == ".mkv":  # it stores milliseconds
        times = [(round(time / CLOCK) + 45) // 90 / 1000 for time in times]
    reader = video.segments(path, recipe(frames))
    check_all(list(reader), times, times[-1] + 0.6, frames)
    assert reader.frame_count == len(times)
    assert reader.duration == pytest.approx(times[-1] + 0.6, abs=2e-3)
    assert reader.gaps == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_start_time_is_not_part_of_the_video(tmp_path: Path, suffix: str) -> None:
    times = steady(60, 20)
    path = write(tmp_path / f"a{suffix}", [time + 5.0 for time in times], rate=20)
    reader = video.segments(path, recipe())
    check_all(list(reader), times, 3.0, 16)
    assert not video.info(path).playable  # a browser would show it from 5 s on


def test_a_picture_that_begins_after_the_sound_keeps_its_delay(tmp_path: Path) -> None:
    times = [1.0 + time for time in steady(40, 20)]
    path = write(tmp_path / "a.mp4", times, rate=20, sound_at=0.0)
    check_all(list(video.segments(path, recipe())), times, 3.0, 16)
    assert video.info(path).playable


@pytest.mark.parametrize(("codec", "bframes"), [("rawvideo", "0"), ("mpeg4", "0"), ("libx264", "2")])
def test_avi_which_stores_no_times(tmp_path: Path, codec: str, bframes: str) -> None:
    times = steady(50, 25)
    path = write(tmp_path / "a.avi", times, codec=codec, rate=25, options={"bf": bframes})
    check_all(list(video.segments(path, recipe())), times, 2.0, 16)


def test_a_stream_without_any_times_is_counted_at_its_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h264", steady(60, 25), rate=25, options={"x264-params": "force-cfr=1"})
    check_all(list(video.segments(path, recipe())), steady(60, 25), 2.4, 16)


@pytest.mark.parametrize(("count", "rate", "expected"), [
    (1, 30, [(0.0, 1 / 30)]),
    (9, 10, [(0.0, 0.9)]),
    (48, 30, [(0.0, 1.6)]),
    (48, Fraction(30_000, 1001), [(0.0, 1.6)]),  # 1.6 ms more than a window: no frame begins there
    (49, 30, [(0.0, 1.6), (1.6, 49 / 30)]),
])
def test_the_tail(tmp_path: Path, count: int, rate: Fraction | int, expected: list[tuple[float, float]]) -> None:
    path = write(tmp_path / "a.mp4", steady(count, rate), rate=rate)
    segments = list(video.segments(path, recipe()))
    assert [(s.start, s.end) for s in segments] == [pytest.approx(pair, abs=1e-4) for pair in expected]
    assert numbers(segments[-1]) == truth(steady(count, rate), segments[-1].start, segments[-1].end, 16)


def test_a_frozen_stretch_is_scored_and_is_no_gap(tmp_path: Path) -> None:
    times = [*steady(20, 20), *(8.0 + time for time in steady(20, 20))]
    reader = video.segments(write(tmp_path / "a.mp4", times, last_s=0.05), recipe())
    segments = list(reader)
    check_all(segments, times, 9.0, 16)
    assert numbers(segments[2]) == [19] * 16
    assert reader.gaps == ()


def test_a_jump_of_an_hour_is_a_gap_not_thousands_of_windows(tmp_path: Path) -> None:
    times = [*steady(20, 20), *(7200.0 + time for time in steady(20, 20))]
    reader = video.segments(write(tmp_path / "a.mkv", times), recipe())
    segments = list(reader)
    assert len(segments) <= 4
    assert numbers(segments[0])[:3] == truth(times, 0.0, 1.6, 16)[:3]
    assert numbers(segments[-1])[-1] == 39
    (gap,) = reader.gaps
    assert (gap.start, gap.end) == pytest.approx((1.0, 7200.0), abs=0.1)


@pytest.mark.parametrize("wild_s", [30.0, -2.0])
def test_one_wild_timestamp_moves_nothing_else(tmp_path: Path, wild_s: float) -> None:
    path = write(tmp_path / "a.mkv", steady(100, 20), rate=20, options={"bf": "0", "g": "100"})
    place = packet_places(path)[50][1]
    data = bytearray(path.read_bytes())
    stamp = data.index(struct.pack(">h", 2500), place, place + 16)  # ms since the cluster's start
    data[stamp:stamp + 2] = struct.pack(">h", 2500 + round(wild_s * 1000))
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    for segment in reader:
        wanted = truth(steady(100, 20), segment.start, segment.end, 16)
        assert numbers(segment) == [49 if index == 50 else index for index in wanted]
    assert reader.duration == pytest.approx(5.0, abs=0.01)
    assert reader.frame_count == 99


def test_a_clock_that_is_set_back_runs_on(tmp_path: Path) -> None:
    first = write(tmp_path / "one.ts", steady(100, 20), rate=20, options={"bf": "0"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() * 2)  # as recorders do that start a new clip in the same file
    reader = video.segments(joined, recipe())
    shown = [number for segment in reader for number in numbers(segment)]
    assert reader.duration == pytest.approx(10.0, abs=0.2)
    assert {*range(2, 98)} >= {*shown} - {0, 1, 98, 99}
    assert sum(later < earlier for earlier, later in pairwise(shown)) == 1


def test_frames_discarded_by_an_edit_list_are_not_shown(shared_data: Path) -> None:
    times = video.frame_times(shared_data / "videos/stress/tc_discard_first_keyframe.mp4")
    assert times == pytest.approx(np.arange(25) / 25)


CORNERS = np.array([[10, 90], [170, 250]], np.uint8)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_stand_as_a_player_shows_them(tmp_path: Path, degrees: int, flip: bool) -> None:
    stored = np.repeat(np.kron(CORNERS, np.ones((24, 32), np.uint8))[:, :, None], 3, axis=2)
    path = write(tmp_path / "a.mp4", steady(5, 30), pictures=lambda index: stored,
                 setup=lambda stream: stream.set_display_rotation(degrees, hflip=flip))
    upright = np.rot90(CORNERS, degrees // 90)  # counter-clockwise, then mirrored
    upright = upright[:, ::-1] if flip else upright
    for size in (None, (40, 60)):
        picture = next(video.segments(path, recipe(size=size))).frames[0]
        height, width = picture.shape[:2]
        assert (height, width) == (size or ((48, 64) if degrees % 180 == 0 else (64, 48)))
        seen = picture[height // 4::height // 2, width // 4::width // 2, 0]
        assert np.abs(seen.astype(int) - upright).max() <= 6
    assert (video.info(path).height, video.info(path).width) == ((48, 64) if degrees % 180 == 0 else (64, 48))


def test_odd_sizes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", steady(5, 30), codec="ffv1", pix_fmt="bgr0", options={},
                 pictures=lambda index: np.full((47, 63, 3), 50 + index, np.uint8))
    frames = next(video.segments(path, recipe(size=None))).frames
    assert frames.shape == (16, 47, 63, 3)
    assert (frames[0] == 50).all()
    assert (frames[-1] == 54).all()


COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)


@pytest.mark.parametrize(("pix_fmt", "colorspace", "full"), [
    ("yuv420p", 1, False), ("yuv420p", 6, False), ("yuv420p", 6, True), ("yuv420p10le", 1, False)])
def test_tagged_colours_come_back(tmp_path: Path, pix_fmt: str, colorspace: int, full: bool) -> None:
    """The luma of each colour is computed from the standard's coefficients, so both tags must be read."""
    red, blue = (0.2126, 0.0722) if colorspace == 1 else (0.299, 0.114)
    rgb = COLOURS / 255
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = np.stack([(rgb[:, 2] - luma) / (2 - 2 * blue), (rgb[:, 0] - luma) / (2 - 2 * red)])
    depth, kind = (4, np.uint16) if pix_fmt.endswith("10le") else (1, np.uint8)
    y = luma * 255 if full else 16 + luma * 219
    c = 128 + chroma * (255 if full else 224)
    rows = [np.kron(y.reshape(2, 2), np.ones((32, 32)))] + [np.kron(p.reshape(2, 2), np.ones((16, 16))) for p in c]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = pix_fmt
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, 2 if full else 1
        frame = av.VideoFrame(64, 64, pix_fmt)
        for plane, values in zip(frame.planes, rows, strict=True):
            plane.update(np.round(values * depth).astype(kind).tobytes())
        frame.colorspace, frame.color_range, frame.pts = colorspace, 2 if full else 1, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    picture = next(video.segments(path, recipe())).frames[0]
    seen = picture[16::32, 16::32].reshape(4, 3)
    assert np.abs(seen.astype(int) - COLOURS).max() <= 3


def test_shrinking_averages_and_does_not_alias(tmp_path: Path) -> None:
    board = np.repeat((np.indices((128, 128)).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)[:, :, None], 3, axis=2)
    path = write(tmp_path / "a.mkv", [0.0], codec="ffv1", pix_fmt="bgr0", options={}, pictures=lambda index: board)
    picture = next(video.segments(path, recipe(size=(32, 32)))).frames[0]
    assert np.abs(picture.astype(int) - 120).max() <= 2


def packet_places(path: Path) -> list[tuple[float, int, int]]:
    """(seconds, byte offset, size) of each packet, in file order."""
    with av.open(str(path)) as container:
        return [(float(p.pts * p.time_base), p.pos, p.size) for p in container.demux(video=0) if p.size]


def noisy(index: int) -> NDArray[np.uint8]:
    """A numbered picture with noise in it, so that its packets are a few hundred bytes."""
    noise = np.random.default_rng(index).integers(-15, 16, (64, 64, 1))
    return np.clip(numbered(index).astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_in_the_middle_is_a_gap_and_the_rest_is_scored(tmp_path: Path, suffix: str) -> None:
    times = steady(300, 30)
    path = write(tmp_path / f"a{suffix}", times, pictures=noisy, options={"qp": "25"})
    whole = list(video.segments(path, recipe()))
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    first = min(place for time, place, _ in places if time - places[0][0] >= 3.0)
    last = max(place for time, place, _ in places if time - places[0][0] < 6.0)
    data[first:last] = np.random.default_rng(1).bytes(last - first)
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    segments = list(reader)
    (gap,) = reader.gaps
    assert 2.8 <= gap.start <= 3.6
    assert 5.5 <= gap.end <= 6.9
    assert {round(s.start / 1.6) for s in segments} == {0, 1, 2, 3, 4, 5, 6} - {
        slot for slot in range(7) if gap.start <= slot * 1.6 and (slot + 1) * 1.6 <= gap.end}
    assert reader.duration == pytest.approx(10.0, abs=0.05)
    for segment in segments:
        if segment.end <= 2.8 or segment.start >= 7.0:
            assert numbers(segment) == numbers(whole[round(segment.start / 1.6)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_truncated_file_is_scored_to_its_end_and_the_rest_is_a_gap(tmp_path: Path, suffix: str) -> None:
    times = steady(300, 30)
    path = write(tmp_path / f"a{suffix}", times, muxer={"movflags": "faststart"} if suffix == ".mp4" else {})
    cut = next(place + size // 2 for time, place, size in packet_places(path) if time >= 5.0)
    path.write_bytes(path.read_bytes()[:cut])
    reader = video.segments(path, recipe())
    segments = list(reader)
    (gap,) = reader.gaps
    assert reader.duration == gap.start == segments[-1].end == pytest.approx(5.0, abs=0.15)
    assert gap.end == pytest.approx(10.0, abs=0.05)
    for segment in segments[:-1]:
        assert numbers(segment) == truth(times, segment.start, segment.end, 16)


def test_one_lost_frame_is_no_gap_but_is_counted(shared_data: Path) -> None:
    reader = video.segments(shared_data / "videos/stress/decord_corrupted.mp4", recipe())
    assert (len(list(reader)), reader.frame_count, reader.skipped, reader.gaps) == (4, 49, 1, ())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_thousand_stated_hours_make_no_windows(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", steady(25, 25), rate=25)
    data = bytearray(path.read_bytes())
    if suffix == ".mkv":
        place = data.index(b"\x44\x89\x88") + 3
        data[place:place + 8] = struct.pack(">d", 3.6e9)  # Duration, in ms
        tag = data.index(b"00:00:01")
        data[tag:tag + 3] = b"99:"
    else:
        for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
            place = data.index(box) + offset
            data[place:place + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    assert len(list(reader)) == 1
    assert (reader.frame_count, reader.duration) == (25, pytest.approx(1.0, abs=0.01))


def sound(path: Path) -> None:
    with av.open(str(path), "w") as output:
        for packet in silence(output, 0.0):
            output.mux(packet)


def no_moov(path: Path) -> None:
    write(path, steady(10, 10))
    data = path.read_bytes()
    path.write_bytes(data[:data.index(b"moov") - 4])


def encrypted(path: Path) -> None:
    write(path, steady(10, 10), muxer={"encryption_scheme": "cenc-aes-ctr", "encryption_key": "5" * 32,
                                        "encryption_kid": "7" * 32})


BROKEN: dict[str, tuple[Callable[[Path], object], type[VideoError]]] = {
    "missing": (lambda path: None, MissingVideo),
    "a folder": (lambda path: path.mkdir(), MissingVideo),
    "empty": (lambda path: path.write_bytes(b""), EmptyVideo),
    "random": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000)), CorruptVideo),
    "text": (lambda path: path.write_text("not a video\n" * 1000), VideoError),
    "no moov": (no_moov, CorruptVideo),
    "sound": (sound, NoVideoStream),
    "encrypted": (encrypted, UnsupportedVideo),
    "picture": (lambda path: path.write_bytes(png(16, 16)), UnsupportedVideo),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_read_has_a_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip.mp4"
    make, error = BROKEN[kind]
    make(path)
    for read in (lambda: list(video.segments(path, recipe())), lambda: video.info(path),
                 lambda: video.frame_times(path), lambda: video.span(path, 0.0, 1.0, 4),
                 lambda: video.proxy(path, tmp_path / "out.mp4")):
        with pytest.raises(error) as caught:
            read()
        assert "clip.mp4" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [left.name for left in tmp_path.iterdir() if left != path] == []


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    deflate = zlib.compressobj(1)
    row = b"".join(deflate.compress(bytes(1 + width)) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


PEAK = """
import resource, sys
from hiprobe import video
from hiprobe.errors import UnsupportedVideo
from hiprobe.types import Recipe
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(video.segments(sys.argv[1], Recipe("m", ("p",), size=(64, 64))))
except UnsupportedVideo as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_huge_picture_in_a_small_file_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("png", rate=1)
        stream.width = stream.height = 16_000
        stream.pix_fmt = "gray"
        packet = av.Packet(png(16_000, 16_000))
        packet.pts = packet.dts = 0
        packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1), True
        output.mux(packet)
    assert path.stat().st_size < 2_000_000
    assert PIXEL_CAP < 16_000 * 16_000
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    reason, grown = done.stdout.splitlines()
    assert "16000 x 16000" in reason
    assert int(grown) < 100  # MiB; the picture alone is 244


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server on loopback: its address, and the requests that reached it."""
    seen: list[str] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    httpd = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", seen
    httpd.shutdown()
    thread.join()
    httpd.server_close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "hls to a file": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{file}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "concat to a file": "ffconcat version 1.0\nfile '{file}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="64" height="64">'
            '<BaseURL>{url}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
           "a=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".mpd"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_in_disguise_asks_nobody(
        tmp_path: Path, server: tuple[str, list[str]], kind: str, suffix: str) -> None:
    url, seen = server
    inside = write(tmp_path / "inside.ts", steady(20, 10), rate=10)
    path = tmp_path / f"clip{suffix}"
    path.write_text(PLAYLISTS[kind].format(url=url, file=inside))
    with pytest.raises((UnsupportedVideo, CorruptVideo)):
        list(video.segments(path, recipe()))
    assert seen == []


def test_without_the_guard_a_playlist_does_ask(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    """The test above can fail: FFmpeg itself follows the very same file."""
    url, seen = server
    path = tmp_path / "clip.m3u8"
    path.write_text(PLAYLISTS["hls"].format(url=url))
    with pytest.raises(av.error.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "file,http,tcp"})
    assert seen


def test_ffmpeg_writes_nothing_on_the_terminal(shared_data: Path) -> None:
    path = shared_data / "videos/stress/mp4parse_no_timescale.mp4"
    code = "import sys; from hiprobe import video; video.frame_times(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""


def test_reading_twice_gives_the_same_bytes(shared_data: Path) -> None:
    path = shared_data / "videos/stress/mp4parse_no_timescale.mp4"
    first, second = ([s.frames.tobytes() for s in video.segments(path, recipe())] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("asked", [(0.0, 0.7), (3.3, 5.1), (8.05, 9.0), (9.5, 12.0)])
def test_a_span_shows_what_the_pass_shows(tmp_path: Path, suffix: str, asked: tuple[float, float]) -> None:
    times = steady(200, 20)
    path = write(tmp_path / f"a{suffix}", times, rate=20, options={"bf": "0"} if suffix == ".avi" else None)
    segment = video.span(path, *asked, 7, (64, 64))
    end = min(asked[1], 10.0)
    assert (segment.start, segment.end) == pytest.approx((asked[0], end), abs=1e-3)
    assert numbers(segment) == truth(times, asked[0], end, 7)


def test_a_span_of_a_file_with_a_start_time_and_distant_keyframes(tmp_path: Path) -> None:
    times = steady(400, 20)
    path = write(tmp_path / "a.mp4", [time + 7.0 for time in times], rate=20, options={"g": "150"})
    assert numbers(video.span(path, 14.0, 16.0, 16, (64, 64))) == truth(times, 14.0, 16.0, 16)


@pytest.mark.parametrize("asked", [(2.0, 3.0, 4), (0.5, 0.5, 4), (-1.0, 1.0, 4), (0.0, float("inf"), 4), (0.0, 1.0, 0)])
def test_a_span_that_holds_nothing_is_an_error(tmp_path: Path, asked: tuple[float, float, int]) -> None:
    with pytest.raises(UsageError):
        video.span(write(tmp_path / "a.mp4", steady(20, 10), rate=10), *asked)


def test_frame_times_agree_with_a_plain_loop(shared_data: Path) -> None:
    path = shared_data / "videos/real/mmaction2_demo.mp4"
    with av.open(str(path)) as container:
        plain = [frame.time for frame in container.decode(video=0)]
    assert video.frame_times(path) == pytest.approx(plain, abs=1e-12)


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "a.mp4").write_bytes(data)
    assert video.digest(tmp_path / "a.mp4") == hashlib.sha256(data).hexdigest()
    with pytest.raises(MissingVideo, match=r"b\.mp4"):
        video.digest(tmp_path / "b.mp4")


def test_the_proxy_shows_the_same_frames_at_the_same_times(tmp_path: Path) -> None:
    times = [*steady(30, 30), *(2.0 + time for time in steady(30, 12.5))]
    path = write(tmp_path / "a.mkv", [time + 3.0 for time in times], last_s=0.25)
    out = video.proxy(path, tmp_path / "p" / "out.mp4")
    assert out == tmp_path / "p" / "out.mp4"
    assert [file.name for file in out.parent.iterdir()] == ["out.mp4"]
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(out)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        shown = [(frame.time, number(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]
    assert [time for time, _ in shown] == pytest.approx(video.frame_times(path), abs=1e-4)
    assert [index for _, index in shown] == list(range(60))
    assert video.info(out).playable
    assert video.info(out).duration == pytest.approx(times[-1] + 0.25, abs=1e-2)


def test_the_proxy_of_a_delayed_picture_keeps_the_delay(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [1.0 + time for time in steady(20, 10)], rate=10, sound_at=0.0)
    out = video.proxy(path, tmp_path / "out.mp4")
    assert video.frame_times(out) == pytest.approx([0.0, *(1.1 + time for time in steady(19, 10))], abs=1e-4)


def test_the_proxy_is_upright_even_and_small(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(3, 30), pictures=lambda index: np.zeros((606, 1000, 3), np.uint8),
                 setup=lambda stream: stream.set_display_rotation(90))
    facts = video.info(video.proxy(path, tmp_path / "out.mp4", height=333))
    assert (facts.height, facts.width) == (332, 202)


def test_a_proxy_that_cannot_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(3, 30))
    with pytest.raises(StoreError, match="cannot write"):
        video.proxy(path, path / "below-a-file" / "out.mp4")


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt", "sub/c.avi", "sub/.hidden.mp4", ".cache/d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert video.find(["."]) == [Path("a.MKV"), Path("b.mp4"), Path("sub/c.avi")]
    assert video.find(["sub/c.avi", "*.mp4", ".", "b.mp4"]) == [Path("sub/c.avi"), Path("b.mp4"), Path("a.MKV")]
    assert video.find(["notes.txt", "**/*.avi"]) == [Path("notes.txt"), Path("sub/c.avi")]
    (tmp_path / "empty").mkdir()
    for nothing in ("gone.mp4", "*.webm", "empty"):
        with pytest.raises(MissingVideo) as caught:
            video.find(["b.mp4", nothing])
        assert str(caught.value).startswith(nothing)


# Of the manifest: frames shown, seconds. Where FFmpeg decodes more, the reason stands beside it.
FACTS: dict[str, tuple[int, float]] = {
    "real/bgs_demo.avi": (51, 3.4), "real/bgs_video.avi": (374, 12.46666), "real/bgs_video02.avi": (748, 30.0),
    "real/intel_car-detection.mp4": (377, 30.16), "real/mmaction2_demo.mp4": (280, 10.0),
    "stress/decord_corrupted.mp4": (49, 5.0), "stress/decord_video_90.mov": (3, 0.1),
    "stress/gomp4_sample_fragmented.mp4": (10, 1.2), "stress/tc_animated.gif": (4, 0.4),
    "stress/mp4parse_no_timescale.mp4": (168, 6.0424),  # two of the 170 come out late, after damaged ones
    "stress/tc_av1_video.mkv": (125, 5.0), "stress/tc_bt2020_10bit.mp4": (60, 2.0),
    "stress/tc_discard_first_keyframe.mp4": (25, 1.0), "stress/tc_nasa_13013_rotated.mp4": (17, 0.568),
    "stress/tc_sine_stereo_mp2.mpg": (100, 4.0), "stress/tc_test_non_zero_start.mp4": (12, 0.4),
    "stress/tc_testsrc2_vp9.webm": (30, 1.0),
}
ERRORS: dict[str, type[VideoError]] = {
    "stress/gomp4_sample_init.encv.mp4": UnsupportedVideo, "stress/gomp4_sample_qt.mp4": CorruptVideo,
    "stress/mp4parse_chunk_out_of_range.mp4": CorruptVideo, "stress/mp4parse_test_case_1185230.mp4": CorruptVideo,
}


@pytest.mark.parametrize("name", FACTS)
def test_real_files(shared_data: Path, name: str) -> None:
    frames, seconds = FACTS[name]
    reader = video.segments(shared_data / "videos" / name, recipe(8))
    segments = list(reader)
    assert (reader.frame_count, reader.gaps) == (frames, ())
    assert reader.duration == pytest.approx(seconds, abs=0.1)
    length = reader.duration - segments[0].start
    assert len(segments) == int(np.ceil(length / 1.6 - 1e-6))
    assert segments[-1].end == pytest.approx(reader.duration)
    for before, after in pairwise(segments):
        assert before.end == pytest.approx(after.start)
    for segment in segments:
        assert (np.diff(segment.times) >= 0).all()
        assert segment.times[-1] < segment.end
    assert any(segment.frames.std() > 1 for segment in segments) or "fragmented" in name  # that one is black


@pytest.mark.parametrize("name", ERRORS)
def test_real_files_that_cannot_be_read(shared_data: Path, name: str) -> None:
    with pytest.raises(ERRORS[name], match=Path(name).name):
        list(video.segments(shared_data / "videos" / name, recipe(8)))


def test_every_file_of_the_collection_is_tested(shared_data: Path) -> None:
    files = {str(path.relative_to(shared_data / "videos")) for path in video.find([str(shared_data / "videos")])}
    assert files - {"real/intel_one-by-one-person-detection.mp4"} == {*FACTS, *ERRORS}
