"""Beside the straightforward way: `python -m benchmarks.vs_reference [--json FILE]`.

`plain` opens the video for every segment, seeks, and lets the whole model generate one token, one segment at a time;
hiprobe reads the deepest layer. Same weights, frames and segments, in turn; frames and hidden states are compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.footage import Footage
from benchmarks.measure import CORES, alternate, model_threads, pin, publish

from benchmarks import plain
from hiprobe import backbones, pipeline, video
from hiprobe.types import Segment, Site

ROUNDS = 2
ASKED = 4  # segments the plain loop is timed on, spread over the video
CASES = [  # long: nothing is decoded while the last batch is read
    (Footage(repeats=4), 10),
    (Footage(keyframes=30, repeats=4), 8),
    (Footage(96, 96, repeats=4), 3),
]
HEAD = [
    "video",
    "model threads",
    "plain segments/s",
    "hiprobe segments/s",
    "ratio",
    "promised",
    "ratio of processor time",
    "decode alone",
    "model alone",
    "limit",
    "frames differ",
    "states differ",
]


def _states_of_plain(model: Any, segment: Segment, layer: int) -> np.ndarray[Any, Any]:
    """The residual stream at the last prompt position, taken while the plain loop runs."""
    found = []

    def keep(_block: Any, _given: Any, made: Any) -> None:
        found.append((made[0] if isinstance(made, tuple) else made)[0, -1].float().numpy().copy())

    handle = model._model.get_decoder().layers[layer].register_forward_hook(keep)
    try:
        plain.ask(model, segment)
    finally:
        handle.remove()
    return np.asarray(found[0])


def _differences(model: Any, path: Path, asked: list[int], site: Site) -> tuple[int, float]:
    """The largest difference of a pixel, and of a hidden state relative to the largest state."""
    ours = list(video.segments(path, model.recipe))
    theirs = [plain.segment_of(path, model.recipe, index) for index in asked]
    pixels = max(
        int(np.abs(ours[i].frames.astype(int) - t.frames).max())
        for i, t in zip(asked, theirs, strict=True)
    )
    read = pipeline.states(path, model, (site,)).values[asked, 0]
    wanted = np.stack([_states_of_plain(model, segment, site.layer) for segment in theirs])
    return pixels, float(np.abs(read - wanted).max() / np.abs(wanted).max())


def _row(model: Any, footage: Footage, promised: float, threads: int) -> list[Any]:
    torch.set_num_threads(threads)
    path, site = footage.file(), Site("residual", model.layers - 1)
    kept = list(video.segments(path, model.recipe))
    asked = [round(index) for index in np.linspace(0, len(kept) - 2, ASKED)]

    def model_alone() -> None:
        for first in range(0, len(kept), pipeline.BATCH):
            model.read(kept[first : first + pipeline.BATCH], (site,), model.recipe)

    model_alone()
    best = alternate(
        {
            "plain": lambda: plain.score_video(model, path, asked),
            "hiprobe": lambda: pipeline.states(path, model, (site,)),
            "decode": lambda: list(video.segments(path, model.recipe)),
            "model": model_alone,
        },
        ROUNDS,
    )
    rate = {
        name: (ASKED if name == "plain" else len(kept)) / one.wall for name, one in best.items()
    }
    work = (best["plain"].cpu / ASKED) / (best["hiprobe"].cpu / len(kept))
    return [
        footage.name,
        threads,
        rate["plain"],
        rate["hiprobe"],
        rate["hiprobe"] / rate["plain"],
        promised,
        work,
        rate["decode"],
        rate["model"],
        "decoding" if rate["decode"] < rate["model"] else "model",
        *_differences(model, path, asked, site),
    ]


def main() -> None:
    """Measures and prints."""
    pin()
    model = backbones.load("embedded", device="cpu")
    rows = [
        _row(model, *case, threads) for case in CASES for threads in range(1, model_threads() + 1)
    ]
    publish(
        "Compared with a plain transformers loop",
        HEAD,
        rows,
        [
            f"Segments per second on {CORES} cores, with the same number of threads for both models, best of {ROUNDS} "
            "alternating rounds. The ratio of processor time per segment hardly depends on the machine's other work."
        ],
    )


if __name__ == "__main__":
    main()
