"""Record pictures as H.264 in memory and play them again.

Knows what a recorder does, not what is in the pictures. A recording is a raw stream (Annex B).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numba
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
PRESETS = ("ultrafast", "superfast", "veryfast")


@dataclass(frozen=True)
class Recorder:
    """How a recorder stores pictures.

    `quality` is the constant rate factor of H.264 (19 good, 40 poor), `preset` one of PRESETS,
    `every` the frames from one key frame to the next. `first` is None or (height, width, quality)
    of an earlier recording of which this one is a copy; both sides are even.
    """

    quality: int
    preset: str = "superfast"
    every: int = 250
    first: tuple[int, int, int] | None = None

    def keep(self, frames: Array) -> bytes:
        """Record uint8 frames (t, H, W, 3); H and W are even."""
        if self.first is not None:
            frames = copied(frames, *self.first)
        return record(frames, quality=self.quality, preset=self.preset, every=self.every)


def random_recorder(rng: np.random.Generator, strength: float = 1.0) -> Recorder:
    """Draw a recorder; `strength` 0 is a good one, 1 any."""
    poor = strength * rng.beta(1.2, 1.8)
    quality = round(19 + 20 * poor + rng.uniform(-1, 1))
    first, again = None, rng.random()
    side, shape = np.exp(rng.uniform(np.log(70), np.log(180))), rng.uniform(0.75, 1.35)
    worse = int(rng.integers(24, 37))
    if again < 0.4 * strength:
        low = again < 0.15 * strength
        height, width = (side, side * shape) if low else (192.0, 192.0)
        first = (_even(height), _even(width), worse - (6 if low else 0))
    preset = str(rng.choice(PRESETS, p=[0.15, 0.45, 0.4]))
    return Recorder(
        quality, preset, int(rng.choice([250, 8, 5, 3], p=[0.55, 0.15, 0.2, 0.1])), first
    )


def _even(side: float) -> int:
    return 2 * max(8, round(side / 2))


def copied(frames: Array, height: int, width: int, quality: int) -> Array:
    """Return frames as a recording of height x width plays them, scaled back to their size."""
    shown = play(record(_scaled(frames, height, width), quality=quality))
    return _scaled(shown, *frames.shape[1:3])


def _scaled(frames: Array, height: int, width: int) -> Array:
    if frames.shape[1:3] == (height, width):
        return frames
    smooth = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(f).resize((width, height), smooth)) for f in frames]
    )


def record(frames: Array, *, quality: int, preset: str = "superfast", every: int = 250) -> bytes:
    """Encode uint8 frames (t, H, W, 3) with even sides as one H.264 stream."""
    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(
            "frames must be uint8 (t, height, width, 3) with even sides, "
            f"got {frames.dtype} {frames.shape}"
        )
    coder = av.CodecContext.create("libx264", "w")
    coder.height, coder.width, coder.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
    coder.thread_count = 1
    coder.time_base = Fraction(1, 25)  # without a rate, opening takes 11 ms instead of 0.6
    coder.options = {"preset": preset, "crf": str(quality), "bf": "0", "g": str(every)}
    parts = []
    for index, planes in enumerate(_to_yuv(np.ascontiguousarray(frames))):
        picture = VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = index
        parts += [bytes(packet) for packet in coder.encode(picture)]
    parts += [bytes(packet) for packet in coder.encode(None)]
    return b"".join(parts)


def play(data: bytes) -> Array:
    """Decode what `record` made; returns uint8 frames (t, H, W, 3)."""
    coder = av.CodecContext.create("h264", "r")
    coder.thread_count = 1
    coder.options = {"err_detect": "explode"}
    packets = coder.parse(data) + coder.parse()
    shown = [picture for packet in packets for picture in coder.decode(packet)]
    shown += coder.decode(None)
    if not shown:
        raise ValueError(f"expected an H.264 stream, got {len(data)} bytes without a picture")
    return np.asarray(_to_rgb(np.stack([picture.to_ndarray() for picture in shown])))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _to_yuv(frames: Array) -> Array:
    """Return planes uint8 (t, H * 3 / 2, W) of ITU-R BT.601 with 16..235; colours at half size."""
    count, height, width = frames.shape[:3]
    out = np.empty((count, height * 3 // 2, width), np.uint8)
    flat = out.reshape(count, height * 3 // 2 * width)
    for f in range(count):
        for y in range(0, height, 2):
            for x in range(0, width, 2):
                r, g, b = 0, 0, 0
                for k in range(4):
                    p = frames[f, y + k // 2, x + k % 2]
                    i, j, k3 = int(p[0]), int(p[1]), int(p[2])
                    r, g, b = r + i, g + j, b + k3
                    out[f, y + k // 2, x + k % 2] = (
                        (16829 * i + 33039 * j + 6416 * k3 + 32768) >> 16
                    ) + 16
                at = height * width + (y // 2) * (width // 2) + x // 2
                u = (-9714 * r - 19070 * g + 28784 * b + 131072) >> 18
                v = (28784 * r - 24103 * g - 4681 * b + 131072) >> 18
                flat[f, at] = u + 128
                flat[f, at + height * width // 4] = v + 128
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _to_rgb(planes: Array) -> Array:
    count, rows, width = planes.shape
    height = rows * 2 // 3
    flat = planes.reshape(count, rows * width)
    out = np.empty((count, height, width, 3), np.uint8)
    for f in range(count):
        for y in range(height):
            for x in range(width):
                at = height * width + (y // 2) * (width // 2) + x // 2
                u = int(flat[f, at]) - 128
                v = int(flat[f, at + height * width // 4]) - 128
                base = 76309 * (int(planes[f, y, x]) - 16) + 32768
                out[f, y, x, 0] = min(max((base + 104597 * v) >> 16, 0), 255)
                out[f, y, x, 1] = min(max((base - 25675 * u - 53279 * v) >> 16, 0), 255)
                out[f, y, x, 2] = min(max((base + 132201 * u) >> 16, 0), 255)
    return out
