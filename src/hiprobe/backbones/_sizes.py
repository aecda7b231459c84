"""Tell what size a model really reads, and refuse sizes that it does not read. Knows no torch.

A family's processor may scale frames to one size, or up to a least number of pixels: a smaller
size then costs detail and saves nothing.
"""

from __future__ import annotations

from typing import Protocol

from hiprobe.errors import UsageError
from hiprobe.types import Recipe

Size = tuple[int, int]


class Scaler(Protocol):
    """The part of a video processor that scales."""

    do_resize: bool

    @property
    def grain(self) -> int:
        """The pixels that each side is a multiple of."""
        ...

    def target(self, frames: int, size: Size) -> Size:
        """Return the size that `frames` frames of (height, width) `size` are resized to."""
        ...


def seen_size(scaler: Scaler, recipe: Recipe) -> Size | None:
    """Return the (height, width) that the model gets of the frames of a recipe.

    None if the recipe keeps each video's own size. Raises UsageError for a size that the model
    cannot cut into tokens, ModelError for an aspect ratio that it does not take.
    """
    if recipe.size is None:
        return None
    if scaler.do_resize:
        return scaler.target(recipe.frames, recipe.size)
    if any(side % scaler.grain for side in recipe.size):
        raise UsageError(
            f"this model reads frames whose height and width are multiples of {scaler.grain} "
            f"pixels, got {recipe.size[0]} x {recipe.size[1]}",
            cure="choose another --size",
        )
    return recipe.size


def check_size(scaler: Scaler, recipe: Recipe) -> None:
    """Raise UsageError, or ModelError, for a size that the model does not read.

    That is one that it would scale up again by a token or more.
    """
    seen = seen_size(scaler, recipe)
    if seen is None or recipe.size is None:
        return
    if any(one >= asked + scaler.grain for one, asked in zip(seen, recipe.size, strict=True)):
        raise UsageError(
            f"this model scales {recipe.frames} frames of {said(recipe.size)} up to {said(seen)}, "
            "so that a smaller size only loses detail",
            cure=f"leave --size out, or give {said(seen)} or more",
        )


def said(size: Size) -> str:
    """Write a size as the option --size takes it.

    >>> said((336, 448))
    '336x448'
    """
    return f"{size[0]}x{size[1]}"
