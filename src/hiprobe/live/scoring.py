"""The segments of several cameras through one model and one probe. Knows no alert and no thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np

from hiprobe.backbones import Backbone
from hiprobe.errors import HiProbeError, ProbeError
from hiprobe.pipeline.reading import source_of
from hiprobe.probe import Probe
from hiprobe.types import FloatArray, HiddenStates, Segment, Site
from hiprobe.video.still import is_still

# A repeated segment has the pixels of the one before it, a carried one hardly differs from one that
# was read.
HowRead = Literal["read", "repeated", "carried"]


class ToRead(NamedTuple):
    """A segment of a camera that is to be scored; `gate`: it is not read if the scene is still."""

    camera: str
    segment: Segment
    gate: bool = False


class Read(NamedTuple):
    """The states (sites, width) of a segment, and where they come from."""

    values: FloatArray
    source: HowRead


@dataclass
class ReadCounts:
    """Segments by where their states come from, passes of the model, and how long they took."""

    read: int = 0
    repeated: int = 0
    carried: int = 0
    passes: int = 0
    model_s: float = 0.0


@dataclass
class _Last:
    """The last segment of a camera, the last one that was read, and its states at some sites."""

    segment: Segment
    read: Segment
    values: FloatArray
    sites: tuple[Site, ...]


@dataclass
class Reader:
    """Reads segments at the sites of a probe, those of all cameras in one batch.

    A segment with the pixels of the one before it gets the same states, as in `detect`, if these
    were read at the same sites.
    """

    model: Backbone
    counts: ReadCounts = field(default_factory=ReadCounts)
    _last: dict[str, _Last] = field(default_factory=dict)

    def read(self, waiting: Sequence[ToRead], probe: Probe) -> list[Read]:
        """Return the states of segments, in their order. Raises the errors of the model."""
        plans = self._plans(waiting, probe.sites)
        fresh = [
            one.segment for one, source in zip(waiting, plans, strict=True) if source == "read"
        ]
        began = perf_counter()
        values = self.model.read(fresh, probe.sites, probe.recipe) if fresh else ()
        self.counts.model_s += perf_counter() - began
        self.counts.passes += bool(fresh)
        coming, found = iter(values), []
        for one, source in zip(waiting, plans, strict=True):
            last = self._last.get(one.camera)
            if source == "read":
                last = _Last(one.segment, one.segment, next(coming), probe.sites)
            assert last is not None, "the first segment of a camera is read"
            last.segment = one.segment
            self._last[one.camera] = last
            setattr(self.counts, source, getattr(self.counts, source) + 1)
            found.append(Read(last.values, source))
        return found

    def read_all(
        self, waiting: Sequence[ToRead], probe: Probe, report: Callable[[str], object]
    ) -> list[Read | None]:
        """Do what `read` does; one that cannot be read gives None, and `report` gets a line."""
        try:
            return list(self.read(waiting, probe))
        except HiProbeError as error:
            if len(waiting) > 1:  # one of them may be to blame
                return [read for one in waiting for read in self.read_all([one], probe, report)]
            report(f"camera {waiting[0].camera}: a segment could not be read: {error}")
            self.forget(waiting[0].camera)
            return [None]

    def forget(self, camera: str | None = None) -> None:
        """Read the next segment of a camera, or of all, whatever it shows."""
        if camera is None:
            self._last.clear()
        else:
            self._last.pop(camera, None)

    def _plans(self, waiting: Sequence[ToRead], sites: tuple[Site, ...]) -> list[HowRead]:
        """Return where the states of each segment are to come from."""
        before: dict[str, tuple[Segment, Segment | None]] = {
            name: (last.segment, last.read)
            for name, last in self._last.items()
            if last.sites == sites
        }
        found: list[HowRead] = []
        for one in waiting:
            last, read = before.get(one.camera, (None, None))
            source: HowRead = source_of(one.segment, last, self.model)
            if source == "read" and one.gate and read is not None:
                source = "carried" if is_still(read.frames, one.segment.frames) else "read"
            before[one.camera] = (one.segment, one.segment if source == "read" else read)
            found.append(source)
        return found


def score_read(
    probe: Probe, read: Read, camera: str, report: Callable[[str], object]
) -> float | None:
    """Return the raw score of a segment; None if it is not finite, and `report` gets a line."""
    try:
        return score_values(probe, [read.values])[0]
    except ProbeError as error:
        report(f"camera {camera}: a segment could not be scored: {error}")
        return None


def score_values(probe: Probe, values: Sequence[FloatArray]) -> list[float]:
    """Return the raw scores of states (sites, width) at the sites of the probe."""
    if not values:
        return []
    edges = np.arange(len(values) + 1, dtype=np.float64)
    states = HiddenStates(
        "", probe.recipe, probe.sites, edges[:-1], edges[1:], np.stack(values), float(edges[-1])
    )
    return [float(one) for one in probe.score(states)]
