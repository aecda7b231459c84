"""The experiment on false alarms per day: halves of cameras, counts and intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiments.alarm_rate import (
    Camera,
    Scored,
    by_camera,
    is_broken,
    outcome,
    peaks_of,
    scores_of,
    spread,
    table,
)
from tests.experiments.test_experiments import footage

from hiprobe.localize import Localization
from hiprobe.types import Scores

RULE = Localization(rule="fixed", threshold=0.0, sigma=0.0)


def hour(rng: np.random.Generator, a_day: float) -> Scores:
    """An hour of scores with exponential peaks, of which `a_day` per day are above 0 on average."""
    edges, raw = np.arange(451) * 8.0, np.zeros(450)
    places = rng.choice(225, rng.poisson(a_day / 24), replace=False) * 2
    raw[places] = rng.exponential(size=len(places))
    return Scores(edges[:-1], edges[1:], raw, raw, raw)


def test_a_promise_is_kept_on_later_footage_of_the_same_camera_and_broken_on_a_busier_one() -> None:
    rng = np.random.default_rng(0)
    quiet = [Camera((hour(rng, 400),), (hour(rng, 400),)) for _ in range(20)]
    same = [outcome(72.0, one.first, one.second, RULE) for one in quiet]
    busy = [outcome(72.0, one.first, tuple(hour(rng, 4000) for _ in "123"), RULE) for one in quiet]
    assert (same[0].hours, busy[0].hours) == (pytest.approx(1.0), pytest.approx(3.0))
    assert np.mean([one.kept for one in same]) > 0.6 > 0.3 > np.mean([one.kept for one in busy])
    assert np.mean([is_broken(one) for one in same]) <= 0.15
    assert np.mean([is_broken(one) for one in busy]) > 0.6
    assert np.mean([one.ratio for one in busy]) > 2


def test_halves_are_of_one_camera_and_the_table_has_a_row_for_each_way() -> None:
    train, normal = footage(8, seed=1), footage(12, seed=2)
    scored = scores_of(train, normal, replace(RULE, sigma=1.5))
    found = by_camera(scored, ["b", "a", "c"] * 4)
    assert [(len(one.first), len(one.second)) for one in found] == [(2, 2)] * 3
    assert found[0].first == (scored[1], scored[4])  # camera a
    peaks = peaks_of(scored, normal.events)
    ((event,),) = normal.events[1:2]
    inside = scored[1].smoothed[int(event.start) : int(event.end)]
    assert (len(peaks), peaks[0]) == (6, inside.max())
    made = table([Scored(found, peaks)] * 2, RULE)
    assert [row[:2] for row in made.rows[:2]] == [
        ("72", "its own camera"),
        ("72", "the next camera"),
    ]
    assert len(made.rows) == 10
    assert made.rows[0][2] == "0.00"  # 20 seconds cannot support 72 per day
    assert "3 cameras" in made.note


def test_the_interval_is_over_cameras_and_draws() -> None:
    values = np.array([[0.0, 1.0, 1.0, 1.0]] * 5)
    one = spread(values)
    assert one.mean == 0.75
    assert one.low < 0.6
    assert one.high == 1.0
    alone = spread(np.array([[0.5], [0.7], [0.6]]))
    assert alone.mean == pytest.approx(0.6)
    assert 0.5 <= alone.low < 0.6 < alone.high <= 0.7
