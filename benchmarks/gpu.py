"""Measure how close reading comes to the limit of a CUDA GPU.

    python -m benchmarks.gpu [--small] [--json FILE]

The models have the true shapes of Qwen2.5-VL-7B and InternVL3-8B, random weights and bf16. The
limit is what a product of large matrices reaches in the same run. States are read after block 20 of
28, from 16 frames of 448 x 448 per segment: first from noise in memory, then from an H.264 file of
640 x 480 at 30 fps, compared with the plain transformers loop. One more table has the setting in
which NVIDIA measures its video search: chunks of 10 s, 80 frames of 448 x 448, one answer token.
`--compiled` runs the blocks through torch.compile.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.batch import by_batch
from benchmarks.early_exit import batch, reader
from benchmarks.footage import Footage

from benchmarks import clips, counting, gpu_check, shapes, tables, transformers_loop
from hiprobe import pipeline
from hiprobe.backbones._compiling import compile_blocks
from hiprobe.types import Segment, Site

SHARE, FASTER = 0.6, 4.0  # required share of the ceiling, and speed in times the plain loop
CHUNK_S, CHUNK_FRAMES, SMALL_FRAMES = 10.0, 80, 8  # NVIDIA's setting, and of tiny models
MEMORY = "cameras, without decoding"
Rows = list[dict[str, Any]]


def ceilings(device: str, dtype: torch.dtype, small: bool) -> dict[str, float]:
    """Measure the operations and bytes per second of the machine on the simplest work."""
    sides, size = ((256, 512), 2**24) if small else ((4096, 8192, 12288), 2**30)
    seconds = 0.1 if small else 2.0
    return {
        "operations": counting.product_rate(device, dtype, sides, seconds),
        "bytes": counting.copy_rate(device, size, seconds),
    }


def count_work(
    backbone: Any, segments: Sequence[Segment], limits: dict[str, float]
) -> tuple[Rows, int]:
    """Count operations and bytes of one batch, read to the layer and whole.

    Returns the rows and the operations per segment of the read to the layer.
    """
    inputs = batch(backbone, segments, backbone.recipe.prompts[0])
    layer, count = shapes.layer_read(backbone), len(segments)
    whole = torch.inference_mode()(
        lambda: backbone._model(**inputs, use_cache=False, logits_to_keep=1)
    )
    rows, read = [], counting.count(reader(backbone, inputs, layer))
    for name, found in ((f"to block {layer}", read), ("whole model", counting.count(whole))):
        rows.append(
            {
                "pass": name,
                "segments": count,
                "tokens": inputs["input_ids"].shape[1],
                "TFLOP per segment": found.operations / count / 1e12,
                "GB moved per segment": found.bytes / count / 1e9,
                "ms per segment at the product's rate": _ms(
                    found.operations, count, limits["operations"]
                ),
                "ms per segment at the copy's rate, nothing cached": _ms(
                    found.bytes, count, limits["bytes"]
                ),
            }
        )
    return rows, read.operations // count


def _ms(work: int, count: int, rate: float) -> float:
    return 1000 * work / count / rate


def time_in_memory(
    backbone: Any, segments: Sequence[Segment], operations: int, limit: float, rounds: int
) -> Rows:
    """Time the parts and the whole, with frames in memory.

    Returns segments per second and the share of the ceiling.
    """
    site, device = Site("residual", shapes.layer_read(backbone)), backbone._model.device.type
    size = backbone._batch(segments, [site], backbone.recipe.prompts, backbone.width)
    one = batch(backbone, segments[:size], backbone.recipe.prompts[0])
    deep = reader(backbone, one, site.layer)
    runs = {
        f"model alone to block {site.layer}, batch of {size}": (
            lambda: counting.synchronised(deep(), device),
            size,
        ),
        "read: frames to states": (lambda: backbone.read(segments, [site]), len(segments)),
        "plain loop: whole model, one token, one at a time": (
            lambda: transformers_loop.score(backbone, segments),
            len(segments),
        ),
    }
    seconds = tables.in_turn({name: run for name, (run, _) in runs.items()}, rounds)
    rates = {name: runs[name][1] / taken for name, taken in seconds.items()}
    slowest = list(rates.values())[-1]
    return [
        {
            "run": name,
            "segments per second": rate,
            "times the plain loop": rate / slowest,
            "share of the ceiling": "" if name.startswith("plain") else rate * operations / limit,
            MEMORY: rate * backbone.recipe.segment_s,
        }
        for name, rate in rates.items()
    ]


def time_from_file(backbone: Any, path: Path, count: int, rounds: int) -> Rows:
    """Time reading a file to states, and the plain loop, which opens it for every segment."""
    site = Site("residual", shapes.layer_read(backbone))
    some = range(0, count, 8)  # the plain loop reads every eighth segment, one at a time
    runs = {
        "hiprobe: decoding and reading": (lambda: pipeline.states(path, backbone, (site,)), count),
        "plain loop: opened for every segment": (
            lambda: transformers_loop.score_video(backbone, path, some),
            len(some),
        ),
    }
    seconds = tables.in_turn({name: run for name, (run, _) in runs.items()}, rounds)
    rates = [runs[name][1] / taken for name, taken in seconds.items()]
    return [
        {
            "run": name,
            "segments per second": rate,
            "times the plain loop": rate / rates[-1],
            "cameras at 30 fps": rate * backbone.recipe.segment_s,
        }
        for name, rate in zip(runs, rates, strict=True)
    ]


def time_chunks(backbone: Any, small: bool, count: int, rounds: int) -> Rows:
    """Time NVIDIA's setting: states after the layer, and one answer token of the whole model."""
    usual = backbone.recipe
    frames = SMALL_FRAMES if small else CHUNK_FRAMES
    backbone.recipe = dataclasses.replace(usual, segment_s=CHUNK_S, frames=frames)
    chunks = clips.noise(backbone.recipe, count)
    layer, last = shapes.layer_read(backbone), backbone.layers - 1
    seconds = tables.in_turn(
        {
            f"states after block {layer}": lambda: backbone.read(chunks, [Site("residual", layer)]),
            "yes or no: the logits of one answer token": lambda: backbone.read(
                chunks, [Site("logit", last)]
            ),
            "plain loop: one token, one chunk at a time": lambda: transformers_loop.score(
                backbone, chunks
            ),
        },
        rounds,
    )
    backbone.recipe = usual
    slowest = list(seconds.values())[-1]
    return [
        {
            "run": name,
            "chunks per second": count / taken,
            "times the plain loop": slowest / taken,
            MEMORY: count / taken * CHUNK_S,
        }
        for name, taken in seconds.items()
    ]


