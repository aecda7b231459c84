"""Make contact sheets of rendered clips: `python -m training.sheet OUT.png [SEED]`.

Left the drawn clips, right those of the world, as the model sees them: four of the eight frames.
They are for looking at the clips before anything is trained.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from training.drawn import events
from training.drawn.clips import make_clip
from training.segments import SIZE
from training.world.clips import Footage, render_clip
from training.world.filming.recording import play
from training.world.shapes import Array

ROWS = 24
Frames = tuple[str, Array]


def drawn(seed: int, row: int) -> Frames:
    """Return the name and frames (8, 96, 96, 3) of a drawn clip."""
    kinds: list[str | None] = [None, *events.LOOK_ALIKES, *events.ANOMALIES]
    kind = kinds[row % len(kinds)]
    clip = make_clip(np.random.default_rng([seed, row]), "train", kind, -0.1)
    return kind or "ordinary", clip.frames


def world(seed: int, row: int) -> Frames:
    """Return the name and frames (8, 96, 96, 3) of a clip of the world."""
    footage: Footage = render_clip(np.random.default_rng([seed, row]))
    small = [
        np.asarray(Image.fromarray(frame).resize((SIZE, SIZE), Image.Resampling.BOX))
        for frame in play(footage.data)
    ]
    return footage.acts[0].state if footage.acts else "empty", np.stack(small)


def column(make: Callable[[int, int], Frames], seed: int) -> Image.Image:
    """Draw ROWS clips one above the other, four frames each, with their names."""
    clips = [make(seed, row) for row in range(ROWS)]
    strips = [np.concatenate(list(frames[[0, 2, 5, 7]]), 1) for _, frames in clips]
    image = Image.fromarray(np.concatenate(strips, 0))
    pen = ImageDraw.Draw(image)
    for row, (name, _) in enumerate(clips):
        pen.text((3, row * SIZE + 2), name, fill=(255, 255, 0), stroke_width=1, stroke_fill=0)
    return image


def main() -> None:
    """Write the sheet."""
    seed = int(sys.argv[2]) if sys.argv[2:] else 1
    sides = [np.asarray(column(make, seed)) for make in (drawn, world)]
    Image.fromarray(np.concatenate(sides, 1)).save(sys.argv[1])


if __name__ == "__main__":
    main()
