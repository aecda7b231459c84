"""Measure and publish: alternating rounds, the best of each, the machine by name.

Knows no benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

CORES = 2
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time, and of processor time in this process and its children.

    The processor time of each process is exact to 10 ms.
    """

    wall: float
    cpu: float


def pin(cores: int = CORES) -> None:
    """Keep this process and its children on `cores` cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def model_threads() -> int:
    """Return how many threads a model may use: one per pinned core, or OMP_NUM_THREADS.

    On a busy machine two threads that wait for each other take minutes: set OMP_NUM_THREADS=1
    there.
    """
    return min(int(os.environ.get("OMP_NUM_THREADS", CORES)), len(os.sched_getaffinity(0)))


def spent(work: Callable[[], Any]) -> Spent:
    """Measure the time that `work` takes."""
    cpu, begun = _cpu(), time.perf_counter()
    work()
    return Spent(time.perf_counter() - begun, _cpu() - cpu)


def alternate(works: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Spent]:
    """Run all works in turn for `rounds` rounds; returns the shortest times of each.

    Wall time and processor time are minimised separately.
    """
    found: dict[str, list[Spent]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(spent(work))
    return {
        name: Spent(min(one.wall for one in all_), min(one.cpu for one in all_))
        for name, all_ in found.items()
    }


def _cpu() -> float:
    times = os.times()
    own, ended = times.user + times.system, times.children_user + times.children_system
    return own + ended + sum(map(_ticks, children())) / TICKS


def children() -> list[int]:
    """List the process ids of this process's children."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])


def machine() -> dict[str, Any]:
    """Describe the machine and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "pinned": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "av")},
    }


def publish(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
    record: Mapping[str, Any] | None = None,
) -> None:
    """Print a table; `--json FILE` also writes it to a file, together with `record`."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--json", type=Path)
    target = parser.parse_args().json
    host = machine()
    print(f"{title}\n" + ", ".join(f"{name} {value}" for name, value in host.items()) + "\n")
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(_text(value) for value in row) + " |")
    print("".join(f"\n{note}" for note in notes))
    if target is not None:
        text = json.dumps(
            {
                "title": title,
                "machine": host,
                "rows": [dict(zip(head, row, strict=True)) for row in rows],
                "notes": list(notes),
                **(record or {}),
            },
            indent=1,
            default=asdict,
        )
        target.write_text(text + "\n")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
