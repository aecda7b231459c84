"""Four cameras for ten minutes, with everything that can go wrong: `make soak-live`."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import full_disk
from tests.support.broker import MOSQUITTO, Broker, Subscriber
from tests.support.http_receiver import Receiver
from tests.support.rtsp_camera import RtspCamera, caps, h264, need_rtsp
from tests.support.staged_cameras import BrightBackbone, bright_probe

from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.delivery import Delivery
from hiprobe.live.destinations import Destination
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets
from hiprobe.sinks import Live
from hiprobe.types import Recipe, Segment, Site

SECONDS = float(os.environ.get("HIPROBE_SOAK_S", 0))
BLACK, WHITE, BALL = 2, 3, 18  # patterns of a camera
CYCLE_S, BRIGHT_S = 12.0, 3.0
NAMES = ("yard", "door", "hall", "gate")
ALL: dict[str, Any] = {"min_severity": "low", "wait": "none"}
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not SECONDS, reason="takes ten minutes: make soak-live"),
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]


class SlowBackbone(BrightBackbone):
    """Takes `delay_s` seconds for a segment."""

    delay_s = 0.0

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        time.sleep(self.delay_s * len(segments))
        return super().read(segments, sites, recipe)


@dataclass
class Soak:
    """Everything that takes part, and what was seen."""

    cameras: list[RtspCamera]
    model: SlowBackbone
    receiver: Receiver
    broker: Broker
    told: list[Alert] = field(default_factory=list)
    away: set[RtspCamera] = field(default_factory=set)  # these show what a fault wants
    states: set[tuple[str, str]] = field(default_factory=set)
    reports: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


@contextmanager
def clock_set_back() -> Iterator[None]:
    """Set the clock of this process an hour back."""
    real = time.time
    time.time = lambda: real() - 3600.0
    try:
        yield
    finally:
        time.time = real


def faults(soak: Soak) -> list[tuple[str, Callable[[float], None]]]:
    """Return what goes wrong, each for some seconds."""
    frozen, killed, changed, _ = soak.cameras

    def freeze(seconds: float) -> None:
        soak.away.add(frozen)
        frozen.set("source", "pattern", BLACK)
        time.sleep(seconds)
        soak.away.remove(frozen)

    def kill(seconds: float) -> None:
        soak.away.add(killed)
        killed.kill()
        time.sleep(seconds)
        killed.start()
        soak.away.remove(killed)

    def resize(seconds: float) -> None:
        changed.set("size", "caps", caps(320, 240, 10))
        time.sleep(seconds)

    def slow(seconds: float) -> None:
        soak.model.delay_s = 3.0
        time.sleep(seconds)
        soak.model.delay_s = 0.0

    def no_receiver(seconds: float) -> None:
        soak.receiver.kill()
        time.sleep(seconds)
        soak.receiver.start()

    def no_broker(seconds: float) -> None:
        soak.broker.stop()
        time.sleep(seconds)
        soak.broker.start()

    def no_disk(seconds: float) -> None:
        with full_disk(4096):
            time.sleep(seconds)

    def no_time(seconds: float) -> None:
        with clock_set_back():
            time.sleep(seconds)

    return [
        ("frozen", freeze),
        ("killed", kill),
        ("another resolution", resize),
        ("slow model", slow),
        ("receiver down", no_receiver),
        ("broker down", no_broker),
        ("disk full", no_disk),
        ("clock set back", no_time),
    ]


def resident_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(one.split()[1]) for one in lines if one.startswith("VmRSS")) / 1024


def play(soak: Soak, watcher: Watcher, seconds: float) -> None:
    """Let every camera become bright now and then, and look how the watcher is doing."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        bright = (time.monotonic() - began) % CYCLE_S < BRIGHT_S
        for one in set(soak.cameras) - soak.away:
            one.set("source", "pattern", WHITE if bright else BALL)
        soak.memory.append((time.monotonic(), resident_mib()))
        soak.lags += [one.lag_s for one in watcher.status().cameras if one.lag_s is not None]
        time.sleep(1.0)


def test_four_cameras_and_everything_that_can_go_wrong(tmp_path: Path) -> None:
    need_rtsp()
    ball = h264(160, 120, fps=10)
    with ExitStack() as stack:
        cameras = [stack.enter_context(RtspCamera({"/live": ball})) for _ in NAMES]
        receiver = stack.enter_context(Receiver(tmp_path / "hook"))
        broker = stack.enter_context(Broker(tmp_path / "broker"))
        heard = stack.enter_context(Subscriber(broker, "hiprobe/+/alerts"))
        soak = Soak(cameras, SlowBackbone(), receiver, broker)
        watch = Watch(
            tuple(
                Camera(name, one.url(), cooldown_s=0.0, offline_after_s=4.0, frozen_after_s=6.0)
                for name, one in zip(NAMES, cameras, strict=True)
            ),
            state=tmp_path / "watch",
        )
        delivery = Delivery(
            [
                Destination("log", "jsonl", str(tmp_path / "log"), ALL),
                Destination("hook", "webhook", receiver.url, ALL),
                Destination("broker", "mqtt", broker.url, ALL),
            ],
            Live(watch.state),
            report=soak.reports.append,
        )

        def tell(alert: Alert) -> None:
            soak.told.append(alert)
            delivery.put(alert)

        def newest(line: Any) -> None:
            soak.states.add((line["camera"], line.get("state", "scored")))
            delivery.tell(line)

        outlets = Outlets(tell, newest, soak.reports.append)
        with Watcher(watch, soak.model, bright_probe(), None, outlets) as watcher:
            watcher.start()
            each = SECONDS / (len(faults(soak)) + 2)
            play(soak, watcher, each)
            for name, happen in faults(soak):
                print(f"{name}: {len(soak.told)} messages, {resident_mib():.0f} MiB", flush=True)
                fault = threading.Thread(target=happen, args=(0.5 * each,))
                fault.start()
                play(soak, watcher, each)
                fault.join()
            play(soak, watcher, each)
            report = watcher.status()
        end = time.monotonic() + 60
        while any(one.waiting for one in delivery.states()) and time.monotonic() < end:
            time.sleep(0.1)
        delivery.close()
        time.sleep(1.0)
        _check(soak, tmp_path, heard, report)


def _check(soak: Soak, folder: Path, heard: Subscriber, report: Any) -> None:
    middle = soak.memory[len(soak.memory) // 2][0]
    first = max(size for at, size in soak.memory if at < middle)
    second = max(size for at, size in soak.memory if at >= middle)
    dropped = sum(one.dropped for one in report.cameras)
    print(f"memory: {first:.0f} MiB at most in the first half, {second:.0f} in the second")
    print(f"lag: {np.median(soak.lags):.2f} s (median), {max(soak.lags):.2f} s at most")
    print(f"{dropped} segments dropped, {report.told} messages")
    print("\n".join(soak.reports[-60:]))
    assert second < first + 64
    assert {("yard", "frozen"), ("door", "offline"), ("hall", "changed")} <= soak.states
    assert dropped > 0
    assert [one.name for one in report.cameras if one.state not in ("online", "changed")] == []
    assert all(report.at - one.scored_at < 10 for one in report.cameras)
    told = {one.id: one.type for one in soak.told}
    assert len(told) >= 4
    assert set(told.values()) <= {"end", "withdrawn"}
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    hook = [one.json["data"] for one in soak.receiver.received()]
    broker = [json.loads(one) for _, one, _ in heard.messages]
    for name, got in (("log", log), ("hook", hook), ("broker", broker)):
        ends = {one["id"] for one in got if one["type"] in ("end", "withdrawn")}
        assert set(told) <= ends, name
