"""Measure whether a threshold set by false alarms per day keeps its promise on later footage.

A probe is fitted on labelled videos of other scenes. The first half of the normal videos of each
camera sets the threshold, the second half is counted; both are about an hour. Run:
`python -m experiments.alarm_rate [FOLDER]`, where FOLDER is that of `experiments.long_videos`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import long_videos, rendered
from experiments.fits import hiprobe, raw_scores
from experiments.footage import Footage, draw
from experiments.measure import Interval
from experiments.study import Study, files_open
from experiments.tables import Table
from hiprobe import datasets
from hiprobe.localize import Localization, localize
from hiprobe.probe.false_alarm_rate import FalseAlarmRate, threshold_for_rate
from hiprobe.store import write_atomic
from hiprobe.types import Event, Scores

Array = NDArray[np.float64]
Half = tuple[Scores, ...]
PAGE = Path("docs/data") / "alarm_rate.md"
NORMAL, EVENTS = "normal", "events"  # splits
A_CAMERA = (72.0, 144.0, 288.0)  # false alarms per day, from about an hour
ALL_CAMERAS = (6.0, 12.0, 24.0, 48.0)  # from about an hour of every camera
RESAMPLES = 2000


@dataclass(frozen=True)
class Camera:
    """Hold the scores of the videos of one camera: those that set the threshold, and the others."""

    first: Half
    second: Half


@dataclass(frozen=True)
class Scored:
    """Hold what one probe gives: the scores of all cameras, and the highest one in each event.

    `peaks` (events,) are of events elsewhere, so that the cost of a threshold is seen.
    """

    cameras: tuple[Camera, ...]
    peaks: Array

    def found(self, threshold: float) -> float:
        """Return the share of events that reach the threshold."""
        return float((self.peaks >= threshold).mean())


@dataclass(frozen=True)
class Outcome:
    """Hold the threshold that one piece of footage gave, and the alarms in another."""

    set_by: FalseAlarmRate
    alarms: int
    hours: float

    @property
    def per_day(self) -> float:
        """Return the alarms per day in the footage that did not set the threshold."""
        return self.alarms / self.hours * 24

    @property
    def kept(self) -> float:
        """Return 1 if at most the wanted number came, else 0."""
        return float(self.per_day <= self.set_by.wanted)

    @property
    def ratio(self) -> float:
        """Return the alarms as a share of the wanted number."""
        return self.per_day / self.set_by.wanted


def outcome(wanted: float, first: Half, second: Half, settings: Localization) -> Outcome:
    """Set the threshold on `first` and count the alarms in `second`."""
    rate = threshold_for_rate(wanted, first, settings)
    rule = settings.with_threshold(rate.threshold)
    alarms = sum(
        len(localize(one.starts, one.ends, one.raw, one.gaps, rule)[1])
        for one in second
        if one.peak is not None and one.peak >= rate.threshold
    )
    return Outcome(rate, alarms, sum(one.scored_s for one in second) / 3600)


def scores_of(train: Footage, test: Footage, settings: Localization) -> list[Scores]:
    """Score each video of `test` with a probe fitted on `train`."""
    raw = raw_scores(hiprobe(), train, test)
    cuts = np.cumsum([len(one.starts) for one in test.states])[:-1]
    return [
        localize(one.starts, one.ends, part, one.gaps, settings)[0]
        for one, part in zip(test.states, np.split(raw, cuts), strict=True)
    ]


def peaks_of(scored: Sequence[Scores], events: Sequence[Sequence[Event]]) -> Array:
    """Return the highest smoothed score (events,) of the segments that meet each event."""
    return np.array(
        [
            one.smoothed[(one.starts < event.end) & (one.ends > event.start)].max()
            for one, found in zip(scored, events, strict=True)
            for event in found
        ]
    )


def by_camera(scored: Sequence[Scores], groups: Sequence[str]) -> tuple[Camera, ...]:
    """Split the videos of each camera in two halves."""
    found = []
    for name in sorted(set(groups)):
        mine = [one for one, group in zip(scored, groups, strict=True) if group == name]
        half = len(mine) // 2
        found.append(Camera(tuple(mine[:half]), tuple(mine[half:])))
    return tuple(found)


def table(draws: Sequence[Scored], settings: Localization) -> Table:
    """Return the table of all ways to set the threshold."""
    first = draws[0].cameras
    ways = (
        *product(A_CAMERA, [("its own camera", _own), ("the next camera", _next)]),
        *product(ALL_CAMERAS, [("all cameras", _pooled)]),
    )
    rows = [
        _row(wanted, name, draws, _grid(draws, wanted, settings, pairs))
        for wanted, (name, pairs) in ways
    ]
    hours = sum(one.scored_s for camera in first for one in (*camera.first, *camera.second))
    note = (
        f"{len(first)} cameras, {hours / 3600:.1f} hours of normal footage in all; "
        f"{len(draws)} draws of labelled videos. The first half of the videos of a camera sets the "
        "threshold, the second half is counted: of the same camera, of the next one (the last one "
        "is followed by the first), or of all together. `kept` is the share of cameras and draws "
        "in which the second half has at most the wanted number; its own count varies, so that a "
        "true rate of exactly the wanted number would be kept in about half of them. `broken` is "
        "the share whose count has a one-sided 95 % lower bound above the wanted number. `events "
        f"found` is the share of {len(draws[0].peaks)} events in other videos of unseen scenes "
        "that reach the threshold. Intervals are by bootstrap over cameras and draws."
    )
    columns = (
        "wanted per day",
        "set by",
        "supported",
        "threshold",
        "kept",
        "broken",
        "alarms per day / wanted",
        "events found",
    )
    return Table("False alarms per day", columns, tuple(rows), note)


Pairs = Callable[[Sequence[Camera]], Iterator[tuple[Half, Half]]]
Grid = list[list[Outcome]]


def _own(found: Sequence[Camera]) -> Iterator[tuple[Half, Half]]:
    return ((one.first, one.second) for one in found)


def _next(found: Sequence[Camera]) -> Iterator[tuple[Half, Half]]:
    return (
        (one.first, following.second)
        for one, following in zip(found, [*found[1:], found[0]], strict=True)
    )


def _pooled(found: Sequence[Camera]) -> Iterator[tuple[Half, Half]]:
    yield (
        tuple(s for one in found for s in one.first),
        tuple(s for one in found for s in one.second),
    )


def _grid(draws: Sequence[Scored], wanted: float, settings: Localization, pairs: Pairs) -> Grid:
    """Return the outcomes, a row per draw and a column per pair of halves."""
    return [
        [outcome(wanted, first, second, settings) for first, second in pairs(one.cameras)]
        for one in draws
    ]


def _row(wanted: float, name: str, draws: Sequence[Scored], grid: Grid) -> tuple[str, ...]:
    found = [
        [one.found(made.set_by.threshold) for made in row]
        for one, row in zip(draws, grid, strict=True)
    ]
    return (
        f"{wanted:g}",
        name,
        f"{over(grid, lambda one: one.set_by.supported).mean():.2f}",
        f"{over(grid, lambda one: one.set_by.threshold).mean():.3f}",
        *promise_cells(grid),
        spread_text(np.array(found)),
    )


def over(grid: Grid, value: Callable[[Outcome], float]) -> Array:
    """Return a figure of each outcome (draws, pairs)."""
    return np.array([[value(one) for one in row] for row in grid])


def promise_cells(grid: Grid) -> tuple[str, str, str]:
    """Return how often the promise was kept and broken, and alarms over the wanted number."""
    figures = (lambda one: one.kept, is_broken, lambda one: one.ratio)
    kept, broken, ratio = (spread_text(over(grid, figure)) for figure in figures)
    return kept, broken, ratio


def is_broken(one: Outcome) -> float:
    """Return 1 if the count shows, with 95 % confidence, a rate above the wanted number."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(one.alarms, 0.05)) if one.alarms else 0.0
    return float(low / one.hours * 24 > one.set_by.wanted)


