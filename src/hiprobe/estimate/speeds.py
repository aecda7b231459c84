"""How fast a device computes, by the width of a model's vectors: measured once, then remembered."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hiprobe import backbones
from hiprobe.backbones import Clock
from hiprobe.estimate.cache import load_points, save_points

ON_CPU = (64, 128, 256, 512, 1024)  # wider ones are not faster
LEAST_SHARE = 0.6  # of the threads' time, for a measurement to be remembered
ON_CARD = (256, 512, 1024, 2048, 4096)
# What torch raises where it cannot compute: no kernels for the card, no memory left, no such dtype.
CANNOT_COMPUTE = (RuntimeError, MemoryError, TypeError)


@dataclass(frozen=True)
class Speeds:
    """The speed of a device in a precision: points (width, operations per second), by width.

    `busy`: other programs used the processors while it was measured, so it is lower than it can be.

    >>> speeds = Speeds("cpu", "float32", ((64, 1e9), (256, 4e9)))
    >>> round(speeds.at(128) / 1e9, 2), speeds.at(4096)
    (2.0, 4000000000.0)
    """

    device: str
    dtype: str
    points: tuple[tuple[int, float], ...]
    busy: bool = False

    def at(self, width: int) -> float:
        """Return the speed at `width`, between two points on a line of logarithms."""
        below = max((one for one in self.points if one[0] <= width), default=self.points[0])
        above = min((one for one in self.points if one[0] >= width), default=self.points[-1])
        if below[0] == above[0]:
            return below[1]
        share = math.log(width / below[0]) / math.log(above[0] / below[0])
        return math.exp((1 - share) * math.log(below[1]) + share * math.log(above[1]))


def measured_speeds(
    device: str,
    dtype: str,
    widths: Iterable[int] | None = None,
    *,
    again: bool = False,
    clock: Clock = time.perf_counter,
) -> Speeds:
    """Return the speeds that `widths` need, by default all; measure those not remembered.

    `again` measures all of them; `clock` returns seconds. All widths take about a second, two of
    them a fifth. Raises what torch raises, such as OutOfMemoryError.
    """
    kind, grid = speeds_key(device, dtype), _grid(device)
    needed = sorted(set(grid) if widths is None else _around(grid, widths))
    known = {} if again else load_points().get(kind, {})
    busy = _watch_load(device)
    new = {
        width: backbones.block_speed(width, device, dtype, clock)
        for width in needed
        if width not in known
    }
    disturbed = bool(new) and busy()
    if new and not disturbed:
        save_points({kind: new})
    return Speeds(device, dtype, tuple(sorted({**known, **new}.items())), disturbed)


def why_not(error: BaseException) -> str:
    r"""Return the first line of what torch raised; what follows in CUDA's errors is advice.

    >>> why_not(RuntimeError("no kernel image\nCompile with TORCH_USE_CUDA_DSA"))
    'no kernel image'
    """
    return str(error).partition("\n")[0] or type(error).__name__


def _watch_load(device: str) -> Callable[[], bool]:
    """Return a function that tells whether other programs took much of the processors since now.

    What is measured then holds only for now, and is not remembered.
    """
    wall, cpu = time.perf_counter(), time.process_time()

    def busy() -> bool:
        threads = backbones.device_facts()["threads"] if device == "cpu" else 1
        spent = time.process_time() - cpu
        return bool(spent < LEAST_SHARE * threads * (time.perf_counter() - wall))

    return busy


def speeds_key(device: str, dtype: str) -> str:
    """Return what speeds are remembered for: threads of a CPU or a card's name, and a precision.

    >>> speeds_key("mps", "float16")
    'mps/float16'
    """
    name, _, number = device.partition(":")
    facts = backbones.device_facts() if name in ("cpu", "cuda") else {}
    if name == "cpu":
        return f"{name}/{facts['threads']} threads/{dtype}"
    cards, at = facts.get("cards", ()), int(number or 0)
    return f"{name}/{cards[at]['name']}/{dtype}" if at < len(cards) else f"{device}/{dtype}"


def _grid(device: str) -> tuple[int, ...]:
    return ON_CPU if device == "cpu" else ON_CARD


def _around(grid: tuple[int, ...], widths: Iterable[int]) -> set[int]:
    """Return the points of the grid on both sides of each width."""
    found = set()
    for width in widths:
        found.add(max((one for one in grid if one <= width), default=grid[0]))
        found.add(min((one for one in grid if one >= width), default=grid[-1]))
    return found
