"""Events as JSON lines, one event a line. Knows no result, only finished event lines."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hiprobe.sinks import Line, Target, TextFile


def render(lines: Sequence[Line]) -> str:
    """One JSON object a line, ASCII only, so that no text inside can end a line for any reader."""
    return "".join(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n" for line in lines)


def open(target: Target) -> TextFile:
    """A sink that writes the file `target` when closed."""
    return TextFile(target, render)
