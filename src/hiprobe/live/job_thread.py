"""A thread that does jobs in the order in which they are given."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class JobThread:
    """Do jobs one after the other, and `between` after each and at least every `tick_s` seconds.

    The thread does not keep the program from ending. A job must handle its own errors.

    >>> thread = JobThread("example")
    >>> thread.do(lambda: print("done"))
    >>> thread.close(5.0)
    done
    True
    """

    def __init__(self, name: str, between: Job = lambda: None, tick_s: float = 0.5) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._between, self._tick_s = between, tick_s
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Job) -> None:
        """Put a job behind the others, and return at once."""
        self._jobs.put(job)

    def close(self, timeout_s: float) -> bool:
        """Do the jobs given so far, and no more; return whether that took less than `timeout_s`."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._tick_s)
            except queue.Empty:
                self._between()
                continue
            if job is None:
                return
            job()
            self._between()
