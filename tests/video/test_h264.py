"""Leaving out frames on which no sample falls does not change any sample."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.numbered_videos import noisy, packet_places, steady, write

from hiprobe.errors import HiProbeError
from hiprobe.isolate.child import Link
from hiprobe.video import calls, frames
from hiprobe.video.h264 import length_bytes, unreferenced
from hiprobe.video.sampling import Grid

OPTIONS: dict[str, dict[str, str]] = {
    "no reordering": {"bf": "0"},
    "two": {"bf": "2"},
    "pyramid": {"bf": "4", "x264-params": "b-pyramid=normal:b-adapt=0"},
    "strict pyramid": {"bf": "3", "x264-params": "b-pyramid=strict"},
    "sixteen": {"bf": "16", "g": "250"},
    "many references": {"bf": "3", "refs": "8", "x264-params": "weightp=2"},
    "open groups": {"bf": "3", "x264-params": "open-gop=1:keyint=24"},
    "slices": {"bf": "3", "x264-params": "slices=4"},
    "interlaced": {"bf": "3", "x264-params": "interlaced=1"},
    "intra refresh": {"bf": "2", "x264-params": "intra-refresh=1"},
    "temporal layers": {"bf": "7", "x264-params": "b-pyramid=normal:b-adapt=2"},
}
MATROSKA = (
    "pyramid",
    "interlaced",
    "slices",
)  # packets are the same in both; these in the short run


class Here:
    """A decoder's `Link` without a process."""

    def beat(self) -> None:
        pass

    def place(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        return np.empty(shape, np.uint8)


def windows(
    path: Path, count: int = 8, segment_s: float = 1.6, **more: Any
) -> tuple[list[Any], list[Any]]:
    """What the decoder tells of each window, and the pixels; the last item may be an error."""
    told, pixels = [], []
    try:
        grid = asdict(Grid(segment_s, count, (32, 32), **more))
        for value, array in calls.answer_segments(cast(Link, Here()), str(path), grid):
            told.append(value)
            pixels.append(array)
    except HiProbeError as error:
        told.append(str(error))
    return told, pixels


def check_same(path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> int:
    """Check that windows and facts equal a full decoding; return how many frames were left out."""
    spared = []

    def noted(packet: bytes, length: int) -> bool:
        spared.append(unreferenced(packet, length))
        return spared[-1]

    with monkeypatch.context() as patch:
        patch.setattr(frames, "unreferenced", noted)
        found = windows(path, **more)
    with monkeypatch.context() as patch:
        patch.setattr(frames, "unreferenced", lambda packet, length: False)
        wanted = windows(path, **more)
    assert found[0] == wanted[0]
    sound = [told for told in found[0] if isinstance(told, dict) and not told["skipped"]]
    # After damage a picture may be patched in another way.
    for one, other, _ in zip(found[1], wanted[1], sound, strict=False):
        np.testing.assert_array_equal(one, other)
    return sum(spared)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, ".mp4") for name in OPTIONS]
    + [(name, ".mkv") for name in MATROSKA]
    + [
        pytest.param(name, ".mkv", marks=pytest.mark.soak)
        for name in OPTIONS
        if name not in MATROSKA
    ],
)
def test_samples_equal_those_of_a_full_decoding(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / f"clip{suffix}", steady(310, 30), rate=30, pictures=noisy, options=OPTIONS[name]
    )
    left_out = check_same(path, monkeypatch)
    assert (left_out == 0) == (name in ("no reordering", "interlaced"))


@pytest.mark.parametrize("count", [1, 2, 3, 16, 48, 100])
def test_samples_are_equal_for_any_number_of_them(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "clip.mp4", steady(310, 30), rate=30, pictures=noisy, options={"bf": "3"}
    )
    left_out = check_same(path, monkeypatch, count=count)
    assert left_out <= 310 - min(48, count) * 310 / 48 * 0.9
    assert (left_out == 0) == (count >= 48)


@pytest.mark.parametrize(
    "more", [{"first": 3}, {"first": 2, "windows": 2}, {"segment_s": 0.7}, {"segment_s": 4.0}]
)
def test_samples_of_a_part_are_equal(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "clip.mp4",
        steady(620, 30),
        rate=30,
        pictures=noisy,
        options={"bf": "3"},
        sound_at=0.0,
    )
    assert check_same(path, monkeypatch, **more) > 10


def test_samples_at_uneven_times_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.02, 0.04, 0.1, 0.3], 300)).tolist()
    path = write(tmp_path / "uneven.mkv", times, rate=30, pictures=noisy, options={"bf": "3"})
    assert check_same(path, monkeypatch) > 0


@pytest.mark.parametrize("options", [{"bf": "3"}, {"bf": "0"}, {"g": "1"}])
@pytest.mark.parametrize("wants", [None, lambda start, end: True, lambda start, end: False])
def test_the_memory_of_packet_times_is_bounded(
    options: dict[str, str], wants: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "clip.mp4", steady(900, 30), rate=30, options=options)
    reader = frames.FrameReader(path, ahead_s=1.0)
    reader.wants = wants
    assert max(len(reader._stamps) for _ in reader) < 200
    assert reader.frame_count == 900


@pytest.mark.parametrize("first", [1, 100, 250])
def test_a_lost_reference_is_noticed(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "clip.mp4", steady(310, 30), rate=30, pictures=noisy, options={"bf": "3"}
    )
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    for _, place, size in places[first : first + 12]:
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    told, _ = windows(path)
    # All but non-reference frames before the first lost reference.
    assert told[-1]["skipped"] >= 12 - 9
    assert check_same_but_for_losses(path, monkeypatch)


def check_same_but_for_losses(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the samples equal a full decoding, which may count more lost packets."""
    _, found = windows(path)
    with monkeypatch.context() as patch:
        patch.setattr(frames, "unreferenced", lambda packet, length: False)
        _, wanted = windows(path)
    return all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_samples_of_real_files_are_equal(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = {
        path.name: check_same(path, monkeypatch)
        for name in ("real", "stress")
        for path in sorted((shared_data / "videos" / name).iterdir())
    }
    assert len(left_out) > 20
    assert left_out["mmaction2_demo.mp4"] > 50


def test_packets_without_references_are_recognized() -> None:
    spare, needed, supplement, parameters = b"\x01abc", b"\x41abc", b"\x06ab", b"\x67ab"

    def packet(*units: bytes) -> bytes:
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)

    for units, wanted in [
        ((spare,), True),
        ((supplement, spare), True),
        ((spare, spare), True),
        ((needed,), False),
        ((spare, needed), False),
        ((supplement,), False),
        ((parameters, spare), False),
        ((), False),
        ((b"\x05abc",), False),
        ((b"\x81abc",), False),
    ]:
        assert unreferenced(packet(*units), 4) is wanted
    whole = packet(supplement, spare)
    assert not any(unreferenced(whole[:end], 4) for end in range(len(whole)))
    assert not unreferenced(whole + b"\0", 4)
    assert not unreferenced(bytes(40), 4)
    assert not unreferenced(whole, 0)
    assert not unreferenced(whole, 2)


def test_the_size_of_lengths_is_read_from_the_record(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", steady(3, 30), rate=30)
    with av.open(str(path)) as container:
        assert length_bytes(container.streams.video[0].codec_context.extradata) == 4
    assert length_bytes(None) == length_bytes(b"") == length_bytes(b"\0\0\0\1\x67\x64\0\x1e") == 0
    assert length_bytes(b"\x01\x64\x00\x1e\xfd\xe1\x00") == 2
