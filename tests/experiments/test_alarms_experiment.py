"""The experiments on alarms: what is rendered, and how scores become alarms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments.alarm_levels import Levels, halves, outcome, table
from experiments.alarm_ways import FittedDraw, LongFootage, Way, fitted_draw, watch
from tests.experiments.test_experiments import footage
from training.drawn.clips import make_video

from experiments import long_videos
from hiprobe import datasets
from hiprobe.localize import Localization
from hiprobe.metrics import Watched
from hiprobe.store import Window
from hiprobe.types import Event, Verification

PLAIN = replace(Localization.named("paper"), sigma=0.0)


def test_the_long_videos_are_as_many_as_the_page_says_and_load_as_a_data_set(
    tmp_path: Path,
) -> None:
    plans = list(long_videos.plans(tmp_path))
    by_split = {name: [one for one in plans if one.split == name] for name in ("events", "normal")}
    hours = {name: len(found) * long_videos.SECONDS / 3600 for name, found in by_split.items()}
    assert hours["events"] > 10
    assert hours["normal"] > 24
    assert sum(len(one.truth) for one in by_split["events"]) == 240
    assert not any(one.truth for one in by_split["normal"])
    assert len({one.seed for one in plans}) == len({one.path for one in plans}) == len(plans)
    for one in plans:
        assert all(0 <= start < end <= long_videos.SECONDS for _, start, end in one.truth)
    long_videos.label(tmp_path, plans)
    for one in plans:
        one.path.parent.mkdir(parents=True, exist_ok=True)
        one.path.touch()
    found = list(datasets.load("folder", tmp_path, "normal"))
    assert len({one.group for one in found}) == 12


def test_videos_of_one_camera_show_one_place_and_the_last_frame_is_not_of_another_part() -> None:
    def place(seed: int, camera: int) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng(seed)
        frames, _ = make_video(rng, "unseen", (), 8.0, size=48, busy=0.0, camera=(camera,))
        assert len(frames) == 80  # two parts
        return np.median(frames, axis=0)

    first, again, other = place(1, 7), place(2, 7), place(1, 8)
    assert np.abs(first - again).mean() < 2 < 10 < np.abs(first - other).mean()


@dataclass
class Windows:
    """Answers and states of single windows: yes in all windows that begin before `until`."""

    sites: tuple[Any, ...]
    width: int
    until: float
    asked: set[Window] = field(default_factory=set)

    def odds(self, wanted: Iterable[Window]) -> dict[Window, float]:
        self.asked |= set(wanted)
        return {one: 1.0 if one[0] < self.until else -1.0 for one in wanted}

    def states(self, wanted: Iterable[Window]) -> dict[Window, Any]:
        return {one: np.zeros((len(self.sites), self.width)) for one in wanted}


@pytest.fixture(scope="module")
def fitted() -> tuple[LongFootage, FittedDraw]:
    train, test = footage(12, seed=1), footage(8, seed=2)
    extra = [Windows(one.sites, one.values.shape[2], 0.0) for one in test.states]
    odds = np.where(train.y == 1, 2.0, -2.0)
    return LongFootage(test, extra), fitted_draw(train, odds, 0)  # type: ignore[arg-type]


def spans(one: Watched) -> list[tuple[float, float]]:
    return [(event.start, event.end) for event in one.predicted]


def test_the_model_is_asked_about_peaks_and_what_it_rejects_is_no_alarm(
    fitted: tuple[LongFootage, FittedDraw],
) -> None:
    long, draw = fitted
    (plain,) = watch(long, [draw], Way("plain", PLAIN))
    assert sum(len(one.predicted) for one in plain) > 0
    (none,) = watch(long, [draw], Way("checked", PLAIN, "zero"))
    assert not any(one.predicted for one in none)
    peaks = {event.peak for one in plain for event in one.predicted}
    asked = {(start + end) / 2 for one in long.extra for start, end in one.asked}  # type: ignore[attr-defined]
    assert asked == peaks
    for one in long.extra:
        one.until = 1e9  # type: ignore[attr-defined]
    (every,) = watch(long, [draw], Way("checked", PLAIN, "zero"))
    assert [spans(one) for one in every] == [spans(one) for one in plain]


def test_draws_side_by_side_give_what_each_gives_alone(
    fitted: tuple[LongFootage, FittedDraw],
) -> None:
    long, draw = fitted
    other = fitted_draw(footage(12, seed=5), np.zeros(len(footage(12, seed=5).y)) + 1.0, 1)
    way = Way("refined", replace(PLAIN, refine=True))
    alone = [watch(long, [one], way)[0] for one in (draw, other)]
    assert watch(long, [draw, other], way) == alone


def test_a_lower_cut_finds_at_least_as_much_time(fitted: tuple[LongFootage, FittedDraw]) -> None:
    long, draw = fitted

    def seconds(cut: float) -> float:
        (found,) = watch(long, [draw], Way("plain", replace(PLAIN, merge_s=0.0, min_s=0.0)), cut)
        return sum(event.end - event.start for one in found for event in one.predicted)

    assert seconds(0.5) >= seconds(1.0) >= seconds(1.5)


def test_a_level_is_set_by_the_first_half_of_each_camera_and_counted_in_the_second() -> None:
    def video(*odds: float) -> Watched:
        found = [
            Event(i, i + 1.0, verification=Verification("confirmed", one))
            for i, one in enumerate(odds)
        ]
        return Watched([], found, 3600.0)

    normal = [video(3.0), video(-1.0), video(2.0, 4.0), video(1.0)] * 2
    found = halves(normal, ["b", "b", "b", "b", "a", "a", "a", "a"])
    assert [len(one.odds) for camera in found for one in camera] == [2, 3, 2, 3]
    made = outcome(40.0, *found[0], least=0.0)
    assert (made.set_by.supported, made.set_by.threshold > 3.0) == (True, True)
    assert (made.alarms, made.hours) == (1, 2.0)  # 4.0 of the second half is above 3.0
    events = [Watched([Event(0.0, 1.0)], video(5.0).predicted, 60.0)]
    rows = table([Levels(found, events, 0.0)] * 2).rows
    assert (len(rows), rows[0][:2], rows[0][-1]) == (
        10,
        ("72", "its own camera"),
        "1.00 [1.00, 1.00]",
    )
