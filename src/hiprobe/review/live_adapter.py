"""A `live` watcher as the live page needs it: with the alerts that are kept, and their footage.

Made before the watcher, as it is told of every alert: `tell` is one of the watcher's outlets.
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from hiprobe.errors import UsageError
from hiprobe.live.alert import Alert
from hiprobe.live.alert_archive import MOST, AlertArchive, AlertStates
from hiprobe.live.destinations import SinkState
from hiprobe.live.recorder import MadeClip
from hiprobe.live.status import SinkReport, WatcherReport
from hiprobe.live.watcher import Watcher
from hiprobe.pipeline import ignore
from hiprobe.probe import Probe
from hiprobe.review.live_watcher import LiveEvent, ScorePoint, ShownCamera, WatchStatus

KEPT_EVENTS = 1000
WAIT_S = 1.0
OVER = ("end", "withdrawn")


@dataclass
class PagedWatcher:
    """What the live page asks of a watcher, answered by one of `live` and an archive of alerts.

    `sinks` returns the state of the sinks, and `forget` deletes what waits for them of an alert.
    """

    archive: AlertArchive
    sinks: Callable[[], Sequence[SinkState]] = list
    forget: Callable[[str], object] = ignore
    watcher: Watcher | None = None
    _events: deque[LiveEvent] = field(init=False, default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    _changed: threading.Condition = field(init=False, default_factory=threading.Condition)
    _number: int = field(init=False, default=0)
    _closed: bool = field(init=False, default=False)

    @property
    def folder(self) -> Path:
        """The watcher's folder, which holds clips and snapshots."""
        return self.archive.folder

    @property
    def running(self) -> Watcher:
        """The watcher; raises UsageError before it is there."""
        if self.watcher is None:
            raise UsageError("the watcher has not begun yet", cure="try again in a moment")
        return self.watcher

    def tell(self, alert: Alert) -> None:
        """Keep an alert, with its states once it is over, and tell the pages; raises StoreError."""
        over = alert.type in OVER and self.watcher is not None
        self.archive.put(alert, self.running.footage(alert.id) if over else None)
        self._tell("alert", alert.id)

    def add_files(self, made: MadeClip) -> None:
        """Keep a clip or a snapshot that came after the end of its alert; raises StoreError."""
        known = self.archive.alert(made.alert)
        if known is None:
            return
        clip, snapshot = made.clip or known.clip, made.snapshot or known.snapshot
        self.archive.put(replace(known, clip=clip, snapshot=snapshot))
        self._tell("alert", made.alert)

    def left(self) -> list[Alert]:
        """Return the alerts that a watcher that was killed has not ended."""
        running = {one.id for one in self.running.open_alerts()}
        kept = self.archive.alerts(most=MOST)
        return [one for one in kept if one.type not in OVER and one.id not in running]

    def report(self) -> WatcherReport:
        """Return how the watcher and its sinks are doing, in full."""
        sinks = tuple(
            SinkReport(one.name, one.delivered, one.failures, one.waiting, one.reason)
            for one in self.sinks()
        )
        return replace(self.running.status(), sinks=sinks)

    def status(self) -> WatchStatus:
        """Return the state of every camera and sink."""
        report = self.running.status()
        cameras = [
            ShownCamera(
                one.name,
                one.place,
                one.state,
                one.detail,
                one.watching,
                one.lag_s,
                one.dropped + one.lost,
                [ScorePoint(*point) for point in self.running.scores(one.name)],
                one.scored_at,
            )
            for one in report.cameras
        ]
        return WatchStatus(cameras, self.sinks())

    def alerts(self, before: float | None = None, most: int = 100) -> Sequence[Alert]:
        """List alerts, the last to start first."""
        return self.archive.alerts(before, most)

    def alert(self, name: str) -> Alert | None:
        """Return one alert by its id, None if it is not kept."""
        return self.archive.alert(name)

    def stream(self, after: int | None = None) -> Iterator[LiveEvent | None]:
        """Yield what changes, and None about once a second while nothing does."""
        seen = self._number if after is None else after
        while not self._closed:
            found = self._since(seen)
            yield from found
            if not found:
                yield None
            seen = found[-1].id if found else seen

    def _since(self, seen: int) -> list[LiveEvent]:
        """Return the events after `seen`; waits a second for one if there is none."""
        with self._changed:
            if self._number <= seen and not self._closed:
                self._changed.wait(WAIT_S)
            return [one for one in self._events if one.id > seen]

    def picture(self, camera: str) -> bytes | None:
        """Return the newest picture of a camera as a JPEG, None if there is none."""
        pixels = self.running.picture(camera)
        if pixels is None:
            return None
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=80)
        return data.getvalue()

    def footage(self, alert: str) -> AlertStates | None:
        """Return the hidden states of an alert: those that are kept, or of one that goes on."""
        watcher = self.running
        return self.archive.states(alert, watcher.probe.recipe) or watcher.footage(alert)

    def swap(self, probe: Probe) -> None:
        """Score every segment from now on with `probe`."""
        self.running.swap(probe)
        self._tell("probe", probe.digest)

    def judge(self, alert: str, kind: str | None, who: str) -> None:
        """Note that somebody has seen an alert, and keep its states if it goes on."""
        self.archive.see(alert)

    def check_ended(self, alert: str) -> None:
        """Raise UsageError while the alert goes on: it cannot be deleted yet."""
        known = self.archive.alert(alert)
        over = known is None or known.type in OVER
        if not over and any(one.id == alert for one in self.running.open_alerts()):
            raise UsageError("the alert goes on", cure="delete it when it has ended")

    def delete(self, alert: str) -> None:
        """Delete an alert with all that is kept of it; raises UsageError while it goes on."""
        known = self.archive.alert(alert)
        if known is None:
            return
        self.check_ended(alert)
        self.running.delete_clip(known.id, known.camera)
        for name in (known.clip, known.snapshot):
            if name is not None:
                (self.folder / name).unlink(missing_ok=True)
        self.forget(alert)
        self.archive.delete(alert)
        self._tell("deleted", alert)

    def close(self) -> None:
        """End the stream."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _tell(self, kind: str, name: str) -> None:
        with self._changed:
            self._number += 1
            self._events.append(LiveEvent(self._number, kind, name))  # type: ignore[arg-type]
            self._changed.notify_all()
