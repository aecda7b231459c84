"""Render the data sets that the experiments run on. It knows no model and no method.

There are two families of scenes, each a folder with `labels.csv`. Half of the videos hold one
event, and one normal video in three holds a look-alike of one. `main.csv` uses seen scenes for
training and unseen ones for testing. The seeds are used nowhere else. Run:
`python -m experiments.rendered [FOLDER]`; it continues where it was interrupted.
"""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from training.drawn import events
from training.drawn.clips import make_video
from training.segments import SIZE
from training.ship import write_video

from hiprobe.store import write_atomic

FOLDER = Path("runs/results")
SEED = 71001
FPS, STRENGTH, QUALITY = 10, 0.5, 18
SPLITS = {  # (family of scenes, split): (videos, seconds each)
    ("seen", "train"): (400, 16.0),
    ("seen", "test"): (60, 16.0),
    ("seen", "long"): (20, 160.0),
    ("unseen", "train"): (60, 16.0),
    ("unseen", "test"): (120, 16.0),
    ("unseen", "long"): (20, 160.0),
}
Span = tuple[str, float, float]


@dataclass(frozen=True)
class Plan:
    """Plan one video: its seed, file, length in seconds, and its events and look-alikes."""

    seed: tuple[int, ...]
    path: Path
    family: str
    split: str
    seconds: float
    spans: tuple[Span, ...]

    @property
    def truth(self) -> list[Span]:
        """Return the anomalous spans, each with the 0.6 s in which the event still plays back."""
        found = [
            (kind, start, end + 0.6) for kind, start, end in self.spans if kind in events.ANOMALIES
        ]
        return [
            (kind, start, math.inf if end >= self.seconds else end) for kind, start, end in found
        ]


def plans(folder: Path) -> Iterator[Plan]:
    """Yield all videos in a fixed order; every second one has an event, a long one two."""
    for number, ((family, split), (count, seconds)) in enumerate(SPLITS.items()):
        for index in range(count):
            seed = (SEED, number, index)
            spans = _long(seed, index, seconds) if split == "long" else _short(seed, index, seconds)
            yield Plan(
                seed, folder / family / f"{split}_{index:03d}.mp4", family, split, seconds, spans
            )


def _short(seed: tuple[int, ...], index: int, seconds: float) -> tuple[Span, ...]:
    rng = np.random.default_rng([*seed, 0])
    if index % 2:
        kinds = list(events.ANOMALIES)
        return (
            _event(
                rng, kinds[index // 2 % len(kinds)], float(rng.uniform(1.0, seconds - 6.0)), seconds
            ),
        )
    alike = list(events.LOOK_ALIKES)
    return ((alike[index // 6 % len(alike)], 0.5, seconds),) if index % 6 == 0 else ()


def _long(seed: tuple[int, ...], index: int, seconds: float) -> tuple[Span, ...]:
    """Plan two events far apart in every second video; the others are normal throughout."""
    rng = np.random.default_rng([*seed, 0])
    kinds = [kind for kind in events.ANOMALIES if kind not in events.NEEDS_LANES]
    starts = (rng.uniform(60, 80), rng.uniform(110, 140))
    return (
        tuple(_event(rng, str(rng.choice(kinds)), float(s), seconds) for s in starts)
        if index % 2
        else ()
    )


def _event(rng: np.random.Generator, kind: str, start: float, seconds: float) -> Span:
    """Plan an event of 3 to 5 s, or to the end of the video if it leaves wrecked cars behind."""
    start = round(start, 1)
    return (
        kind,
        start,
        seconds + 1 if kind in events.NEEDS_LANES else round(start + rng.uniform(3.0, 5.0), 1),
    )


def frames_of(plan: Plan) -> np.ndarray:
    """Render the frames of a video, uint8 (n, SIZE, SIZE, 3), FPS of them for each second."""
    frames, _ = make_video(
        np.random.default_rng(plan.seed),
        plan.family,
        plan.spans,
        plan.seconds,
        fps=FPS,
        size=SIZE,
        strength=STRENGTH,
    )
    return frames


def render(plan: Plan) -> None:
    """Render and write one video unless it exists; the file appears only when it is complete."""
    if plan.path.exists():
        return
    unfinished = plan.path.with_name(f".{os.getpid()}-{plan.path.name}")
    write_video(frames_of(plan), unfinished, FPS, quality=QUALITY)
    os.replace(unfinished, plan.path)


def label(path: Path, every: list[Plan]) -> None:
    """Write the labels of some videos, in seconds, as the CSV of the `folder` data set."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "start", "end", "split"])
    for plan in every:
        spans = [
            (kind, f"{start:.1f}", "" if math.isinf(end) else f"{end:.1f}")
            for kind, start, end in plan.truth
        ]
        name = plan.path.relative_to(path.parent).as_posix()
        rows.writerows([name, *span, plan.split] for span in spans or [("normal", "", "")])
    write_atomic(path, text.getvalue().encode())


def make(folder: Path = FOLDER, jobs: int = 2) -> None:
    """Render the missing videos of both families in `jobs` processes, and label all of them."""
    every = list(plans(folder))
    missing = [plan for plan in every if not plan.path.exists()]
    if missing:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(render, missing, chunksize=4))
    for family in sorted({plan.family for plan in every}):
        label(folder / family / "labels.csv", [plan for plan in every if plan.family == family])
    label(
        folder / "main.csv",
        [plan for plan in every if (plan.family == "seen") == (plan.split == "train")],
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
