"""Make synthetic footage: a textured background, moving blocks, sensor noise.

Knows no benchmark.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CACHE = Path(tempfile.gettempdir()) / "hiprobe-footage"
OBJECTS = 6
NOISE = 4.0  # standard deviation, grey levels: 1.1 to 1.7 Mbit/s at 640 x 480


@dataclass(frozen=True)
class Footage:
    """A video to be made: H.264 in MP4, with a keyframe every `keyframes` frames.

    It shows `repeats` times `seconds` seconds at `fps` frames per second.
    """

    width: int = 640
    height: int = 480
    keyframes: int = 250
    seconds: float = 25.0
    repeats: int = 1
    fps: int = 30
    seed: int = 0

    @property
    def name(self) -> str:
        """Describe the footage for a table."""
        return f"{self.width}x{self.height}, keyframe every {self.keyframes}, {self.length:g} s"

    @property
    def length(self) -> float:
        """Return the length in seconds."""
        return self.seconds * self.repeats

    def file(self) -> Path:
        """Return the file; the first call makes it in the temporary folder, where it is kept."""
        length = f"{self.repeats}x{self.seconds:g}s-{self.fps}fps"
        stem = f"{self.width}x{self.height}-g{self.keyframes}-{length}-{self.seed}"
        path = CACHE / f"{stem}.mp4"
        if not path.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part")
            if self.repeats == 1:
                _write(self, unfinished)
            else:
                _repeat(self, replace(self, repeats=1).file(), unfinished)
            unfinished.replace(path)
        return path


def _write(footage: Footage, path: Path) -> None:
    scene = _Scene(footage)
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream(
            "libx264",
            rate=Fraction(footage.fps),
            options={
                "preset": "fast",
                "crf": "23",
                "g": str(footage.keyframes),
                "keyint_min": str(footage.keyframes),
                "sc_threshold": "0",
            },
        )
        stream.width, stream.height, stream.pix_fmt = footage.width, footage.height, "yuv420p"
        for index in range(round(footage.seconds * footage.fps)):
            output.mux(
                stream.encode(av.VideoFrame.from_ndarray(scene.picture(index), format="gray"))
            )
        output.mux(stream.encode(None))


def _repeat(footage: Footage, once: Path, path: Path) -> None:
    """Write the packets of `once` several times in a row, so that two hours take seconds."""
    with av.open(str(once)) as source, av.open(str(path), "w", format="mp4") as output:
        made = output.add_stream_from_template(source.streams.video[0])
        packets = [
            (bytes(p), p.pts or 0, p.dts or 0, p.is_keyframe)
            for p in source.demux(video=0)
            if p.size
        ]
        base = source.streams.video[0].time_base
        assert base is not None
        length = round(footage.seconds / base)
        for turn in range(footage.repeats):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = made, base, key
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                output.mux(packet)


class _Scene:
    """Pictures uint8 (height, width), each a function of its index only."""

    def __init__(self, footage: Footage) -> None:
        self._rng, self._size = np.random.default_rng(footage.seed), (footage.height, footage.width)
        height, width = self._size
        coarse = self._rng.integers(40, 200, (height // 8, width // 8)).astype(np.float32)
        smooth = np.kron(coarse, np.ones((8, 8), np.float32))
        self._background = smooth * 0.6 + self._rng.normal(60, 6, smooth.shape).astype(np.float32)
        self._noise = self._rng.normal(0, NOISE, (height * 2, width * 2)).astype(np.float32)
        self._phase = self._rng.uniform(0, 6.28, (OBJECTS, 2))
        self._speed = self._rng.uniform(0.02, 0.08, (OBJECTS, 2))

    def picture(self, index: int) -> NDArray[np.uint8]:
        height, width = self._size
        picture = self._background.copy()
        side = height // 6
        for number, (down, right) in enumerate(
            0.5 + 0.5 * np.sin(self._phase + self._speed * index)
        ):
            y, x = int(down * (height - side)), int(right * (width - side))
            picture[y : y + side, x : x + side] = 255 - self._background[:side, :side] + 12 * number
        down, right = (index * 37) % height, (index * 53) % width
        picture += self._noise[down : down + height, right : right + width]
        return np.asarray(np.clip(picture, 0, 255), dtype=np.uint8)
