"""Segments of random pixels for benchmarks of the model alone: what it costs does not depend on what is seen."""

from __future__ import annotations

import numpy as np

from hiprobe.types import Recipe, Segment


def noise(recipe: Recipe, count: int, seed: int = 0) -> list[Segment]:
    """`count` segments as `recipe` wants them; it must name a size."""
    if recipe.size is None:
        raise ValueError("the recipe names no size")
    rng = np.random.default_rng(seed)
    offsets = (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    starts = recipe.segment_s * np.arange(count)
    return [
        Segment(rng.integers(0, 256, (recipe.frames, *recipe.size, 3), dtype=np.uint8), start + offsets, float(start),
                float(start + recipe.segment_s), index)
        for index, start in enumerate(starts)
    ]  # fmt: skip
