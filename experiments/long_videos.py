"""Render the long videos that alarms are measured on. It knows no model and no method.

Every video lasts 160 s. The folder gets `labels.csv` with three splits:

- `choose`: 90 videos of seen scenes, two events in every second one. Settings are chosen on them.
- `events`: 240 videos of unseen scenes with 240 events, for the figures that are published.
- `normal`: 12 cameras in unseen places, 46 videos each and no event. The column `group` names the
  camera: its videos show the same place through the same lens.

One video without events in three shows a look-alike of one. The seeds are used nowhere else. Run:
`python -m experiments.long_videos [FOLDER]`; it continues where it was interrupted.
"""

from __future__ import annotations

import csv
import io
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

FOLDER = Path("runs/alarms")
SEED = 81001
FPS, STRENGTH, QUALITY, SECONDS = 10, 0.5, 18, 160.0
PLAYBACK_S = 0.6  # in which an event is played backwards; it belongs to the event
WITH_EVENTS = {"choose": ("seen", 90), "events": ("unseen", 240)}
CAMERAS, VIDEOS_A_CAMERA = 12, 46
Span = tuple[str, float, float]


@dataclass(frozen=True)
class Plan:
    """Plan one video: its seed and that of its camera, its file, scenes, events, look-alikes."""

    seed: tuple[int, ...]
    path: Path
    family: str
    split: str
    spans: tuple[Span, ...]
    camera: tuple[int, ...]

    @property
    def truth(self) -> list[Span]:
        """Return the anomalous spans."""
        return [
            (kind, start, min(SECONDS, end + PLAYBACK_S))
            for kind, start, end in self.spans
            if kind in events.ANOMALIES
        ]


def plans(folder: Path) -> Iterator[Plan]:
    """Yield all videos in a fixed order."""
    for number, (split, (family, count)) in enumerate(WITH_EVENTS.items()):
        for index in range(count):
            seed = (SEED, number, index)
            rng = np.random.default_rng([*seed, 0])
            spans = _two_events(rng) if index % 2 else _look_alike(rng, index // 2)
            path = folder / split / f"{index:03d}.mp4"
            yield Plan(seed, path, family, split, spans, (*seed, 1))
    for camera in range(CAMERAS):
        for index in range(VIDEOS_A_CAMERA):
            seed = (SEED, 100 + camera, index)
            spans = _look_alike(np.random.default_rng([*seed, 0]), index, lanes=False)
            path = folder / "normal" / f"camera{camera:02d}" / f"{index:03d}.mp4"
            yield Plan(seed, path, "unseen", "normal", spans, (SEED, 99, camera))


def _two_events(rng: np.random.Generator) -> tuple[Span, ...]:
    """Plan two events of 3 to 5 s, at least 12 s apart."""
    kinds = [kind for kind in events.ANOMALIES if kind not in events.NEEDS_LANES]
    starts = (rng.uniform(8, 68), rng.uniform(88, 150))
    return tuple(
        (str(rng.choice(kinds)), round(float(start), 1), round(float(start + length), 1))
        for start, length in zip(starts, rng.uniform(3.0, 5.0, 2), strict=True)
    )


def _look_alike(rng: np.random.Generator, index: int, *, lanes: bool = True) -> tuple[Span, ...]:
    """Plan a look-alike from some time to the end, in one video of three; `lanes` allows cars."""
    kinds = [kind for kind in events.LOOK_ALIKES if lanes or kind not in events.NEEDS_LANES]
    start = round(float(rng.uniform(20, 120)), 1)
    return ((kinds[index // 3 % len(kinds)], start, SECONDS),) if index % 3 == 0 else ()


def render(plan: Plan) -> None:
    """Render and write one video unless it exists; the file appears only when it is complete."""
    if plan.path.exists():
        return
    frames, _ = make_video(
        np.random.default_rng(plan.seed),
        plan.family,
        plan.spans,
        SECONDS,
        fps=FPS,
        size=SIZE,
        strength=STRENGTH,
        camera=plan.camera,
    )
    unfinished = plan.path.with_name(f".{os.getpid()}-{plan.path.name}")
    write_video(frames, unfinished, FPS, quality=QUALITY, preset="veryfast")
    os.replace(unfinished, plan.path)


def label(folder: Path, every: list[Plan]) -> None:
    """Write the labels in seconds, as the CSV of the `folder` data set."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "start", "end", "split", "group"])
    for plan in every:
        name = plan.path.relative_to(folder).as_posix()
        group = plan.path.parent.name if plan.split == "normal" else name
        spans = [(kind, f"{start:.1f}", f"{end:.1f}") for kind, start, end in plan.truth]
        rows.writerows([name, *span, plan.split, group] for span in spans or [("normal", "", "")])
    write_atomic(folder / "labels.csv", text.getvalue().encode())


def make(folder: Path = FOLDER, jobs: int = 2) -> None:
    """Render the missing videos in `jobs` processes, and label all of them."""
    every = list(plans(folder))
    missing = [plan for plan in every if not plan.path.exists()]
    if missing:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(render, missing, chunksize=4))
    label(folder, every)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
