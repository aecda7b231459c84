"""Segments, spans, proxies and the real files: is what a player shows what is read?"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests.support.numbered_videos import (
    CLOCK,
    check_all,
    number,
    numbers,
    recipe,
    steady,
    truth,
    write,
)

from hiprobe import video
from hiprobe.errors import (
    CorruptVideo,
    MissingVideo,
    StoreError,
    UnsupportedVideo,
    UsageError,
    VideoError,
)

SCHEDULES = {
    "30 fps": (steady(130, 30), 30),
    "10 fps": (steady(47, 10), 10),
    "29.97 fps": (steady(130, Fraction(30_000, 1001)), Fraction(30_000, 1001)),
    "1 fps": (steady(9, 1), 1),
    "variable": (
        np.cumsum(np.random.default_rng(3).choice([0.02, 0.04, 0.3, 0.9], 40)).tolist(),
        25,
    ),
}


@pytest.mark.parametrize("frames", [16, 8])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_sample_is_the_frame_on_screen(
    tmp_path: Path, schedule: str, suffix: str, frames: int
) -> None:
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


@pytest.mark.parametrize(
    ("count", "rate", "expected"),
    [
        (1, 30, [(0.0, 1 / 30)]),
        (9, 10, [(0.0, 0.9)]),
        (48, 30, [(0.0, 1.6)]),
        (
            48,
            Fraction(30_000, 1001),
            [(0.0, 1.6)],
        ),  # 1.6 ms more than a window: no frame begins there
        (49, 30, [(0.0, 1.6), (1.6, 49 / 30)]),
    ],
)
def test_the_tail(
    tmp_path: Path, count: int, rate: Fraction | int, expected: list[tuple[float, float]]
) -> None:
    path = write(tmp_path / "a.mp4", steady(count, rate), rate=rate)
    segments = list(video.segments(path, recipe()))
    assert [(s.start, s.end) for s in segments] == [
        pytest.approx(pair, abs=1e-4) for pair in expected
    ]
    assert numbers(segments[-1]) == truth(
        steady(count, rate), segments[-1].start, segments[-1].end, 16
    )


def test_a_frozen_stretch_is_scored_and_is_no_gap(tmp_path: Path) -> None:
    times = [*steady(20, 20), *(8.0 + time for time in steady(20, 20))]
    reader = video.segments(write(tmp_path / "a.mp4", times, last_s=0.05), recipe())
    segments = list(reader)
    check_all(segments, times, 9.0, 16)
    assert numbers(segments[2]) == [19] * 16
    assert reader.gaps == ()


CORNERS = np.array([[10, 90], [170, 250]], np.uint8)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_stand_as_a_player_shows_them(tmp_path: Path, degrees: int, flip: bool) -> None:
    stored = np.repeat(np.kron(CORNERS, np.ones((24, 32), np.uint8))[:, :, None], 3, axis=2)
    path = write(
        tmp_path / "a.mp4",
        steady(5, 30),
        pictures=lambda index: stored,
        setup=lambda stream: stream.set_display_rotation(degrees, hflip=flip),
    )
    upright = np.rot90(CORNERS, degrees // 90)  # counter-clockwise, then mirrored
    upright = upright[:, ::-1] if flip else upright
    for size in (None, (40, 60)):
        picture = next(video.segments(path, recipe(size=size))).frames[0]
        height, width = picture.shape[:2]
        assert (height, width) == (size or ((48, 64) if degrees % 180 == 0 else (64, 48)))
        seen = picture[height // 4 :: height // 2, width // 4 :: width // 2, 0]
        assert np.abs(seen.astype(int) - upright).max() <= 6
    assert (video.info(path).height, video.info(path).width) == (
        (48, 64) if degrees % 180 == 0 else (64, 48)
    )


def test_odd_sizes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.mkv",
        steady(5, 30),
        codec="ffv1",
        pix_fmt="bgr0",
        options={},
        pictures=lambda index: np.full((47, 63, 3), 50 + index, np.uint8),
    )
    frames = next(video.segments(path, recipe(size=None))).frames
    assert frames.shape == (16, 47, 63, 3)
    assert (frames[0] == 50).all()
    assert (frames[-1] == 54).all()


COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)


@pytest.mark.parametrize(
    ("pix_fmt", "colorspace", "full"),
    [("yuv420p", 1, False), ("yuv420p", 6, False), ("yuv420p", 6, True), ("yuv420p10le", 1, False)],
)
def test_tagged_colours_come_back(
    tmp_path: Path, pix_fmt: str, colorspace: int, full: bool
) -> None:
    """The luma of each colour is computed from the standard's coefficients, so both tags must be read."""
    red, blue = (0.2126, 0.0722) if colorspace == 1 else (0.299, 0.114)
    rgb = COLOURS / 255
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = np.stack([(rgb[:, 2] - luma) / (2 - 2 * blue), (rgb[:, 0] - luma) / (2 - 2 * red)])
    depth, kind = (4, np.uint16) if pix_fmt.endswith("10le") else (1, np.uint8)
    y = luma * 255 if full else 16 + luma * 219
    c = 128 + chroma * (255 if full else 224)
    rows = [np.kron(y.reshape(2, 2), np.ones((32, 32)))] + [
        np.kron(p.reshape(2, 2), np.ones((16, 16))) for p in c
    ]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = pix_fmt
        stream.codec_context.colorspace, stream.codec_context.color_range = (
            colorspace,
            2 if full else 1,
        )
        frame = av.VideoFrame(64, 64, pix_fmt)
        for plane, values in zip(frame.planes, rows, strict=True):
            plane.update(np.round(values * depth).astype(kind).tobytes())
        frame.colorspace, frame.color_range, frame.pts = colorspace, 2 if full else 1, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    picture = next(video.segments(path, recipe())).frames[0]
    seen = picture[16::32, 16::32].reshape(4, 3)
    assert np.abs(seen.astype(int) - COLOURS).max() <= 3


