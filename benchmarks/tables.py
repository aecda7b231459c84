"""Print several tables of one benchmark with the machine's name, and write them as JSON.

Knows no benchmark.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import measure

Rows = Sequence[Mapping[str, Any]]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser with `--json`, which every benchmark has."""
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures to this file"
    )
    return made


def machine() -> dict[str, Any]:
    """Describe what the figures depend on.

    The description of every benchmark, plus the threads and the GPU of the model.
    """
    import torch

    found = {**measure.machine(), "threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        found |= {"card": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return found


def in_turn(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time each run in seconds: the shortest of `rounds` rounds in which they take turns.

    One more round comes first and does not count.
    """
    measure.alternate(runs, 1)
    return {name: spent.wall for name, spent in measure.alternate(runs, rounds).items()}


def show(title: str, rows: Rows) -> None:
    """Print rows as a Markdown table.

    Numbers have three digits; None is printed as "not measured".
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print("| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |")


def _cell(value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return (
            f"{value:.1e}"
            if 0 < abs(value) < 1e-3
            else f"{value:,.3g}"
            if abs(value) < 1000
            else f"{value:,.0f}"
        )
    return str(value)


def finish(name: str, tables: Mapping[str, Rows], file: Path | None) -> dict[str, Any]:
    """Print the machine and every table, and write all of it to `file` if one is given."""
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    result: dict[str, Any] = {
        "benchmark": name,
        "command": command,
        "machine": machine(),
        "tables": {title: list(rows) for title, rows in tables.items()},
    }
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()))
    for title, rows in tables.items():
        show(title, rows)
    if file is not None:
        file.write_text(json.dumps(result, indent=1) + "\n")
    return result
