"""Several decoders at once: `python -m benchmarks.several [--json FILE]`.

One video cut into parts, and a folder of clips of which the next ones are begun, with one decoder and with as many as
there are cores; beside it what FFmpeg's own frame threads give (PyAV, frames thrown away).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import torch
from benchmarks.footage import Footage
from benchmarks.measure import CORES, alternate, pin, publish

from hiprobe import backbones, pipeline, video
from hiprobe.types import Site, Video
from hiprobe.video import parallel

ROUNDS = 2
LONG = [Footage(repeats=4), Footage(keyframes=30, repeats=4)]
CLIPS = [Footage(keyframes=30, seconds=10, seed=seed) for seed in range(6)]
HEAD = ["work", "video", "one s", "several s", "one / several", "processor time, several / one"]


def _row(work: str, name: str, one: Callable[[], Any], several: Callable[[], Any]) -> list[Any]:
    best = alternate({"one": one, "several": several}, ROUNDS)
    first, second = best["one"], best["several"]
    return [work, name, first.wall, second.wall, first.wall / second.wall, second.cpu / first.cpu]


def _decoders(number: int, work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        parallel.MOST = number
        work()

    return run


def _bare(path: Path, threads: int) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.codec_context.thread_type = threads, "FRAME"
        for _ in container.decode(stream):
            pass


def _long(model: Any, footage: Footage, sites: tuple[Site, ...]) -> list[list[Any]]:
    path, name = footage.file(), footage.name
    return [
        _row("frame threads of FFmpeg", name, lambda: _bare(path, 1), lambda: _bare(path, CORES)),
        _both(
            "windows alone", name, lambda: list(parallel.decode_segments(path, model.recipe, ""))
        ),
        _both("hidden states", name, lambda: pipeline.states(path, model, sites)),
    ]


def _both(work: str, name: str, run: Callable[[], Any]) -> list[Any]:
    return _row(work, name, _decoders(1, run), _decoders(CORES, run))


def main() -> None:
    """Measures and prints."""
    pin()
    torch.set_num_threads(1)
    video.warm()
    model = backbones.load("embedded", device="cpu")
    sites = (Site("residual", model.layers - 1),)
    rows = [row for footage in LONG for row in _long(model, footage, sites)]
    clips = [Video(str(footage.file())) for footage in CLIPS]
    rows.append(
        _both(
            "hidden states",
            f"{len(clips)} clips, {CLIPS[0].name}",
            lambda: list(pipeline.extract(clips, model, sites=sites)),
        )
    )
    publish(
        "Several decoders at once",
        HEAD,
        rows,
        [
            f"Best of {ROUNDS} alternating rounds on {CORES} cores, one thread for the model. Several: {CORES}."
        ],
    )


if __name__ == "__main__":
    main()
