"""Score a video the straightforward way, as a user of transformers would write it.

The benchmarks compare hiprobe with this loop, called the plain loop in their tables. For every
segment it opens the video again, seeks, decodes, and asks the whole model to generate one token;
one segment at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones._processing import make_inputs
from hiprobe.types import Recipe, Segment
from hiprobe.video.windows import SCALING


def segment_of(path: Path, recipe: Recipe, index: int) -> Segment:
    """Open, seek and decode a video for segment `index` alone; the video must start at 0 s."""
    start, end = index * recipe.segment_s, (index + 1) * recipe.segment_s
    wanted = start + (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    frames: list[Any] = []
    with av.open(str(path)) as video:
        video.seek(int(start * av.time_base))
        for frame in video.decode(video=0):
            if frame.time is None or frame.time >= end + 1e-6:
                break
            frames.append(frame)
    times = [frame.time for frame in frames]
    shown = [frames[max(int(np.searchsorted(times, moment + 1e-6)) - 1, 0)] for moment in wanted]
    pictures = np.stack([_resized(frame, recipe) for frame in shown])
    return Segment(pictures, np.array([frame.time for frame in shown]), start, end, index)


def _resized(frame: Any, recipe: Recipe) -> NDArray[np.uint8]:
    height, width = recipe.size or (frame.height, frame.width)
    picture: NDArray[np.uint8] = frame.to_ndarray(
        format="rgb24", width=width, height=height, interpolation=SCALING
    )
    return picture


def ask(backbone: Any, segment: Segment) -> int:
    """Return the first token of the whole model's answer."""
    inputs = backbone._on_device(
        make_inputs(backbone._processor, segment, backbone.recipe.prompts[0])
    )
    ids = backbone._model.generate(**inputs, max_new_tokens=1, do_sample=False)
    return int(ids[0, -1])


def score(backbone: Any, segments: Sequence[Segment]) -> list[int]:
    """Ask about segments that are decoded already, one at a time."""
    return [ask(backbone, segment) for segment in segments]


def score_video(backbone: Any, path: Path, indices: Sequence[int]) -> list[int]:
    """Ask about some segments of a video, one at a time."""
    return [ask(backbone, segment_of(path, backbone.recipe, index)) for index in indices]
