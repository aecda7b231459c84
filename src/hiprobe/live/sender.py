"""The thread of one sink: sends what the outbox holds for it, and tries again after a failure.

Knows no kind of sink and no camera.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from hiprobe.errors import HiProbeError, SinkFailed, StoreError, UsageError
from hiprobe.live.destinations import PART, Destination, SinkState
from hiprobe.live.outbox import Outbox, Sending
from hiprobe.plugins import FAILURES
from hiprobe.sinks import Line, Live, Sink

FIRST_PAUSE_S, MOST_PAUSE_S = 1.0, 60.0
ASKED_PAUSE_S = 300.0  # the longest that a receiver may ask for
REFUSED_PAUSE_S = 300.0  # a receiver that refuses a message seldom changes its mind
DISK_PAUSE_S = 1.0
PRUNE_EVERY_S = 3600.0
Report = Callable[[str], None]


def pause_s(failures: int, chance: float) -> float:
    """Return for how many seconds to wait after so many failures in a row.

    It doubles up to a minute; `chance` in [0, 1) spreads it, so that watchers do not come at once.

    >>> [pause_s(failures, 0.5) for failures in (1, 2, 3, 20)]
    [0.75, 1.5, 3.0, 45.0]
    """
    whole = min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return whole * (1 + chance) / 2


def _words_of(error: Exception) -> str:
    """Say what the system said, without the name of a file or an address."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or type(error).__name__


