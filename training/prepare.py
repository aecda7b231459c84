"""Render the clips of a training run once, into shards.

    python -m training.prepare --clips N --seed S --workers 2 [--nice]

Clip i is drawn from (S, i). A call that was stopped continues: finished shards are skipped. More
clips may be added while a training runs. `--held-out` makes the clips that no training sees.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from training import store, text

SHARD = 500
HELD_OUT_SEED = 900_001
Render = Callable[[np.random.Generator], Any]
MAKER = "training.world.clips:render_clip"


def clips_folder(held_out: bool = False) -> Path:
    """Return the folder of the clips that are trained on, or of those held out."""
    return store.home() / ("held-out" if held_out else "clips")


def todo(
    folder: Path, clips: int, seed: int, renderer: str, size: int = SHARD
) -> list[tuple[int, int]]:
    """List (first, count) of the shards of at least `clips` clips that are not finished.

    All shards are full, so that a later call for more clips changes none.
    """
    parts = [(first, size) for first in range(0, clips, size)]
    found = store.entries(folder)
    done = {(e.first, e.clips) for e in found if (e.seed, e.renderer) == (seed, renderer)}
    return [part for part in parts if part not in done]


def make_shard(
    folder: Path, maker: str, seed: int, first: int, count: int, renderer: str
) -> tuple[store.Entry, float]:
    """Render one shard and return its entry and the seconds it took."""
    began = time.perf_counter()
    module, _, name = maker.partition(":")
    render: Render = getattr(import_module(module), name)
    clips = [render(np.random.default_rng([seed, i])) for i in range(first, first + count)]
    text.check_states(act.state for clip in clips for act in clip.acts)
    entry = store.write(folder, clips, seed=seed, first=first, renderer=renderer)
    return entry, time.perf_counter() - began


def prepare(
    folder: Path,
    clips: int,
    seed: int,
    workers: int,
    *,
    maker: str = MAKER,
    size: int = SHARD,
    nice: bool = False,
) -> None:
    """Render what is missing of `clips` clips, a shard at a time on each worker."""
    renderer = store.renderer_digest()
    parts = todo(folder, clips, seed, renderer, size)
    began, done, total = time.perf_counter(), 0, 0
    _check_maker(maker, seed)
    context = multiprocessing.get_context("spawn")
    settle = os.nice if nice else _stay
    with ProcessPoolExecutor(workers, context, settle, (15,)) as pool:
        jobs = [pool.submit(make_shard, folder, maker, seed, *part, renderer) for part in parts]
        for job in as_completed(jobs):
            entry, _ = job.result()
            done, total = done + entry.clips, total + entry.size
            speed = done / (time.perf_counter() - began)
            print(f"{entry.name}: {speed:.1f} clips/s, {_gigabytes(folder):.3f} GB", flush=True)
    print(f"{done} clips made, {clips} in all, {_gigabytes(folder):.3f} GB in {folder}", flush=True)


def _check_maker(maker: str, seed: int, clips: int = 3) -> None:
    """Fail at once rather than after the first shard."""
    module, _, name = maker.partition(":")
    render: Render = getattr(import_module(module), name)
    made = [render(np.random.default_rng([seed, i])) for i in range(clips)]
    text.check_states(act.state for clip in made for act in clip.acts)


def _stay(_: int) -> None:
    """Keep the priority."""


def _gigabytes(folder: Path) -> float:
    return sum(entry.size for entry in store.entries(folder)) / 1e9


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, required=True, help="clips in all, from the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument("--nice", action="store_true", help="give way to other processes")
    parser.add_argument("--held-out", action="store_true", help="clips that no training sees")
    args = parser.parse_args(arguments)
    if args.seed == HELD_OUT_SEED:
        parser.error(f"--seed {HELD_OUT_SEED} is kept for --held-out")
    seed = HELD_OUT_SEED if args.held_out else args.seed
    folder = clips_folder(args.held_out)
    prepare(folder, args.clips, seed, args.workers, nice=args.nice)


if __name__ == "__main__":
    main()
