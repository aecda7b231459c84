"""From true events to labels of segments. Arrays only: no videos, no tables of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    first of equals), so that a short event is not lost. `starts` and `ends` (n,) in seconds;
    returns int8 (n,). -1 is left out of fitting. Overlapping events count as one. `events` None
    (unknown) leaves all segments out; () means a normal video. The share of one half is our own.

    >>> edges = np.arange(5) * 1.6
    >>> label_segments(edges[:-1], edges[1:], (Event(2.0, 5.0),)).tolist()
    [0, 1, 1, -1]
    >>> label_segments(edges[:-1], edges[1:], (Event(1.0, 2.2),)).tolist()
    [1, -1, 0, 0]
    """
    if events is None:
        return np.full(len(starts), -1, dtype=np.int8)
    overlaps = _overlaps(starts, ends, events)
    inside = overlaps.sum(axis=0)
    positive = inside >= positive_share * (ends - starts) - _NOTHING
    labels = np.where(inside <= _NOTHING, 0, np.where(positive, 1, -1))
    for overlap in overlaps[_without_positive(overlaps, labels)]:
        labels[_first_largest(overlap)] = 1
    return np.asarray(labels, dtype=np.int8)


def short_events(
    starts: Array, ends: Array, events: Sequence[Event], *, positive_share: float = 0.5
) -> list[tuple[float, float]]:
    """Return the spans of the events that are too short for the rule of one half.

    They are the events, overlapping ones merged, that lie in no segment of which at least
    `positive_share` is in an event: `label_segments` gives them one segment all the same. `starts`
    and `ends` (n,) and the spans are in seconds. An event outside all segments is not among them.

    >>> edges = np.arange(5) * 1.6
    >>> short_events(edges[:-1], edges[1:], (Event(1.0, 2.2), Event(3.0, 5.0)))
    [(1.0, 2.2)]
    """
    overlaps = _overlaps(starts, ends, events)
    half = overlaps.sum(axis=0) >= positive_share * (ends - starts) - _NOTHING
    short = _without_positive(overlaps, half)
    return [span for span, lost in zip(_union(events), short, strict=True) if lost]


def _overlaps(starts: Array, ends: Array, events: Sequence[Event]) -> Array:
    """Return the seconds (merged events, n) that each merged event shares with each segment."""
    spans = np.array(_union(events), dtype=np.float64).reshape(-1, 2)
    shared = np.minimum(ends, spans[:, 1:]) - np.maximum(starts, spans[:, :1])
    return np.asarray(np.clip(shared, 0.0, None))


def _without_positive(overlaps: Array, labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which events (m,) lie in some segment, but in none of label 1."""
    touched = overlaps > _NOTHING
    return np.asarray(touched.any(axis=1) & ~(touched & (labels == 1)).any(axis=1))


def _first_largest(overlap: Array) -> int:
    return int(np.argmax(overlap >= overlap.max() - _NOTHING))


def _union(events: Sequence[Event]) -> list[tuple[float, float]]:
    """Return the spans of `events`, sorted, with overlapping ones merged."""
    out: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda e: e.start):
        if out and event.start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], event.end))
        else:
            out.append((event.start, event.end))
    return out
