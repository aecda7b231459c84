"""Measure whether a level of the model's check keeps a promised number of false alarms per day.

The first half of the normal videos of each camera sets the level, the second half is counted. Part
of `experiments.alarms`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from experiments.alarm_rate import (
    A_CAMERA,
    ALL_CAMERAS,
    Outcome,
    over,
    promise_cells,
    spread_text,
)
from experiments.tables import Table
from hiprobe.metrics import Watched, matches
from hiprobe.probe.false_alarm_rate import level_for_rate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Half:
    """The log-odds of the events in some normal footage, and its hours."""

    odds: tuple[float, ...]
    hours: float


@dataclass(frozen=True)
class Levels:
    """What one draw gives: the halves of each camera, other events, and the least level."""

    cameras: tuple[tuple[Half, Half], ...]
    events: Sequence[Watched]
    least: float

    def found(self, level: float) -> float:
        """Return the share of the other events that are still found, at tIoU 0.1."""
        true = sum(len(one.true) for one in self.events)
        hits = [
            matches(one.true, [e for e in one.predicted if _odds(e) >= level], 0.1)
            for one in self.events
        ]
        return sum(hits) / true


def _odds(event: object) -> float:
    return float(event.verification.log_odds)  # type: ignore[attr-defined]


def halves(videos: Sequence[Watched], groups: Sequence[str]) -> tuple[tuple[Half, Half], ...]:
    """Return both halves of each camera, whose videos are those of one group, in order."""
    found = []
    for name in sorted(set(groups)):
        mine = [one for one, group in zip(videos, groups, strict=True) if group == name]
        middle = len(mine) // 2
        found.append((_half(mine[:middle]), _half(mine[middle:])))
    return tuple(found)


def _half(videos: Sequence[Watched]) -> Half:
    odds = tuple(_odds(event) for one in videos for event in one.predicted)
    return Half(odds, sum(one.seconds for one in videos) / 3600)


Pairs = Callable[[Levels], Iterator[tuple[Half, Half]]]


def _own(one: Levels) -> Iterator[tuple[Half, Half]]:
    return iter(one.cameras)


def _next(one: Levels) -> Iterator[tuple[Half, Half]]:
    after = [*one.cameras[1:], one.cameras[0]]
    return ((a[0], b[1]) for a, b in zip(one.cameras, after, strict=True))


def _pooled(one: Levels) -> Iterator[tuple[Half, Half]]:
    first, second = (
        Half(
            tuple(odds for camera in one.cameras for odds in camera[part].odds),
            sum(camera[part].hours for camera in one.cameras),
        )
        for part in (0, 1)
    )
    yield first, second


def outcome(wanted: float, first: Half, second: Half, least: float) -> Outcome:
    """Set a level by one half, and count the alarms in the other."""
    rate = level_for_rate(wanted, first.odds, first.hours, least)
    return Outcome(rate, sum(odds >= rate.threshold for odds in second.odds), second.hours)


def table(draws: Sequence[Levels]) -> Table:
    """Return the table of all ways to set the level."""
    ways = (
        *product(A_CAMERA, (("its own camera", _own), ("the next camera", _next))),
        *product(ALL_CAMERAS, (("all cameras", _pooled),)),
    )
    rows = [_row(wanted, name, draws, pairs) for wanted, (name, pairs) in ways]
    columns = ("wanted per day", "set by", "level", "kept", "broken", "alarms / wanted", "found")
    note = (
        "The model's check at the level that normal footage supports, at the default's threshold. "
        "`kept` is the share of cameras and draws in which the second half has at most the wanted "
        "number, `broken` the share whose count has a one-sided 95 % lower bound above it, `found` "
        "the share of the 240 events of the split `events` that are alarms at that level (tIoU "
        "0.1). Intervals are by bootstrap over cameras and draws."
    )
    return Table("False alarms per day, by the level of the check", columns, tuple(rows), note)


def _row(wanted: float, name: str, draws: Sequence[Levels], pairs: Pairs) -> tuple[str, ...]:
    grid = [[outcome(wanted, a, b, one.least) for a, b in pairs(one)] for one in draws]
    found = [
        [one.found(made.set_by.threshold) for made in row]
        for one, row in zip(draws, grid, strict=True)
    ]
    level = f"{over(grid, lambda one: one.set_by.threshold).mean():.2f}"
    return f"{wanted:g}", name, level, *promise_cells(grid), spread_text(np.array(found))
