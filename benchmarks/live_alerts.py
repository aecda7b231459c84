"""Time from an anomalous segment to a web hook: `python -m benchmarks.live_alerts [--json FILE]`.

1 and 4 cameras of 640 x 480 at 25 fps from a real RTSP server, a watcher with the model of the
package and everything it does by default, and a real HTTP receiver, all on two cores. The delay is
from the end of the first segment of an alert, as it is when it is raised, by the clock of the
server, to the arrival of its first request. An event begins every 9.6 s. Takes 7 minutes: 260 s
with one camera (HIPROBE_BENCH_S), 117 s with four.
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
from hiprobe.live.status import WatcherReport
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.sinks import Live

# How long so many cameras are watched; each raises an alert in about ten seconds.
SECONDS = {1: float(os.environ.get("HIPROBE_BENCH_S", 260))}
SECONDS[4] = 0.45 * SECONDS[1]
REST_S = 13.0  # for what is raised last to be checked and explained
WAITS: dict[str, dict[str, Any]] = {
    "none": {"wait": "none"},
    "verified, without the explanation": {"wait": "verified", "explain_s": 0.0},
    "verified": {"wait": "verified"},
}
NUMBERED = tuple(enumerate(WAITS))
Firsts = dict[tuple[str, str], Request]  # by path and id
HEAD = ["cameras", "wait", "alerts told", "median s", "95 % s", "most s"]
HOW_HEAD = [
    "cameras",
    "alerts raised",
    "withdrawn",
    "segments",
    "dropped",
    "lag shown, median s",
    "its clock is late by, median s",
    "its clock is late by, most s",
    "MiB, watcher",
    "MiB, a decoder",
    "cores, watcher and decoders",
]


@dataclass
class Seen:
    """What was scored and told; a segment by its second in its stream, and its Unix time.

    `zeros` are the Unix times of second 0 of each path of the server.
    """

    segment_s: float
    segments: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    zeros: dict[str, float] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)

    def observe(self, live: LiveSegment, _: float) -> None:
        found = self.segments.setdefault(live.camera, [])
        found.append((live.segment.start, live.wall))

    def end_of_first(self, line: Any) -> float:
        """Return when the first segment of an alert was over, by the server's clock."""
        start = datetime.fromisoformat(line["start"]).timestamp()
        place = min(self.segments[line["camera"]], key=lambda one: abs(one[1] - start))
        return self.zeros[f"/{line['camera']}"] + place[0] + self.segment_s

    def errors(self) -> list[float]:
        """Return how much later each segment began by the watcher's clock than by the server's."""
        return [
            wall - (self.zeros[f"/{name}"] + start)
            for name, places in self.segments.items()
            for start, wall in places
        ]

    def delays(self, told: Firsts, number: int, until: float) -> list[float]:
        """Return the delays at one web hook, of alerts that were raised before `until`.

        An alert is placed by the first that was told of it, at the hook that waits for nothing.
        """
        raised = {
            alert: one.json["data"]
            for (path, alert), one in told.items()
            if path.endswith("/0") and one.at < until
        }
        return [
            one.at - self.end_of_first(raised[alert])
            for (path, alert), one in told.items()
            if path.endswith(f"/{number}") and alert in raised
        ]


def first_requests(requests: Sequence[Request]) -> Firsts:
    """Return the first request about each alert at each path."""
    found: Firsts = {}
    for one in requests:
        found.setdefault((one.path, one.json["data"]["id"]), one)
    return found


def destinations(url: str) -> list[Destination]:
    """Return a web hook for each way to wait, at a path that ends with its number."""
    found = []
    for number, settings in enumerate(WAITS.values()):
        how = {"min_severity": "low" if settings["wait"] == "none" else "medium", **settings}
        found.append(Destination(f"s{number}", "webhook", f"{url}/{number}", how))
    return found


def measured(count: int, folder: Path, model: Backbone, probe: Probe) -> list[list[Any]]:
    """Watch `count` cameras; return the rows of both tables, those of the delay first."""
    seconds, names = SECONDS[count], [f"camera{place}" for place in range(count)]
    clips = [EVENTS[place * 3 % 10 :] + EVENTS[: place * 3 % 10] for place in range(count)]
    files = [stream(folder, some, seconds + REST_S + 20) for some in clips]
    streams = {f"/{name}": media(one) for name, one in zip(names, files, strict=True)}
    seen = Seen(probe.recipe.segment_s)
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(RtspCamera(streams))
        receiver = stack.enter_context(Receiver(state / "hook"))
        cameras = tuple(Camera(one, server.url(f"/{one}"), cooldown_s=0.0) for one in names)
        watch = Watch(cameras, state=state / "watch")
        watch.state.mkdir()
        delivery = Delivery(destinations(receiver.url), Live(watch.state))

        def tell(alert: Alert) -> None:
            seen.types[alert.id] = alert.type
            delivery.put(alert)

        options = WatcherOptions(observe=seen.observe)
        with Watcher(watch, model, probe, options, Outlets(tell)) as watcher:
            watcher.start()
            used, began = processor_s(), time.monotonic()
            while time.monotonic() < began + seconds:
                time.sleep(1.0)
                seen.lags += [
                    one.lag_s for one in watcher.status().cameras if one.lag_s is not None
                ]
            cores = (processor_s() - used) / (time.monotonic() - began)
            until = time.time()
            time.sleep(REST_S)
            seen.zeros, report = server.times(), watcher.status()
            memory = [memory_mib("self", "VmRSS")]
            memory += [float(np.mean([memory_mib(one, "VmRSS") for one in decoders()]))]
            assert all(one.connections == 1 for one in report.cameras), report.cameras
        delivery.close()
        told = first_requests(receiver.received())
    rows = [[count, name, *spread(seen.delays(told, number, until))] for number, name in NUMBERED]
    return [*rows, [count, *how_it_went(seen, report), *memory, cores]]


def spread(delays: Sequence[float]) -> list[Any]:
    """Return how many there are, their median, their 95th percentile and the most."""
    if not delays:
        return [0, "-", "-", "-"]
    return [len(delays), *(float(np.quantile(delays, part)) for part in (0.5, 0.95, 1.0))]


def how_it_went(seen: Seen, report: WatcherReport) -> list[Any]:
    """Return the counts of a run, and how far its clock was off."""
    withdrawn = sum(one == "withdrawn" for one in seen.types.values())
    errors, lags = seen.errors(), seen.lags or [float("nan")]
    dropped = sum(one.dropped for one in report.cameras)
    shown = [float(np.median(lags)), float(np.median(errors)), float(max(errors))]
    return [len(seen.types), withdrawn, len(errors), dropped, *shown]


def main() -> None:
    """Measure and print."""
    pin()
    torch.set_num_threads(model_threads())
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    folder = Path(tempfile.gettempdir()) / "hiprobe-scenes"
    folder.mkdir(exist_ok=True)
    delays, hows = [], []
    for count in SECONDS:
        *some, how = measured(count, folder, model, probe)
        delays += some
        hows.append(how)
    notes = [
        "The delay is from the end of the first segment of an alert, by the clock of the RTSP "
        "server, to the arrival of the first request about it. A negative one was told before the "
        "end, as the model gets the last of 8 pictures 0.1 s before it."
    ]
    publish("Delay of alerts", HEAD, delays, notes)
    publish("The cameras", HOW_HEAD, hows)


if __name__ == "__main__":
    main()
