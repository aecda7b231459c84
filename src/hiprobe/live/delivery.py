"""Alerts to every sink of a watcher: stored first, then sent by one thread per sink.

So a dead sink does not hold up another. Knows no kind of sink and no camera.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from hiprobe.errors import StoreError
from hiprobe.live.alert import Alert
from hiprobe.live.destinations import Destination, SinkState, check_sink_names
from hiprobe.live.outbox import NAME, Outbox
from hiprobe.live.sender import Report, Sender
from hiprobe.pipeline import ignore
from hiprobe.sinks import Line, Live

MOST_UNSTORED = 10_000  # messages in memory while the disk refuses


class Delivery:
    """Stores alerts and sends them to every destination, from one thread each.

    `live` is given to the sinks; its folder holds the outbox. `report` gets one line whenever a
    sink begins to fail or works again, or a message is given up; it is called from any thread.
    `verified` says whether alerts are checked by the model, and `explained` whether they are
    explained; if not, no sink waits for it. Raises
    UsageError for a destination that cannot be used, and StoreError for an outbox that cannot be
    opened.

    >>> import json, tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> delivery = Delivery([Destination("log", "jsonl", str(folder / "a.jsonl"))], Live(folder))
    >>> delivery.put(Alert("a1", "new", "yard", 10.0, 11.6))
    True
    >>> delivery.close(within_s=60.0)
    >>> json.loads((folder / "a.jsonl").read_text())["id"]
    'a1'
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        live: Live,
        *,
        report: Report = ignore,
        verified: bool = True,
        explained: bool = True,
    ) -> None:
        check_sink_names(destinations)
        routes = {r: s for one in destinations for r, s in one.routes(verified, explained).items()}
        self.outbox, self._report = Outbox(live.folder / NAME, routes), report
        self._unstored: deque[Alert] = deque()
        self._storing, self._disk = threading.Lock(), ""
        self._senders: list[Sender] = []
        try:
            for one in destinations:
                self._senders.append(Sender(one, live, self.outbox, self._store, report))
        except BaseException:
            for sender in self._senders:
                sender.close_sink()
            self.outbox.close()
            raise
        for sender in self._senders:
            sender.start()

    def put(self, alert: Alert) -> bool:
        """Store a message for the sinks; return False if the disk refuses.

        It is then kept in memory and stored as soon as that works, before any later message.
        Raises StoreError once there are 10,000 of these.
        """
        if len(self._unstored) >= MOST_UNSTORED:
            raise StoreError(
                f"{MOST_UNSTORED:,} messages could not be stored: {self._disk}",
                where=self.outbox.path,
                cure="free disk space; this message is lost",
            )
        self._unstored.append(alert)
        stored = self._store()
        for sender in self._senders:
            sender.wake()
        return stored

    def tell(self, line: Line) -> None:
        """Send the newest score or state of a camera to the sinks that take it.

        Nothing is stored: of two messages about one camera only the later one counts.
        """
        for sender in self._senders:
            sender.tell(line)

    def states(self) -> list[SinkState]:
        """Return the state of every sink."""
        return [sender.state() for sender in self._senders]

    @property
    def unstored(self) -> int:
        """How many messages are in memory only, as the disk refuses them."""
        return len(self._unstored)

    def close(self, within_s: float = 3.0) -> None:
        """Send what can be sent in that many seconds, then stop; the rest stays in the outbox."""
        self._store()
        end = time.monotonic() + within_s
        for sender in self._senders:
            sender.finish(end)
        for sender in self._senders:
            sender.join(max(0.1, end + 1.0 - time.monotonic()))
        if any(sender.is_alive() for sender in self._senders):
            return  # one waits for its receiver, and may still have to store that it has answered
        with suppress(StoreError):
            self.outbox.close()

    def _store(self) -> bool:
        """Store what is in memory, in order; return whether all of it is stored."""
        with self._storing:
            try:
                while self._unstored:
                    self.outbox.put(self._unstored[0])
                    self._unstored.popleft()
            except StoreError as error:
                if not self._disk:
                    self._report(f"alerts cannot be stored, and wait in memory: {error}")
                self._disk = error.reason
                return False
            if self._disk:
                self._report("alerts are stored again")
            self._disk = ""
            return True
