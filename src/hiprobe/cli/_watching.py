"""Run a watcher with what is connected to it, until its files have ended or a signal comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from hiprobe.errors import HiProbeError

if TYPE_CHECKING:
    from hiprobe.cli._live_page import LivePage
    from hiprobe.live.alert import Alert
    from hiprobe.live.delivery import Delivery
    from hiprobe.live.destinations import Destination, SinkState
    from hiprobe.live.watcher import Watcher
    from hiprobe.live.watcher_options import Outlets

STOPPING = "stopping: open alerts are ended and stored"
# What is open is ended and stored in this time, and at LAST_S the process is gone whatever hangs:
# what was not stored is ended by the next watcher.
WATCHER_S, REST_S, LAST_S = 2.5, 0.7, 4.6
LOOK_S = 0.25


class Attachment(Protocol):
    """What gets the alerts of a watcher: sinks, the page, the terminal."""

    def begin(self, watcher: Watcher) -> None:
        """Open what is needed; the watcher holds its folder, and nothing has begun yet."""

    def tell(self, alert: Alert) -> None:
        """Take a message about an alert; raises StoreError if it cannot be kept."""

    def newest(self, line: dict[str, Any]) -> None:
        """Take the newest score or state of a camera."""

    def left(self) -> list[Alert]:
        """Return the alerts that a watcher that was killed has not ended."""

    def close(self, within_s: float) -> None:
        """End it, within some seconds."""


@dataclass
class Attached:
    """Everything that is connected to one watcher. `log` gets its lines for people."""

    parts: Sequence[Attachment]
    log: Terminal

    def outlets(self, page: LivePage) -> Outlets:
        """Return where the watcher sends things; the page knows which alerts were seen."""
        from hiprobe.live.watcher_options import Outlets

        return Outlets(self._tell, self._newest, self.log.report, page.late, page.reviewed)

    def begin(self, watcher: Watcher) -> None:
        """Open every part, and end the alerts that a watcher that was killed has left open."""
        for part in self.parts:
            part.begin(watcher)
        left = {alert.id: alert for part in self.parts for alert in part.left()}
        for alert in left.values():
            self._tell(replace(alert, type="end"))

    def _tell(self, alert: Alert) -> None:
        """Let every part have the message, also if one of them fails."""
        errors: list[HiProbeError] = []
        for part in self.parts:
            try:
                part.tell(alert)
            except HiProbeError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _newest(self, line: Any) -> None:
        for part in self.parts:
            part.newest(line)


@dataclass
class Sinks:
    """The sinks of a watcher; `verified` and `explained` say what the model does with alerts."""

    destinations: Sequence[Destination]
    log: Terminal
    verified: bool
    explained: bool
    delivery: Delivery | None = None

    def begin(self, watcher: Watcher) -> None:
        """Open the outbox in the watcher's folder, and every sink."""
        from hiprobe.live.delivery import Delivery
        from hiprobe.sinks import Live

        live = Live(watcher.folder.path, watcher.set_watching)
        self.delivery = Delivery(
            self.destinations,
            live,
            report=self.log.report,
            verified=self.verified,
            explained=self.explained,
        )

    def tell(self, alert: Alert) -> None:
        """Put a message into the outbox."""
        if self.delivery is not None:
            self.delivery.put(alert)

    def newest(self, line: dict[str, Any]) -> None:
        """Send the newest score or state."""
        if self.delivery is not None:
            self.delivery.tell(line)

    def left(self) -> list[Alert]:
        """Return the alerts whose end was never told to the sinks."""
        return [] if self.delivery is None else self.delivery.outbox.open_alerts()

    def states(self) -> list[SinkState]:
        """Return how the sinks are doing."""
        return [] if self.delivery is None else self.delivery.states()

    def forget(self, alert: str) -> None:
        """Delete what waits for the sinks of an alert; raises StoreError."""
        if self.delivery is not None:
            self.delivery.outbox.forget(alert)

    def close(self, within_s: float) -> None:
        """Send what can be sent, and close every sink."""
        if self.delivery is not None:
            self.delivery.close(within_s)


