"""The options that say what the model reads: questions, segment length, frames and their size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hiprobe.cli._options import check_range
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.backbones import ModelFacts
    from hiprobe.pipeline import ReadPlan, RecipeOptions, WindowsToRead
    from hiprobe.types import Site, Unit

Prompt = Annotated[
    list[str] | None,
    typer.Option(
        help="Ask this instead of the question of the model or the method. Give as many as "
        "the method asks."
    ),
]
Frames = Annotated[int | None, typer.Option(help="Frames to read of each segment.")]
SegmentLength = Annotated[
    float | None, typer.Option("--segment", help="Length of a segment, in seconds.")
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH", help="Resize frames to this before the model's own processing."
    ),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="UNIT",
        help="What to fit on: segment, or video for one vector of each whole video, as in "
        "HeadHunt-VAD. Detection scores segments either way.",
    ),
]


Every = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Read one segment of every N, the one in which most moves, and then what is around "
        "those that score high. The others get no score. 1 reads all.",
    ),
]
Still = Annotated[
    bool,
    typer.Option(
        "--still",
        help="Do not read a segment that hardly differs from the last one that was read; it gets "
        "the score of that one. This may miss what is small or slow.",
    ),
]


def windows_to_read(every: int, still: bool, ray: str | None) -> WindowsToRead:
    """Return which windows the model reads; raises UsageError for what does not go together."""
    from hiprobe.pipeline import WindowsToRead

    check_range("--every", "every", every)
    if ray is not None and (every > 1 or still):
        option = "--every" if every > 1 else "--still"
        raise UsageError(
            f"{option} cannot be used with --ray: its workers read parts of a video and do not "
            "know what was read before",
            cure=f"leave out {option}, or --ray",
        )
    return WindowsToRead(every, still)


@dataclass(frozen=True)
class ReadingOptions:
    """The method, and the values of these options."""

    method: str
    options: RecipeOptions

    def plan(self, model: ModelFacts, sites: tuple[Site, ...] | None = None) -> ReadPlan:
        """Return what to read: at the sites of the method, or at `sites`."""
        from hiprobe import pipeline

        found = pipeline.sites_for(self.method, model, sites)
        return pipeline.ReadPlan(found, self.options.recipe(self.method, model))


def recipe_options(
    prompts: list[str] | None,
    segment_s: float | None,
    frames: int | None,
    size: str | None,
    unit: str | None = None,
) -> RecipeOptions:
    """Return what the user changes in the recipe; raises UsageError for an invalid value.

    Nothing of it is checked against a method or a model.
    """
    from hiprobe.pipeline import RecipeOptions

    if not all(prompt.strip() for prompt in prompts or ()):
        raise UsageError("a --prompt is empty", cure="leave it out for the model's own")
    if segment_s is not None:
        check_range("--segment", "segment_s", segment_s)
    if frames is not None:
        check_range("--frames", "frames", frames)
    pixels = _pixels(size)
    if frames is not None and pixels is not None:
        window = frames * pixels[0] * pixels[1] * 3
        check_range("--frames x --size, in bytes,", "bytes of a window", window)
    return RecipeOptions(tuple(prompts or ()), segment_s, frames, pixels, _unit(unit))


def _unit(given: str | None) -> Unit | None:
    from hiprobe.types import UNITS

    if given is not None and given not in UNITS:
        raise UsageError(f"--unit must be one of {', '.join(UNITS)}, got {given!r}")
    return cast("Unit | None", given)


def _pixels(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    match = re.fullmatch(r"(\d{1,6})(?:[xX](\d{1,6}))?", size.strip(), re.ASCII)
    if match is None:
        raise UsageError(
            f"--size must be HEIGHTxWIDTH in pixels, got {size!r}", cure="e.g. 336x448"
        )
    height, width = int(match[1]), int(match[2] or match[1])
    check_range("the height of --size", "height", height)
    check_range("the width of --size", "width", width)
    return height, width
