"""Cut labelled real clips into the segments of a recipe, and into views of each segment.

Frames are decoded once, as the product decodes them, and kept in a store. Knows no model and no
figure.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import datasets, video
from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Recipe, Segment, Video, VideoFacts
from hiprobe.types.recipe import digest_json

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Frames = NDArray[np.uint8]

SIX = ("whole", "top left", "top right", "bottom left", "bottom right", "centre")
THREE = ("whole", "left half", "right half")
VIEWS = tuple(dict.fromkeys(SIX + THREE))
_CORNERS = {  # of a view in the picture of twice the size, in units of half the model's input
    "top left": (0, 0),
    "top right": (0, 2),
    "bottom left": (2, 0),
    "bottom right": (2, 2),
    "centre": (1, 1),
}


@dataclass(frozen=True)
class Clips:
    """Labelled clips and their segments, cut as a recipe says.

    - `names` (clips,), and `sources` (clips,) the name of the source video of each clip.
    - `labels` (clips,): 1 for a clip with an event, 0 for a normal one.
    - `clip` (n,): the number of the clip that a segment is from.
    - `spans` (n, 2) and `times` (n, T), of segments and of their frames, in seconds.
    - `durations` (clips,) in seconds, and `facts` (clips,) of the files.
    - `frames` (n, T, H, W, 3) at the size of the recipe, `double` at twice that size.
    - `key`: digest of the videos and of the recipe's sampling.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    labels: Numbers
    clip: Numbers
    spans: Array
    times: Array
    durations: Array
    facts: tuple[VideoFacts, ...]
    frames: Frames
    double: Frames
    key: str

    @cached_property
    def source(self) -> Numbers:
        """Return the number (clips,) of the source of each clip."""
        return np.unique(self.sources, return_inverse=True)[1].astype(np.int64)

    def view(self, name: str) -> Frames:
        """Return the frames (n, T, H, W, 3) of one of `VIEWS`, at the size of the recipe."""
        height, width = self.frames.shape[2:4]
        if name == "whole":
            return self.frames
        if name in _CORNERS:
            top, left = (
                corner * side // 2
                for corner, side in zip(_CORNERS[name], (height, width), strict=True)
            )
            return self.double[:, :, top : top + height, left : left + width]
        left = {"left half": 0, "right half": width}[name]
        half = self.double[:, :, :, left : left + width]
        upper, lower = (half[:, :, row::2].astype(np.uint16) for row in (0, 1))
        return ((upper + lower + 1) // 2).astype(np.uint8)  # the height is halved by areas

    def segments(self, view: str) -> list[Segment]:
        """Return all segments with the frames of a view; indices count the segments of a clip."""
        first = np.searchsorted(self.clip, self.clip)
        return [
            Segment(frames, times, float(start), float(end), number - int(first[number]))
            for number, (frames, times, (start, end)) in enumerate(
                zip(self.view(view), self.times, self.spans, strict=True)
            )
        ]


def load_clips(table: Path, recipe: Recipe, store: Path) -> Clips:
    """Return the clips of a CSV with the columns path, label and group, cut as `recipe` says.

    Frames are decoded if `store` does not hold them. Raises LabelError for a clip without a group
    and UsageError for a recipe without a frame size.
    """
    videos = list(datasets.load("folder", table))
    if any(one.group is None or one.events is None for one in videos):
        raise LabelError("each clip needs a label and the group of its source", where=table)
    if recipe.size is None:
        raise UsageError("views need a model with a fixed frame size")
    sampling = [recipe.segment_s, recipe.frames, *recipe.size]
    key = digest_json([*sampling, [video.digest(one.path) for one in videos]])[:16]
    folder = store / "frames" / key
    if not folder.is_dir():
        _decode(videos, recipe, folder)
    return _kept(videos, folder, key)


def _decode(videos: Sequence[Video], recipe: Recipe, folder: Path) -> None:
    """Decode all clips at both sizes into a new folder, which appears whole or not at all."""
    assert recipe.size is not None
    height, width = recipe.size
    made: dict[str, list[Any]] = {"frames": [], "double": [], "clip": [], "spans": [], "times": []}
    durations, facts = [], []
    for number, one in enumerate(videos):
        reader = video.segments(one.path, recipe)
        for segment in reader:
            made["frames"].append(segment.frames)
            made["clip"].append(number)
            made["spans"].append((segment.start, segment.end))
            made["times"].append(segment.times)
        assert reader.facts is not None
        durations.append(reader.duration)
        facts.append(vars(reader.facts))
        large = video.segments(one.path, replace(recipe, size=(2 * height, 2 * width)))
        made["double"] += [segment.frames for segment in large]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        part = Path(temporary) / "part"
        part.mkdir()
        for name, values in made.items():
            np.save(part / f"{name}.npy", np.array(values))
        (part / "files.json").write_text(json.dumps({"durations": durations, "facts": facts}))
        os.rename(part, folder)


def _kept(videos: Sequence[Video], folder: Path, key: str) -> Clips:
    held = {
        name: np.load(
            folder / f"{name}.npy",
            mmap_mode="c" if name in ("frames", "double") else None,
            allow_pickle=False,
        )
        for name in ("frames", "double", "clip", "spans", "times")
    }
    files = json.loads((folder / "files.json").read_text())
    return Clips(
        tuple(one.name for one in videos),
        tuple(str(one.group) for one in videos),
        np.array([bool(one.events) for one in videos], np.int64),
        durations=np.array(files["durations"]),
        facts=tuple(VideoFacts(**one) for one in files["facts"]),
        key=key,
        **held,
    )
