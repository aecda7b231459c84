"""How much a model computes for one segment, and how many parameters that takes. Knows no torch.

A product of matrices (n, k) and (k, m) has 2 n k m operations: multiplications and additions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hiprobe.types import Recipe, Segment

SIZE = (448, 448)  # for families that take any size; a multiple of every family's token size


@dataclass(frozen=True)
class SegmentWork:
    """The work of one pass over one segment: the part before the decoder, and that of each block.

    `vision` are the operations of everything before the decoder, `block` those of one of its
    `layers` blocks (the mean where they differ). Each part has the width of its vectors, on which
    the speed of a machine depends, and its number of parameters. `other` are the parameters of
    embeddings and of the output layer, which are held but hardly take time. `tokens` are the
    positions of the prompt with the video.

    >>> work = SegmentWork(4, 100.0, 64, 10, 50.0, 32, 5, 7, 20)
    >>> work.operations(2), work.parameters(2)
    (200.0, 27)
    """

    layers: int
    vision: float
    vision_width: int
    vision_parameters: int
    block: float
    block_width: int
    block_parameters: int
    other: int
    tokens: int

    def operations(self, blocks: int) -> float:
        """Return the operations of a pass that ends after the first `blocks` blocks."""
        return self.vision + blocks * self.block

    def parameters(self, blocks: int) -> int:
        """Return the parameters that are held to read the first `blocks` blocks."""
        return self.vision_parameters + blocks * self.block_parameters + self.other


def noise_segments(recipe: Recipe, count: int = 1) -> list[Segment]:
    """Return segments of random pixels, of the form that `recipe` reads.

    >>> recipe = Recipe("org/model", ("Is anything abnormal?",), frames=4, size=(32, 48))
    >>> noise_segments(recipe)[0].frames.shape
    (4, 32, 48, 3)
    """
    rng = np.random.default_rng(0)
    shape = (recipe.frames, *(recipe.size or SIZE), 3)
    times = (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    return [
        Segment(rng.integers(0, 256, shape, np.uint8), times, 0.0, recipe.segment_s, place)
        for place in range(count)
    ]
