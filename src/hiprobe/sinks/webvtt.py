"""Events as WebVTT cues, a caption track that video players show. Knows no result, only finished event lines.

Syntax: W3C WebVTT, sections 4.1 (file structure) and 4.2.2 (cue text escapes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hiprobe.sinks import Line, Target, TextFile


def render(lines: Sequence[Line]) -> str:
    """One cue per event: its id, its span, a line with label and score, and a line with the explanation."""
    return "\n".join(["WEBVTT\n", *map(_cue, lines)])


def open(target: Target) -> TextFile:
    """A sink that writes the file `target` when closed."""
    return TextFile(target, render)


def _cue(line: Line) -> str:
    # Rounded outward: a cue must end after it starts, and covers its event. No player shows a time below zero.
    start, end = (round(line[key] * 1000, 3) for key in ("start", "end"))
    head = line["label"] or "event"
    if line["peak_score"] is not None:
        head += f" (score {line['peak_score']:.2f})"
    text = [escape(part) for part in (head, line["explanation"]) if part]
    span = f"{timestamp(max(0, math.floor(start)))} --> {timestamp(math.ceil(end))}"
    return "\n".join([line["id"], span, *filter(None, text), ""])


def timestamp(milliseconds: int) -> str:
    """`hh:mm:ss.ttt`, with more digits of hours where needed."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def escape(text: str) -> str:
    """Text for one line of a cue: no line break, no markup, no arrow, no control character."""
    line = " ".join(
        "".join(
            c if c.isprintable() or c.isspace() or ord(c) > 159 else "\ufffd" for c in text
        ).split()
    )
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
