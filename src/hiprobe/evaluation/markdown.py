"""Write tables and figures as Markdown. Knows no figure by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.errors import one_line

Interval = tuple[float, float]
Intervals = Mapping[str, Interval]


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned to the right, except the first."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(
        "| " + " | ".join(one_line(text).replace("|", "\\|") for text in line) + " |"
        for line in lines
    )


def cell(value: float | None, interval: Interval | None = None, digits: int = 4) -> str:
    """Return a figure as `0.1234 [0.1000, 0.2000]`, or `undefined` for None."""
    if value is None:
        return "undefined"
    ends = f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
    return f"{value:.{digits}f}{ends}"


def markdown_text(value: Any) -> str:
    """Return a value of the provenance on one line."""
    return one_line(
        ", ".join(f"{key} {item}" for key, item in value.items())
        if isinstance(value, Mapping)
        else str(value)
    )
