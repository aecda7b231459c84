"""Lines to several listeners, each at its own pace. Knows no kind of line."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

Line = Mapping[str, Any]
MOST = 256  # lines that wait for a slow listener; the oldest ones are lost


class Broadcast:
    """Gives each line to everyone who listens then.

    >>> broadcast = Broadcast()
    >>> lines = broadcast.listen()
    >>> broadcast.send({"score": 0.5})
    >>> broadcast.close()
    >>> list(lines)
    [{'score': 0.5}]
    """

    def __init__(self) -> None:
        self._changed, self._closed = threading.Condition(), False
        self._queues: list[deque[Line]] = []

    def send(self, line: Line) -> None:
        """Give a line to all listeners; never waits."""
        with self._changed:
            for queue in self._queues:
                queue.append(line)
            self._changed.notify_all()

    def listen(self, wait_s: float | None = None) -> Iterator[Line]:
        """Return an iterator over the lines sent from now on; it ends once the sender closes.

        With `wait_s` it also gives an empty line after so many seconds without one, so that a
        listener notices that nobody listens to it. Whoever stops listening must close it.
        """
        queue: deque[Line] = deque(maxlen=MOST)
        with self._changed:
            self._queues.append(queue)
        return self._lines(queue, wait_s)

    def _lines(self, queue: deque[Line], wait_s: float | None) -> Iterator[Line]:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or bool(queue), wait_s)
                    line = queue.popleft() if queue else {}
                    if not line and self._closed:
                        return
                yield line
        finally:
            with self._changed:
                self._queues = [one for one in self._queues if one is not queue]

    def close(self) -> None:
        """End what all listeners listen to, after the lines that were sent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
