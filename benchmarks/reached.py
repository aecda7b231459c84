"""Make a Markdown table of promised and reached from the JSON files of the benchmarks.

Measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
CPU = "ratio of processor time"


def _span(rows: list[Row], column: str) -> str:
    values = [row[column] for row in rows]
    return f"{min(values):.2f} to {max(values):.2f}"


def _reference(rows: list[Row]) -> Iterable[tuple[str, str]]:
    for row in rows:
        apart = (
            f"differ by {row['states differ']:.0e} of scale"
            if row["states differ"]
            else "are equal bit for bit"
        )
        yield (
            f"against the plain loop, {row['video']}, model threads {row['model threads']}: "
            f"{row['promised']}x",
            f"{row['ratio']:.1f}x, by processor time {row[CPU]:.1f}x; the limit is {row['limit']}; "
            f"states {apart}",
        )


def _decode(rows: list[Row]) -> Iterable[tuple[str, str]]:
    yield "decoded, sampled and scaled / decoded alone: at most 1.25", _span(rows, "sampled / bare")
    wall, cpu = _span(rows, "child / same process"), _span(rows, "cpu, child / same process")
    yield "child process / same process: at most 1.05", f"{wall}, by processor time {cpu}"


def _overlap(rows: list[Row]) -> Iterable[tuple[str, str]]:
    yield (
        "the whole / the slower of decoding and model: at most 1.15",
        _span(rows, "whole / slower"),
    )


def _memory(rows: list[Row]) -> Iterable[tuple[str, str]]:
    both = [row for row in rows if row["process"] == "both"]
    yield "peak memory of 2 h / of 2 min: at most 1.10", _span(both, "ratio")


def _scaling(rows: list[Row]) -> Iterable[tuple[str, str]]:
    for row in rows:
        if row.get("cost grows with", "").startswith(("videos", "length")):
            found = f"{row['R2, straight line']:.4f}, exponent {row['exponent']:.2f}"
            yield f"processor time linear in {row['cost grows with']}: R2 at least 0.99", found
        if "fitting, from the store" in row:
            spent = f"{row['wall s']:.2f} s, processor time {row['processor s']:.2f} s"
            yield "fitting 16 videos from kept states: 1 s", spent


def _refits(rows: list[Row]) -> Iterable[tuple[str, str]]:
    for row in rows:
        if row["what"] == "refit, 7B model, 28 x 3584, 1000 of 1,000 segments labelled":
            spent = f"{row['seconds']:.2f} s, processor time {row['processor seconds']:.2f} s"
            yield "refit on 1,000 segments of a 7B model: 0.5 s", spent


def _start(rows: list[Row]) -> Iterable[tuple[str, str]]:
    for row in rows:
        if row["promised wall s"] != "-":
            yield (
                f"`{row['command']}`: {row['promised wall s']} s",
                f"{row['wall s']:.2f} s, processor time {row['processor s']:.2f} s",
            )


ROWS_OF: dict[str, Callable[[list[Row]], Iterable[tuple[str, str]]]] = {
    "vs_reference": _reference,
    "decode": _decode,
    "overlap": _overlap,
    "memory": _memory,
    "scaling": _scaling,
    "cold_start": _start,
    "review_speed": _refits,
}


def _rows(found: Row) -> list[Row]:
    """Return the rows of a benchmark, of all its tables if it has several."""
    if "rows" in found:
        return list(found["rows"])
    return [row for rows in found["tables"].values() for row in rows]


def table(folder: Path) -> str:
    """Make a row for each benchmark with a JSON file in `folder`; others are left out."""
    lines = ["| promise | reached |", "|---|---|"]
    for name, rows_of in ROWS_OF.items():
        file = folder / f"{name}.json"
        if file.exists():
            lines += [
                f"| {promise} | {reached} |"
                for promise, reached in rows_of(_rows(json.loads(file.read_text())))
            ]
    return "\n".join(lines)
