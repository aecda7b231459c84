"""How many cameras this machine can watch: the model and a decoder are measured for some seconds.

Knows no command line.
"""

from __future__ import annotations

import math
import os
import resource
import time
from dataclasses import dataclass

import numpy as np

from hiprobe.backbones import Backbone
from hiprobe.embedded import VIDEO
from hiprobe.live.cameras import Camera
from hiprobe.live.live_items import LiveSegment
from hiprobe.live.source import Source
from hiprobe.probe import Probe
from hiprobe.types import Segment

MODEL_S = 3.0  # seconds for which the model is measured, at each size of a batch
CAMERA_S = 10.0  # seconds of video for which a decoder is measured
SPARE = 0.8  # the share of the machine that segments may take; the rest is for alerts


@dataclass(frozen=True)
class ModelSpeed:
    """What a segment takes in a batch of this size: seconds, and seconds of processor time."""

    batch: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Plan:
    """What was measured, and what follows from it.

    `decoder_cpu_s` is the processor time for a second of video from `measured_on`, `cores` the
    processors that this process may use, `segment_s` the length of a segment in seconds.

    >>> plan = Plan((ModelSpeed(1, 0.05, 0.05),), 0.1, "yard", cores=2, segment_s=1.6)
    >>> plan.cameras
    12
    """

    speeds: tuple[ModelSpeed, ...]
    decoder_cpu_s: float
    measured_on: str
    cores: int
    segment_s: float

    @property
    def best(self) -> ModelSpeed:
        """The size of a batch at which a segment takes least."""
        return min(self.speeds, key=lambda one: one.wall_s)

    @property
    def cameras(self) -> int:
        """How many cameras can be watched without leaving out a segment."""
        model_s = self.best.wall_s / self.segment_s
        cpu_s = self.decoder_cpu_s + self.best.cpu_s / self.segment_s
        return math.floor(SPARE * min(1 / max(model_s, 1e-9), self.cores / max(cpu_s, 1e-9)))

    def lines(self) -> list[str]:
        """Say it in sentences."""
        speeds = ", ".join(f"{1 / one.wall_s:.3g} at a batch of {one.batch}" for one in self.speeds)
        return [
            f"the model reads {speeds} segments per second; a segment is {self.segment_s:g} s",
            f"decoding {self.measured_on} takes {self.decoder_cpu_s:.3g} s of processor time per "
            f"second of video; there are {self.cores} processors",
            f"this machine can watch {self.cameras} such cameras",
        ]


def plan_cameras(model: Backbone, probe: Probe, camera: Camera | None = None) -> Plan:
    """Measure the model, and the decoder on a camera or by default on a small video.

    Nothing else should run on the machine meanwhile. Raises the errors of the model.
    """
    decoder_cpu_s = _decoder_cpu_s(camera or Camera("demo", str(VIDEO), speed=50.0), probe)
    sizes = sorted({1, min(4, model.batch), model.batch})
    speeds = tuple(_speed(model, probe, size) for size in sizes)
    name = "a small video (240 x 240, 10 frames per second)" if camera is None else camera.name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Plan(speeds, decoder_cpu_s, name, cores or 1, probe.recipe.segment_s)


def _speed(model: Backbone, probe: Probe, size: int) -> ModelSpeed:
    """Measure the model on noise of the size that the probe reads."""
    recipe, rng = probe.recipe, np.random.default_rng(0)
    shape = (recipe.frames, *(recipe.size or (448, 448)), 3)
    times = (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    segments = [
        Segment(rng.integers(0, 256, shape, np.uint8), times, 0.0, recipe.segment_s, place)
        for place in range(size)
    ]
    model.read(segments, probe.sites, recipe)  # the first pass takes longer
    began, cpu, passes = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < MODEL_S:
        model.read(segments, probe.sites, recipe)
        passes += 1
    count = passes * size
    return ModelSpeed(
        size, (time.perf_counter() - began) / count, (time.process_time() - cpu) / count
    )


def _decoder_cpu_s(camera: Camera, probe: Probe) -> float:
    """Return the processor time of a decoder's process for a second of video."""
    before, seconds = _children_cpu_s(), 0.0
    source = Source(camera, probe.recipe, waiting=1000)
    try:
        for item in source:
            if isinstance(item, LiveSegment):
                seconds += item.segment.end - item.segment.start
            if seconds >= CAMERA_S:
                break
    finally:
        source.close()  # only the time of a process that has ended is known
    return (_children_cpu_s() - before) / max(seconds, 1e-9)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
