"""Measure how fast this machine decodes: what a model may have to wait for."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe import video
from hiprobe.types import Recipe
from hiprobe.video import parallel

ROUNDS = 2


@dataclass(frozen=True)
class DecodingSpeed:
    """Segments a second of one decoder, on a video of a `kind`, and how many decoders may run.

    >>> DecodingSpeed("640x480 at 25 frames a second", 30.0, 4).most
    120.0
    """

    kind: str
    segments_s: float
    decoders: int

    @property
    def most(self) -> float:
        """Segments a second of all decoders, if each has a core of its own."""
        return self.segments_s * self.decoders


def measure_decoding(recipe: Recipe, on_card: bool, frames: int = 280) -> DecodingSpeed:
    """Decode a video of 640 x 480 pixels into windows of `recipe`: the better of two rounds.

    It is written for that, which takes a second. Raises VideoError where it cannot be written.
    """
    from hiprobe.video import sample  # loads PyAV, which no other estimate needs

    parallel.expect_card(on_card)
    recipe = replace(recipe, unit="segment")
    with tempfile.TemporaryDirectory() as folder:
        path = sample.write_sample(Path(folder) / "sample.mp4", frames)
        speed = max(_segments_s(path, recipe) for _ in range(ROUNDS))
    return DecodingSpeed(sample.KIND, speed, parallel.decoders())


def _segments_s(path: Path, recipe: Recipe) -> float:
    """Return how many segments a second one decoder gives."""
    began = time.perf_counter()
    number = len(list(video.segments(path, recipe)))
    return number / (time.perf_counter() - began)
