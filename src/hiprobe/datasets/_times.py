"""Read a time in seconds as people write it. Knows text only."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_SECONDS = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2}(?:\.\d{0,12})?)", re.ASCII)
_ENDLESS = ("inf", "infinity")


def read_time(text: str, comma: bool = False) -> float | None:
    """Return a time of seconds, `mm:ss` or `h:mm:ss`, with fractions; None for anything else.

    `comma` allows a decimal comma. Minutes may be more than 59 only where no hours are written.

    >>> read_time("12.5"), read_time("1:30"), read_time("1:02:03,5", comma=True)
    (12.5, 90.0, 3723.5)
    >>> [read_time(text) for text in ("1:75", "-1", "nan")]
    [None, None, None]
    """
    if comma:
        text = re.sub(r"(?<=\d),(?=\d)", ".", text)
    if text.lower() in _ENDLESS:
        return math.inf
    if _SECONDS.fullmatch(text):
        found = float(text)
        return found if math.isfinite(found) else None
    return _clock(text)


def _clock(text: str) -> float | None:
    parts = _CLOCK.fullmatch(text)
    if parts is None:
        return None
    # Decimal, so that every way to write a time gives the same bits.
    hours, minutes, rest = int(parts[1] or 0), int(parts[2]), Decimal(parts[3])
    if rest >= 60 or (parts[1] and minutes >= 60):
        return None
    return float(3600 * hours + 60 * minutes + rest)
