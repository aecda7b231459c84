"""Read a clip again with one part of the picture hidden at a time. Knows no probe and no truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from training.segments import SEGMENT_S, TIMES

from hiprobe.backbones import Backbone
from hiprobe.types import Recipe, Segment, Site

Array = NDArray[np.float64]
Frames = NDArray[np.uint8]
Fill = Callable[[Frames, tuple[slice, slice]], NDArray[np.float64]]


@dataclass(frozen=True)
class Windows:
    """Square windows on the frame: `side` cells in a row, windows `width` cells wide."""

    side: int
    width: int = 1

    @property
    def boxes(self) -> Array:
        """Return x, y, width and height (windows, 4) as fractions of the frame, row by row."""
        places = range(self.side - self.width + 1)
        part = self.width / self.side
        found = [(x / self.side, y / self.side, part, part) for y in places for x in places]
        return np.array(found)

    @property
    def centres(self) -> Array:
        """Return the centre (windows, 2) of each window."""
        boxes = self.boxes
        return np.asarray(boxes[:, :2] + boxes[:, 2:] / 2)

    def regions(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Return the rows and columns of each window in a frame of this size."""
        corners = np.concatenate([self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]], 1)
        pixels = np.rint(corners * [width, height, width, height]).astype(int)
        return [(slice(y, down), slice(x, right)) for x, y, right, down in pixels]


def mean_colour(frames: Frames, region: tuple[slice, slice]) -> Array:
    """Return the mean colour (3,) of all frames."""
    return np.asarray(frames.mean((0, 1, 2)))


def hidden(frames: Frames, windows: Windows, fill: Fill) -> list[Frames]:
    """Return a copy of the frames for each window, with the window filled in all frames."""
    copies = []
    for region in windows.regions(*frames.shape[1:3]):
        copy = frames.copy()
        copy[:, *region] = np.rint(fill(frames, region)).astype(np.uint8)
        copies.append(copy)
    return copies


def read(
    model: Backbone, frames: Sequence[Frames], sites: Sequence[Site], recipe: Recipe | None = None
) -> NDArray[np.float32]:
    """Return the states (clips, sites, width) of clips of frames."""
    segments = [Segment(one, TIMES, 0.0, SEGMENT_S, i) for i, one in enumerate(frames)]
    return model.read(segments, sites, recipe)


def read_hidden(
    model: Backbone,
    clips: Sequence[Frames],
    how: tuple[Windows, Fill],
    sites: Sequence[Site],
    recipe: Recipe | None = None,
) -> NDArray[np.float32]:
    """Return the states (clips, windows, sites, width) with each window hidden in turn."""
    return np.stack([read(model, hidden(one, *how), sites, recipe) for one in clips])


def token_states(
    model: Any, frames: Sequence[Frames], sites: Sequence[Site]
) -> NDArray[np.float32]:
    """Return the states (clips, tokens, layers, width) of the video's tokens in every layer.

    `model` is a backbone of the package whose decoder's blocks can be hooked; all clips have the
    same number of tokens.
    """
    first = Segment(frames[0], TIMES, 0.0, SEGMENT_S, 0)
    ids = model._inputs(first, {0: model.recipe.prompts[0]})[0]["input_ids"][0].numpy()
    places = np.flatnonzero(ids == model._model.config.video_token_id)
    kept: list[list[NDArray[np.float32]]] = [[] for _ in range(model.layers)]
    hooks = [
        block.register_forward_hook(partial(_keep, kept[layer], places))
        for layer, block in enumerate(model._decoder.layers)
    ]
    try:
        read(model, frames, sites)
    finally:
        for hook in hooks:
            hook.remove()
    return np.stack([np.concatenate(one) for one in kept], axis=2)


def _keep(kept: list[Any], places: Any, module: Any, given: Any, output: Any) -> None:
    hidden_states = output[0] if isinstance(output, tuple) else output
    kept.append(hidden_states[:, places].float().numpy().copy())


def motion(frames: Frames, windows: Windows) -> Array:
    """Return the mean change of brightness (windows,) between consecutive frames."""
    change = np.abs(np.diff(frames.mean(3), axis=0)).mean(0)
    return np.array([change[region].mean() for region in windows.regions(*change.shape)])


def foreground(frames: Frames, windows: Windows) -> Array:
    """Return the mean difference (windows,) of the frames from their median over time."""
    grey = frames.mean(3)
    change = np.abs(grey - np.median(grey, axis=0)).mean(0)
    return np.array([change[region].mean() for region in windows.regions(*change.shape)])
