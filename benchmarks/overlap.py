"""Decoding ahead of the model: `python -m benchmarks.overlap [--json FILE]`.

The whole (hash the file, decode, sample, read the last layer) beside decoding alone and the model alone on segments
that are there already. The model has as many threads in both; the decoder has one of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from benchmarks.footage import Footage
from benchmarks.measure import CORES, alternate, model_threads, pin, publish

from hiprobe import backbones, pipeline, video
from hiprobe.types import Segment, Site

ROUNDS = 2
CASES = [
    Footage(repeats=4),
    Footage(96, 96, repeats=4),
]  # long: the first batch has nothing to overlap with
HEAD = [
    "video",
    "model threads",
    "decode s",
    "model s",
    "whole s",
    "whole / slower",
    "whole / sum",
    "limit",
]


def _model_alone(model: Any, segments: list[Segment], sites: tuple[Site, ...]) -> None:
    for first in range(0, len(segments), pipeline.BATCH):
        model.read(segments[first : first + pipeline.BATCH], sites, model.recipe)


def _row(model: Any, path: Path, name: str, threads: int) -> list[Any]:
    torch.set_num_threads(threads)
    sites, kept = (Site("residual", model.layers - 1),), list(video.segments(path, model.recipe))
    _model_alone(model, kept[: pipeline.BATCH], sites)
    best = alternate(
        {
            "decode": lambda: list(video.segments(path, model.recipe)),
            "model": lambda: _model_alone(model, kept, sites),
            "whole": lambda: pipeline.states(path, model, sites),
        },
        ROUNDS,
    )
    decode, alone, whole = (best[key].wall for key in ("decode", "model", "whole"))
    slower = max(decode, alone)
    return [
        name,
        threads,
        decode,
        alone,
        whole,
        whole / slower,
        whole / (decode + alone),
        "decoding" if decode > alone else "model",
    ]


def main() -> None:
    """Measures and prints."""
    pin()
    model = backbones.load("embedded", device="cpu")
    rows = [
        _row(model, footage.file(), footage.name, threads)
        for footage in CASES
        for threads in range(1, model_threads() + 1)
    ]
    publish(
        "Decoding and the model at the same time",
        HEAD,
        rows,
        [
            f"Best of {ROUNDS} alternating rounds on {CORES} cores. Promised: whole / slower at most 1.15. "
            "A model with as many threads as there are cores leaves none for the decoder: processor time is then the "
            "limit."
        ],
    )


if __name__ == "__main__":
    main()
