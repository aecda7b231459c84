"""Check that time is linear in the size: `python -m benchmarks.scaling [--json FILE]`.

Reads hidden states of the embedded model for longer and longer videos and for more and more videos,
and fits a straight line; then fits a probe from states on disk, without the cross-validation of
every layer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.footage import Footage
from benchmarks.measure import alternate, model_threads, pin, publish

from hiprobe import backbones, pipeline, store
from hiprobe import probe as _probe
from hiprobe.types import HiddenStates, Site

ROUNDS = 2
LENGTHS = (1, 2, 3, 4, 6)  # times 20 s
COUNTS = (1, 2, 4, 8)  # videos of 10 s
FITTED = 16  # videos of 14 segments, the case that the promise is about
HEAD = ["time against", "sizes", "wall s", "R2, wall", "R2, processor", "promised"]


def _linear(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Return R2 of the straight line through the points."""
    return float(np.corrcoef(sizes, seconds)[0, 1] ** 2)


def _row(name: str, sizes: tuple[int, ...], unit: str, works: dict[str, Any]) -> list[Any]:
    best = alternate(works, ROUNDS)
    walls, cpus = [best[str(size)].wall for size in sizes], [best[str(size)].cpu for size in sizes]
    return [
        name,
        f"{', '.join(map(str, sizes))} x {unit}",
        ", ".join(f"{wall:.2f}" for wall in walls),
        _linear(sizes, walls),
        _linear(sizes, cpus),
        "R2 0.99",
    ]


def _name(number: int) -> str:
    """Make the digest of a video that does not exist.

    The folders of the store have its first half as name.
    """
    return f"{number:032x}" * 2


def _fit_row(model: Any, root: Path) -> list[Any]:
    sites = tuple(Site("residual", layer) for layer in range(model.layers))
    rng, labels = np.random.default_rng(0), np.array([0] * 7 + [1] * 7, np.int8)
    starts = 1.6 * np.arange(14)
    for number in range(FITTED):
        values = rng.normal(size=(14, len(sites), model.width)).astype(np.float32)
        values[7:] += 0.1
        store.save_states(
            root,
            HiddenStates(_name(number), model.recipe, sites, starts, starts + 1.6, values, 22.4),
            "float32",
        )

    def fitted() -> None:
        pairs = [
            (store.find_states(root, _name(n), model.recipe, sites, "float32"), labels)
            for n in range(FITTED)
        ]
        _probe.fit(
            "hiprobe", [(states, y) for states, y in pairs if states is not None], layer_curve=False
        )

    fitted()
    one = alternate({"fit": fitted}, 3)["fit"]
    return [
        "fitting, from the store",
        f"{FITTED} videos x 14 segments x {len(sites)} sites x {model.width}",
        f"{one.wall:.2f}",
        "-",
        "-",
        "1 s",
    ]


def main() -> None:
    """Measure and print."""
    pin()
    torch.set_num_threads(model_threads())
    model = backbones.load("embedded", device="cpu")
    sites = (Site("residual", model.layers - 1),)
    clip = Footage(96, 96, seconds=10).file()
    pipeline.states(clip, model, sites)
    lengths = {str(n): Footage(96, 96, seconds=20, repeats=n).file() for n in LENGTHS}
    rows = [
        _row(
            "length of a video",
            LENGTHS,
            "20 s",
            {
                n: lambda path=path: pipeline.states(path, model, sites)
                for n, path in lengths.items()
            },
        ),
        _row(
            "number of videos",
            COUNTS,
            "10 s",
            {
                str(n): lambda n=n: [pipeline.states(clip, model, sites) for _ in range(n)]
                for n in COUNTS
            },
        ),
    ]
    with tempfile.TemporaryDirectory() as root:
        rows.append(_fit_row(model, Path(root)))
    publish("Time against size", HEAD, rows, [f"Best of {ROUNDS} alternating rounds (fitting: 3)."])


if __name__ == "__main__":
    main()
