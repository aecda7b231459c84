"""Time spans of a video: events, and gaps that could not be scored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Severity = Literal["low", "medium", "high"]
VerificationResult = Literal["confirmed", "rejected", "unsure", "not_checked"]
Box = tuple[float, float, float, float]
Heat = tuple[tuple[float, ...], ...]
SEVERITIES = ("low", "medium", "high")
VERIFICATION_RESULTS = ("confirmed", "rejected", "unsure", "not_checked")


def check(condition: bool, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Verification:
    """What the model answers when it is asked about a detected event.

    `log_odds` are the log-odds of yes against no, None if it was not asked. Raises ValueError for
    another result, or for log-odds that are not finite.

    >>> Verification("rejected", log_odds=-1.5).result
    'rejected'
    """

    result: VerificationResult = "not_checked"
    log_odds: float | None = None

    def __post_init__(self) -> None:
        check(
            self.result in VERIFICATION_RESULTS,
            f"the result must be one of {VERIFICATION_RESULTS}, got {self.result!r}",
        )
        check(
            self.log_odds is None or math.isfinite(self.log_odds),
            f"log-odds must be finite, got {self.log_odds}",
        )


@dataclass(frozen=True)
class Event:
    """An anomalous time span `[start, end)` in seconds, annotated or predicted.

    `score` is the highest smoothed score in the span and `peak` the time at which it is reached;
    both are None in an annotation. An annotation may have an infinite `end` ("the whole video").

    `severity` is low if `verification`, the model's own check, rejected it: the event is then
    `demoted`, which means kept but not raised as an alarm. `heat` (rows of columns) says how much
    of the score each cell of the frame carries, and `box` is the strongest cell as x, y, width and
    height, relative to the frame as shown; both are None unless they were asked for.

    Raises ValueError if a time is not a number, `end` is not after `start`, or for a severity, box
    or heat that is not valid.

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
    severity: Severity = "medium"
    verification: Verification = Verification()
    box: Box | None = None
    heat: Heat | None = None

    def __post_init__(self) -> None:
        check(
            math.isfinite(self.start) and not math.isnan(self.end),
            f"an event needs a finite start and an end that is a number, got {self}",
        )
        check(
            self.end > self.start,
            f"an event must end after its start at {self.start:.10g} s, got end {self.end:.10g} s",
        )
        check(
            self.severity in SEVERITIES,
            f"the severity must be one of {SEVERITIES}, got {self.severity!r}",
        )
        if self.box is not None:
            _check_box(self.box)
        if self.heat is not None:
            _check_heat(self.heat)

    @property
    def demoted(self) -> bool:
        """Whether the event is kept without being an alarm."""
        return self.severity == "low"


def _check_box(box: Box) -> None:
    x, y, width, height = box
    inside = min(x, y) >= 0 < min(width, height) and max(x + width, y + height) <= 1 + 1e-9
    check(inside, f"a box must be x, y, width, height inside 0 to 1, got {box}")


def _check_heat(heat: Heat) -> None:
    widths = {len(row) for row in heat}
    finite = all(math.isfinite(value) for row in heat for value in row)
    check(
        len(widths) == 1 and 0 not in widths and finite,
        f"heat must be rows of equally many finite numbers, got {str(heat)[:80]}",
    )


UNREAD = "unread"


@dataclass(frozen=True)
class Gap:
    """A time span `[start, end)` in seconds that was not scored, and the reason.

    Either it could not be decoded, or, with the reason `UNREAD`, it is one window that was left out
    on purpose: see `pipeline.coarse_to_fine`. Only what could not be decoded ends an event.

    >>> Gap(3.2, 4.8, "no frame could be decoded").unread, Gap(3.2, 4.8, UNREAD).unread
    (False, True)
    """

    start: float
    end: float
    reason: str

    @property
    def unread(self) -> bool:
        """Whether it is a window that was left out on purpose."""
        return self.reason == UNREAD
