"""Compare reading with asking, on the embedded model and on the shape of SmolVLM2-256M.

    python -m benchmarks.vs_shapes [--small] [--frames N] [--json FILE]

Asking is the plain loop (`transformers_loop`): one call per segment, in which the whole model
generates one token. hiprobe reads up to 20 of 28 blocks, or the same share of another depth. Both
have the same weights (random ones for SmolVLM2), frames and number of threads, and take turns in
one run. Processor time hardly depends on the machine's other work. `--small` takes the tests' tiny
model for the shape.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from benchmarks.cpu_choices import SHAPE
from benchmarks.footage import Footage
from benchmarks.measure import TICKS, alternate
from benchmarks.published import family_of
from benchmarks.shapes import build_family
from tests.support import tiny_models

from benchmarks import tables, transformers_loop
from hiprobe import backbones, estimate, pipeline, video
from hiprobe.types import Site

ROUNDS = 2
EMBEDDED = Footage(96, 96, repeats=4)  # 100 s
SHORT = Footage(96, 96, seconds=5)  # 4 segments: each takes seconds


def models(given: argparse.Namespace) -> dict[str, tuple[Callable[[], Any], Footage, int]]:
    """Return how each model is made, the video that it reads, and how many segments are asked."""
    form = (
        tiny_models.FAMILIES["smolvlm"]
        if given.small
        else family_of(SHAPE, "smolvlm", given.frames)
    )
    shape = lambda: build_family(form, "smolvlm", "cpu", torch.float32)  # noqa: E731
    return {
        "embedded": (lambda: backbones.load("embedded", device="cpu"), EMBEDDED, 16),
        "SmolVLM2-256M": (shape, SHORT, 2),
    }


def compared(name: str, model: Any, footage: Footage, count: int) -> dict[str, Any]:
    """Measure one model on one video."""
    path, blocks = footage.file(), estimate.depth_read(model.work())
    sites, segments = (Site("residual", blocks - 1),), list(video.segments(path, model.recipe))
    asked = list(range(min(count, len(segments))))
    model.read(segments[:1], sites, model.recipe)  # finds memory and kernels
    best = alternate(
        {
            "asked": lambda: transformers_loop.score_video(model, path, asked),
            "read": lambda: pipeline.states(path, model, sites),
        },
        ROUNDS,
    )
    # Processor time is counted in ticks; tiny models take less than one.
    asked_s, read_s = (
        max(best[name].cpu, 1 / TICKS) / count
        for name, count in (("asked", len(asked)), ("read", len(segments)))
    )
    return {
        "model": name,
        "frames": model.recipe.frames,
        "blocks read": f"{blocks} of {model.layers}",
        "asked, processor s a segment": asked_s,
        "read, processor s a segment": read_s,
        "ratio of processor time": asked_s / read_s,
        "ratio of wall time": (best["asked"].wall / len(asked))
        / (best["read"].wall / len(segments)),
    }


def main() -> None:
    """Measure and print."""
    parser = tables.parser(__doc__)
    parser.add_argument("--small", action="store_true", help="the tests' tiny model as the shape")
    parser.add_argument("--frames", type=int, default=2, help="of the shape, a segment")
    given = parser.parse_args()
    rows = [
        compared(name, make(), footage, count)
        for name, (make, footage, count) in models(given).items()
    ]
    tables.finish("vs_shapes", {"Asking one token against reading": rows}, given.json)


if __name__ == "__main__":
    main()
