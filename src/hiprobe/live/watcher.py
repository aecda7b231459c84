"""Many cameras, one model: segments in, alerts out, until it is closed.

One thread for each source and one for the model. What scores and alerts mean is in
`watched_camera` and `alert_flow`; here is only what happens when. Knows no sink and no page.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from hiprobe.backbones import Backbone
from hiprobe.errors import HiProbeError, ModelError, UsageError
from hiprobe.live.alert import Alert, score_line
from hiprobe.live.alert_archive import AlertStates
from hiprobe.live.alert_flow import AlertFlow
from hiprobe.live.batches import FairBatches
from hiprobe.live.broadcast import Broadcast, Line
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.falling_behind import reporting_dropped
from hiprobe.live.live_items import LiveSegment, Status
from hiprobe.live.recorder import MadeClip, Recorder
from hiprobe.live.scoring import Read, Reader, ToRead, score_read
from hiprobe.live.state_folder import StateFolder
from hiprobe.live.status import WatcherReport
from hiprobe.live.track import Happening
from hiprobe.live.watched_camera import ProbeRules, WatchedCamera, rules_of
from hiprobe.live.watcher_options import LiveSource, Outlets, WatcherOptions
from hiprobe.pipeline import check_probe
from hiprobe.probe import Probe

IDLE_S = 0.2  # how long the model's thread waits for segments
AROUND = 4  # segments before and after an alert whose states are given with it
END_SHARE = 0.6  # of the time to close, for the model to finish with alerts


class Watcher:
    """Watches cameras with one model and one probe, from `start` to `close`.

    Everything that can be wrong is found before anything begins: raises RecipeMismatch for a probe
    of another model, ProbeError for one that cannot raise alerts, UsageError while another watcher
    uses the state folder, StoreError if that cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from hiprobe import backbones, embedded
    >>> from hiprobe.localize import Localization
    >>> model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    >>> camera = Camera("demo", str(embedded.VIDEO), speed=1000)
    >>> watch = Watch((camera,), state=Path(tempfile.mkdtemp()))
    >>> options = WatcherOptions(localization=Localization(sigma=0.0, rule="fixed", threshold=0.5))
    >>> with Watcher(watch, model, probe, options) as watcher:
    ...     watcher.start()
    ...     _ = watcher.wait(60.0)
    ...     watcher.status().cameras[0].state
    'ended'
    """

    def __init__(
        self,
        watch: Watch,
        model: Backbone,
        probe: Probe,
        options: WatcherOptions | None = None,
        outlets: Outlets | None = None,
    ) -> None:
        self.watch, self.model, self.probe = watch, model, probe
        self.options, self._outlets = options or WatcherOptions(), outlets or Outlets()
        self.previous: Probe | None = None
        check_probe(model, probe)
        self._cameras = {
            one.name: WatchedCamera(one, self._by(probe, one), probe.recipe.segment_s)
            for one in watch.cameras
        }
        self.folder = StateFolder(watch.state)
        self.folder.begin(self.options.given or probe.digest)
        self._since, self._swaps, self._failure = time.time(), 0, ""
        self._reader, self._broadcast = Reader(model), Broadcast()
        self._flow = AlertFlow(model, self.options.looks, self._told, self._report)
        self._turn = self._flow.turn
        self._made: deque[MadeClip] = deque()
        self._recorder: Recorder | None = None
        self._batches: FairBatches[LiveSegment | Status] = FairBatches(
            list(self._cameras), lambda one: isinstance(one, LiveSegment)
        )
        self._sources: dict[str, LiveSource] = {}
        self._closing, self._stopped = threading.Event(), threading.Event()
        self._finished = False  # nothing happens to alerts any more
        self._threads: list[threading.Thread] = []

    # -- from start to end

    def start(self) -> None:
        """Begin to watch; returns at once."""
        for watched in self._cameras.values():
            self._newest(watched.told().line())
        if self.options.record and any(one.clips for one in self.watch.cameras):
            self._recorder = Recorder(
                self.folder.path, self.watch.clips, self._made.append, self._outlets.reviewed
            )
            self._flow.keeper = self._recorder
        for one in self.watch.cameras:
            keep = self._recorder.keep if self._recorder and one.clips else None
            self._sources[one.name] = self.options.open_source(one, self.probe.recipe, keep)
            self._begin(f"camera {one.name}", self._listen, one.name)
        self._begin("model", self._work)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every camera has ended, which only files do; tell whether they have.

        Raises the error that has ended the watcher.
        """
        self._stopped.wait(timeout_s)
        if self._failure and not self._closing.is_set():
            raise ModelError(f"the watcher has stopped: {self._failure}")
        return self._stopped.is_set()

    def close(self, within_s: float = 4.0) -> None:
        """End all alerts as far as they are known, and everything else, within some seconds."""
        until = time.monotonic() + within_s
        self._closing.set()
        self._batches.close()
        for thread in self._threads[-1:]:
            thread.join(max(0.0, until - time.monotonic() - (1 - END_SHARE) * within_s))
        busy = any(thread.is_alive() for thread in self._threads[-1:])
        with self._turn:
            self._end_alerts(until - (1 - END_SHARE) * within_s, busy=busy)
            if self._recorder is not None:
                self._recorder.close(max(0.2, until - time.monotonic()))
                self._take_pictures()
            self._flow.end_all()
            self._finished = True
        for source in self._sources.values():
            source.close()
        self._broadcast.close()
        self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    # -- what others ask

    def status(self) -> WatcherReport:
        """Return how the watcher and its cameras are doing."""
        with self._turn:
            cameras = tuple(
                one.report(source.counts if (source := self._sources.get(name)) else None)
                for name, one in self._cameras.items()
            )
            read, flow = self._reader.counts, self._flow.counts
            return WatcherReport(
                at=time.time(),
                since=self._since,
                cameras=cameras,
                model=self._model_name,
                probe=self.probe.digest,
                model_s=read.model_s,
                passes=read.passes,
                asked=flow.asked,
                failed=flow.failed,
                skipped=flow.skipped,
                swaps=self._swaps,
                told=dict(flow.told),
                failure=self._failure or None,
            )

    def stream(self, wait_s: float | None = None) -> Iterator[Line]:
        """Return an iterator over alerts, scores and states from now on, as sinks get them.

        With `wait_s` it gives an empty line after so many seconds without one.
        """
        return self._broadcast.listen(wait_s)

    def scores(self, camera: str) -> list[tuple[float, float, float]]:
        """Return the last ten minutes of a camera: Unix time, score and threshold."""
        with self._turn:
            return list(self._camera(camera).scores)

    def picture(self, camera: str) -> Any:
        """Return the last frame that the model got, uint8 (height, width, 3), or None."""
        with self._turn:
            last = self._camera(camera).track.frames.last
        return None if last is None else last.frames[-1]

    @property
    def busy(self) -> bool:
        """Whether segments wait to be scored, or the model is to be asked about an alert."""
        with self._turn:
            return self._batches.waits or self._flow.waits

    def open_alerts(self) -> list[Alert]:
        """Return the alerts that have not ended, as they are now."""
        with self._turn:
            return self._flow.open

    def footage(self, alert: str) -> AlertStates | None:
        """Return the states of an alert whose end is not told yet, and of some segments around it.

        None for another alert, or if none are kept. They can be asked for while its end is told.
        """
        with self._turn:
            known = self._flow.alert(alert)
            if known is None:
                return None
            start, end = known.event.start, known.event.end
            around = AROUND * self.probe.recipe.segment_s
            one = self._camera(known.camera.name)
            states = one.states_between(start - around, end + around)
        return None if states is None else AlertStates(states, start, end)

    def delete_clip(self, alert: str, camera: str) -> None:
        """Delete the clip and the snapshot of an alert, also if they are being made."""
        if self._recorder is not None:
            self._recorder.delete(alert, camera)

    def set_watching(self, camera: str, wanted: bool) -> None:
        """Watch a camera from now on, or do not; its open alerts end."""
        with self._turn:
            one = self._camera(camera)
            one.watch(wanted)
            self._take(one, [] if wanted else one.track.end_run())
            self._newest(one.told().line())

    def swap(self, probe: Probe) -> None:
        """Go over to another probe; no segment is lost, and open alerts keep their ids.

        What is kept of each camera's current run is scored again, so that the alerts are those of
        the new probe; the old one is kept as `previous`. Raises RecipeMismatch for a probe of
        another recipe, ProbeError for one that cannot raise alerts, and StoreError if the disk
        refuses; the old one then stays. One thread at a time may call it.
        """
        check_probe(self.model, probe)
        probe.check(self.probe.recipe)
        rules = {name: self._by(probe, one.camera) for name, one in self._cameras.items()}
        with self._turn:
            scores = {name: one.scores_by(probe) for name, one in self._cameras.items()}
            self.probe.save(self.folder.previous)  # first: a full disk changes nothing
            probe.save(self.folder.probe)
            self.probe, self.previous, self._swaps = probe, self.probe, self._swaps + 1
            for name, one in self._cameras.items():
                self._take(one, one.swap(rules[name], scores[name]))
                self._flow.follow(one)

    def restore(self) -> None:
        """Go back to the previous probe; raises UsageError if there is none."""
        if self.previous is None:
            raise UsageError("there is no previous probe", cure="go over to another one first")
        self.swap(self.previous)

    # -- the threads

    def _begin(self, name: str, do: Callable[..., None], *of: str) -> None:
        thread = threading.Thread(target=do, name=name, args=of, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self, name: str) -> None:
        """Pass on what a source gives; what it gives faster than that is for the source to drop."""
        item: LiveSegment | Status | None = None
        try:
            for item in reporting_dropped(name, self._sources[name], self._report):
                if not self._batches.put(name, item):
                    return
        finally:
            if not (isinstance(item, Status) and item.state == "ended"):
                self._batches.put(name, Status(name, "ended", "its reader stopped", time.time()))

    def _work(self) -> None:
        try:
            while not self._closing.is_set() and not self._is_over():
                self._turn_once()
        except HiProbeError as error:
            self._failure = str(error)
            self._report(f"the watcher has stopped: {error}")
        finally:
            if not (self._closing.is_set() or self._is_over() or self._failure):
                self._failure = "an unexpected error"
            self._stopped.set()

    def _turn_once(self) -> None:
        """Score what waits, and use the time until more comes for closer looks."""
        wait_s = 0.0 if self._flow.waits else IDLE_S
        self._score(self._batches.take(self.model.batch, wait_s))
        self._tell_due()
        while self._flow.waits and not self._closing.is_set():
            self._flow.step()
            self._tell_due()
            if self._batches.waits:
                break

    def _tell_due(self) -> None:
        with self._turn:
            self._take_pictures()
            self._flow.tell_due()

    def _is_over(self) -> bool:
        with self._turn:
            return all(one.ended for one in self._cameras.values()) and self._flow.idle

    # -- one batch

    def _score(self, items: Sequence[LiveSegment | Status]) -> None:
        """Read the segments of a batch together, then let all of it happen in order."""
        due = [one for one in items if isinstance(one, LiveSegment) and self._is_due(one)]
        probe = self.probe
        read = self._read(due, probe)
        with self._turn:
            if self._finished:
                return
            if probe.sites != self.probe.sites:  # it was swapped meanwhile
                read = self._read(due, self.probe)
            for item in items:
                if isinstance(item, Status):
                    self._change(item)
                else:
                    self._push(item, read.get(id(item)), lost=any(one is item for one in due))

    def _is_due(self, live: LiveSegment) -> bool:
        return self._cameras[live.camera].is_due(live.wall)

    def _read(self, due: Sequence[LiveSegment], probe: Probe) -> dict[int, Read]:
        """Return the states of segments by their identity, without those that cannot be read."""
        asked = [
            ToRead(one.camera, one.segment, self._cameras[one.camera].camera.still == "skip")
            for one in due
        ]
        found = self._reader.read_all(asked, probe, self._report)
        return {id(one): read for one, read in zip(due, found, strict=True) if read is not None}

    def _push(self, live: LiveSegment, read: Read | None, *, lost: bool) -> None:
        one = self._cameras[live.camera]
        raw = None if read is None else score_read(one.probe, read, live.camera, self._report)
        if read is None or raw is None:
            self._take(one, one.leave_out(lost=lost))
            return
        self.options.observe(live, raw)
        self._take(one, one.push(live, read, raw))
        self._flow.follow(one)
        self._newest(score_line(live.camera, *one.scores[-1]))

    def _change(self, status: Status) -> None:
        one = self._cameras[status.camera]
        self._newest(one.change(status.state, status.detail, status.wall).line())
        self._report(f"camera {status.camera}: {status.state}: {status.detail}")
        if status.state in ("offline", "ended"):
            self._take(one, one.track.end_run())
            self._reader.forget(status.camera)

    def _take(self, one: WatchedCamera, happened: Sequence[Happening]) -> None:
        for each in happened:
            self._flow.take(one, each)

    # -- parts

    def _by(self, probe: Probe, camera: Camera) -> ProbeRules:
        return rules_of(camera, probe, self.options.localization, self.options.levels)

    def _camera(self, name: str) -> WatchedCamera:
        if name not in self._cameras:
            raise UsageError(f"there is no camera {name!r}", cure=f"one of {list(self._cameras)}")
        return self._cameras[name]

    @property
    def _model_name(self) -> str:
        return str(self.model.provenance.get("name") or self.probe.recipe.model)

    def _end_alerts(self, until: float, *, busy: bool) -> None:
        """End every run; let the model finish with the alerts if it is not busy with another."""
        for one in self._cameras.values():
            self._take(one, one.track.end_run())
        while self._flow.waits and not busy and time.monotonic() < until:
            self._flow.step()
        self._take_pictures()

    def _take_pictures(self) -> None:
        while self._made:
            one = self._made.popleft()
            if one.error is not None:
                self._report(f"alert {one.alert} of {one.camera} has no clip: {one.error}")
            elif not self._flow.picture_made(one.alert, one.clip, one.snapshot):
                self._outlets.late(one)

    def _told(self, alert: Alert) -> None:
        try:
            self._outlets.tell(alert)
        except HiProbeError as error:
            self._report(f"alert {alert.id} of {alert.camera} was not kept: {error}")
        self._broadcast.send(alert.line())

    def _newest(self, line: Line) -> None:
        self._outlets.newest(line)
        self._broadcast.send(line)

    def _report(self, line: str) -> None:
        self._outlets.report(line)
