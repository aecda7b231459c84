"""Times of a stream that run on when the camera's clock leaps. Numbers only: knows no packet."""

from __future__ import annotations

from collections import deque

LEAP_S = 1.0  # further from what its arrival allows, a time is not believed
LEAP_FRAMES = 4  # frames may be out of order by fewer than this
RECENT_S = 30.0  # the least delay is that of this time, so that a drift of the clock is followed


class StreamTimes:
    """Correct the times that a camera states, in seconds, by the times at which packets arrive.

    A time more than a second back, or ahead of what can have been recorded by then, means that the
    camera's clock was set: from there on time goes on as the packets arrive. `leaps` counts that.
    `frame_s` is the usual distance of two frames. Arrivals are of a clock that never goes back.

    >>> times = StreamTimes(0.04)
    >>> [times.correction(stated, now) for stated, now in [(0.0, 7.0), (0.04, 7.04)]]
    [0.0, 0.0]
    >>> round(1000.0 + times.correction(1000.0, 7.08), 6), times.leaps
    (0.08, 1)
    """

    def __init__(self, frame_s: float) -> None:
        self.leaps = 0
        self._leap_s = max(LEAP_S, LEAP_FRAMES * frame_s)
        self._added = 0.0
        self._last: float | None = None
        self._arrived = 0.0
        # (arrival, delay), both rising: the first one is the least delay of `RECENT_S`.
        self._delays: deque[tuple[float, float]] = deque()

    @property
    def anchor(self) -> float:
        """When time 0 was recorded, on the clock of arrivals, by the packet that came soonest.

        The first packets may come late: a server sends what it has kept since a keyframe.
        """
        return self._delays[0][1] if self._delays else 0.0

    def correction(self, stated: float, now: float) -> float:
        """Return what is to be added to the time `stated` of a packet that arrives at `now`."""
        time = stated + self._added
        if self._last is not None and self._is_leap(time, now):
            self.leaps += 1
            self._added += self._last + max(now - self._arrived, 0.0) - time
            time = stated + self._added
        self._last, self._arrived = time, now
        self._note(now, now - time)
        return self._added

    def _is_leap(self, time: float, now: float) -> bool:
        assert self._last is not None
        if time < self._last - self._leap_s:
            return True
        early = now - time < self.anchor - self._leap_s
        return early and time > self._last + self._leap_s

    def _note(self, now: float, delay: float) -> None:
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((now, delay))
        while self._delays[0][0] < now - RECENT_S:
            self._delays.popleft()
