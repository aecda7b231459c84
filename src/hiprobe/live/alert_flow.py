"""From what happens to alerts to messages: each is looked at more closely, and told step by step.

The model is asked in small steps, one after each batch of segments. Knows no source and no sink.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones import Backbone
from hiprobe.errors import HiProbeError
from hiprobe.live.alert import Alert, AlertType
from hiprobe.live.alerts import AlertStep
from hiprobe.live.closer_look import CloserLook, LookOptions, Steps
from hiprobe.live.open_alert import Author, OpenAlert
from hiprobe.live.track import CameraTrack, Happening, View
from hiprobe.live.watched_camera import WatchedCamera
from hiprobe.pipeline.verification import peak_windows
from hiprobe.probe import Probe
from hiprobe.store import Window
from hiprobe.types import Event

MAKING_S = 3.0  # for a clip to be made of its footage
MOST_LOOKS = 32  # more are not begun; events then end as they were found


class ClipKeeper(Protocol):
    """What is told to keep the footage of alerts; times are those of the camera's clock."""

    def begin(self, alert: str, camera: str, start_s: float) -> None:
        """Keep footage from before this time on."""

    @property
    def patience_s(self) -> float:
        """How many seconds after the end of an alert its clip may be made."""
        ...

    def finish(self, alert: str, end_s: float, *, last: bool = False) -> None:
        """Make the clip, which ends a little after this time; `last`: no more footage comes."""

    def snapshot(
        self, alert: str, camera: str, at_s: float, otherwise: NDArray[np.uint8] | None = None
    ) -> None:
        """Save the picture of this time, or `otherwise` (height, width, 3) without footage."""

    def delete(self, alert: str, camera: str) -> None:
        """Keep nothing of this alert."""


@dataclass(eq=False)
class _Look:
    """A closer look by a probe at an alert that is under way; `last` if the alert ends with it."""

    alert: OpenAlert
    by: Probe
    steps: Steps
    last: bool = False
    track: CameraTrack | None = None


@dataclass
class FlowCounts:
    """What was told, by type of message; how often the model was asked; what was left out."""

    told: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    failed: int = 0
    skipped: int = 0


