"""Write a short video of an ordinary kind, on which decoding is measured. Knows no model."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from hiprobe.errors import VideoError

WIDTH, HEIGHT, FPS = 640, 480, 25
KIND = f"{WIDTH}x{HEIGHT} at {FPS} frames a second"
OPTIONS = {"preset": "veryfast", "crf": "23", "g": "50"}
NOISE, DRIFT, BANK = 4.0, 3, 8  # grey levels, pixels a frame, different pictures of noise


def write_sample(path: Path, frames: int = 280) -> Path:
    """Write H.264 of 640 x 480 pixels at 25 fps: a drifting texture with noise, as a camera's.

    Raises VideoError where FFmpeg has no encoder for H.264.
    """
    if "libx264" not in av.codecs_available:
        raise VideoError("this FFmpeg has no encoder for H.264", where=path)
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (HEIGHT // 8, WIDTH // 8)).astype(np.float32)
    texture = np.kron(coarse, np.ones((8, 8), np.float32))
    noise = rng.normal(0, NOISE, (BANK, HEIGHT, WIDTH)).astype(np.float32)
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=Fraction(FPS), options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for place in range(frames):
            picture = np.roll(texture, DRIFT * place, 1) + noise[place % BANK]
            grey = np.clip(picture, 0, 255).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray")))
        output.mux(stream.encode(None))
    return path