def requirements(times: Rows, file: Rows, agreement: Rows) -> Rows:
    """Compare what is required with what was measured."""
    share, faster = times[1]["share of the ceiling"], file[0]["times the plain loop"]
    return [
        {
            "asked": f"at least {SHARE:.0%} of the ceiling, frames to states",
            "found": share,
            "met": _met(share >= SHARE),
        },
        {
            "asked": f"at least {FASTER:g} times the plain loop",
            "found": faster,
            "met": _met(faster >= FASTER),
        },
        *(
            {"asked": line["check"], "found": line["value"], "met": line["holds"] or "-"}
            for line in agreement
        ),
    ]


def _met(holds: bool) -> str:
    return "yes" if holds else "no"


def measure(name: str, given: Any, dtype: torch.dtype, limits: dict[str, float]) -> dict[str, Rows]:
    """Measure all tables of one shape."""
    backbone = shapes.build(name, given.small, given.device, dtype)
    if given.compiled:
        compile_blocks(backbone._model, name)
    segments = clips.noise(backbone.recipe, given.segments)
    counts, operations = count_work(backbone, segments[:2], limits)
    times = time_in_memory(backbone, segments, operations, limits["operations"], given.rounds)
    seconds = given.segments * backbone.recipe.segment_s
    footage = (
        Footage(96, 96, 30, seconds, 10) if given.small else Footage(640, 480, 250, seconds, 30)
    )
    file = time_from_file(backbone, footage.file(), given.segments, given.rounds)
    chunks = time_chunks(backbone, given.small, max(2, given.segments // 8), given.rounds)
    sizes = by_batch(backbone, segments, shapes.layer_read(backbone), given.rounds)
    agreement = gpu_check.precision(backbone, segments[:2])
    label = f"{name}{', tiny, of its classes' if given.small else ''}: "
    return {
        label + "operations and bytes": counts,
        label + "frames in memory": times,
        label + f"from a file, {footage.name}": file,
        label + f"chunks of {CHUNK_S:g} s": chunks,
        label + "by batch": sizes,
        label + "asked for": requirements(times, file, agreement),
    }


def main() -> int:
    """Measure and print; returns 2 if there is no GPU."""
    parser = tables.parser(__doc__)
    parser.add_argument("--small", action="store_true", help="tiny models, also on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compiled", action="store_true", help="as --compile does")
    parser.add_argument("--segments", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    given = parser.parse_args()
    if given.device == "cpu" and not given.small:
        print("no CUDA card found: use --small to run tiny models on this CPU", file=sys.stderr)
        return 2
    dtype = torch.float32 if given.device == "cpu" else torch.bfloat16
    limits = ceilings(given.device, dtype, given.small)
    found: dict[str, Rows] = {
        "Ceilings of this machine": [
            {
                "work": f"product of square matrices, {dtype}",
                "TFLOP/s": limits["operations"] / 1e12,
            },
            {"work": "copy", "GB/s": limits["bytes"] / 1e9},
        ]
    }
    for name in shapes.LARGE:
        found |= measure(name, given, dtype, limits)
        if given.device == "cuda":
            torch.cuda.empty_cache()
    tables.finish("gpu", found, given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
