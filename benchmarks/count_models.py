"""Count the work of the checkpoints that `hiprobe models` lists, from their published sizes.

    python -m benchmarks.count_models [--cheaper]

Prints the entries of `src/hiprobe/backbones/_catalogue_work.py`, or of `_catalogue_cheaper.py`.
Every model is built on the meta device, without weights.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import torch
from benchmarks.published import CONFIGS, family_of
from benchmarks.shapes import build_family

from hiprobe import backbones, estimate
from hiprobe.backbones import SegmentWork


def built(entry: backbones.CatalogueEntry) -> Any:
    """Build one listed model without weights."""
    family = family_of(entry.model, entry.family, entry.frames)
    return build_family(family, entry.model, "meta", torch.float32)


def counted(entry: backbones.CatalogueEntry) -> SegmentWork:
    """Count the work of one listed model."""
    work: SegmentWork = built(entry).work()
    return work


def cheaper(entry: backbones.CatalogueEntry) -> tuple[int, tuple[int, int] | None, float, float]:
    """Return frames and size of a cheaper recipe, None for the model's own size, and its work.

    The work is that before the decoder, and that of one block.
    """
    model = built(entry)
    other = estimate.cheaper_recipe(model, model.recipe)
    work: SegmentWork = model.work(other)
    size = None if other.size == model.recipe.size else other.size
    return other.frames, size, work.vision, work.block


def show_cheaper() -> None:
    """Print what each listed model takes with fewer and smaller frames."""
    for entry in backbones.catalogue():
        if entry.model in CONFIGS:
            frames, size, vision, block = cheaper(entry)
            print(f"    {entry.model!r}: ({frames}, {size}, {vision:_.0f}, {block:_.0f}),")


def main() -> None:
    """Print one entry for each model."""
    if sys.argv[1:] == ["--cheaper"]:
        show_cheaper()
        return
    for entry in backbones.catalogue():
        if entry.model == "embedded":
            work = backbones.load("embedded", device="cpu").work()  # type: ignore[attr-defined]
        elif entry.model in CONFIGS:
            work = counted(entry)
        else:
            print(f"    # {entry.model}: its sizes are not known")
            continue
        figures = ", ".join(f"{value:_.0f}" for value in dataclasses.astuple(work))
        same = work.parameters(work.layers) == entry.parameters
        print(
            f"    {entry.model!r}: SegmentWork({figures}){'' if same else '  # other parameters'},"
        )


if __name__ == "__main__":
    main()