@dataclass
class Terminal:
    """Alerts on standard output, one line each, and what else happens on standard error."""

    as_json: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, watcher: Watcher) -> None:
        """Say which cameras are watched."""
        names = ", ".join(one.name for one in watcher.watch.cameras)
        self.report(f"watching {names}; stop it with Ctrl-C")

    def tell(self, alert: Alert) -> None:
        """Print a message about an alert."""
        from hiprobe.cli._terminal import emit, say

        with self._lock:
            if self.as_json:
                emit(alert.line())
            elif alert.type != "update" or alert.explanation or alert.severity == "low":
                say(_told(alert))

    def newest(self, line: dict[str, Any]) -> None:
        """Print nothing: scores are for sinks and the page."""

    def left(self) -> list[Alert]:
        """Return nothing: what was printed is not kept."""
        return []

    def report(self, line: str) -> None:
        """Print a line for people, with the time of day."""
        from hiprobe.cli._terminal import err, markup

        with self._lock:
            err.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {markup(line)}", soft_wrap=True)

    def close(self, within_s: float) -> None:
        """Do nothing."""


def _told(alert: Alert) -> str:
    """Say a message about an alert: when it is said, and from when on the alert is."""
    from hiprobe.cli._terminal import markup

    now, since = time.strftime("%H:%M:%S"), time.strftime("%H:%M:%S", time.localtime(alert.start))
    score = "" if alert.score is None else f", score {alert.score:.3f}"
    check = alert.verification.result
    known = "" if check == "not_checked" else f", {check}"
    words = f": {markup(alert.explanation)}" if alert.explanation else ""
    return (
        f"[dim]{now}[/] [bold]{markup(alert.camera)}[/] {alert.type}: since {since}, "
        f"{alert.end - alert.start:.1f} s{score}, {alert.severity}{known}{words}"
    )


@contextmanager
def private_files() -> Iterator[None]:
    """Let what is written in the block, also by child processes, be for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


class Stop:
    """Set by SIGTERM or Ctrl-C, which print a line; a second Ctrl-C ends the process at once."""

    def __init__(self, line: str = STOPPING) -> None:
        self._event, self._line = threading.Event(), line

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Take the signals while the block runs."""
        kinds = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(kind, self._came) for kind in kinds]
        try:
            yield self
        finally:
            for kind, handler in zip(kinds, before, strict=True):
                signal.signal(kind, handler)

    def _came(self, kind: int, _frame: FrameType | None) -> None:
        if self._event.is_set() and kind == signal.SIGINT:
            os._exit(130)
        if not self._event.is_set():
            last = threading.Timer(LAST_S, os._exit, [0])
            last.daemon = True
            last.start()
        self._event.set()
        print(self._line, file=sys.stderr, flush=True)

    @property
    def came(self) -> bool:
        """Whether a signal has come."""
        return self._event.is_set()


def leave(stop: Stop) -> None:
    """End the process at once after a signal, or if the model is still busy.

    Nothing of it is needed any more, and Python takes seconds to clear it away.
    """
    busy = any(one.name == "model" and one.is_alive() for one in threading.enumerate())
    if stop.came or busy:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def run_watcher(watcher: Watcher, attached: Attached) -> None:
    """Watch until all files have ended or a signal comes; then end everything in order.

    Raises the error that has ended the watcher; after a signal the process ends here.
    """
    with Stop().listening() as stop:
        try:
            attached.begin(watcher)
            watcher.start()
            while not stop.came and not watcher.wait(LOOK_S):
                pass
        finally:
            watcher.close(WATCHER_S)
            for part in attached.parts:
                with suppress(HiProbeError):
                    part.close(REST_S)
        leave(stop)
