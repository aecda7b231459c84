"""A watcher for tests of the live page: it scores hidden states instead of cameras' pictures.

It keeps the promises of `hiprobe.review.live_watcher.LiveWatcher`: a thread scores what its cameras
send with the probe in use, and alerts, files and states are kept until they are deleted.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.support.review_folder import (
    SEGMENT_S,
    Made,
    Page,
    free_port,
    made_states,
    write_clip,
)

from hiprobe.live.alert import Alert
from hiprobe.live.alert_archive import AlertStates
from hiprobe.live.destinations import SinkState
from hiprobe.live.status import CameraReport, WatcherReport
from hiprobe.probe import Probe
from hiprobe.review.live_session import LiveSession
from hiprobe.review.live_watcher import LiveEvent, ScorePoint, ShownCamera, WatchStatus
from hiprobe.types import Event, HiddenStates
from hiprobe.video import Root

BEGAN = 1_795_000_000.0  # 18 November 2026


class PageWatcher:
    """Cameras by name; `scored` and `lost` count segments, `swaps` are probes and when they came."""

    def __init__(self, folder: Path, probe: Probe, cameras: Sequence[ShownCamera] = ()) -> None:
        self.folder, self.probe = folder, probe
        self.cameras = {one.name: one for one in cameras}
        self.sinks: tuple[SinkState, ...] = ()
        self.judged: list[tuple[str, str | None, str]] = []
        self.swaps: list[tuple[Probe, float]] = []
        self.scored = self.lost = 0
        self._kept: dict[str, AlertStates] = {}
        self._alerts: dict[str, Alert] = {}
        self._events: list[LiveEvent] = []
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    # What a test lets happen

    def put(self, alert: Alert, states: AlertStates | None = None) -> Alert:
        """Raise or change an alert."""
        with self._changed:
            self._alerts[alert.id] = alert
            if states is not None:
                self._kept[alert.id] = states
        self._tell("alert", alert.id)
        return alert

    def run(self, camera: str, states: HiddenStates, every_s: float = 0.02) -> None:
        """Send the segments of `states` from a camera again and again, one `every_s` seconds."""
        thread = threading.Thread(target=self._run, args=(camera, states, every_s), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, camera: str, states: HiddenStates, every_s: float) -> None:
        expected = 0
        while not self._closed:
            place = expected % len(states.starts)
            with self._changed:
                probe = self.probe
            one = replace(
                states,
                starts=states.starts[place : place + 1],
                ends=states.ends[place : place + 1],
                values=states.values[place : place + 1],
                sources=(),
                gaps=(),
            )
            score = float(probe.score(one)[0])
            expected += 1
            with self._changed:
                self.scored += 1
                known = self.cameras[camera]
                point = ScorePoint(time.time(), score, probe.localization.threshold or 0.5)
                self.cameras[camera] = replace(
                    known,
                    state="online",
                    lag_s=0.4,
                    scores=(*known.scores[-400:], point),
                    pictured=time.time(),
                )
            time.sleep(every_s)
        with self._changed:
            self.lost += expected - self.scored if len(self._threads) == 1 else 0

    def close(self) -> None:
        self._closed = True
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(5)

    def _tell(self, kind: Any, name: str) -> None:
        with self._changed:
            self._events.append(LiveEvent(len(self._events) + 1, kind, name))
            self._changed.notify_all()

    # What the page asks

    def status(self) -> WatchStatus:
        with self._changed:
            return WatchStatus(tuple(self.cameras.values()), self.sinks)

    def report(self) -> WatcherReport:
        with self._changed:
            cameras = [
                CameraReport(one.name, one.place, one.state, one.detail, scored_at=one.pictured)
                for one in self.cameras.values()
            ]
        return WatcherReport(time.time(), BEGAN, tuple(cameras))

    def alerts(self, before: float | None = None, most: int = 100) -> list[Alert]:
        with self._changed:
            found = [one for one in self._alerts.values() if before is None or one.start < before]
        return sorted(found, key=lambda one: one.start, reverse=True)[:most]

    def alert(self, name: str) -> Alert | None:
        return self._alerts.get(name)

    def stream(self, after: int | None = None) -> Iterator[LiveEvent | None]:
        with self._changed:
            seen = len(self._events) if after is None else after
        while not self._closed:
            with self._changed:
                if len(self._events) <= seen:
                    self._changed.wait(1.0)
                found = self._events[seen:]
            yield from found or [None]
            seen += len(found)

    def picture(self, camera: str) -> bytes | None:
        level = 40 + 30 * list(self.cameras).index(camera)
        data = io.BytesIO()
        pixels = np.full((90, 160, 3), level, np.uint8)
        pixels[30:60, 60:100] = (220, 150, 40)
        Image.fromarray(pixels).save(data, "JPEG")
        return data.getvalue()

    def footage(self, alert: str) -> AlertStates | None:
        return self._kept.get(alert)

    def swap(self, probe: Probe) -> None:
        self.probe.check(probe.recipe)
        with self._changed:
            self.probe = probe
            self.swaps.append((probe, time.perf_counter()))
        self._tell("probe", probe.digest)

    def judge(self, alert: str, kind: str | None, who: str) -> None:
        self.judged.append((alert, kind, who))

    def check_ended(self, alert: str) -> None:
        pass  # its alerts have all ended

    def delete(self, alert: str) -> None:
        with self._changed:
            gone = self._alerts.pop(alert)
            self._kept.pop(alert, None)
        for name in (gone.clip, gone.snapshot):
            if name is not None:
                (self.folder / name).unlink(missing_ok=True)
        self._tell("deleted", alert)


def alert_states(dimension: int | None, seed: int, count: int = 12) -> AlertStates:
    """States around an alert: 4 higher in `dimension` for the four segments from second 6 on."""
    span = Event(6.0, 6.0 + 4 * SEGMENT_S)
    spans = () if dimension is None else (span,)
    states = made_states("0" * 64, spans, dimension or 0, seed, count=count)
    return AlertStates(states, span.start, span.end)


def raise_alert(watcher: PageWatcher, number: int, dimension: int | None = 0, **more: Any) -> Alert:
    """Put alert number `number`, which has ended, with a snapshot, a clip and its states."""
    start = BEGAN + 600.0 * number
    camera = list(watcher.cameras)[number % len(watcher.cameras)]
    name = f"clips/{camera}/a{number}"
    for place in (watcher.folder / f"{name}.mp4", watcher.folder / f"{name}.jpg"):
        place.parent.mkdir(parents=True, exist_ok=True)
    if not (watcher.folder / f"{name}.mp4").exists():
        write_clip(watcher.folder / f"{name}.mp4", mark=number)
    (watcher.folder / f"{name}.jpg").write_bytes(watcher.picture(camera) or b"")
    values: dict[str, Any] = {
        "id": f"a{number}",
        "type": "end",
        "camera": camera,
        "start": start,
        "end": start + 4 * SEGMENT_S,
        "peak": start + SEGMENT_S,
        "score": 0.9,
        "threshold": 0.5,
        "explanation": "a person falls",
        "clip": f"{name}.mp4",
        "snapshot": f"{name}.jpg",
        "provisional": False,
    }
    return watcher.put(Alert(**{**values, **more}), alert_states(dimension, seed=1000 + number))


def make_watcher(made: Made, names: Sequence[str] = ("yard", "front door")) -> PageWatcher:
    """A watcher with the probe of `made`, and its own folder beside the results."""
    folder = made.out / "watched"
    folder.mkdir(exist_ok=True)
    cameras = [ShownCamera(name, place=f"place of {name}", state="online") for name in names]
    return PageWatcher(folder, made.probe, cameras)


def live_session(made: Made, watcher: PageWatcher) -> LiveSession:
    """A session over the results of `made`, with a watcher whose probe is that of the session."""
    session = LiveSession(
        made.out,
        (Root(str(made.videos)),),
        made.probe_path,
        (made.out / ".store",),
        watcher=watcher,
    )
    session.keep(made.probe, "ann", "given")
    if session.judgements.chosen_probe() is None:
        session.judgements.choose_probe(made.probe.digest, "ann")
    session.judgements.set_labelled(made.labelled.items())
    return session


@contextmanager
def watched(session: LiveSession, token: str | None = None) -> Iterator[Page]:
    """Serve the live page of `session` as `hiprobe watch` does."""
    from hiprobe.review.guard import Guard
    from hiprobe.review.server import PageServer

    guard = Guard("127.0.0.1", free_port(), token, command="hiprobe watch")
    page = PageServer(session, guard, who="ann", model="embedded")
    page.start()
    try:
        yield Page(guard.port)
    finally:
        page.close()
