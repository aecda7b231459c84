"""Fair batches: what several cameras send, taken in turns. Knows no camera, model or segment."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairBatches(Generic[Item]):
    """What the cameras `names` send, waiting for the model; at most `most_waiting` of each.

    A camera that sends more waits in `put`, so its source drops what it cannot keep, and no camera
    takes the place of another: each is served in turn. `counts` tells which items count for the
    size of a batch; the others, such as changes of a camera's state, come along in their order.

    >>> batches = FairBatches(["a", "b"], counts=lambda item: True)
    >>> for name, item in [("a", "a1"), ("a", "a2"), ("b", "b1")]:
    ...     _ = batches.put(name, item)
    >>> batches.take(2), batches.take(2)
    (['a1', 'b1'], ['a2'])
    """

    def __init__(
        self, names: Sequence[str], counts: Callable[[Item], bool], most_waiting: int = 2
    ) -> None:
        self._waiting: dict[str, deque[Item]] = {name: deque() for name in names}
        self._turns, self._counts, self._most = deque(names), counts, most_waiting
        self._changed, self._closed = threading.Condition(), False

    def put(self, name: str, item: Item) -> bool:
        """Add an item of a camera, and wait while too many of them wait; False once closed."""
        with self._changed:
            mine = self._waiting[name]
            self._changed.wait_for(lambda: self._closed or len(mine) < self._most)
            if not self._closed:
                mine.append(item)
                self._changed.notify_all()
            return not self._closed

    def take(self, most: int, wait_s: float = 0.0) -> list[Item]:
        """Return up to `most` items that count, one of each camera in turn, and those between.

        Waits up to `wait_s` seconds for the first one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.waits, wait_s)
            taken: list[Item] = []
            while self.waits and sum(map(self._counts, taken)) < most:
                self._turns.rotate(-1)
                mine = self._waiting[self._turns[-1]]
                if mine:
                    taken.append(mine.popleft())
            self._changed.notify_all()
            return taken

    @property
    def waits(self) -> bool:
        """Whether anything waits to be taken."""
        return any(self._waiting.values())

    def close(self) -> None:
        """Let nobody wait any longer; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
