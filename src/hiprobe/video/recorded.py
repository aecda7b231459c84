"""When a video was recorded: what its container says, or what its name says. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath

from hiprobe.errors import UsageError

EARLIEST = 1990  # an earlier year comes from a clock that was never set
# Phones write the first one too: local time with its offset.
TAGS = ("com.apple.quicktime.creationdate", "creation_time", "date")
EARLIEST_NAMED = 1900  # no video is older: these digits mean something else
_DIGITS = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%j": 3, "%f": 6}
_FIXED = ("%Y", "%y")


def time_in_tags(tags: Mapping[str, str]) -> str | None:
    """Return the time of recording in a container's tags, as ISO 8601; None if there is none.

    >>> time_in_tags({"creation_time": "2026-11-29T09:00:00.000000Z"})
    '2026-11-29T09:00:00+00:00'
    >>> time_in_tags({"creation_time": "1970-01-01T00:00:00.000000Z"}) is None
    True
    """
    found = {key.lower(): value for key, value in tags.items()}
    times = (_parsed(found[tag]) for tag in TAGS if tag in found)
    return next((time.isoformat() for time in times if time and time.year >= EARLIEST), None)


def _parsed(text: str) -> datetime | None:
    if len(text) < len("2026-11-29T09:00"):  # a date alone says nothing about the time of day
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


class NamePattern:
    """Finds a time in the names of videos, by a pattern such as `%Y%m%d_%H%M%S`.

    Each of `%Y %y %m %d %H %M %S %f %j` stands for digits, and other characters for themselves. A
    number may lack leading zeros only where no other number touches it. The pattern may be anywhere
    in the name without its suffix, but does not begin inside a number. Raises UsageError for
    another directive, or for a pattern without a date or an hour.

    >>> NamePattern("%Y%m%d_%H%M%S").time("cam1/front_20261129_090000.mp4")
    '2026-11-29T09:00:00'
    >>> NamePattern("%Y%m%d_%H%M%S").time("cam1/front.mp4") is None
    True
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parts = re.findall(r"%.?|[^%]+", pattern, re.DOTALL)
        unknown = [part for part in parts if part[0] == "%" and part not in {*_DIGITS, "%%"}]
        whole = {"%Y", "%y"} & set(parts) and {"%d", "%j"} & set(parts) and "%H" in parts
        if unknown or not whole or len(parts) != len(set(_directives(parts))):
            raise UsageError(
                f"--time-from-name must be a date and a time, got {pattern!r}",
                cure="use each of %Y %m %d %H %M %S at most once, for example %Y%m%d_%H%M%S",
            )
        self._regex = re.compile(_expression(parts), re.ASCII)

    def time(self, name: str) -> str | None:
        """Return the time in a video's name as ISO 8601 without an offset; None if it has none."""
        for text in self._texts(PurePosixPath(name).stem):
            try:
                time = datetime.strptime(text, self.pattern)
            except ValueError:
                continue  # digits that are not a date
            if time.year >= EARLIEST_NAMED:
                return time.isoformat()
        return None

    def _texts(self, stem: str) -> Iterator[str]:
        """Yield every text in the form of the pattern; they may overlap."""
        match = self._regex.search(stem)
        while match is not None:
            yield match[0]
            match = self._regex.search(stem, match.start() + 1)


def _expression(parts: list[str]) -> str:
    """Return the regular expression of a pattern's parts: directives, and the texts between."""
    found = [_digits(parts, place) for place in range(len(parts))]
    return ("(?<![0-9])" if parts[0] in _DIGITS else "") + "".join(found)


def _digits(parts: list[str], place: int) -> str:
    part = parts[place]
    if part not in _DIGITS:
        return re.escape("%" if part == "%%" else part)
    most, beside = _DIGITS[part], {*parts[max(0, place - 1) : place], *parts[place + 1 : place + 2]}
    alone = part == "%f" or (part not in _FIXED and not beside & set(_DIGITS))
    return rf"\d{{1,{most}}}(?!\d)" if alone else rf"\d{{{most}}}"


def _directives(parts: list[str]) -> list[str]:
    """Return parts so that equal directives are equal, and other texts never are."""
    return [part if part in _DIGITS else f"{place}{part}" for place, part in enumerate(parts)]
