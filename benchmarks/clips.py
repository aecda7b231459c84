"""Make segments of random pixels for benchmarks of the model alone.

The cost of the model does not depend on what the pixels show.
"""

from __future__ import annotations

import numpy as np

from hiprobe.types import Recipe, Segment


def noise(recipe: Recipe, count: int, seed: int = 0) -> list[Segment]:
    """Make `count` segments in the form that `recipe` asks for.

    Raises ValueError if the recipe has no size.
    """
    if recipe.size is None:
        raise ValueError(
            "the recipe must have a frame size, got size=None: use a model whose recipe has one"
        )
    rng = np.random.default_rng(seed)
    offsets = (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    starts = recipe.segment_s * np.arange(count)
    return [
        Segment(
            rng.integers(0, 256, (recipe.frames, *recipe.size, 3), dtype=np.uint8),
            start + offsets,
            float(start),
            float(start + recipe.segment_s),
            index,
        )
        for index, start in enumerate(starts)
    ]
