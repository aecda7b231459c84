"""The clock of a camera, and Unix time, for windows of one connection after another.

Numbers only: knows no stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP_S = 1.0  # Unix time further than this from what the camera's clock says has jumped


@dataclass(frozen=True)
class Placing:
    """When a window begins.

    `base` is to be added to the times of its connection to get seconds of the camera's clock;
    `wall` is Unix time. `jump`: since the window before, Unix time has not passed as the camera's
    clock has, because the machine's clock was set.
    """

    base: float
    wall: float
    jump: bool


class CameraClock:
    """Place windows in time, in the order in which they come.

    The camera's clock is 0 at the first frame of the first connection, and never goes back. A later
    connection goes on with what has passed by the machine's steady clock. `monotonic` and `unix`
    are that clock and Unix time, in seconds.

    >>> clock = CameraClock(monotonic=lambda: 50.0, unix=lambda: 1000.0)
    >>> clock.connected()
    >>> clock.place(0.0, 1.6, anchor=45.0)
    Placing(base=0.0, wall=995.0, jump=False)
    >>> clock.connected()
    >>> clock.place(0.0, 1.6, anchor=48.0)
    Placing(base=3.0, wall=998.0, jump=False)
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic, self._unix = monotonic, unix
        self._origin: float | None = None
        self._base: float | None = None
        self._end = 0.0
        self._before: tuple[float, float] | None = None

    def connected(self) -> None:
        """Note that the next window is the first one of a new connection."""
        self._base = None

    def place(self, start: float, end: float, anchor: float, speed: float = 1.0) -> Placing:
        """Place the window from `start` to `end`, in seconds of its connection.

        `anchor` is the time of its second 0 on the steady clock. `speed` is how many of its seconds
        pass in one.
        """
        if self._origin is None:
            self._origin = anchor
        if self._base is None:
            self._base = max(self._end, anchor - self._origin)
        wall = self._unix() - self._monotonic() + anchor + start / speed
        begins = self._base + start
        jump = self._jumped(begins, wall, speed)
        self._before, self._end = (begins, wall), self._base + end
        return Placing(self._base, wall, jump)

    def _jumped(self, begins: float, wall: float, speed: float) -> bool:
        if self._before is None:
            return False
        expected = self._before[1] + (begins - self._before[0]) / speed
        return abs(wall - expected) > JUMP_S
