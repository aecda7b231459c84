"""The last footage of a camera, in memory. Knows no alert and no file."""

from __future__ import annotations

from collections import deque

from hiprobe.live.live_items import Footage


class FootageRing:
    """Keep the footage of the last `seconds` of a camera, at most `most_bytes` of it.

    >>> import numpy as np
    >>> ring = FootageRing(3.0, 1000)
    >>> for at in range(6):
    ...     ring.add(Footage("yard", at, at + 1.0, 0.0, at % 2 == 0, np.zeros(10, np.uint8)))
    >>> [piece.start for piece in ring.pieces], ring.size, [one.start for one in ring.since(3.5)]
    ([3, 4, 5], 30, [3, 4, 5])
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds, self._most = seconds, most_bytes
        self._held: deque[Footage] = deque()
        self.size = 0

    def add(self, footage: Footage) -> None:
        """Take the next piece, and forget what is too old or too much."""
        self._held.append(footage)
        self.size += int(footage.data.size)
        while len(self._held) > 1 and (
            self._held[0].end <= footage.end - self._seconds or self.size > self._most
        ):
            self.size -= int(self._held.popleft().data.size)

    @property
    def pieces(self) -> tuple[Footage, ...]:
        """All that is kept, oldest first."""
        return tuple(self._held)

    def since(self, start: float) -> list[Footage]:
        """Return the pieces from the last keyframe before `start` on, or all if there is none."""
        keys = [piece.start for piece in self._held if piece.key and piece.start <= start]
        first = max(keys, default=-1.0)
        return [piece for piece in self._held if piece.start >= first]
