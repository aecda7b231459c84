"""Make contact sheets of rendered clips: `python -m training.sheet OUT.jpg`.

They are for looking at the clips before anything is trained.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image, ImageDraw

from training import events
from training.clips import make_clip
from training.draw import Array


def sheet(
    path: str, families: tuple[str, ...], kinds: list[str | None], seed: int, size: int = 96
) -> None:
    """Write four frames of one clip per kind and family, one row per kind."""
    rows: list[Array] = []
    for kind in kinds:
        cells: list[Array] = []
        for family in families:
            clip = make_clip(
                np.random.default_rng([seed, len(rows), len(cells)]), family, kind, -0.1, size=size
            )
            cells.append(np.concatenate(list(clip.frames[[0, 2, 4, 7]]), 1))
        rows.append(np.concatenate(cells, 1))
    image = Image.fromarray(np.concatenate(rows, 0))
    pen = ImageDraw.Draw(image)
    for index, kind in enumerate(kinds):
        pen.text(
            (3, index * size + 2),
            kind or "ordinary",
            fill=(255, 255, 0),
            stroke_width=1,
            stroke_fill=(0, 0, 0),
        )
    image.save(path, quality=88)


if __name__ == "__main__":
    every_kind = [None, *events.LOOK_ALIKES, *events.ANOMALIES]
    sheet(sys.argv[1], ("seen", "train"), every_kind, int(sys.argv[2]) if sys.argv[2:] else 1)
