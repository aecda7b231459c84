"""Recall against false alarms per hour, against plain loops and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.metrics.test_event_table import greedy

from hiprobe.errors import LabelError
from hiprobe.metrics import Froc, Watched, froc, froc_by_score
from hiprobe.types import Event

scored = st.tuples(st.integers(0, 60), st.integers(1, 24), st.integers(1, 4)).map(
    lambda one: Event(one[0] / 8, (one[0] + one[1]) / 8, score=one[2] / 4)
)
videos = st.lists(
    st.builds(Watched, st.lists(scored, max_size=3), st.lists(scored, max_size=4), st.just(900.0)),
    min_size=1,
    max_size=5,
)
RATES = (0.0, 0.5, 1.0, 4.0, 100.0)


def point(drawn: list[Watched], threshold: float) -> tuple[float, float]:
    """Recall and false alarms per hour of the events that score `threshold` or more, by loops."""
    hits = true = false = 0
    for video in drawn:
        kept = [e for e in video.predicted if e.score is not None and e.score >= threshold]
        hits += len(greedy(list(video.true), kept, 0.1))
        true += len(video.true)
        false += sum(all(p.start >= t.end or t.start >= p.end for t in video.true) for p in kept)
    return hits / true if true else math.nan, false / (len(drawn) / 4)


def best(drawn: list[Watched], rate: float) -> float:
    """The highest recall of any threshold that keeps to the rate; without alarms it is 0."""
    if not sum(len(video.true) for video in drawn):
        return math.nan
    points = [point(drawn, threshold / 4) for threshold in range(1, 6)]
    return max(recall for recall, false in points if false <= rate + 1e-9)


@settings(max_examples=25, deadline=None)
@given(videos, st.integers(0, 99))
def test_every_draw_has_the_recall_of_plain_loops(watched: list[Watched], seed: int) -> None:
    draws = np.random.default_rng(seed).integers(0, 3, (3, len(watched)))
    draws[0] = 1
    draws[:, 0] += draws.sum(1) == 0  # a draw of no video has no hours
    made = froc_by_score(watched)
    found = made.recalls_at(RATES, draws)
    for k, draw in enumerate(draws):
        drawn = [v for v, times in zip(watched, draw, strict=True) for _ in range(times)]
        expected = [best(drawn, rate) for rate in RATES]
        assert found[:, k].tolist() == pytest.approx(expected, nan_ok=True)
    for i, threshold in enumerate(made.thresholds):
        recall, false = point(watched, float(threshold))
        assert made.recall[i] == pytest.approx(recall, nan_ok=True)
        assert made.false_per_hour[i] == pytest.approx(false)


@settings(max_examples=15, deadline=None)
@given(videos)
def test_both_forms_agree_on_the_same_events(watched: list[Watched]) -> None:
    """Form (a) cuts by score; the same cuts given threshold by threshold are form (b)."""
    cut = froc_by_score(watched)
    points = [
        (
            float(threshold),
            [
                v._replace(predicted=[e for e in v.predicted if (e.score or 0) >= threshold])
                for v in watched
            ],
        )
        for threshold in cut.thresholds
    ]
    if not points:
        return
    again = froc(points)
    for name in ("thresholds", "hits", "false", "true", "hours"):
        assert (getattr(again, name) == getattr(cut, name)).all()


def by_hand() -> Froc:
    """Two hours, four true events; thresholds 0.9, 0.8, 0.5 give 1, 3, 3 hits and 0, 2, 6 false."""
    hits, false = np.array([[1, 0], [2, 1], [2, 1]]), np.array([[0, 0], [1, 1], [2, 4]])
    return Froc(np.array([0.9, 0.8, 0.5]), hits, false, np.array([2, 2]), np.array([1.0, 1.0]))


def test_recall_at_a_rate_by_hand() -> None:
    made = by_hand()
    assert made.recall.tolist() == [0.25, 0.75, 0.75]
    assert made.false_per_hour.tolist() == [0.0, 1.0, 3.0]
    assert made.recall_at(0.0) == made.recall_at(0.999) == 0.25, "no interpolation"
    assert made.recall_at(1.0) == made.recall_at(1e9) == 0.75
    draws = np.array([[2, 0], [0, 2]])
    assert made.recalls_at((0.5, 1.0, 2.0), draws).T.tolist() == [[0.5, 1.0, 1.0], [0.0, 0.5, 0.5]]
    for rate in (-1.0, math.nan):
        with pytest.raises(ValueError, match="0 or more false alarms per hour"):
            made.recall_at(rate)


def test_a_rate_that_no_threshold_keeps_to_has_recall_0() -> None:
    """A threshold above all scores is always possible."""
    always = Froc(np.array([0.9]), np.array([[1]]), np.array([[3]]), np.array([1]), np.array([1.0]))
    assert (always.recall_at(2.9), always.recall_at(3.0)) == (0.0, 1.0)
    nothing = froc_by_score([Watched([Event(0, 1)], [], 60.0)])
    assert nothing.recall_at(8.0) == 0.0
    assert math.isnan(froc_by_score([Watched([], [Event(0, 1, score=0.5)], 60.0)]).recall_at(1.0))


def test_one_alarm_over_the_whole_video_hits_nothing() -> None:
    """It overlaps both events; counted as hits they would come without a false alarm."""
    true = [Event(100, 108), Event(200, 208)]
    made = froc_by_score([Watched(true, [Event(0, 300, score=0.1)], 300.0)])
    assert made.recall_at(0.0) == 0.0
    assert made.false_per_hour.tolist() == [0.0]


def test_the_intervals_are_those_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(2)
    watched = [
        Watched(
            [Event(s, s + 4) for s in rng.uniform(0, 800, 2)] if i % 2 else [],
            [Event(s, s + 4, score=float(rng.integers(1, 5)) / 4) for s in rng.uniform(0, 800, 3)],
            900.0,
        )
        for i in range(8)
    ]
    watched = [
        v._replace(
            predicted=[*v.predicted, *(Event(t.start, t.end, score=0.75) for t in v.true[:1])]
        )
        for v in watched
    ]
    names = ["a", "a", "b", "c", "c", "d", "e", "f"]
    draws = np.random.default_rng(7).multinomial(6, np.full(6, 1 / 6), 60)
    plain = [
        [v for key, n in zip("abcdef", draw, strict=True) for _ in range(n)
         for v, own in zip(watched, names, strict=True) if own == key]
        for draw in draws
    ]  # fmt: skip
    found = froc_by_score(watched).intervals((4.0, 16.0), resamples=60, seed=7, groups=names)
    for rate, ends in found.items():
        values = [best(drawn, rate) for drawn in plain]
        known = [value for value in values if not math.isnan(value)]
        assert ends == pytest.approx(tuple(np.quantile(known, [0.025, 0.975])))
    assert found[16.0][0] < found[16.0][1]
    with pytest.raises(LabelError, match="at least two videos"):
        froc_by_score(watched[:1]).intervals()


def test_what_has_no_curve_is_a_named_error() -> None:
    with pytest.raises(LabelError, match="the event from 3 to 4 s has no score"):
        froc_by_score([Watched([], [Event(3, 4)], 60.0)])
    with pytest.raises(LabelError, match="at least one threshold"):
        froc([])
    one, other = [Watched([Event(0, 1)], [], 60.0)], [Watched([Event(0, 2)], [], 60.0)]
    with pytest.raises(LabelError, match="the same videos and true events"):
        froc([(0.9, one), (0.5, other)])
    with pytest.raises(LabelError, match="the same videos and true events"):
        froc([(0.9, one), (0.5, one + one)])
