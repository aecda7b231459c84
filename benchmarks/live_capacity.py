"""How many cameras two cores take: `python -m benchmarks.live_capacity [--json FILE]`.

Cameras of 640 x 480 at 25 fps are added a few at a time, from a real RTSP server that sends files,
to one watcher with the model of the package. A step holds if no segment was dropped and every score
came within 2 s of the end of its segment, by the clock of the server. Once with every segment read,
and once with still scenes skipped. The server runs on the same two cores. Takes 5 minutes.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.live_sources import TICKS, decoders, memory_mib, processor_s
from benchmarks.measure import model_threads, pin, publish
from benchmarks.rtsp_scenes import ORDINARY, media, stream
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

FIRST, ADDED, MOST = (int(one) for one in os.environ.get("HIPROBE_BENCH_CAMERAS", "8 4 48").split())
SETTLE_S, COUNTED_S = 9.0, 10.0
LATE_S = 2.0
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
    "of it its own, a decoder MiB",
    "MiB, a decoder",
    "holds",
]


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
    """A watcher with ever more cameras."""

    def __init__(self, still: str, folder: Path, model: Backbone, probe: Probe) -> None:
        self.still, self.stack, self.sources = still, ExitStack(), list[LateSource]()
        self.scored: list[tuple[str, float, float]] = []
        clips = [ORDINARY[place:] + ORDINARY[:place] for place in range(len(ORDINARY))]
        files = [stream(folder, some, 420) for some in clips]
        self.names = [f"c{number}" for number in range(MOST)]
        streams = {f"/{one}": media(files[i % len(files)]) for i, one in enumerate(self.names)}
        self.server = self.stack.enter_context(RtspCamera(streams))
        cameras = tuple(
            Camera(one, self.server.url(f"/{one}"), still=still)  # type: ignore[arg-type]
            for one in self.names
        )
        state = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        options = WatcherOptions(observe=self._observe, open_source=self._open)
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

    def step(self, count: int) -> list[Any]:
        """Watch so many cameras; return the row of the table."""
        for one in self.sources[:count]:
            one.begin.set()
        time.sleep(SETTLE_S)
        before, place = self._counts(), len(self.scored)
        used, served, began = processor_s(), ticks_s(self.server.process), time.monotonic()
        time.sleep(COUNTED_S)
        passed = time.monotonic() - began
        used = (processor_s() - used) / passed
        served = (ticks_s(self.server.process) - served) / passed
        dropped, read, segments = (b - a for a, b in zip(before, self._counts(), strict=True))
        zeros, some = self.server.times(), self.scored[place:]
        late = max(at - (zeros[f"/{name}"] + end) for name, end, at in some)
        wanted = 0.9 * count * COUNTED_S / 1.6
        holds = dropped == 0 and late < LATE_S and segments >= wanted
        children = decoders()
        memory = [memory_mib("self", "VmRSS")]
        for field in ("RssAnon", "VmRSS"):
            memory.append(float(np.mean([memory_mib(one, field) for one in children])))
        share = f"{100 * read / max(segments, 1):.0f} %"
        row = [count, self.still, segments, share, dropped, late, used, served, *memory]
        return [*row, "yes" if holds else "no"]

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


def main() -> None:
    """Measure and print."""
    pin()
    torch.set_num_threads(model_threads())
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    folder = Path(tempfile.gettempdir()) / "hiprobe-scenes"
    folder.mkdir(exist_ok=True)
    rows: list[list[Any]] = []
    for still in ("read", "skip"):
        ramp = Ramp(still, folder, model, probe)
        with ramp.stack:
            for count in range(FIRST, MOST + 1, ADDED):
                rows.append(ramp.step(count))
                print(rows[-1], flush=True)
                if rows[-1][-1] == "no":
                    break
    publish("Cameras on two cores", HEAD, rows)


if __name__ == "__main__":
    main()
