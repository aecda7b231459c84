"""Events from smoothed scores: joined, merged, and dropped if short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize.contiguity import JOIN_S, contiguous_runs
from hiprobe.types import Event, Gap

Array = NDArray[np.float64]
# Tolerance in seconds when sums of durations are compared.
_ROUNDING = 1e-6


class EventTracker:
    """Joins consecutive segments at or above the threshold into events, and merges close events.

    Events less than `merge_s` seconds apart are merged; shorter ones than `min_s` are dropped.
    `pending` is the current event; a later segment may still extend it.
    """

    def __init__(self, merge_s: float, min_s: float) -> None:
        self._merge_s, self._min_s = merge_s, min_s
        self._end = math.inf
        self.pending: Event | None = None

    def push(
        self, start: float, end: float, score: float, threshold: float, *, gap: bool = False
    ) -> list[Event]:
        """Add the next segment and return the events that became final: none or one.

        `start` and `end` in seconds, `score` smoothed. No event crosses a gap. A pause before
        the segment is a gap; `gap` marks one before a segment whose start touches the last end.
        """
        closed = self.flush() if gap or start - self._end > JOIN_S else []
        self._end = end
        if score >= threshold:
            self._extend(Event(start, end, peak=(start + end) / 2, score=score))
        elif self.pending and end - self.pending.end >= self._merge_s - _ROUNDING:
            closed += self.flush()  # the next segment would start too late to be merged
        return closed

    def flush(self) -> list[Event]:
        """End the run: return the pending event, if it is long enough."""
        event, self.pending = self.pending, None
        return [event] if event and event.end - event.start >= self._min_s - _ROUNDING else []

    def _extend(self, event: Event) -> None:
        last = self.pending or event
        top = event if (event.score or 0.0) > (last.score or 0.0) else last
        self.pending = replace(top, start=last.start, end=event.end)


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
    new = set(contiguous_runs(starts, ends, gaps))
    limits = np.broadcast_to(np.asarray(threshold, dtype=np.float64), smoothed.shape)
    found: list[Event] = []
    for i, (start, end, score, limit) in enumerate(
        zip(starts, ends, smoothed, limits, strict=True)
    ):
        found += tracker.push(float(start), float(end), float(score), float(limit), gap=i in new)
    return tuple(found + tracker.flush())
