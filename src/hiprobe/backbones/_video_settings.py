"""Check the numbers in a checkpoint's video settings before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hiprobe.errors import ModelError
from hiprobe.ranges import require

SETTINGS = {  # the range of each number among a processor's settings
    "resample": "resampling filter",
    "rescale_factor": "factor",
    "image_mean": "factor",
    "image_std": "divisor",
    "num_frames": "frames",
    "fps": "frame rate",
    "size": "pixels",
    "max_image_size": "pixels",
    "min_pixels": "pixels",
    "max_pixels": "pixels",
    "patch_size": "patch",
    "temporal_patch_size": "patch",
    "merge_size": "patch",
    "pooling_kernel_size": "patch",
    "max_video_tokens": "tokens",
    "max_soft_tokens": "tokens",
    "threshold": "factor",
}


def check_setting(name: str, value: Any, like: Any) -> None:
    """Raise ModelError unless a setting has the form of `like` and its numbers are in range."""
    if name not in SETTINGS:
        return
    what = f"{name} of the video processor"
    try:
        for one in _parts(value, like):
            require(SETTINGS[name], one, what)
    except ValueError as error:
        raise ModelError(str(error), cure="fetch the model again") from error


def _parts(value: Any, like: Any) -> Iterable[Any]:
    """Return the numbers of a setting: of a mapping, of three colours, or the one number."""
    if isinstance(like, Mapping) and isinstance(value, Mapping):
        return value.values()
    colours = isinstance(like, Sequence) and isinstance(value, list | tuple) and len(value) == 3
    return value if colours else [value]
