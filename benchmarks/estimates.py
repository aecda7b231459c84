"""Compare estimated with measured seconds per segment, for true shapes with random weights.

    python -m benchmarks.estimates [--frames N] [--dtype D] [--processor] [--small] [--json FILE]

The shapes are those of four listed models of four families. Nothing is downloaded. `--frames` reads
fewer frames, to be done sooner; `--small` takes the tests' tiny models, to try the script. The
machine must be at rest, or with `--processor` both are taken in processor time of one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import torch
from benchmarks.published import family_of
from benchmarks.shapes import build_family
from tests.support import tiny_models

from benchmarks import tables
from hiprobe import estimate
from hiprobe.types import Site

SHAPES = {
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": "smolvlm",
    "OpenGVLab/InternVL3-1B-hf": "internvl",
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": "llava_onevision",
    "Qwen/Qwen3-VL-2B-Instruct": "qwen3_vl",
}


def compared(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Estimate and measure one shape, read up to the usual depth."""
    family, dtype = SHAPES[name], given.dtype
    form = tiny_models.FAMILIES[family] if given.small else family_of(name, family, given.frames)
    model = build_family(form, name, given.device, getattr(torch, dtype))
    recipe = dataclasses.replace(model.recipe, prompts=model.recipe.prompts[:1])
    work = model.work(recipe)
    blocks = estimate.depth_read(work)
    sites = [Site("residual", blocks - 1)]
    clock = time.process_time if given.processor else time.perf_counter
    speeds = estimate.measured_speeds(given.device, dtype, again=True, clock=clock)
    expected_s = estimate.predict_s(work, blocks, speeds)
    found = estimate.measure_model(model, sites, recipe, 1)
    measured_s = found.cpu_s if given.processor else found.wall_s
    return {
        "model": name.rpartition("/")[2],
        "frames": recipe.frames,
        "blocks": blocks,
        "1e12 operations": round(work.operations(blocks) / 1e12, 4),
        "estimated s": round(expected_s, 4),
        "measured s": round(measured_s, 4),
        "estimated / measured": round(expected_s / measured_s, 2),
        "disturbed": speeds.busy,
    }


def main() -> None:
    """Measure and print."""
    arguments = tables.parser(__doc__)
    arguments.add_argument("--small", action="store_true", help="the tests' tiny models")
    arguments.add_argument("--frames", type=int, default=16)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--dtype", default="float32")
    arguments.add_argument("--processor", action="store_true", help="processor time, one thread")
    given = arguments.parse_args()
    if given.processor:
        torch.set_num_threads(1)
    rows = [compared(name, given) for name in SHAPES]
    tables.finish("estimates", {"estimated and measured seconds per segment": rows}, given.json)


if __name__ == "__main__":
    main()
