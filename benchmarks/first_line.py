"""Compare what `detect` says before it begins with what reading the videos then takes.

    python -m benchmarks.first_line [--processor] [--json FILE]

The embedded model and the shipped probe read the shipped clips, and the demo's video. The machine
must be at rest, or with `--processor` both are taken in processor time, on one core, the decoders
included.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks import tables
from hiprobe import backbones, embedded, estimate, pipeline
from hiprobe.estimate import cache
from hiprobe.estimate.speeds import speeds_key
from hiprobe.probe import Probe
from hiprobe.types import Video

DEVICE, DTYPE = "cpu", "float32"


def spent_s() -> float:
    """Return the processor time of this process and of the decoders that it started."""
    own = psutil.Process()
    used = [one.cpu_times() for one in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in used)


def compared(name: str, files: list[Path], model: Any, processor: bool) -> dict[str, Any]:
    """Say how long `files` will take, then read them."""
    probe = Probe.load(embedded.PROBE)
    videos = [Video(str(file), name=file.name) for file in files]
    clock, taken = (time.process_time, spent_s) if processor else (time.perf_counter,) * 2
    speeds = estimate.measured_speeds(DEVICE, DTYPE, again=True, clock=clock)
    cache.save_points({speeds_key(DEVICE, DTYPE): dict(speeds.points)})
    said = estimate.forecast(model, probe.sites, probe.recipe, videos, None)
    assert said is not None
    began, segments = taken(), 0
    for video in videos:
        segments += len(pipeline.states(video.path, model, probe.sites).starts)
    read_s = taken() - began
    return {
        "videos": name,
        "segments": segments,
        "said s per segment": round(said.segment_s, 4),
        "said s": round(said.total_s, 2),
        "read s": round(read_s, 2),
        "said / read": round(said.total_s / read_s, 2),
        "disturbed": speeds.busy,
    }


def main() -> None:
    """Measure and print."""
    arguments = tables.parser(__doc__)
    arguments.add_argument("--processor", action="store_true", help="processor time, one core")
    given = arguments.parse_args()
    if given.processor:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        torch.set_num_threads(1)
    model = backbones.load("embedded", device=DEVICE)
    clips = sorted(embedded.CLIPS.glob("*.mp4"))
    parts = {"the demo's video": [embedded.VIDEO], f"{len(clips)} shipped clips": clips}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HIPROBE_CACHE"] = folder
        rows = [compared(name, files, model, given.processor) for name, files in parts.items()]
    tables.finish("first_line", {"what is said before, and what it took": rows}, given.json)


if __name__ == "__main__":
    main()
