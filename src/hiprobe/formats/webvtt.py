"""WebVTT: captions that browsers and players show. Knows no result, only event lines.

Syntax: W3C WebVTT, sections 4.1 (file structure) and 4.2.2 (cue text escapes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.formats import VideoEvents
from hiprobe.formats._times import milliseconds
from hiprobe.formats._words import caption, plain

suffix, one_file, needs = ".vtt", False, "nothing"


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one cue per event of one video."""
    return events_webvtt([line for one in videos for line in one.lines])


def events_webvtt(lines: Sequence[Mapping[str, Any]], note: str = "") -> str:
    """Make one cue per event: its id, its span, label and score, and the explanation.

    `note` becomes a comment at the top, which players do not show.
    """
    comment = [f"NOTE {escape(note)}\n"] if note else []
    return "\n".join(["WEBVTT\n", *comment, *map(_cue, lines)])


def _cue(line: Mapping[str, Any]) -> str:
    # Rounded outward, so that a cue covers its event and ends after its start.
    start, end = milliseconds(line)
    text = [escape(part) for part in (caption(line), line["explanation"]) if part]
    span = f"{timestamp(start)} --> {timestamp(end)}"
    return "\n".join([line["id"], span, *filter(None, text), ""])


def timestamp(milliseconds: int) -> str:
    """Format a time as `hh:mm:ss.ttt`, with more digits of hours where needed.

    >>> timestamp(3_723_004)
    '01:02:03.004'
    """
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def escape(text: str) -> str:
    """Make text safe for one line of a cue: no line break, markup, arrow or control character."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
