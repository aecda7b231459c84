"""Time from an anomalous segment to the web hook: `python -m benchmarks.live_alerts [--json FILE]`.

1 and 4 cameras of 640 x 480 at 25 fps from a real RTSP server, a watcher with the model of the
package and everything it does by default, and a real HTTP receiver, all on two cores. The delay is
from the end of the first anomalous segment of an alert, by the clock of the server, to the arrival
of its first request. Takes `--seconds` (230) for each row.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.live_sources import decoders, memory_mib, processor_s
from benchmarks.measure import model_threads, pin, publish
from benchmarks.rtsp_scenes import EVENTS, media, stream
from tests.support.http_receiver import Receiver, Request
from tests.support.rtsp_camera import RtspCamera

from hiprobe import backbones, embedded
from hiprobe.backbones import Backbone
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.delivery import Delivery
from hiprobe.live.destinations import Destination
from hiprobe.live.live_items import LiveSegment
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.sinks import Live

SECONDS = float(os.environ.get("HIPROBE_BENCH_S", 230))
COUNTS = (1, 4)
WAITS: dict[str, dict[str, Any]] = {
    "none": {"wait": "none"},
    "verified, without the explanation": {"wait": "verified", "explain_s": 0.0},
    "verified": {"wait": "verified"},
}
HEAD = ["cameras", "wait", "alerts told", "median s", "95 % s", "most s"]
HOW_HEAD = [
    "cameras",
    "alerts raised",
    "withdrawn",
    "segments",
    "dropped",
    "lag shown, median s",
    "too small by, median s",
    "too small by, most s",
    "MiB, watcher",
    "MiB, a decoder",
    "cores, watcher and decoders",
]


@dataclass
class Seen:
    """What was scored and told; a segment by its place in its video, its Unix time, and when."""

    segments: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    def observe(self, live: LiveSegment, _: float) -> None:
        found = self.segments.setdefault(live.camera, [])
        found.append((live.segment.start, live.wall, time.time()))

    def end_of_first(self, line: Any, zero: float, length: float) -> float:
        """Return when the first segment of an alert was over, by the server's clock."""
        start = datetime.fromisoformat(line["start"]).timestamp()
        places = self.segments[line["camera"]]
        place = min(places, key=lambda one: abs(one[1] - start))
        return zero + place[0] + length


def first_requests(requests: Sequence[Request]) -> dict[tuple[str, str], Request]:
    """Return the first request about each alert at each path."""
    found: dict[tuple[str, str], Request] = {}
    for one in requests:
        found.setdefault((one.path, one.json["data"]["id"]), one)
    return found


def measured(count: int, folder: Path, model: Backbone, probe: Probe) -> list[list[Any]]:
    """Watch `count` cameras; return the rows of both tables, those of the delay first."""
    clips = [EVENTS[place * 3 % 10 :] + EVENTS[: place * 3 % 10] for place in range(count)]
    names = [f"camera{place}" for place in range(count)]
    files = [stream(folder, some, SECONDS + 20) for some in clips]
    streams = {f"/{name}": media(one) for name, one in zip(names, files, strict=True)}
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(RtspCamera(streams))
        receiver = stack.enter_context(Receiver(state / "hook"))
        seen, sinks = Seen(), []
        for number, settings in enumerate(WAITS.values()):
            how = {"min_severity": "low" if settings["wait"] == "none" else "medium", **settings}
            sinks.append(Destination(f"s{number}", "webhook", f"{receiver.url}/{number}", how))
        cameras = tuple(Camera(one, server.url(f"/{one}"), cooldown_s=0.0) for one in names)
        watch = Watch(cameras, state=state / "watch")
        watch.state.mkdir()
        delivery = Delivery(sinks, Live(watch.state))

        def tell(alert: Alert) -> None:
            seen.types[alert.id] = alert.type
            delivery.put(alert)

        options = WatcherOptions(observe=seen.observe)
        with Watcher(watch, model, probe, options, Outlets(tell)) as watcher:
            watcher.start()
            used, began = processor_s(), time.monotonic()
            while time.monotonic() < began + SECONDS:
                time.sleep(1.0)
                seen.lags += [
                    one.lag_s for one in watcher.status().cameras if one.lag_s is not None
                ]
            zeros, report = server.times(), watcher.status()
            cores = (processor_s() - used) / (time.monotonic() - began)
            memory = [memory_mib("self", "VmRSS")]
            memory += [float(np.mean([memory_mib(one, "VmRSS") for one in decoders()]))]
            assert all(one.connections == 1 for one in report.cameras), report.cameras
            told = first_requests(receiver.received())
        delivery.close()
    length = probe.recipe.segment_s
    errors = [
        wall - (zeros[f"/{name}"] + start)
        for name, places in seen.segments.items()
        for start, wall, _ in places
    ]
    rows: list[list[Any]] = []
    firsts = {one.json["data"]["id"]: one for (path, _), one in told.items() if path.endswith("/0")}
    for number, name in enumerate(WAITS):
        delays = []
        for (path, alert), one in told.items():
            if path.endswith(f"/{number}") and alert in firsts:
                line = firsts[alert].json["data"]
                zero = zeros[f"/{line['camera']}"]
                delays.append(one.at - seen.end_of_first(line, zero, length))
        spread = (
            [float(np.quantile(delays, part)) for part in (0.5, 0.95, 1.0)] if delays else ["-"]
        )
        rows.append([count, name, len(delays), *spread])
    withdrawn = sum(one == "withdrawn" for one in seen.types.values())
    counts = [len(seen.types), withdrawn, sum(map(len, seen.segments.values()))]
    dropped = sum(one.dropped for one in report.cameras)
    lags = [float(np.median(seen.lags)), float(np.median(errors)), float(max(errors))]
    rows.append([count, *counts, dropped, *lags, *memory, cores])
    return rows


def main() -> None:
    """Measure and print."""
    pin()
    torch.set_num_threads(model_threads())
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    folder = Path(tempfile.gettempdir()) / "hiprobe-scenes"
    folder.mkdir(exist_ok=True)
    delays, hows = [], []
    for count in COUNTS:
        *some, how = measured(count, folder, model, probe)
        delays += some
        hows.append(how)
    publish("Delay of alerts", HEAD, delays)
    publish("The cameras", HOW_HEAD, hows)


if __name__ == "__main__":
    main()
