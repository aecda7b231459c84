"""Write events as JSON lines, one event per line. Knows no result, only event lines."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hiprobe.sinks import Line, Target, TextFile


def events_jsonl(lines: Sequence[Line]) -> str:
    """Make one JSON object per line, in ASCII, so that no text inside can end a line."""
    return "".join(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n" for line in lines)


def open(target: Target) -> TextFile:
    """Open a sink that writes the file `target` when it is closed."""
    return TextFile(target, events_jsonl)
