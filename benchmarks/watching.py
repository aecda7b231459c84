"""Time a watcher: segments a second, and seconds to an alert: `python -m benchmarks.watching`.

`[--json FILE] [--probe FILE] [VIDEO]`; by default the shipped demonstration video. First files are
played as fast as the model takes their segments, with 1 and 4 cameras; then in real time, where the
delay is from the end of the first segment of an alert to its first message, on the clock. Memory is
that of this process and of all decoders.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from benchmarks.measure import model_threads, pin

from hiprobe import backbones, embedded
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.live_items import Footage
from hiprobe.live.source import Source
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import LiveSource, Outlets, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.types import Recipe

COUNTS = (1, 4)
FAST, PATIENT = 1000.0, 10_000  # times real time, and segments that wait then


@dataclass
class Told:
    """The delay of each alert, in seconds."""

    segment_s: float
    delays: list[float] = field(default_factory=list)

    def tell(self, alert: Alert) -> None:
        if alert.type == "new":
            self.delays.append(time.time() - (alert.start + self.segment_s))


def patient(camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None) -> LiveSource:
    """Open a file of which no segment is dropped."""
    return Source(camera, recipe, record=record, waiting=PATIENT)


def measured(count: int, path: str, model: Any, probe: Probe, *, speed: float) -> dict[str, Any]:
    """Watch one file as `count` cameras; return what it took."""
    cameras = tuple(
        Camera(f"camera{place}", path, speed=speed, cooldown_s=0.0) for place in range(count)
    )
    told = Told(probe.recipe.segment_s)
    options = WatcherOptions(looks=LookOptions(explain=False, where=False))
    if speed == FAST:
        options = replace(options, record=False, open_source=patient)
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(cameras, state=Path(folder))
        with Watcher(watch, model, probe, options, Outlets(tell=told.tell)) as watcher:
            began = time.perf_counter()
            watcher.start()
            watcher.wait()
            seconds, report = time.perf_counter() - began, watcher.status()
    segments = sum(one.segments for one in report.cameras)
    found: dict[str, Any] = {
        "cameras": count,
        "segments_per_s": segments / seconds,
        "dropped": sum(one.dropped for one in report.cameras),
        "model_share": report.model_s / seconds,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "frames_mb": sum(one.frames_bytes for one in report.cameras) / 2**20,
    }
    if speed != FAST and len(told.delays) > 1:
        found["delay_median_s"] = median(told.delays)
        found["delay_95_s"] = quantiles(told.delays, n=20)[-1]
    return found


def main() -> None:
    """Print a table for each way, and write the figures as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", nargs="?", default=str(embedded.VIDEO))
    parser.add_argument("--probe", default=str(embedded.PROBE))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fast-only", action="store_true")
    given = parser.parse_args()
    pin()
    torch.set_num_threads(model_threads())
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(given.probe)
    figures: dict[str, list[dict[str, Any]]] = {}
    for name, speed in (("as fast as possible", FAST), ("in real time", 1.0)):
        if speed == 1.0 and given.fast_only:
            continue
        figures[name] = [
            measured(count, given.video, model, probe, speed=speed) for count in COUNTS
        ]
        columns = list(figures[name][-1])
        print(f"\n| {name}: " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
        for row in figures[name]:
            print("| " + " | ".join(f"{row.get(one, float('nan')):.3g}" for one in columns) + " |")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