def spread(values: Array, seed: int = 0) -> Interval:
    """Return the mean of (draws, cameras) with a bootstrap interval over both."""
    rng = np.random.default_rng(seed)
    draws, count = values.shape
    rows = rng.integers(0, draws, (RESAMPLES, draws))
    columns = rng.integers(0, count, (RESAMPLES, count))
    means = [values[np.ix_(one, other)].mean() for one, other in zip(rows, columns, strict=True)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def spread_text(values: Array) -> str:
    """Return `spread` as text."""
    one = spread(values)
    return f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]"


def main(given: Sequence[str] | None = None) -> None:
    """Read what is missing, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=long_videos.FOLDER)
    parser.add_argument("--train", type=Path, default=rendered.FOLDER, help="labelled scenes")
    parser.add_argument("--videos", type=int, default=16, help="labelled videos in a draw")
    parser.add_argument("--seeds", type=int, default=10, help="number of draws")
    parser.add_argument("-o", "--out", type=Path, default=PAGE)
    args = parser.parse_args(given)
    files_open()
    data = ("folder", str(args.folder / "labels.csv"))
    study = Study(data, None, ("embedded",), args.folder / "states", args.videos, args.seeds)
    scenes = Study(
        ("folder", str(args.train / "main.csv")), None, ("embedded",), args.train / "states"
    )
    train, normal, events = scenes.footage("train"), study.footage(NORMAL), study.footage(EVENTS)
    groups = [str(one.group) for one in datasets.load("folder", data[1], NORMAL)]
    settings = Localization(rule="fixed", threshold=0.0)
    draws = []
    for seed in range(study.seeds):
        some = draw(train, study.videos, seed)
        found = by_camera(scores_of(some, normal, settings), groups)
        draws.append(Scored(found, peaks_of(scores_of(some, events, settings), events.events)))
    made = table(draws, settings)
    write_atomic(args.out, f"{HEAD}\n{made.to_markdown()}".encode())
    print(made.to_markdown())


HEAD = """# Is a promised number of false alarms kept?

Written by `python -m experiments.alarm_rate`; do not edit it by hand. The scenes are rendered
and the model is the shipped one. Events are not checked by asking the model: every event counts.
"""


if __name__ == "__main__":
    main()
