"""Turn frames into model pixels with torch alone: resize, normalise, cut into patches.

Bit-exact with torchvision's `resize` (uint8, antialiased) and `normalize`, which the families were
trained with. Knows no model and no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hiprobe.errors import ModelError, UsageError


def to_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """Turn frames uint8 (T, H, W, 3) into a uint8 tensor (T, 3, H, W)."""
    # torch does not take negative strides; other views need no copy
    backwards = any(stride < 0 for stride in frames.strides)
    return (
        torch.from_numpy(np.ascontiguousarray(frames) if backwards else frames)
        .permute(0, 3, 1, 2)
        .contiguous()
    )


def resize(frames: Tensor, size: tuple[int, int], filter_name: str) -> Tensor:
    """Resize frames uint8 (T, 3, H, W) to uint8 (T, 3, *size), antialiased.

    Frames of that size are returned unchanged. Raises ModelError if torch has no such filter.
    """
    if tuple(frames.shape[-2:]) == size:
        return frames
    try:
        return functional.interpolate(frames, size=size, mode=filter_name, antialias=True)
    except NotImplementedError as error:
        reason = f"torch {torch.__version__} has no {filter_name} resize"
        raise ModelError(reason, cure="install a newer torch") from error


def normalise(
    frames: Tensor, rescale: float | None, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """Turn frames uint8 (T, 3, H, W) into float32 `(x * rescale - mean) / std`."""
    scale = 1.0 if rescale is None else 1.0 / rescale
    shift = (torch.tensor(mean) * scale).view(-1, 1, 1).to(frames.device)
    spread = (torch.tensor(std) * scale).view(-1, 1, 1).to(frames.device)
    return frames.to(torch.float32).sub_(shift).div_(spread)


def patchify(frames: Tensor, patch: int, merge: int, temporal: int) -> tuple[Tensor, list[int]]:
    """Cut frames (T, 3, H, W) into rows, and return their grid [t, h, w] too.

    A row is one token before merging, 3 * temporal * patch * patch values. The last frame is
    repeated until `temporal` divides T. Rows run over t, then merge blocks, then inside a block.
    Raises UsageError for frames that cannot be cut, which a model that resizes them never gets.
    """
    side = merge * patch
    if min(frames.shape[2:]) < side or any(pixels % side for pixels in frames.shape[2:]):
        raise UsageError(
            f"this model reads frames whose height and width are multiples of {side} pixels, "
            f"got {frames.shape[2]} x {frames.shape[3]}",
            cure="choose another --size",
        )
    missing = -len(frames) % temporal
    frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)]) if missing else frames
    count, channels, height, width = frames.shape
    t, h, w = count // temporal, height // patch, width // patch
    blocks = frames.reshape(
        t, temporal, channels, h // merge, merge, patch, w // merge, merge, patch
    )
    rows = blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return rows.reshape(t * h * w, channels * temporal * patch * patch), [t, h, w]


def fit_budget(
    size: tuple[int, int],
    factor: int,
    low: float,
    high: float,
    frames: int = 1,
    grid_frames: int = 1,
) -> tuple[int, int]:
    """Return the multiples of `factor` nearest to `size` with `low` to `high` pixels, aspect kept.

    `frames` and `grid_frames` (frames after rounding to the temporal patch) count for families
    whose budget is for the whole clip. Raises ModelError for an aspect ratio above 200. Source:
    `smart_resize` of the Qwen-VL papers' released processing.

    >>> fit_budget((1080, 1920), 28, 0, 512 * 28 * 28)
    (448, 840)
    """
    height, width = size
    if max(size) > 200 * min(size):
        raise ModelError(
            f"frames of {height} x {width} pixels have an aspect ratio above 200 times"
        )
    tall, wide = round(height / factor) * factor, round(width / factor) * factor
    if grid_frames * tall * wide > high:
        shrink = math.sqrt(frames * height * width / high)
        sides = (math.floor(side / shrink / factor) * factor for side in size)
        tall, wide = (max(factor, side) for side in sides)
    elif grid_frames * tall * wide < low:
        grow = math.sqrt(low / (frames * height * width))
        tall, wide = (math.ceil(side * grow / factor) * factor for side in size)
    return tall, wide