def test_shrinking_averages_and_does_not_alias(tmp_path: Path) -> None:
    board = np.repeat(
        (np.indices((128, 128)).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)[:, :, None], 3, axis=2
    )
    path = write(
        tmp_path / "a.mkv",
        [0.0],
        codec="ffv1",
        pix_fmt="bgr0",
        options={},
        pictures=lambda index: board,
    )
    picture = next(video.segments(path, recipe(size=(32, 32)))).frames[0]
    assert np.abs(picture.astype(int) - 120).max() <= 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("asked", [(0.0, 0.7), (3.3, 5.1), (8.05, 9.0), (9.5, 12.0)])
def test_a_span_shows_what_the_pass_shows(
    tmp_path: Path, suffix: str, asked: tuple[float, float]
) -> None:
    times = steady(200, 20)
    path = write(
        tmp_path / f"a{suffix}", times, rate=20, options={"bf": "0"} if suffix == ".avi" else None
    )
    segment = video.span(path, *asked, 7, (64, 64))
    end = min(asked[1], 10.0)
    assert (segment.start, segment.end) == pytest.approx((asked[0], end), abs=1e-3)
    assert numbers(segment) == truth(times, asked[0], end, 7)


def test_a_span_of_a_file_with_a_start_time_and_distant_keyframes(tmp_path: Path) -> None:
    times = steady(400, 20)
    path = write(tmp_path / "a.mp4", [time + 7.0 for time in times], rate=20, options={"g": "150"})
    assert numbers(video.span(path, 14.0, 16.0, 16, (64, 64))) == truth(times, 14.0, 16.0, 16)


@pytest.mark.parametrize(
    "asked", [(2.0, 3.0, 4), (0.5, 0.5, 4), (-1.0, 1.0, 4), (0.0, float("inf"), 4), (0.0, 1.0, 0)]
)
def test_a_span_that_holds_nothing_is_an_error(
    tmp_path: Path, asked: tuple[float, float, int]
) -> None:
    with pytest.raises(UsageError):
        video.span(write(tmp_path / "a.mp4", steady(20, 10), rate=10), *asked)


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(3_000_000)
    (tmp_path / "a.mp4").write_bytes(data)
    assert video.digest(tmp_path / "a.mp4") == hashlib.sha256(data).hexdigest()
    with pytest.raises(MissingVideo, match=r"b\.mp4"):
        video.digest(tmp_path / "b.mp4")


def test_the_proxy_shows_the_same_frames_at_the_same_times(tmp_path: Path) -> None:
    times = [*steady(30, 30), *(2.0 + time for time in steady(30, 12.5))]
    path = write(tmp_path / "a.mkv", [time + 3.0 for time in times], last_s=0.25)
    out = video.browser_copy(path, tmp_path / "p" / "out.mp4")
    assert out == tmp_path / "p" / "out.mp4"
    assert [file.name for file in out.parent.iterdir()] == ["out.mp4"]
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(out)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        shown = [
            (frame.time, number(frame.to_ndarray(format="rgb24")))
            for frame in container.decode(video=0)
        ]
    assert [time for time, _ in shown] == pytest.approx(video.frame_times(path), abs=1e-4)
    assert [index for _, index in shown] == list(range(60))
    assert video.info(out).playable
    assert video.info(out).duration == pytest.approx(times[-1] + 0.25, abs=1e-2)


