"""Measure a loaded model on noise: what a segment really takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.backbones import Backbone, noise_segments
from hiprobe.types import Recipe, Site

MODEL_S = 3.0  # seconds for which the model is measured, at each size of a batch


@dataclass(frozen=True)
class ModelSpeed:
    """What a segment takes in a batch of this size: seconds, and seconds of processor time."""

    batch: int
    wall_s: float
    cpu_s: float


def measure_model(
    model: Backbone, sites: Sequence[Site], recipe: Recipe, size: int, seconds: float = MODEL_S
) -> ModelSpeed:
    """Read noise of the form of `recipe` in batches of `size` for `seconds`, at least twice.

    The first pass, which takes longer, is not counted. Raises the errors of the model.
    """
    segments = noise_segments(recipe, size)
    model.read(segments, sites, recipe)
    began, cpu, passes = time.perf_counter(), time.process_time(), 0
    while passes == 0 or time.perf_counter() - began < seconds:
        model.read(segments, sites, recipe)
        passes += 1
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return ModelSpeed(size, wall_s / (passes * size), cpu_s / (passes * size))
