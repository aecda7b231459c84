"""Measure what needs no model: trivial features of segments, against which a model has to win.

Frames and facts of files only. Knows no model and no label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from experiments.real_footage_clips import Clips
from hiprobe.video.controls import motion_and_brightness

Array = NDArray[np.float64]
MOVING = 16  # a pixel that changes by more than this, of 255, between two frames counts as moving
PIXELS = (
    "frame difference, mean",
    "frame difference, 95th percentile",
    "frame difference, spread over time",
    "share of moving pixels",
    "brightness",
    "contrast",
    "saturation",
)
FILE = ("resolution", "length", "bytes per second", "codec")


def trivial_features(clips: Clips) -> dict[str, Array]:
    """Return each feature of all segments, (n, 1) or a column for each codec (n, codecs).

    Those of `PIXELS` are from the frames that the model gets, those of `FILE` are the same for all
    segments of a clip. A feature that does not vary is left out.
    """
    pixels = np.array([_of_frames(frames) for frames in clips.frames])
    found = {name: pixels[:, [column]] for column, name in enumerate(PIXELS)}
    found |= {name: values[clips.clip] for name, values in _of_files(clips).items()}
    return {name: values for name, values in found.items() if (values != values[0]).any()}


def together(features: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """Join the features of these names that vary, side by side (n, columns)."""
    return np.hstack([features[name] for name in names if name in features])


def _of_frames(frames: NDArray[np.uint8]) -> tuple[float, ...]:
    """Compute the features `PIXELS` of one segment (T, H, W, 3)."""
    motion, highest, brightness = motion_and_brightness(frames)
    grey = frames.astype(np.float32).mean(-1)
    moved = np.abs(np.diff(grey, axis=0))
    colours = frames.max(-1) - frames.min(-1)
    return (
        motion,
        highest,
        float(moved.mean((1, 2)).std()) if len(moved) else 0.0,
        float((moved > MOVING).mean()) if len(moved) else 0.0,
        brightness,
        float(grey.std((1, 2)).mean()),
        float(colours.mean()),
    )


def _of_files(clips: Clips) -> dict[str, Array]:
    """Return the features `FILE` of each clip (clips, columns)."""
    codecs = sorted({one.codec for one in clips.facts})
    seconds = np.round(clips.durations, 2)
    return {
        "resolution": np.array([[float(one.width * one.height)] for one in clips.facts]),
        "length": seconds[:, None],
        "bytes per second": np.array([[float(one.file_bytes)] for one in clips.facts])
        / np.maximum(seconds, 0.01)[:, None],
        "codec": np.array([[float(one.codec == name) for name in codecs] for one in clips.facts]),
    }
