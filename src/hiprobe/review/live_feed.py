"""What changes while cameras are watched, for every open page: numbered, kept for a while.

One thread reads the watcher's stream, however many pages are open. Knows no HTML.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hiprobe.review.live_watcher import LiveWatcher

MARK_DIGITS = 18
KEPT = 1000  # changes that a page may have missed and still catch up with


class FeedItem(NamedTuple):
    """A change that pages are told of: its number, what it is (`kind`), and the name of it."""

    number: int
    kind: str
    name: str


class LiveFeed:
    """The changes of a watcher and of the page itself, in order.

    A page remembers the `mark` of the last one that it has seen. The mark holds a word that is new
    in every run, so that a page does not go on in the numbers of another run.
    """

    def __init__(self, watcher: LiveWatcher) -> None:
        self.closed = False
        self._run, self._watcher = secrets.token_hex(4), watcher
        self._kept: deque[FeedItem] = deque(maxlen=KEPT)
        self._number, self._lock = 0, threading.Lock()
        self._bells: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._reader = threading.Thread(target=self._read, name="live feed", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for event in self._watcher.stream():
            if self.closed:
                return
            if event is not None:
                self.put(event.kind, event.name)

    def put(self, kind: str, name: str) -> None:
        """Add a change and wake every page."""
        with self._lock:
            self._number += 1
            self._kept.append(FeedItem(self._number, kind, name))
        self._ring()

    @property
    def pages(self) -> int:
        """How many pages listen."""
        return len(self._bells)

    @property
    def mark(self) -> str:
        """The mark of the newest change."""
        return self.mark_of(self._number)

    def mark_of(self, number: int) -> str:
        """Return the mark of a change by its number."""
        return f"{self._run}-{number}"

    def since(self, mark: str) -> list[FeedItem] | None:
        """Return what has changed since `mark`; None if that is not known any more.

        Of several changes of one thing only the last one is there.
        """
        run, _, number = mark.partition("-")
        with self._lock:
            kept = list(self._kept)
        known = run == self._run and number.isdecimal() and len(number) <= MARK_DIGITS
        if not known or int(number) > self._number:
            return None
        if kept and int(number) < kept[0].number - 1:
            return None
        last = {(one.kind, one.name): one for one in kept if one.number > int(number)}
        return sorted(last.values())

    @contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever something has changed, for one page."""
        bell = asyncio.Event()
        with self._lock:
            self._bells[bell] = asyncio.get_running_loop()
        try:
            yield bell
        finally:
            with self._lock:
                del self._bells[bell]

    def _ring(self) -> None:
        with self._lock:
            bells = list(self._bells.items())
        for bell, loop in bells:
            if not loop.is_closed():
                loop.call_soon_threadsafe(bell.set)

    def close(self) -> None:
        """End every page's stream, and stop reading that of the watcher."""
        self.closed = True
        self._ring()
        self._reader.join(3.0)
