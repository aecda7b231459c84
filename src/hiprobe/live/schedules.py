"""When a camera is watched: times of day on days of the week. Knows no camera and no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hiprobe.types.events import check

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
EXAMPLE = "mon-fri 22:00-06:00"
_TIMES = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")


@dataclass(frozen=True)
class TimeSpan:
    """A span of the day on some days of the week, both in local time.

    `days` counts from Monday, 0. `start` and `end` are minutes after midnight, `end` exclusive. A
    span that ends at or before its start goes on into the next day and belongs to the day on which
    it starts. Raises ValueError for a span that never applies.

    >>> night = TimeSpan.parse("fri 22:00-06:00")
    >>> night.holds(4, 23 * 60), night.holds(5, 5 * 60), night.holds(4, 5 * 60)
    (True, True, False)
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        check(bool(self.days), "it names no day")
        check(
            0 <= self.start < DAY_MIN and 0 <= self.end <= DAY_MIN,
            "a time of day must be from 00:00 to 24:00",
        )
        check(self.start != self.end, "it ends when it starts, so it never applies")

    def holds(self, day: int, minute: float) -> bool:
        """Tell whether the span holds the time `minute` after midnight on weekday `day`."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        late = day in self.days and minute >= self.start
        return late or ((day - 1) % 7 in self.days and minute < self.end)

    @classmethod
    def parse(cls, text: str) -> TimeSpan:
        """Read `[DAYS] FROM-TO`, such as `mon-fri 22:00-06:00`, `sat,sun` or `08:00-18:00`.

        Raises ValueError.
        """
        words = text.lower().split()
        times = _TIMES.fullmatch(words[-1]) if words else None
        named = words[:-1] if times else words
        check(bool(words) and len(named) < 2, f'it must be like "{EXAMPLE}"')
        days = _days(named[0]) if named else frozenset(range(7))
        if times is None:
            return cls(days, 0, DAY_MIN)
        hours, minutes = (int(times[1]), int(times[3])), (int(times[2]), int(times[4]))
        check(max(minutes) < 60, "a time of day must be from 00:00 to 24:00")
        return cls(days, hours[0] * 60 + minutes[0], hours[1] * 60 + minutes[1])


def _days(text: str) -> frozenset[int]:
    """Read `mon-fri`, `sat,sun`, `fri-mon` or `daily`; raises ValueError."""
    if text == "daily":
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        check(
            first in DAYS and (last or first) in DAYS,
            f"a day must be one of {', '.join(DAYS)}, or daily, got {part[:20]!r}",
        )
        start, count = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7
        found |= {(start + step) % 7 for step in range(count + 1)}
    return frozenset(found)


@dataclass(frozen=True)
class Schedule:
    """When something applies: in each of `spans`, or always if no span is given.

    `zone` is the time zone; None is that of the machine.

    >>> from datetime import UTC
    >>> weekdays = Schedule.parse(["mon-fri 08:00-18:00"], UTC)
    >>> weekdays.applies(datetime(2025, 12, 1, 12, tzinfo=UTC).timestamp())  # a Monday
    True
    """

    spans: tuple[TimeSpan, ...] = ()
    zone: tzinfo | None = None

    def applies(self, wall: float) -> bool:
        """Tell whether the Unix time `wall`, in seconds, is in the schedule."""
        if not self.spans:
            return True
        local = datetime.fromtimestamp(wall, self.zone)
        minute = local.hour * 60 + local.minute
        return any(span.holds(local.weekday(), minute) for span in self.spans)

    @classmethod
    def parse(cls, texts: Iterable[str], zone: tzinfo | None = None) -> Schedule:
        """Read the spans; raises ValueError for a wrong one, and for none: it never applies."""
        spans = []
        for text in texts:
            try:
                spans.append(TimeSpan.parse(text))
            except ValueError as error:
                raise ValueError(f"{text[:40]!r}: {error}") from error
        check(bool(spans), "it has no times, so it never applies")
        return cls(tuple(spans), zone)
