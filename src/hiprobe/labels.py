"""From true events to labels of segments. Arrays only: no videos, no tables of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import Event, LabelArray

Array = NDArray[np.float64]
_NOTHING = 1e-9  # an overlap of at most this many seconds is none


def label_segments(
    starts: Array, ends: Array, events: Sequence[Event] | None, *, positive_share: float = 0.5
) -> LabelArray:
    """Label segments: 1 if at least `positive_share` is in an event, 0 if nothing is, else -1.

    An event that lies in no segment of label 1 gives 1 to the segment that holds most of it (the
    first of equals), so that a short event is not lost. `starts` and `ends` (n,) in seconds, in
    order; returns int8 (n,). -1 is left out of fitting. Overlapping events count as one. `events`
    None (unknown) leaves all segments out; () means a normal video. The share of one half is our
    own.

    >>> edges = np.arange(5) * 1.6
    >>> label_segments(edges[:-1], edges[1:], (Event(2.0, 5.0),)).tolist()
    [0, 1, 1, -1]
    >>> label_segments(edges[:-1], edges[1:], (Event(1.0, 2.2),)).tolist()
    [1, -1, 0, 0]
    """
    if events is None:
        return np.full(len(starts), -1, dtype=np.int8)
    parts = _parts(starts, ends, events)
    inside = _inside(len(starts), parts)
    positive = inside >= positive_share * (ends - starts) - _NOTHING
    labels = np.where(inside <= _NOTHING, 0, np.where(positive, 1, -1))
    for part in _short(parts, labels == 1):
        labels[part.most] = 1
    return np.asarray(labels, dtype=np.int8)


def short_events(
    starts: Array, ends: Array, events: Sequence[Event], *, positive_share: float = 0.5
) -> list[tuple[float, float]]:
    """Return the spans of the events that are too short for the rule of one half.

    They are the events, overlapping ones merged, that lie in no segment of which at least
    `positive_share` is in an event: `label_segments` gives them one segment all the same. `starts`
    and `ends` (n,) and the spans are in seconds. An event outside all segments is not among them.

    >>> edges = np.arange(5) * 1.6
    >>> short_events(edges[:-1], edges[1:], (Event(1.0, 2.2), Event(3.4, 5.0)))
    [(1.0, 2.2)]
    """
    parts = _parts(starts, ends, events)
    half = _inside(len(starts), parts) >= positive_share * (ends - starts) - _NOTHING
    return [part.span for part in _short(parts, half)]


class _Part(NamedTuple):
    """A merged event: its span, the segments `rows` that it touches, and its seconds in each."""

    span: tuple[float, float]
    rows: slice
    seconds: Array

    @property
    def most(self) -> int:
        """The segment that holds most of it, the first of equals."""
        first: int = self.rows.start
        return first + int(np.argmax(self.seconds >= self.seconds.max() - _NOTHING))


def _parts(starts: Array, ends: Array, events: Sequence[Event]) -> list[_Part]:
    """Return the merged events that lie in a segment; `starts` and `ends` must be in order."""
    out = []
    for first, last in _union(events):
        rows = slice(int(np.searchsorted(ends, first)), int(np.searchsorted(starts, last)))
        seconds = np.minimum(ends[rows], last) - np.maximum(starts[rows], first)
        if seconds.size and seconds.max() > _NOTHING:
            out.append(_Part((first, last), rows, np.clip(seconds, 0.0, None)))
    return out


def _inside(segments: int, parts: Sequence[_Part]) -> Array:
    """Sum the seconds (segments,) of each segment that lie in an event."""
    inside = np.zeros(segments)
    for part in parts:
        inside[part.rows] += part.seconds
    return inside


def _short(parts: Sequence[_Part], half: NDArray[np.bool_]) -> list[_Part]:
    """Return the events that lie in no segment that is `half` (segments,) covered."""
    return [part for part in parts if not half[part.rows][part.seconds > _NOTHING].any()]


def _union(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Return the spans of `events`, sorted, with overlapping ones merged."""
    out: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda e: e.start):
        if out and event.start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], event.end))
        else:
            out.append((event.start, event.end))
    return out
