"""Compare threads, batch, precision and int8 weights on a CPU.

    python -m benchmarks.cpu_choices [--small] [--rounds N] [--json FILE]

The models are the embedded one and the true shape of SmolVLM2-256M with random weights, one frame a
segment, so that it does not take too long. `--small` takes the tests' tiny model for that shape.
Processor time hardly depends on the machine's other work; wall time does. `int8` are the weights of
all linear layers, by torch's own dynamic quantisation, and `int8 (torchao)` by torchao's if that is
installed; neither is an option of hiprobe.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from benchmarks.int8_weights import Make, int8
from benchmarks.measure import alternate
from benchmarks.published import family_of
from benchmarks.shapes import build_family
from benchmarks.whole_passes import whole_passes
from tests.support import tiny_models

from benchmarks import tables
from hiprobe import backbones
from hiprobe.backbones import noise_segments
from hiprobe.types import Segment, Site

SHAPE = "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"
THREADS = (1, 2)
LEAST = 32  # segments of the embedded model in a run, as processor time is counted in 10 ms


def models(small: bool) -> dict[str, tuple[Make, tuple[int, ...], int]]:
    """Return how each model is made, the batches to read it in, and how many segments."""
    form = tiny_models.FAMILIES["smolvlm"] if small else family_of(SHAPE, "smolvlm", 1)

    def shape(dtype: str) -> Any:
        return build_family(form, "smolvlm", "cpu", getattr(torch, dtype))

    def embedded(dtype: str) -> Any:
        return backbones.load("embedded", device="cpu", dtype=dtype)

    return {"embedded": (embedded, (1, 4, 8, 16), LEAST), "SmolVLM2-256M": (shape, (1, 4), 4)}


def int8_torchao(make: Make) -> Any:
    """Return the same by torchao, without compiling."""
    from torchao import quantization  # type: ignore[import-not-found,unused-ignore]

    model = make("float32")
    quantization.quantize_(
        model._model, quantization.Int8DynamicActivationInt8WeightConfig(version=2)
    )
    return model


def kinds() -> dict[str, Callable[[Make], Any]]:
    """Return how a model is made in each precision."""
    found: dict[str, Callable[[Make], Any]] = {
        "float32": lambda make: make("float32"),
        "bfloat16": lambda make: make("bfloat16"),
        "int8": int8,
    }
    if importlib.util.find_spec("torchao") is not None:
        found["int8 (torchao)"] = int8_torchao
    return found


def by_threads(
    make: Make, sizes: Sequence[int], count: int, rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield the seconds of a segment in float32 by threads and batch."""
    model, kept = make("float32"), torch.get_num_threads()
    segments, sites, recipe = _asked(model, count)
    model.batch = max(sizes)
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            works = {str(n): partial(_read, model, segments, sites, recipe, n) for n in sizes}
            with whole_passes():
                found = alternate(works, rounds)
            for size, spent in found.items():
                yield {
                    "threads": threads,
                    "batch": int(size),
                    "processor s": spent.cpu / len(segments),
                    "wall s": spent.wall / len(segments),
                }
    finally:
        torch.set_num_threads(kept)


def by_precision(make: Make, size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """Return the seconds of a segment by precision, in a batch of `size`, and what it changes."""
    rows: list[dict[str, Any]] = []
    truth: Any = None
    for name, made in kinds().items():
        model = made(make)
        segments, sites, recipe = _asked(model, count)
        read = partial(_read, model, segments, sites, recipe, size)
        values = read()  # finds memory and kernels, too
        truth = values if truth is None else truth
        spent = alternate({name: read}, rounds)[name]
        change = float(np.abs(values - truth).max() / np.abs(truth).max())
        rows.append(
            {
                "weights": name,
                "processor s": spent.cpu / count,
                "as fast as float32": rows[0]["processor s"] * count / spent.cpu if rows else 1.0,
                "differs by (of scale)": change,
            }
        )
        del model, read
        gc.collect()
    return rows


def _asked(model: Any, count: int) -> tuple[list[Segment], list[Site], Any]:
    recipe = dataclasses.replace(model.recipe, prompts=model.recipe.prompts[:1])
    return noise_segments(recipe, count), [Site("residual", model.layers - 1)], recipe


def _read(
    model: Any, segments: Sequence[Segment], sites: Sequence[Site], recipe: Any, size: int
) -> Any:
    return np.concatenate(
        [
            model.read(segments[at : at + size], sites, recipe)
            for at in range(0, len(segments), size)
        ]
    )


def main() -> None:
    """Measure and print the tables."""
    parser = tables.parser(__doc__)
    parser.add_argument("--small", action="store_true", help="the tests' tiny model as the shape")
    parser.add_argument("--rounds", type=int, default=2, help="the best one counts")
    given = parser.parse_args()
    found = {}
    for name, (make, sizes, count) in models(given.small).items():
        found[f"{name}, float32, one segment"] = list(by_threads(make, sizes, count, given.rounds))
        title = f"{name}, {torch.get_num_threads()} threads, batch {sizes[1]}, one segment"
        found[title] = by_precision(make, sizes[1], count, given.rounds)
    tables.finish("cpu_choices", found, given.json)


if __name__ == "__main__":
    main()
