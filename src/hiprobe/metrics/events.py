"""How well predicted events agree with annotated ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hiprobe.errors import LabelError
from hiprobe.types import Event

TIOUS = (0.1, 0.3, 0.5)  # temporal overlaps (tIoU) at which events are compared
BOUNDARY_TIOU = 0.1  # start and end are compared over the pairs that match at this tIoU


def tiou(one: Event, other: Event) -> float:
    """Compute the temporal intersection over union of two events, from 0 to 1.

    Raises LabelError for an event without a finite end.

    >>> tiou(Event(0.0, 4.0), Event(2.0, 6.0)) == 2 / 6
    True
    """
    if math.isinf(one.end) or math.isinf(other.end):
        raise LabelError("an event has no finite end", cure="clip it to the video's duration")
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    return shared / ((one.end - one.start) + (other.end - other.start) - shared)


def matched_pairs(
    truth: Sequence[Event], predicted: Sequence[Event], at: float
) -> list[tuple[Event, Event]]:
    """Return the (true, predicted) events of one video that match: tIoU of `at` or more.

    Each event is in one pair at most. Pairs are taken greedily, the highest tIoU first. Raises
    ValueError for `at` outside (0, 1].

    >>> matched_pairs([Event(0.0, 4.0)], [Event(1.0, 4.0), Event(0.0, 2.0)], at=0.5)[0][1].start
    1.0
    """
    if not 0 < at <= 1:
        raise ValueError(f"the tIoU must be above 0 and at most 1, got {at}")
    pairs = sorted(
        (-shared, i, j)
        for i, t in enumerate(truth)
        for j, p in enumerate(predicted)
        if (shared := tiou(t, p)) >= at
    )
    left, right, found = set[int](), set[int](), []
    for _, i, j in pairs:
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            found.append((truth[i], predicted[j]))
    return found


def matches(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> int:
    """Count the pairs of `matched_pairs`; raises ValueError as it does."""
    return len(matched_pairs(truth, predicted, at))


def event_f1(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> float:
    """Compute the F1 of the events of one video at tIoU `at`: 2 matches / (true + predicted).

    Raises LabelError if there are no events at all, as F1 is undefined then.

    >>> event_f1([Event(0.0, 4.0)], [Event(0.0, 3.0), Event(9.0, 10.0)], at=0.5) == 2 / 3
    True
    """
    if not truth and not predicted:
        raise LabelError("F1 is undefined without a true or a predicted event")
    return 2 * matches(truth, predicted, at) / (len(truth) + len(predicted))


class Watched(NamedTuple):
    """The true and the predicted events of one video, and its length in seconds."""

    true: Sequence[Event]
    predicted: Sequence[Event]
    seconds: float


def overlaps(one: Event, other: Event) -> bool:
    """Tell whether two events share any time."""
    return one.start < other.end and other.start < one.end


def delays(video: Watched) -> list[float]:
    """List the delay of each detected event: seconds from its start to the first alarm (our own).

    An event is detected if a predicted one overlaps it. The delay is 0 for an alarm that began
    before the event. The time that a live run needs to settle a score is not included.
    """
    first = [
        min((p.start for p in video.predicted if overlaps(t, p)), default=None) for t in video.true
    ]
    return [
        max(0.0, start - t.start)
        for t, start in zip(video.true, first, strict=True)
        if start is not None
    ]


def false_alarms(video: Watched) -> int:
    """Count the predicted events that overlap no true one (our own)."""
    return sum(not any(overlaps(t, p) for t in video.true) for p in video.predicted)


def boundary_errors(video: Watched) -> tuple[list[float], list[float]]:
    """List the absolute errors, in seconds, of the starts and of the ends of detected events.

    Over the pairs that match at a tIoU of `BOUNDARY_TIOU` (our own).

    >>> boundary_errors(Watched([Event(10.0, 20.0)], [Event(11.5, 20.5)], 60.0))
    ([1.5], [0.5])
    """
    pairs = matched_pairs(video.true, video.predicted, BOUNDARY_TIOU)
    return [abs(t.start - p.start) for t, p in pairs], [abs(t.end - p.end) for t, p in pairs]


def alarms_only(video: Watched) -> Watched:
    """Return the video without its demoted predicted events (severity low).

    >>> rejected = Event(0.0, 2.0, severity="low")
    >>> alarms_only(Watched([], [rejected, Event(4.0, 6.0)], 60.0)).predicted[0].start
    4.0
    """
    return video._replace(predicted=[event for event in video.predicted if not event.demoted])