class AlertFlow:
    """Tells what happens to the alerts of all cameras, and looks at each more closely.

    `tell` gets the messages, in order; `report` a line when the model fails on an alert. `keeper`
    keeps footage, None for none. All but `step` must be called while `turn` is held, and `step`
    only by one thread: it holds `turn` only while the model is not busy.
    """

    def __init__(
        self,
        model: Backbone,
        options: LookOptions,
        tell: Callable[[Alert], None],
        report: Callable[[str], None],
        keeper: ClipKeeper | None = None,
    ) -> None:
        self._model, self._options, self._tell, self._report = model, options, tell, report
        self.keeper, self.counts, self.turn = keeper, FlowCounts(), threading.RLock()
        self._alerts: dict[str, OpenAlert] = {}
        self._looks: deque[_Look] = deque()
        self._asked: dict[str, Window] = {}

    @property
    def open(self) -> list[Alert]:
        """The alerts whose end has not been told, as they are now."""
        return [one.message("update") for one in self._alerts.values()]

    def alert(self, name: str) -> OpenAlert | None:
        """Return an alert by its id; None once its end has been told."""
        return self._alerts.get(name)

    @property
    def waits(self) -> bool:
        """Whether the model is to be asked about an alert."""
        return bool(self._looks)

    @property
    def idle(self) -> bool:
        """Whether every alert has been told to its end."""
        return not self._alerts

    # -- what happens

    def take(self, watched: WatchedCamera, happened: Happening) -> None:
        """Tell a step in the life of an alert, and begin to look at it more closely."""
        step, view = happened
        if step.kind == "new":
            self._begin(watched, step, view)
        alert = self._alerts.get(step.id)
        if alert is None:
            return
        if step.kind == "withdrawn":
            self._withdraw(alert, step.event, watched)
        elif step.kind == "end":
            self._end(watched, alert, step.event, view)

    def follow(self, watched: WatchedCamera) -> None:
        """Take note of how the open alerts of a camera go on; ask again about a rejected one."""
        for name, event in watched.track.life.alerts:
            alert = self._alerts.get(name)
            if alert is None or alert.over is not None:
                continue
            self._move(alert, event, watched.track)
            self._go_over(alert, watched, watched.causal.threshold)
            if alert.event.verification.result == "rejected":
                self._ask(watched, alert, watched.track.view(event))

    def picture_made(self, alert: str, clip: str | None, snapshot: str | None) -> bool:
        """Take note of a clip or a snapshot that was made, by its path; False once it is over."""
        one = self._alerts.get(alert)
        if one is not None:
            one.clip, one.snapshot = clip or one.clip, snapshot or one.snapshot
            one.changed = True
        return one is not None

    # -- closer looks

    def step(self) -> None:
        """Ask the model once, about the alert that comes first: one that ends before others."""
        with self.turn:
            look = min(self._looks, key=lambda one: not one.last, default=None)
        if look is None:
            return
        over, found = False, None
        try:
            found = next(look.steps)
        except StopIteration as done:
            over, found = True, done.value
        except (HiProbeError, LookupError) as error:
            over = True
            self.counts.failed += 1
            self._report(f"alert {look.alert.id} of {look.alert.camera.name}: {error}")
        with self.turn:
            self.counts.asked += not over
            self._found(look, found, over=over)

    def tell_due(self, now: float | None = None) -> None:
        """Tell what has waited for a check, a snapshot or a clip long enough."""
        now = time.monotonic() if now is None else now
        for alert in list(self._alerts.values()):
            ending = any(one.alert is alert and one.last for one in self._looks)
            if not ending and alert.is_due(now):
                self._say(alert, "update" if alert.over is None else "end")

    def end_all(self) -> None:
        """Tell the end of what has not ended, as far as it is known."""
        while self._looks:
            look = self._looks.popleft()
            if look.last:
                self.counts.skipped += 1
        for alert in list(self._alerts.values()):
            self._say(alert, "end")

    def _begin(self, watched: WatchedCamera, step: AlertStep, view: View) -> None:
        camera, track = watched.camera, watched.track
        rule = watched.causal if step.provisional else watched.final
        name = str(self._model.provenance.get("name") or watched.probe.recipe.model)
        author = Author(watched.probe, name, rule.threshold)
        walls = _walls(step.event, track)
        alert = OpenAlert(step.id, camera, author, step.event, walls, time.monotonic())
        alert.provisional = step.provisional
        alert.checks = self._options.verify and watched.probe.verification is not None
        alert.pictures = self.keeper is not None and camera.clips
        self._alerts[step.id] = alert
        if self.keeper is not None and alert.pictures:
            alert.clip_within_s = self.keeper.patience_s + MAKING_S
            self.keeper.begin(step.id, camera.name, step.event.start)
            self._picture(alert, view)
        self._say(alert, "new")
        self._ask(watched, alert, view)

    def _withdraw(self, alert: OpenAlert, event: Event, watched: WatchedCamera) -> None:
        self._move(alert, event, watched.track)
        self._stop_looks(alert)
        if self.keeper is not None and alert.pictures:
            self.keeper.delete(alert.id, alert.camera.name)
            alert.snapshot = None
        self._say(alert, "withdrawn")

    def _end(self, watched: WatchedCamera, alert: OpenAlert, event: Event, view: View) -> None:
        self._move(alert, event, watched.track)
        alert.provisional, alert.over = False, time.monotonic()
        self._go_over(alert, watched, watched.final.threshold)
        alert.author = replace(alert.author, threshold=watched.final.threshold)
        self._stop_looks(alert)
        if self.keeper is not None and alert.pictures:
            self.keeper.finish(alert.id, event.end, last=watched.ended)
            self._picture(alert, view)
        if len(self._looks) >= MOST_LOOKS:
            self.counts.skipped += 1
            return
        look = self._look(watched, view)
        steps = _ended(look, event, alert.event)
        self._looks.append(_Look(alert, watched.probe, steps, last=True, track=watched.track))

    def _ask(self, watched: WatchedCamera, alert: OpenAlert, view: View) -> None:
        """Begin to look at an alert that goes on, unless its peak was asked about already."""
        (window,) = peak_windows(alert.event, view.scores)
        busy = any(one.alert is alert for one in self._looks)
        if busy or len(self._looks) >= MOST_LOOKS or self._asked.get(alert.id) == window:
            return
        self._asked[alert.id] = window
        look = self._look(watched, view)
        steps = _checked(look, alert)
        self._looks.append(_Look(alert, watched.probe, steps))

    def _look(self, watched: WatchedCamera, view: View) -> CloserLook:
        return CloserLook(self._model, watched.probe, watched.final, view, self._options)

    def _found(self, look: _Look, event: Event | None, *, over: bool) -> None:
        """Take note of what a look has found out, unless it was stopped meanwhile."""
        if not any(one is look for one in self._looks):
            return
        alert = look.alert
        if event is not None and alert.author.probe is not look.by:  # it was swapped meanwhile
            event = replace(event, heat=None, box=None)
        if event is not None:
            alert.describe(event)
        if not over:
            return
        self._looks.remove(look)
        if look.last and look.track is not None:
            self._move(alert, event or alert.event, look.track)
            look.track.tell(alert.event)
            if alert.event.demoted:
                look.track.life.forgive()

    def _stop_looks(self, alert: OpenAlert) -> None:
        self._looks = deque(one for one in self._looks if one.alert is not alert)

    def _go_over(self, alert: OpenAlert, watched: WatchedCamera, threshold: float | None) -> None:
        """Let a probe that was swapped in speak for the alert; places were found by the old one."""
        if alert.author.probe is not watched.probe:
            alert.author = replace(alert.author, probe=watched.probe, threshold=threshold)
            alert.event = replace(alert.event, heat=None, box=None)

    def _move(self, alert: OpenAlert, event: Event, track: CameraTrack) -> None:
        """Let the alert have the times and the score of an event, and keep what else is known."""
        times = {name: getattr(event, name) for name in ("start", "end", "peak", "score")}
        alert.event, alert.walls = replace(alert.event, **times), _walls(event, track)

    def _picture(self, alert: OpenAlert, view: View) -> None:
        assert self.keeper is not None
        peak = alert.event.peak if alert.event.peak is not None else alert.event.start
        shown: NDArray[np.uint8] | None = None
        with suppress(LookupError):
            shown = view.frames.picture(peak)
        self.keeper.snapshot(alert.id, alert.camera.name, peak, shown)

    def _say(self, alert: OpenAlert, kind: AlertType) -> None:
        alert.changed = False
        self.counts.told[kind] = self.counts.told.get(kind, 0) + 1
        self._tell(alert.message(kind))
        if kind in ("end", "withdrawn"):
            self._alerts.pop(alert.id, None)
            self._asked.pop(alert.id, None)


def _checked(look: CloserLook, alert: OpenAlert) -> Steps:
    """Check the event of an alert that goes on, then describe it."""
    event = yield from look.check(alert.event)
    yield event  # is told before the explanation, which may take long
    return (yield from look.describe(event, alert.event))


def _ended(look: CloserLook, event: Event, known: Event) -> Steps:
    """Check, refine and describe an event that is over, as `detect` does."""
    event = yield from look.check(event)
    event = yield from look.refine(event)
    return (yield from look.describe(event, known))


def _walls(event: Event, track: CameraTrack) -> tuple[float, float, float]:
    """Return the Unix times of start, end and peak."""
    peak = event.peak if event.peak is not None else event.start
    return track.wall(event.start), track.wall(event.end), track.wall(peak)
