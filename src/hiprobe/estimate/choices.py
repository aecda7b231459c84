"""Which of the listed models a machine can run: memory and time at the depth that is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.backbones import CatalogueEntry, SegmentWork
from hiprobe.estimate.prediction import predict_s
from hiprobe.estimate.speeds import Speeds
from hiprobe.types import SEGMENT_S

# Block 20 of 28: HiProbe-VAD's peak is near layer 20 (second-hand), of how many blocks is not
# known. Other depths are scaled to it.
DEPTH = 20 / 28
ROOM = 0.85  # the share of the memory that weights may take
GB = 1e9
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
MOST = 3


@dataclass(frozen=True)
class Machine:
    """A machine: its name, memory for weights in bytes, and speeds.

    `error` says why its speeds could not be measured; they then have no points.
    """

    name: str
    memory: float
    speeds: Speeds
    error: str = ""

    @classmethod
    def assumed(cls, name: str, memory_gb: float, device: str, speed: float) -> Machine:
        """Return a machine with one speed, in operations per second."""
        dtype = "float32" if device == "cpu" else "bfloat16"
        return cls(name, memory_gb * GB, Speeds(device, dtype, ((1, speed),)))

    def holds(self, work: SegmentWork) -> bool:
        """Tell whether the weights that are read fit into the memory."""
        return memory_gb(work, self.speeds.dtype) * GB <= ROOM * self.memory

    def segment_s(self, work: SegmentWork) -> float | None:
        """Return the seconds of a segment, read up to the usual depth; None without speeds."""
        return None if self.error else predict_s(work, depth_read(work), self.speeds)

    def keeps_up(self, work: SegmentWork, within_s: float) -> bool:
        """Tell whether the weights fit into the memory and a segment is read in `within_s`."""
        seconds = self.segment_s(work)
        return seconds is not None and seconds <= within_s and self.holds(work)


MACHINES = (  # what they are taken to do; not measured
    Machine.assumed("a laptop (16 GB, 0.3e12 operations/s)", 16, "cpu", 0.3e12),
    Machine.assumed("one GPU of 24 GB (60e12 operations/s)", 24, "cuda", 60e12),
    Machine.assumed("a server GPU of 80 GB (300e12 operations/s)", 80, "cuda", 300e12),
)


def depth_read(work: SegmentWork) -> int:
    """Return how many blocks are read: 20 of 28, or the same share of another depth.

    >>> depth_read(SegmentWork(36, 1.0, 64, 1, 1.0, 64, 1, 1, 1))
    26
    """
    return max(1, round(DEPTH * work.layers))


def memory_gb(work: SegmentWork, dtype: str) -> float:
    """Return the GB of 1e9 bytes of the weights that are held to read the usual depth."""
    return BYTES[dtype] * work.parameters(depth_read(work)) / GB


def first_choices(
    entries: Sequence[CatalogueEntry], machine: Machine, within_s: float = SEGMENT_S
) -> list[CatalogueEntry]:
    """Return the largest models that fit into the memory and read a segment `within_s` seconds.

    At most three, one of each family, the largest first. By default they keep up with a camera.
    """
    able = [one for one in entries if one.work and machine.keeps_up(one.work, within_s)]
    largest: dict[str, CatalogueEntry] = {}
    for one in sorted(able, key=lambda one: -one.parameters):
        if not one.note or one.model == "embedded" or "licence" not in one.note:
            largest.setdefault(one.family, one)
    return list(largest.values())[:MOST]