class Sender(threading.Thread):
    """Sends the messages of one destination's routes.

    `store` stores what the disk refused before, and says whether it is stored; `report` gets a line
    whenever the sink begins to fail or works again. Raises UsageError for a destination that can
    never be used.
    """

    def __init__(
        self,
        destination: Destination,
        live: Live,
        outbox: Outbox,
        store: Callable[[], bool],
        report: Report,
    ) -> None:
        super().__init__(name=f"sink {destination.name}", daemon=True)
        self._to, self._live, self._outbox = destination, live, outbox
        self._store, self._report = store, report
        self._routes, self._takes = list(destination.routes()), destination.plugin.schemas
        self._newest: dict[tuple[str, str], Line] = {}
        self._lock, self._woken, self._stop_at = threading.Lock(), threading.Event(), float("inf")
        self._unmarked: Sending | None = None  # delivered, but the disk does not know it yet
        self._failures, self._paused_until, self._pruned = 0, 0.0, time.monotonic()
        self._state = SinkState(destination.name, destination.sink, destination.shown)
        self._disk: str | None = None
        self._known = False  # whether it was looked at once whether the receiver is there
        self._sink = destination.opened(live)

    def wake(self) -> None:
        """Look for messages now."""
        self._woken.set()

    def tell(self, line: Line) -> None:
        """Take the newest message of a camera, if the sink takes its schema."""
        if line["schema"] in self._takes:
            with self._lock:
                self._newest[(line["schema"], line["camera"])] = line
            self._woken.set()

    def finish(self, end: float) -> None:
        """Stop once nothing can be sent, at the latest at `end` of the monotonic clock."""
        self._stop_at = end
        self._woken.set()

    def state(self) -> SinkState:
        """Return the state of the sink; what waits is 0 if the outbox cannot be read now."""
        dead = self.ident is not None and not self.is_alive() and self._stop_at == float("inf")
        fault = "its thread has ended by a fault; start the watcher again" if dead else None
        state = replace(self._state, reason=fault or self._state.reason or self._disk)
        with suppress(StoreError):
            counts = [self._outbox.waiting(route) for route in self._routes]
            oldest = [one.oldest for one in counts if one.oldest is not None]
            number = sum(one.messages for one in counts)
            return replace(state, waiting=number, oldest=min(oldest, default=None))
        return state

    def run(self) -> None:
        """Send until it is told to finish."""
        try:
            stop_at = self._stop_at  # read first: a message stored before it is then looked for
            while not self._is_over(stop_at, wait := self._turn()):
                self._woken.wait(min(wait, max(0.0, self._stop_at - time.monotonic())))
                self._woken.clear()
                stop_at = self._stop_at
        finally:
            self.close_sink()

    def close_sink(self) -> None:
        """Close the sink; no message may follow."""
        with suppress(HiProbeError, *FAILURES):
            if self._sink is not None:
                self._sink.close()

    @staticmethod
    def _is_over(stop_at: float, wait: float) -> bool:
        """Tell whether to stop: it was told to, and the time is up or nothing can be sent."""
        return stop_at < float("inf") and (wait > 0 or time.monotonic() >= stop_at)

    def _turn(self) -> float:
        """Send one message; return for how many seconds there is nothing to do."""
        stored = self._store()
        paused = self._paused_until - time.monotonic()
        if paused <= 0:
            try:
                self._prune()
                paused, self._disk = self._send_next(), None
            except StoreError as error:
                self._tell_disk(error)
                paused = DISK_PAUSE_S
        return paused if stored else min(paused, DISK_PAUSE_S)

    def _send_next(self) -> float:
        self._mark()
        for route in self._routes:
            sending = self._outbox.due(route, time.time())
            if sending is not None:
                self._send(sending)
                return 0.0
        if self._send_newest():
            return 0.0
        return self._idle_s() if self._is_reached() else 0.0

    def _is_reached(self) -> bool:
        """Look whether the receiver is there, at the start and while it fails; if not, pause."""
        if self._known and self._state.reason is None:
            return True
        self._known = True
        try:
            self._sink = self._sink or self._opened()
            reach = getattr(self._sink, "reach", None)
            if reach is not None:
                reach()
                self._works()
        except (HiProbeError, OSError) as error:
            self._fail(error)
            return False
        except FAILURES:
            return True  # a fault of the plug-in, which its first message will show
        return True

    def _send_newest(self) -> bool:
        """Send a score or a state, if there is one; it is kept until it is sent or replaced."""
        with self._lock:
            key, line = next(iter(self._newest.items()), (None, None))
        if key is None or line is None:
            return False
        try:
            done = self._written("", line)
        except UsageError:
            done = True  # the receiver does not want it
        with self._lock:
            if done and self._newest.get(key) is line:
                del self._newest[key]
        return True

    def _idle_s(self) -> float:
        times = [self._outbox.next_at(route) for route in self._routes]
        known = [one for one in times if one is not None]
        return min(1.0, max(0.01, min(known) - time.time())) if known else PRUNE_EVERY_S

    def _send(self, sending: Sending) -> None:
        try:
            done = self._written(sending.route.partition(PART)[2], sending.line)
        except UsageError as error:
            self._state = replace(self._state, refused=self._state.refused + 1)
            if sending.attempts == 0:
                self._report(f"sink {self._to.name}: {error}; it is tried again later")
            self._outbox.failed(sending, time.time() + REFUSED_PAUSE_S)
            return
        if done:
            self._state = replace(self._state, delivered=self._state.delivered + 1)
            self._unmarked = sending
            self._mark()

    def _written(self, part: str, line: Line) -> bool:
        """Tell whether the receiver took the message; if not, pause.

        Raises UsageError if it refuses this message, or if the sink's code fails on it.
        """
        try:
            self._write(part, line)
        except UsageError:
            raise
        except (HiProbeError, OSError) as error:
            self._fail(error)
            return False
        except FAILURES as error:
            # Not its text, which may hold an address with a password.
            raise UsageError(f"it fails on a message ({type(error).__name__})") from error
        self._works()
        return True

    def _write(self, part: str, line: Line) -> None:
        if self._sink is None:
            self._sink = self._opened()
        if part:
            self._sink.write_part(part, line)  # type: ignore[attr-defined]
        else:
            self._sink.write(line)

    def _opened(self) -> Sink:
        return self._to.plugin.open(self._to.target, self._to.options, self._live)

    def _mark(self) -> None:
        if self._unmarked is not None:
            self._outbox.delivered(self._unmarked)
            self._unmarked = None

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        reason = str(error) if isinstance(error, HiProbeError) else _words_of(error)
        if self._state.reason is None:
            self._report(f"sink {self._to.name} fails, and is tried again: {reason}")
        self._state = replace(self._state, reason=reason, failures=self._state.failures + 1)
        asked = error.retry_after_s if isinstance(error, SinkFailed) else None
        wait = pause_s(self._failures, random.random())
        self._paused_until = time.monotonic() + max(wait, min(asked or 0.0, ASKED_PAUSE_S))

    def _works(self) -> None:
        if self._state.reason is not None:
            self._report(f"sink {self._to.name} works again")
        self._failures = 0
        self._state = replace(self._state, reason=None)

    def _tell_disk(self, error: StoreError) -> None:
        if self._disk is None:
            self._report(f"sink {self._to.name} waits for the outbox: {error}")
        self._disk = str(error)

    def _prune(self) -> None:
        if time.monotonic() - self._pruned < PRUNE_EVERY_S:
            return
        self._pruned = time.monotonic()
        lost = self._outbox.prune(time.time())
        if lost:
            self._report(f"{lost} messages were given up after 30 days without a receiver")
