"""Times, scores and names as text for a picture, a page or a terminal. Knows no result."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from hiprobe.errors import counted

FITTED_ON = "this probe was fitted on this video: its scores say nothing about new videos"


def clock(seconds: float, digits: int = 1) -> str:
    """Write seconds as `m:ss.s`, or `h:mm:ss.s` from one hour, rounded to `digits` decimals."""
    unit = 10**digits
    total, rest = divmod(round(max(0.0, seconds) * unit), unit)
    minutes = f"{total // 60}" if total < 3600 else f"{total // 3600}:{total // 60 % 60:02d}"
    return f"{minutes}:{total % 60:02d}" + (f".{rest:0{digits}d}" if digits else "")


def wall_clock(recorded: str | None, seconds: float = 0.0) -> str:
    """Write the date and time of a moment of a video, `seconds` after the time of recording.

    "" where that is not known.

    >>> wall_clock("2026-11-29T09:00:00", 61.5)
    '2026-11-29 09:01:01'
    """
    try:
        moment = datetime.fromisoformat(recorded or "") + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return ""
    return moment.replace(microsecond=0).isoformat(" ").replace("+00:00", " UTC")


def printable(text: str) -> str:
    """Put text on one line, without control and direction characters, which a terminal obeys."""
    obeyed = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return " ".join("".join(" " if unicodedata.category(c) in obeyed else c for c in text).split())


def two(score: float | None) -> str:
    """Write a score with two decimals; "" for None."""
    return "" if score is None else f"{score:.2f}"


def count(events: int) -> str:
    """Write a number of events: "no event", "1 event", "2 events"."""
    return counted(events, "event") if events else "no event"
