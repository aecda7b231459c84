"""How many cameras this machine can watch: the model and a decoder are measured for some seconds.

A model that would take minutes is not measured but estimated (`hiprobe.estimate`). Knows no command
line.
"""

from __future__ import annotations

import math
import resource
from dataclasses import dataclass

from hiprobe.backbones import Backbone
from hiprobe.embedded import VIDEO
from hiprobe.estimate import ModelSpeed, cores, expected_segment_s, measure_model
from hiprobe.live.cameras import Camera
from hiprobe.live.live_items import LiveSegment
from hiprobe.live.source import Source
from hiprobe.probe import Probe

PASS_S = 15.0  # a longer pass of the model is estimated, not measured
CAMERA_S = 10.0  # seconds of video for which a decoder is measured
SPARE = 0.8  # the share of the machine that segments may take; the rest is for alerts


@dataclass(frozen=True)
class Plan:
    """What was measured, and what follows from it.

    `decoder_cpu_s` is the processor time for a second of video from `measured_on`, `cores` the
    processors that this process may use, `segment_s` the length of a segment in seconds. If the
    model was not `measured`, its speed is an estimate.

    >>> plan = Plan((ModelSpeed(1, 0.05, 0.05),), 0.1, "yard", cores=2, segment_s=1.6)
    >>> plan.cameras
    12
    """

    speeds: tuple[ModelSpeed, ...]
    decoder_cpu_s: float
    measured_on: str
    cores: int
    segment_s: float
    measured: bool = True

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
        how = (
            "reads" if self.measured else "was not measured, as that takes minutes; it reads about"
        )
        return [
            f"the model {how} {speeds} segments per second; a segment is {self.segment_s:g} s",
            f"decoding {self.measured_on} takes {self.decoder_cpu_s:.3g} s of processor time per "
            f"second of video; there are {self.cores} processors",
            f"this machine can watch {self.cameras} such cameras",
        ]


def plan_cameras(model: Backbone, probe: Probe, camera: Camera | None = None) -> Plan:
    """Measure the model, and the decoder on a camera or by default on a small video.

    Nothing else should run on the machine meanwhile. Raises the errors of the model.
    """
    decoder_cpu_s = _decoder_cpu_s(camera or Camera("demo", str(VIDEO), speed=50.0), probe)
    speeds, measured = _speeds(model, probe)
    name = "a small video (240 x 240, 10 frames per second)" if camera is None else camera.name
    return Plan(speeds, decoder_cpu_s, name, cores(), probe.recipe.segment_s, measured)


def _speeds(model: Backbone, probe: Probe) -> tuple[tuple[ModelSpeed, ...], bool]:
    """Return what a segment takes at several sizes of a batch, and whether that was measured.

    Sizes of which one pass is estimated to take longer than `PASS_S` are left out; if that is so of
    a single segment, the estimate itself is what is returned.
    """
    sizes = sorted({1, min(4, model.batch), model.batch})
    expected_s = expected_segment_s(model, probe.sites, probe.recipe)
    short = [size for size in sizes if size * (expected_s or 0.0) <= PASS_S]
    if not short and expected_s is not None:
        threads = cores() if model.provenance.get("device") == "cpu" else 1
        return (ModelSpeed(1, expected_s, expected_s * threads),), False
    return tuple(measure_model(model, probe.sites, probe.recipe, size) for size in short), True


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
