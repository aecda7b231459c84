"""Measure the processor time of reading a video whole, with `--every N` and with `--still`.

Run: `python -m benchmarks.fewer_windows VIDEO [--every N ...] [--rounds K]`. Each way is tried in
turn, several times, and the least counts: processor time of this process and of its decoders, which
other programs change less than the time on the wall. Nothing is checked, refined or explained.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import psutil

from hiprobe import backbones, embedded, pipeline
from hiprobe.backbones import Backbone
from hiprobe.pipeline import Reading, WindowsToRead
from hiprobe.probe import Probe


def processor_s() -> float:
    """Return the processor time of this process and of its decoders, those that have ended too."""
    own = psutil.Process()
    used = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in used) + sum(os.times()[2:4])


def measure(path: Path, model: Backbone, probe: Probe, how: WindowsToRead) -> tuple[float, int]:
    """Return the processor time of reading a video one way, and how many windows were read."""
    began = processor_s()
    found = pipeline.detect_events(path, Reading(model), probe, windows=how)
    assert found.scores is not None
    return processor_s() - began, found.scores.sources.count("read")


def main() -> None:
    """Print a line for each way to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--every", type=int, nargs="+", default=[2, 4, 6, 8])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    model, probe = backbones.load("embedded"), Probe.load(embedded.PROBE)
    ways = {"all": WindowsToRead(), "still": WindowsToRead(still=True)}
    ways |= {f"every {every}": WindowsToRead(every) for every in given.every}
    seen = {
        name: [measure(given.video, model, probe, how) for _ in range(given.rounds)]
        for name, how in ways.items()
    }
    whole = min(seconds for seconds, _ in seen["all"])
    for name, tries in seen.items():
        seconds = min(one for one, _ in tries)
        print(
            f"{name:10} {tries[0][1]:6} read  {seconds:7.2f} s  {whole / seconds:5.2f} times faster"
        )


if __name__ == "__main__":
    main()
