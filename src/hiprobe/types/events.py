"""Time spans of a video: events, and gaps that could not be scored."""

from __future__ import annotations

import math
from dataclasses import dataclass


def check(condition: bool, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Event:
    """An anomalous time span `[start, end)` in seconds, annotated or predicted.

    `score` is the highest smoothed score in the span and `peak` the time at which it is reached;
    both are None in an annotation. An annotation may have an infinite `end` ("the whole video").
    Raises ValueError if a time is not a number or `end` is not after `start`.

    >>> event = Event(12.8, 20.8, peak=16.8, score=0.93)
    >>> event.end - event.start
    8.0
    """

    start: float
    end: float
    peak: float | None = None
    score: float | None = None
    label: str | None = None
    explanation: str | None = None

    def __post_init__(self) -> None:
        check(
            math.isfinite(self.start) and not math.isnan(self.end),
            f"an event needs a finite start and an end that is a number, got {self}",
        )
        check(
            self.end > self.start,
            f"an event must end after its start at {self.start:.10g} s, got end {self.end:.10g} s",
        )


@dataclass(frozen=True)
class Gap:
    """A time span `[start, end)` in seconds that could not be scored, and the reason.

    >>> Gap(3.2, 4.8, "no frame could be decoded").reason
    'no frame could be decoded'
    """

    start: float
    end: float
    reason: str
