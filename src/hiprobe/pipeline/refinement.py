"""Move the start and the end of each event to where the score changes. Knows no model.

The windows of a video follow each other without overlap, so an event found in them starts and ends
on that grid. Here more windows are placed around each boundary, at a quarter of the stride; the
caller reads and scores them. Events and scores only: no video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import Localization, contiguous_runs
from hiprobe.pipeline.boundaries import Array, blurred, log_odds_of, refined_boundary
from hiprobe.store import Window
from hiprobe.types import Event, Scores

Chosen = NDArray[np.bool_]
PARTS = 4  # windows in a stride
TOUCH_S = 1e-6  # times nearer than this are the same
# What is outside an event is looked up this far from it, so that a watcher, which knows no more
# once an event is over, finds the same boundaries.
BEFORE_S = 600.0
AFTER_STRIDES = 5


@dataclass(frozen=True)
class _Run:
    """The windows of one run of a video without a gap, and which are in an event so far."""

    starts: Array
    ends: Array
    raw: Array
    busy: Chosen

    @property
    def centres(self) -> Array:
        return np.asarray((self.starts + self.ends) / 2)

    @property
    def stride(self) -> float:
        return float((self.ends - self.starts).max())

    def inside(self, event: Event) -> Chosen:
        return np.asarray((self.centres > event.start) & (self.centres < event.end))

    def outside(self, event: Event) -> Chosen:
        """Choose the windows near an event that are neither in it nor in one before it."""
        last = event.end + AFTER_STRIDES * self.stride + TOUCH_S
        since = event.start - BEFORE_S
        return np.asarray((self.starts >= since) & (self.ends <= last) & ~self.busy)

    def extra(self, boundary: float) -> list[Window]:
        """Return the windows to read around a boundary, whose centres are up to a stride from it.

        Those of the grid are known already, unless they were left out. No window leaves the run.
        """
        steps = [(k, boundary + (k / PARTS - 0.5) * self.stride) for k in range(-PARTS, PARTS + 1)]
        firsts = [first for k, first in steps if 2 * abs(k) != PARTS or not self._has(first)]
        low, high = float(self.starts[0]), float(self.ends[-1]) - self.stride
        return [
            (max(first, low), max(first, low) + self.stride)
            for first in firsts
            if low - TOUCH_S <= first <= high + TOUCH_S
        ]

    def _has(self, start: float) -> bool:
        """Tell whether a window that starts there was read."""
        return bool((np.abs(self.starts - start) <= TOUCH_S).any())

    def boundaries(self, event: Event) -> tuple[float, ...]:
        """Return start and end of an event, without those at an edge of the run."""
        here = [(event.start, self.starts[0]), (event.end, self.ends[-1])]
        return tuple(one for one, edge in here if abs(one - edge) > TOUCH_S)


def windows_to_refine(events: Sequence[Event], scores: Scores) -> list[Window]:
    """Return the windows whose raw scores `refined_events` needs, sorted, each once."""
    found, (scores, _) = set[Window](), _comparable(scores, {})
    for event, run in _with_runs(events, scores):
        if not event.demoted and _level(event, run) is not None:
            found.update(window for one in run.boundaries(event) for window in run.extra(one))
    return sorted(found)


def refined_events(
    events: Sequence[Event], scores: Scores, settings: Localization, extra: Mapping[Window, float]
) -> tuple[Event, ...]:
    """Return the events with refined boundaries; `extra` are raw scores of `windows_to_refine`.

    A boundary becomes the time at which the raw score, averaged with its neighbours, crosses the
    middle between the highest score in the event and the median score outside, at most a stride
    from where it was. Outside are the windows of ten minutes before the event and of five strides
    after it that are in no event before it. Scores from 0 to 1 are compared as log-odds. The
    boundary does not leave the run and keeps the peak inside. A demoted event keeps its span, and
    so does one that would become shorter than `settings.min_s`. No event begins before the last one
    has ended. Raises KeyError for a window that `extra` lacks. The rule is our own.
    """
    scores, extra = _comparable(scores, extra)
    moved = [_moved(event, run, settings, extra) for event, run in _with_runs(events, scores)]
    return apart(moved)


def _comparable(
    scores: Scores, extra: Mapping[Window, float]
) -> tuple[Scores, Mapping[Window, float]]:
    """Return the raw scores as log-odds if those of `scores` are probabilities, else as they are.

    `extra` has no say, so that what is to be read is decided on the scale that is used afterwards.
    """
    if not len(scores.raw) or scores.raw.min() < 0 or scores.raw.max() > 1:
        return scores, extra
    odds = log_odds_of(np.array(list(extra.values()), np.float64)).tolist()
    return replace(scores, raw=log_odds_of(scores.raw)), dict(zip(extra, odds, strict=True))


def _with_runs(events: Sequence[Event], scores: Scores) -> list[tuple[Event, _Run]]:
    """Return each event, in time order, with the run that it is in."""
    starts, ends = scores.starts, scores.ends
    centres, cuts = (starts + ends) / 2, contiguous_runs(starts, ends, scores.gaps)
    busy, first = np.zeros(len(starts), bool), np.array([0, *cuts])
    found = []
    for event in sorted(events, key=lambda one: one.start):
        busy = busy | ((centres > event.start) & (centres < event.end))
        run = int(np.searchsorted(starts[first], event.start, side="right")) - 1
        part = slice(first[run], first[run + 1] if run + 1 < len(first) else None)
        found.append((event, _Run(starts[part], ends[part], scores.raw[part], busy[part])))
    return found


def _level(event: Event, run: _Run) -> float | None:
    """Return the middle between inside and outside; None if the inside is not above the outside."""
    outside = run.raw[run.outside(event)]
    if not len(outside):
        return None
    low, high = float(np.median(outside)), float(run.raw[run.inside(event)].max())
    return (low + high) / 2 if low < high else None


def _moved(event: Event, run: _Run, settings: Localization, extra: Mapping[Window, float]) -> Event:
    level = None if event.demoted else _level(event, run)
    if level is None:
        return event
    inside = run.inside(event)
    top = float(run.centres[inside][np.argmax(run.raw[inside])])
    start, end, kept = event.start, event.end, run.boundaries(event)
    if event.start in kept:
        centres, raw = _around(event.start, run, extra)
        start = refined_boundary(centres[centres <= top], raw[centres <= top], level)
    if event.end in kept:
        centres, raw = _around(event.end, run, extra)
        start_here = centres >= top
        end = refined_boundary(centres[start_here][::-1], raw[start_here][::-1], level)
    peak = top if event.peak is None else event.peak
    start, end = min(start, peak), max(end, peak)
    if end - start < max(settings.min_s, TOUCH_S):
        return event
    return replace(event, start=start, end=end)


def _around(boundary: float, run: _Run, extra: Mapping[Window, float]) -> tuple[Array, Array]:
    """Return the centres of all windows around a boundary, rising, and their blurred scores."""
    near = np.abs(run.centres - boundary) <= run.stride + TOUCH_S
    points = dict(zip(run.centres[near].tolist(), run.raw[near].tolist(), strict=True))
    points |= {(first + last) / 2: extra[first, last] for first, last in run.extra(boundary)}
    centres = sorted(points)
    return np.array(centres), blurred(np.array([points[centre] for centre in centres]))


def apart(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return events in time order, each from the end of the one before it at the earliest.

    >>> [(one.start, one.end) for one in apart([Event(0.0, 4.0), Event(3.0, 6.0)])]
    [(0.0, 4.0), (4.0, 6.0)]
    """
    before = [events[0].start, *(event.end for event in events)] if events else []
    pairs = zip(events, before, strict=False)
    return tuple(replace(event, start=max(event.start, end)) for event, end in pairs)