def test_the_proxy_of_a_delayed_picture_keeps_the_delay(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [1.0 + time for time in steady(20, 10)], rate=10, sound_at=0.0)
    out = video.browser_copy(path, tmp_path / "out.mp4")
    assert video.frame_times(out) == pytest.approx(
        [0.0, *(1.1 + time for time in steady(19, 10))], abs=1e-4
    )


def test_the_proxy_is_upright_even_and_small(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.mp4",
        steady(3, 30),
        pictures=lambda index: np.zeros((606, 1000, 3), np.uint8),
        setup=lambda stream: stream.set_display_rotation(90),
    )
    facts = video.info(video.browser_copy(path, tmp_path / "out.mp4", height=333))
    assert (facts.height, facts.width) == (332, 202)


def test_a_proxy_that_cannot_be_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(3, 30))
    with pytest.raises(StoreError, match="cannot write"):
        video.browser_copy(path, path / "below-a-file" / "out.mp4")


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt", "sub/c.avi", "sub/.hidden.mp4", ".cache/d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert video.find(["."]) == [Path("a.MKV"), Path("b.mp4"), Path("sub/c.avi")]
    assert video.find(["sub/c.avi", "*.mp4", ".", "b.mp4"]) == [
        Path("sub/c.avi"),
        Path("b.mp4"),
        Path("a.MKV"),
    ]
    assert video.find(["notes.txt", "**/*.avi"]) == [Path("notes.txt"), Path("sub/c.avi")]
    (tmp_path / "empty").mkdir()
    for nothing in ("gone.mp4", "*.webm", "empty"):
        with pytest.raises(MissingVideo) as caught:
            video.find(["b.mp4", nothing])
        assert str(caught.value).startswith(nothing)


# Of the manifest: frames shown, seconds. Where FFmpeg decodes more, the reason stands beside it.
FACTS: dict[str, tuple[int, float]] = {
    "real/bgs_demo.avi": (51, 3.4),
    "real/bgs_video.avi": (374, 12.46666),
    "real/bgs_video02.avi": (748, 30.0),
    "real/intel_car-detection.mp4": (377, 30.16),
    "real/mmaction2_demo.mp4": (280, 10.0),
    "stress/decord_corrupted.mp4": (49, 5.0),
    "stress/decord_video_90.mov": (3, 0.1),
    "stress/gomp4_sample_fragmented.mp4": (10, 1.2),
    "stress/tc_animated.gif": (4, 0.4),
    "stress/mp4parse_no_timescale.mp4": (
        168,
        6.0424,
    ),  # two of the 170 come out late, after damaged ones
    "stress/tc_av1_video.mkv": (125, 5.0),
    "stress/tc_bt2020_10bit.mp4": (60, 2.0),
    "stress/tc_discard_first_keyframe.mp4": (25, 1.0),
    "stress/tc_nasa_13013_rotated.mp4": (17, 0.568),
    "stress/tc_sine_stereo_mp2.mpg": (100, 4.0),
    "stress/tc_test_non_zero_start.mp4": (12, 0.4),
    "stress/tc_testsrc2_vp9.webm": (30, 1.0),
}
ERRORS: dict[str, type[VideoError]] = {
    "stress/gomp4_sample_init.encv.mp4": UnsupportedVideo,
    "stress/gomp4_sample_qt.mp4": CorruptVideo,
    "stress/mp4parse_chunk_out_of_range.mp4": CorruptVideo,
    "stress/mp4parse_test_case_1185230.mp4": CorruptVideo,
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
    assert (
        any(segment.frames.std() > 1 for segment in segments) or "fragmented" in name
    )  # that one is black


@pytest.mark.parametrize("name", ERRORS)
def test_real_files_that_cannot_be_read(shared_data: Path, name: str) -> None:
    with pytest.raises(ERRORS[name], match=Path(name).name):
        list(video.segments(shared_data / "videos" / name, recipe(8)))


def test_every_file_of_the_collection_is_tested(shared_data: Path) -> None:
    files = {
        str(path.relative_to(shared_data / "videos"))
        for path in video.find([str(shared_data / "videos" / name) for name in ("real", "stress")])
    }
    assert files - {"real/intel_one-by-one-person-detection.mp4"} == {*FACTS, *ERRORS}
