"""How many cameras two cores take: `python -m benchmarks.live_capacity [--json FILE]`.

Cameras of 640 x 480 at 25 fps, from a real RTSP server that sends files in which something moves a
quarter of the time, are added eight at a time to one watcher with the model of the package and all
it does by default. A step holds if no segment was dropped and every score came within 2 s of the
end of its segment, by the clock of the server. One that does not is counted once more; then cameras
are taken away, two at a time, until it holds. Once with every segment read, and once with still
scenes skipped, each in a process of its own. The server runs on the same two cores. Takes 6
minutes. HIPROBE_BENCH_CAMERAS="16 8 72" sets the first step, what is added, and the most.

PSS counts what processes share by their number, USS only what is a process's own.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.live_sources import decoders, memory_mib, processor_s
from benchmarks.measure import TICKS, model_threads, pin, publish
from benchmarks.rtsp_scenes import ORDINARY, media, mostly_still, stream
from tests.support.rtsp_camera import RtspCamera

from hiprobe import backbones, embedded
from hiprobe.backbones import Backbone
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.live_items import Footage, LiveSegment, SourceCounts, Status
from hiprobe.live.source import Source
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import WAITING, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.types import Recipe

FIRST, ADDED, MOST = (
    int(one) for one in os.environ.get("HIPROBE_BENCH_CAMERAS", "16 8 72").split()
)
FEWER, STREAM_S = 2, 420.0
SETTLE_S, COUNTED_S = 6.0, 10.0
LATE_S = 2.0
STILL_PARTS = 3
HEAD = [
    "cameras",
    "still scenes",
    "segments",
    "of them read",
    "dropped",
    "latest score s",
    "cores, watcher and decoders",
    "cores, RTSP server",
    "MiB, watcher",
    "grown a camera",
    "MiB, PSS of a decoder",
    "USS",
    "holds",
]


def clips_of(place: int) -> list[str]:
    """Return the clips of a stream; of streams side by side a quarter moves at any time."""
    turned = ORDINARY[place:] + ORDINARY[:place]
    some = [one for clip in turned for one in mostly_still(clip, STILL_PARTS)]
    begin = place % (1 + STILL_PARTS)
    return some[begin:] + some[:begin]


class LateSource:
    """A source that begins once it is told to."""

    def __init__(
        self, camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None
    ) -> None:
        self._how = (camera, recipe, record)
        self._source: Source | None = None
        self.begin, self._closed = threading.Event(), False

    @property
    def counts(self) -> SourceCounts:
        """Return those of the source, none before it begins."""
        return SourceCounts() if self._source is None else self._source.counts

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        self.begin.wait()
        if not self._closed:
            camera, recipe, record = self._how
            self._source = Source(camera, recipe, record=record, waiting=WAITING)
            yield from self._source

    def close(self) -> None:
        """End it, also if it has not begun."""
        self._closed = True
        self.begin.set()
        if self._source is not None:
            self._source.close()


class Ramp:
    """A watcher with ever more cameras, and then with fewer."""

    def __init__(self, still: str, folder: Path, model: Backbone, probe: Probe) -> None:
        self.still, self.stack, self.sources = still, ExitStack(), list[LateSource]()
        self.scored: list[tuple[str, float, float]] = []
        self.segment_s = probe.recipe.segment_s
        self.first: tuple[int, float] | None = None  # cameras of the first step, and its MiB
        files = [stream(folder, clips_of(place), STREAM_S) for place in range(len(ORDINARY))]
        self.names = [f"c{number}" for number in range(MOST)]
        streams = {f"/{one}": media(files[i % len(files)]) for i, one in enumerate(self.names)}
        self.server = self.stack.enter_context(RtspCamera(streams))
        cameras = tuple(
            Camera(one, self.server.url(f"/{one}"), still=still)  # type: ignore[arg-type]
            for one in self.names
        )
        state = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        options = WatcherOptions(observe=self._observe, open_source=self._open)  # type: ignore[arg-type]
        watch = Watch(cameras, state=state)
        self.watcher = self.stack.enter_context(Watcher(watch, model, probe, options))
        self.watcher.start()

    def _observe(self, live: LiveSegment, _: float) -> None:
        self.scored.append((live.camera, live.segment.end, time.time()))

    def _open(
        self, camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None
    ) -> LateSource:
        self.sources.append(LateSource(camera, recipe, record))
        return self.sources[-1]

    def rows(self) -> list[list[Any]]:
        """Add cameras until a step does not hold, then take some away; return a row for each."""
        found: list[list[Any]] = []

        def holds(count: int) -> bool:
            found.append(self.step(count))
            print(found[-1], flush=True)
            return bool(found[-1][-1] == "yes")

        count = FIRST
        while count <= MOST and (holds(count) or holds(count)):
            count += ADDED
        while count <= MOST and count > FEWER:
            count -= FEWER
            if holds(count):
                break
        return found

    def step(self, count: int) -> list[Any]:
        """Watch so many cameras; return the row of the table."""
        for one in self.sources[:count]:
            one.begin.set()
        for one in self.sources[count:]:
            if one.begin.is_set():
                one.close()
        time.sleep(SETTLE_S)
        before, place = self._counts(), len(self.scored)
        used, served, began = processor_s(), ticks_s(self.server.process), time.monotonic()
        time.sleep(COUNTED_S)
        passed = time.monotonic() - began
        used = (processor_s() - used) / passed
        served = (ticks_s(self.server.process) - served) / passed
        dropped, read, segments = (b - a for a, b in zip(before, self._counts(), strict=True))
        late = self._latest(place, set(self.names[:count]))
        wanted = 0.9 * count * COUNTED_S / self.segment_s
        holds = dropped == 0 and late < LATE_S and segments >= wanted
        share = f"{100 * read / max(segments, 1):.0f} %"
        row = [count, self.still, segments, share, dropped, late, used, served]
        return [*row, *self._memory(count), "yes" if holds else "no"]

    def _latest(self, place: int, watched: set[str]) -> float:
        """Return how long after the end of its segment the latest score came, from a place on.

        Scores of cameras that are no longer watched do not count.
        """
        zeros, some = self.server.times(), self.scored[place:]
        late = (at - (zeros[f"/{name}"] + end) for name, end, at in some if name in watched)
        return max(late, default=math.inf)

    def _memory(self, count: int) -> list[Any]:
        """Return the MiB of the watcher, by how much it grew a camera, and those of a decoder."""
        own, every = memory_mib("self", "VmRSS"), decoders()
        self.first = self.first or (count, own)
        more = count - self.first[0]
        pss = float(np.mean([rollup_mib(one, "Pss") for one in every]))
        uss = float(np.mean([rollup_mib(one, "Private_Clean", "Private_Dirty") for one in every]))
        return [own, (own - self.first[1]) / more if more > 0 else "-", pss, uss]

    def _counts(self) -> tuple[int, int, int]:
        """Return how many segments were dropped, read by the model, and scored."""
        some = self.watcher.status().cameras
        scored = sum(one.segments for one in some)
        spared = sum(one.carried + one.repeated for one in some)
        return sum(one.dropped for one in some), scored - spared, scored


def ticks_s(process: int) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rollup_mib(process: int, *fields: str) -> float:
    """Return the sum of fields of the memory that the kernel counts for a process, in MiB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(one.split()[1]) for one in lines if one.split(":")[0] in fields) / 1024


def ramped(still: str) -> list[list[Any]]:
    """Return the rows of one way to read scenes."""
    torch.set_num_threads(model_threads())
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    folder = Path(tempfile.gettempdir()) / "hiprobe-scenes"
    folder.mkdir(exist_ok=True)
    ramp = Ramp(still, folder, model, probe)
    with ramp.stack:
        return ramp.rows()


def main() -> None:
    """Measure and print."""
    pin()
    rows: list[list[Any]] = []
    for still in ("read", "skip"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            rows += alone.submit(ramped, still).result()
    notes = [
        f"Each step was counted once, for {COUNTED_S:.0f} s after {SETTLE_S:.0f} s to settle. The "
        "watcher has the model in it; it grew since the first step."
    ]
    publish("Cameras on two cores", HEAD, rows, notes)


if __name__ == "__main__":
    main()
