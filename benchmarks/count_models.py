"""Count the work of the checkpoints that `hiprobe models` lists, from their published sizes.

    python -m benchmarks.count_models

Prints the entries of `src/hiprobe/backbones/_catalogue_work.py`. Every model is built on the meta
device, without weights.
"""

from __future__ import annotations

import dataclasses

import torch
from benchmarks.published import CONFIGS, family_of
from benchmarks.shapes import build_family

from hiprobe import backbones
from hiprobe.backbones import SegmentWork


def counted(entry: backbones.CatalogueEntry) -> SegmentWork:
    """Count the work of one listed model."""
    family = family_of(entry.model, entry.family, entry.frames)
    work: SegmentWork = build_family(family, entry.model, "meta", torch.float32).work()
    return work


def main() -> None:
    """Print one entry for each model."""
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
