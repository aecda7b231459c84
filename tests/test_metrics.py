"""Metrics against scikit-learn, pair counting and hand-made events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from hiprobe.errors import LabelError
from hiprobe.metrics import (
    EventTable,
    Watched,
    auc_interval,
    average_precision_step,
    average_precision_trapezoid,
    delays,
    event_f1,
    false_alarms,
    frame_auc,
    macro_auc,
    matches,
    mean_interval,
    roc_auc,
    tiou,
)
from hiprobe.types import Event

RNG = np.random.default_rng


def noisy(n: int, seed: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, n - 2)]
    return labels, np.round(rng.normal(size=n) + shift * labels, 1)  # with ties


def test_auc_is_the_share_of_pairs_won_and_sklearns() -> None:
    labels, scores = noisy(80, 0)
    p, n = scores[labels == 1][:, None], scores[labels == 0][None]
    assert roc_auc(labels, scores) == pytest.approx(((p > n) + 0.5 * (p == n)).mean())
    assert roc_auc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores))


def test_both_average_precisions_by_hand() -> None:
    """For equal scores, precision is the base rate by steps, and a trapezoid from (0, 1)."""
    labels, scores = np.array([1, 0, 0, 0]), np.zeros(4)
    assert average_precision_step(labels, scores) == pytest.approx(0.25)
    assert average_precision_trapezoid(labels, scores) == pytest.approx((1 + 0.25) / 2)
    labels, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision_step(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision_trapezoid(labels, scores) == pytest.approx(
        0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2
    )


@pytest.mark.parametrize("metric", [roc_auc, average_precision_step, average_precision_trapezoid])
@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([1, 1], [0.1, 0.2]),
        ([0, 0], [0.1, 0.2]),
        ([0, 1], [0.1, math.nan]),
        ([0, 1], [0.1, math.inf]),
        ([0, 1, -1], [0.1, 0.2, 0.3]),
        ([0, 1], [0.1]),
        ([], []),
    ],
)
def test_what_cannot_be_measured_is_a_named_error(metric, labels, scores) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LabelError):
        metric(np.array(labels, dtype=int), np.array(scores, dtype=float))


def test_pooled_and_within_video_auc_differ_by_the_video_level() -> None:
    """The scores separate the videos, but not the frames inside a video."""
    normal, mixed = (np.zeros(8, int), np.zeros(8)), (np.array([0, 1] * 4), np.ones(8))
    assert frame_auc([normal, mixed]) == pytest.approx((32 + 0.5 * 16) / 48)
    assert macro_auc([normal, mixed]) == 0.5
    with pytest.raises(LabelError):
        macro_auc([normal])
    with pytest.raises(LabelError):
        frame_auc([])


def test_the_interval_is_that_of_a_plain_bootstrap_over_videos() -> None:
    videos = [noisy(30, seed) for seed in range(12)]
    draws = RNG(5).multinomial(12, np.full(12, 1 / 12), 300)
    plain = [
        frame_auc([v for v, times in zip(videos, draw, strict=True) for _ in range(times)])
        for draw in draws
    ]
    assert auc_interval(videos, resamples=300, seed=5) == pytest.approx(
        tuple(np.quantile(plain, [0.025, 0.975]))
    )


def test_the_interval_is_wide_where_the_videos_and_not_the_frames_are_few() -> None:
    """Four videos of 100 equal frames each are four observations."""

    def block(label: int, score: float) -> tuple[np.ndarray, np.ndarray]:
        return np.full(100, label), np.full(100, score)

    low, high = auc_interval([block(1, 0.9), block(1, 0.3), block(0, 0.5), block(0, 0.1)])
    assert (low, high) == (0.0, 1.0)
    with pytest.raises(LabelError):
        auc_interval([noisy(50, 0)])


def test_tiou_by_hand() -> None:
    assert tiou(Event(0, 4), Event(2, 6)) == pytest.approx(1 / 3)
    assert tiou(Event(0, 4), Event(0, 4)) == 1.0
    assert tiou(Event(0, 4), Event(4, 6)) == 0.0
    with pytest.raises(LabelError):
        tiou(Event(0, math.inf), Event(0, 1))


def test_event_f1_matches_each_event_once() -> None:
    truth, twice = [Event(0, 10)], [Event(0, 6), Event(4, 10)]
    assert event_f1(truth, twice, 0.5) == pytest.approx(2 / 3)
    assert event_f1(truth, twice, 0.7) == 0.0
    assert event_f1(truth, truth, 1.0) == 1.0
    assert event_f1(truth, [], 0.1) == event_f1([], truth, 0.1) == 0.0
    with pytest.raises(LabelError):
        event_f1([], [], 0.5)


def test_the_best_overlap_is_taken_first() -> None:
    truth, predicted = [Event(0, 10), Event(10, 20)], [Event(3, 14), Event(0, 9)]
    assert matches(truth, predicted, 0.2) == 2
    assert (
        matches(truth, predicted, 0.3) == 1
    )  # (0, 9) takes (0, 10), and (3, 14) is left with 4 of 17 s


EVENTS = [  # two hours in all
    Watched([Event(10, 20), Event(50, 60)], [Event(14, 20), Event(5, 8), Event(52, 90)], 3600.0),
    Watched([Event(0, 10)], [Event(-1, 10)], 1800.0),
    Watched([], [Event(3, 4)], 900.0),
    Watched([Event(7, 8)], [], 900.0),
]


def test_delay_and_false_alarms_by_hand() -> None:
    """An early alarm has no delay; one that ends where the event begins does not detect it."""
    assert [delays(video) for video in EVENTS] == [[4.0, 2.0], [0.0], [], []]
    assert [false_alarms(video) for video in EVENTS] == [1, 0, 1, 0]
    assert delays(Watched([Event(10, 20)], [Event(0, 10), Event(20, 30)], 60)) == []
    long = Watched([Event(10, 20), Event(30, 40)], [Event(15, 35)], 60)
    assert (delays(long), false_alarms(long)) == ([5.0, 0.0], 0), "one alarm may find two events"


def test_the_event_metrics_by_hand() -> None:
    """tIoU 6 / 10, 8 / 40, 10 / 11: of five predicted events two match at 0.3, three at 0.1."""
    made = EventTable(EVENTS)
    assert made.counts() == {
        "true": 4,
        "detected": 3,
        "predicted": 5,
        "false_alarms": 2,
        "hours": 2.0,
    }
    found = made.figures()
    assert [found[f"precision@{at}"] for at in (0.1, 0.3, 0.5)] == pytest.approx(
        [3 / 5, 2 / 5, 2 / 5]
    )
    assert [found[f"recall@{at}"] for at in (0.1, 0.3, 0.5)] == pytest.approx([3 / 4, 2 / 4, 2 / 4])
    assert found["f1@0.1"] == pytest.approx(2 * 3 / 9)
    assert (found["delay_mean"], found["delay_median"]) == (2.0, 2.0)
    assert found["false_alarms_per_hour"] == 1.0


def test_an_event_metric_without_events_is_undefined() -> None:
    none = EventTable([Watched([], [], 60.0)] * 2)
    assert {name for name, value in none.figures().items() if not math.isnan(value)} == {
        "false_alarms_per_hour",
        "false_alarms_per_day",
    }
    assert none.intervals() == {
        "false_alarms_per_hour": (0.0, 0.0),
        "false_alarms_per_day": (0.0, 0.0),
    }


def test_the_event_intervals_are_those_of_a_plain_bootstrap_over_videos() -> None:
    draws = RNG(3).multinomial(4, np.full(4, 1 / 4), 200)
    drawn = [
        [v for v, times in zip(EVENTS, draw, strict=True) for _ in range(times)] for draw in draws
    ]
    every = [EventTable(videos).figures() for videos in drawn]
    found = EventTable(EVENTS).intervals(resamples=200, seed=3)
    for name, ends in found.items():
        values = [one[name] for one in every if not math.isnan(one[name])]
        assert ends == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    with pytest.raises(LabelError):
        EventTable(EVENTS[:1]).intervals()


def test_the_interval_of_a_mean_is_that_of_a_plain_bootstrap() -> None:
    values = RNG(0).random(9)
    draws = RNG(4).multinomial(9, np.full(9, 1 / 9), 200)
    means = [np.repeat(values, draw).mean() for draw in draws]
    assert mean_interval(values, resamples=200, seed=4) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975]))
    )
