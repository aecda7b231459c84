"""Find a recipe that is read in much less time: fewer frames, and smaller ones where that helps.

Only what the model then really gets counts: some processors scale small frames up again, some pad
a few frames to more. Such a recipe needs a probe that was fitted with it. Knows no video.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from hiprobe.backbones import ModelFacts
from hiprobe.errors import HiProbeError
from hiprobe.types import Recipe

FRAMES, SIDE = 4, 256  # at most, in a cheaper recipe
LEAST_GAIN = 2.0  # of the time, for a recipe to be worth a fit
LONG_S = 600.0  # seconds of work from which a cheaper recipe is worth mentioning


@dataclass(frozen=True)
class Cheaper:
    """A cheaper recipe, and the seconds that it takes instead.

    `size` is None if the frames stay as they are.

    >>> print(Cheaper(4, (256, 256), 5040.0))
    with --frames 4 --size 256 about 1.4 h (needs a probe fitted with them)
    """

    frames: int
    size: tuple[int, int] | None
    seconds: float

    @property
    def options(self) -> str:
        """The options of `hiprobe fit` that ask for it.

        >>> Cheaper(4, (252, 336), 1.0).options
        '--frames 4 --size 252x336'
        """
        if self.size is None:
            return f"--frames {self.frames}"
        height, width = self.size
        square = str(height) if height == width else f"{height}x{width}"
        return f"--frames {self.frames} --size {square}"

    def __str__(self) -> str:
        from hiprobe.estimate.prediction import say_duration

        total = say_duration(max(self.seconds, 0.01))
        return f"with {self.options} about {total} (needs a probe fitted with them)"


def cheaper_recipe(model: ModelFacts, recipe: Recipe) -> Recipe:
    """Return `recipe` with at most 4 frames, and of at most 256 pixels a side if that is read.

    A model that scales smaller frames up again keeps its size, or gets the least that it reads.
    Frames that keep each video's own size keep it.
    """
    fewer = replace(recipe, frames=min(FRAMES, recipe.frames))
    if recipe.size is None or max(recipe.size) <= SIDE:
        return fewer
    now, then = _seen(model, recipe), _seen(model, replace(fewer, size=_shrunk(recipe.size)))
    if now is None or then is None or prod(then) >= min(prod(now), prod(recipe.size)):
        return fewer
    return replace(fewer, size=then)


def _shrunk(size: tuple[int, int]) -> tuple[int, int]:
    scale = SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _seen(model: Any, recipe: Recipe) -> tuple[int, int] | None:
    """Return the size that the model gets; None if it does not say, or does not take this size."""
    tell = getattr(model, "seen_size", None)
    try:
        return None if tell is None else tell(recipe)
    except HiProbeError:
        return None


def changed(recipe: Recipe, other: Recipe) -> tuple[int, tuple[int, int] | None]:
    """Return frames and size of `other`; None for the size if it is that of `recipe`."""
    return other.frames, None if other.size == recipe.size else other.size
