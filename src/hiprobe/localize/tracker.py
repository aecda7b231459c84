"""Events from smoothed scores: joined, merged, and dropped if short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize.contiguity import JOIN_S, contiguous_runs, left_out_before
from hiprobe.types import Event, Gap

Array = NDArray[np.float64]
# Tolerance in seconds when sums of durations are compared.
_ROUNDING = 1e-6


class EventTracker:
    """Joins consecutive segments at or above the threshold into events, and merges close events.

    An event starts where the score reaches the threshold. It is extended both ways over the
    adjacent segments whose score is at least `extend` times the threshold that applies to them
    (hysteresis, our own): see `low_threshold`. No event crosses a gap. Then events less than
    `merge_s` seconds apart are merged, and those shorter than `min_s` are dropped.
    """

    def __init__(self, merge_s: float, min_s: float, extend: float = 1.0) -> None:
        self._merge_s, self._min_s, self._extend = merge_s, min_s, extend
        self._end = math.inf
        self._before: Event | None = None  # complete, but what follows may be merged into it
        self._run: Event | None = None  # the adjacent segments at or above the low threshold
        self._started = False  # whether one of them has reached the threshold
        self._stepped = False  # whether windows were left out since the last segment

    @property
    def pending(self) -> Event | None:
        """The current event as far as it is known; None if there is none.

        Later segments may change its end, peak and score, but not its start. It is there as soon as
        one segment has reached the threshold, and then starts where the run of segments above the
        low threshold began, which may be earlier; until then such a run is not in it. It may still
        be dropped for being shorter than `min_s`.
        """
        return _joined(self._before, self._run) if self._started else self._before

    @property
    def possible(self) -> Event | None:
        """The current event with the run that may yet join it or become it; None without both."""
        return _joined(self._before, self._run)

    def push(
        self, start: float, end: float, score: float, threshold: float, *, gap: bool = False
    ) -> list[Event]:
        """Add the next segment and return the events that became final: none or one.

        `start` and `end` in seconds, `score` smoothed. No event crosses a gap. A pause before
        the segment is a gap; `gap` marks one before a segment whose start touches the last end.
        An event becomes final when no later segment can join it. That takes longer while a run
        close to it is above the low threshold and has not reached the threshold.
        """
        stepped, self._stepped = self._stepped, False
        if gap or (start - self._end > JOIN_S and not stepped):
            closed = self.flush()
        else:
            closed = self._too_far(start) if stepped else []
        self._end = end
        if score >= low_threshold(threshold, self._extend):
            self._run = _joined(self._run, Event(start, end, peak=(start + end) / 2, score=score))
            self._started = self._started or score >= threshold
            return closed
        self._end_run()
        if self._before and end - self._before.end >= self._merge_s - _ROUNDING:
            closed += self._close()  # the next segment would start too late to be merged
        return closed

    def step_over(self) -> None:
        """Say that windows before the next segment were left out on purpose: that is no gap.

        An event is not extended over them, but it may be merged with one behind them.
        """
        self._end_run()
        self._stepped = True

    def _too_far(self, start: float) -> list[Event]:
        """Close the event before a segment that begins at `start`, if it comes too late to join."""
        before = self._before
        late = before is not None and start - before.end >= self._merge_s - _ROUNDING
        return self._close() if late else []

    def flush(self) -> list[Event]:
        """End the run: return the pending event, if it is long enough."""
        self._end_run()
        return self._close()

    def _end_run(self) -> None:
        self._before, self._run, self._started = self.pending, None, False

    def _close(self) -> list[Event]:
        event, self._before = self._before, None
        return [event] if event and event.end - event.start >= self._min_s - _ROUNDING else []


def low_threshold(threshold: float, extend: float) -> float:
    """Return the score down to which an event is extended: `extend * threshold` if that is above 0.

    A threshold of 0 or below, which only a plug-in's scores can have, is lowered by the same share
    of its size: `threshold - (1 - extend) * abs(threshold)` holds for both. So the result is never
    above the threshold, and 0 stays 0. The infinite threshold of a warm-up stays infinite.

    >>> low_threshold(0.5, 0.5), low_threshold(-2.0, 0.5), low_threshold(math.inf, 0.5)
    (0.25, -3.0, inf)
    """
    return threshold * (extend if threshold > 0 else 2 - extend)


def _joined(first: Event | None, last: Event | None) -> Event | None:
    """Return the event from the start of `first` to the end of `last`, with the higher peak."""
    if first is None or last is None:
        return first or last
    top = last if (last.score or 0.0) > (first.score or 0.0) else first
    return replace(top, start=first.start, end=last.end)


def find_events(
    starts: Array,
    ends: Array,
    smoothed: Array,
    threshold: float | Array,
    tracker: EventTracker,
    gaps: Sequence[Gap] = (),
) -> tuple[Event, ...]:
    """Find the events of one video with a new `tracker`; spans and peaks in seconds.

    `starts`, `ends` and `smoothed` are (n,), `threshold` is a number or (n,). An event's score is
    the highest smoothed score in it, its peak the centre of that segment.
    """
    new, left_out = set(contiguous_runs(starts, ends, gaps)), left_out_before(starts, gaps)
    limits = np.broadcast_to(np.asarray(threshold, dtype=np.float64), smoothed.shape)
    found: list[Event] = []
    for i, (start, end, score, limit) in enumerate(
        zip(starts, ends, smoothed, limits, strict=True)
    ):
        if left_out[i] and i not in new:
            tracker.step_over()
        found += tracker.push(float(start), float(end), float(score), float(limit), gap=i in new)
    return tuple(found + tracker.flush())
