"""Make videos with PyAV whose frames show their own number, and define the sampling contract."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.types import Recipe, Segment

CLOCK = Fraction(1, 90_000)
BITS = 16


def recipe(
    frames: int = 16, size: tuple[int, int] | None = (64, 64), segment_s: float = 1.6
) -> Recipe:
    """Make a recipe for tests of decoding."""
    return Recipe("test", ("What happens?",), segment_s=segment_s, frames=frames, size=size)


def numbered(index: int) -> NDArray[np.uint8]:
    """Draw the bits of `index` as 16 black or white blocks in a 64 x 64 picture."""
    bits = np.array([(index >> bit) & 1 for bit in range(BITS)], np.uint8).reshape(4, 4)
    return np.repeat((np.kron(bits, np.ones((16, 16), np.uint8)) * 219 + 16)[:, :, None], 3, axis=2)


def number(picture: NDArray[np.uint8]) -> int:
    """Read the index from a picture made by `numbered`, at any size."""
    height, width = picture.shape[0] / 4, picture.shape[1] / 4
    centres = [
        (int((row + 0.5) * height), int((column + 0.5) * width))
        for row in range(4)
        for column in range(4)
    ]
    return sum(int(picture[y, x].mean() > 128) << bit for bit, (y, x) in enumerate(centres))


def numbers(segment: Segment) -> list[int]:
    """Read the index from every frame of a segment."""
    return [number(picture) for picture in segment.frames]


_WRITTEN: dict[str, bytes] = {}  # what this process has encoded, by how


def write(path: Path, times: list[float], **how: Any) -> Path:
    """`encode`, but the same pictures with the same options are encoded only once."""
    if how.get("pictures", numbered) not in (numbered, noisy) or "setup" in how:
        return encode(path, times, **how)
    key = repr((path.suffix, times, sorted(how.items())))
    if key in _WRITTEN:
        path.write_bytes(_WRITTEN[key])
    else:
        _WRITTEN[key] = encode(path, times, **how).read_bytes()
    return path


def encode(
    path: Path,
    times: list[float],
    *,
    last_s: float | None = None,
    codec: str = "libx264",
    pictures: Callable[[int], NDArray[np.uint8]] = numbered,
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 30,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    sound_at: float | None = None,
    setup: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """Write a video whose frame `i` is on screen from `times[i]` seconds, the last for `last_s`."""
    ends = [*times[1:], times[-1] + (last_s or float(1 / Fraction(rate)))]
    with av.open(str(path), "w", options=muxer or {}) as output:
        # Matroska and similar formats round to milliseconds; AVI counts in units of its rate.
        stream = output.add_stream(
            codec, rate=rate, options={"g": "12", "bf": "2", "qp": "10"} | (options or {})
        )
        stream.height, stream.width = pictures(0).shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = 1 / Fraction(rate) if path.suffix == ".avi" else CLOCK
        setup(stream)
        packets: list[av.Packet] = []
        durations = {}
        for index, (start, end) in enumerate(zip(times, ends, strict=True)):
            frame = av.VideoFrame.from_ndarray(pictures(index), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(start / frame.time_base)
            frame.duration = round((end - start) / frame.time_base)
            durations[frame.pts] = frame.duration
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:  # encoders lose the duration of the last frame
            packet.duration = durations[packet.pts]
        if sound_at is not None:
            packets += silence(output, sound_at)
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * p.time_base):
            output.mux(packet)
    return path


def silence(output: av.container.OutputContainer, start: float) -> list[av.Packet]:
    """Encode 60 packets of silence that start at `start` seconds."""
    stream = output.add_stream("aac", rate=48_000)
    stream.layout = "mono"
    packets = []
    for index in range(60):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = round(start * 48_000) + index * 1024
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def steady(count: int, rate: Fraction | float) -> list[float]:
    """Return the times of `count` frames at a constant rate."""
    return [float(index / rate) for index in range(count)]


def truth(times: list[float], start: float, end: float, count: int) -> list[int]:
    """Return the frames on screen at the middle of each of `count` equal parts: the contract."""
    samples = [start + (index + 0.5) * (end - start) / count for index in range(count)]
    return [
        max(i for i, time in enumerate(times) if time <= sample + 1e-6 or i == 0)
        for sample in samples
    ]


def check_all(
    segments: list[Segment], times: list[float], end: float, frames: int, segment_s: float = 1.6
) -> None:
    """Check that windows of `segment_s` cover a video and show the true frames.

    They run from the first frame to `end`; the last one is shorter.
    """
    count = int(np.ceil((end - times[0]) / segment_s - 1e-6))
    assert [segment.index for segment in segments] == list(range(count))
    for segment in segments:
        start = times[0] + segment.index * segment_s
        assert (segment.start, segment.end) == pytest.approx(
            (start, min(start + segment_s, end)), abs=1e-3
        )
        wanted = truth(times, segment.start, segment.end, frames)
        assert numbers(segment) == wanted
        assert segment.times == pytest.approx([times[index] for index in wanted], abs=1e-3)


def packet_places(path: Path) -> list[tuple[float, int, int]]:
    """List (seconds, byte offset, size) of each packet, in file order."""
    with av.open(str(path)) as container:
        return [
            (float(p.pts * p.time_base), p.pos, p.size) for p in container.demux(video=0) if p.size
        ]


def noisy(index: int) -> NDArray[np.uint8]:
    """Draw a numbered picture with noise, so that its packets have a few hundred bytes."""
    noise = np.random.default_rng(index).integers(-15, 16, (64, 64, 1))
    return np.clip(numbered(index).astype(int) + noise, 0, 255).astype(np.uint8)


def png(width: int, height: int) -> bytes:
    """Make a black greyscale PNG of any size, row by row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    deflate = zlib.compressobj(1)
    row = b"".join(deflate.compress(bytes(1 + width)) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
