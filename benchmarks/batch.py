"""Measure segments per second by batch size.

    python -m benchmarks.batch [--json FILE]

This shows why the batch size on a CPU is fixed, and what a GPU gains from a larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from benchmarks.whole_passes import whole_passes

from benchmarks import clips, tables
from hiprobe import backbones
from hiprobe.types import Segment, Site

SIZES = (1, 2, 4, 8, 16)


def read(backbone: Any, segments: Sequence[Segment], sites: Sequence[Site], size: int) -> Any:
    """Read all segments, `size` at a time."""
    parts = [backbone.read(segments[at : at + size], sites) for at in range(0, len(segments), size)]
    return np.concatenate(parts)


@whole_passes()
def by_batch(
    backbone: Any, segments: Sequence[Segment], layer: int, rounds: int
) -> list[dict[str, Any]]:
    """Measure each batch size: its speed and how far its states are from those of batch 1."""
    sites = [Site("residual", layer)]
    backbone.batch = len(segments)  # so that a read is not split further
    seconds = tables.in_turn(
        {
            str(size): partial(read, backbone, segments, sites, size)
            for size in SIZES
            if size <= len(segments)
        },
        rounds,
    )
    truth = read(backbone, segments, sites, 1)
    best = min(seconds.values())
    return [
        {
            "batch": int(size),
            "segments per second": len(segments) / taken,
            "of the best": best / taken,
            "differs from batch 1 by (of scale)": _apart(
                read(backbone, segments, sites, int(size)), truth
            ),
        }
        for size, taken in seconds.items()
    ]


def _apart(values: Any, truth: Any) -> float:
    return float(np.abs(values - truth).max() / np.abs(truth).max())


def main() -> None:
    """Measure and print the tables, for each number of threads."""
    parser = tables.parser(__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="one table for each")
    given = parser.parse_args()
    backbone: Any = backbones.load(given.model)
    segments = clips.noise(backbone.recipe, given.segments)
    found = {}
    for threads in given.threads:
        torch.set_num_threads(threads)
        title = (
            f"{given.segments} segments, {threads} thread{'s' * (threads > 1)}, "
            "read after block 5/8 of the depth"
        )
        found[title] = by_batch(backbone, segments, backbone.layers * 5 // 8, given.rounds)
    tables.finish("batch", found, given.json)


if __name__ == "__main__":
    main()
