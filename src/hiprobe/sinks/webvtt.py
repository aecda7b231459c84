"""Write events as WebVTT cues, captions that video players show. Knows no result, only event lines.

Syntax: W3C WebVTT, sections 4.1 (file structure) and 4.2.2 (cue text escapes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.sinks import NO_OPTIONS, SCHEMA, Line, Live, Target, TextFile
from hiprobe.sinks._settings import check_names

schemas = (SCHEMA,)
network = False


def events_webvtt(lines: Sequence[Line], note: str = "") -> str:
    """Make one cue per event: its id, its span, label and score, and the explanation.

    `note` becomes a comment at the top, which players do not show.
    """
    comment = [f"NOTE {escape(note)}\n"] if note else []
    return "\n".join(["WEBVTT\n", *comment, *map(_cue, lines)])


def open(
    target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
) -> TextFile:
    """Open a sink that writes the file `target` when it is closed; it has no options."""
    check_names("option", options, ())
    return TextFile(target, events_webvtt)


def _cue(line: Line) -> str:
    # Round outward, so that a cue covers its event and ends after its start, but not below zero.
    start, end = (round(line[key] * 1000, 3) for key in ("start", "end"))
    head = line["label"] or "event"
    if line["peak_score"] is not None:
        head += f" (score {line['peak_score']:.2f})"
    if line["severity"] == "low":
        odds = line["verification"]["log_odds"]
        head = f"demoted{'' if odds is None else f', log-odds {odds:+.1f}'}: {head}"
    text = [escape(part) for part in (head, line["explanation"]) if part]
    span = f"{timestamp(max(0, math.floor(start)))} --> {timestamp(math.ceil(end))}"
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
    line = " ".join(
        "".join(
            c if c.isprintable() or c.isspace() or ord(c) > 159 else "\ufffd" for c in text
        ).split()
    )
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
