"""Smoothing, thresholds, events and labels against scipy, a 1 ms grid and plain code."""

from __future__ import annotations

import math
from collections.abc import Container

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter1d

from hiprobe.errors import UsageError
from hiprobe.localize import (
    EventTracker,
    Localization,
    Localizer,
    Rule,
    adaptive_threshold,
    contiguous_runs,
    find_events,
    localize,
    smooth,
)
from hiprobe.types import Event, Gap

RNG = np.random.default_rng
score_lists = st.lists(st.floats(0, 1, width=16), max_size=60)


def spans(n: int, segment: float = 1.6) -> tuple[np.ndarray, np.ndarray]:
    edges = np.arange(n + 1) * segment
    return edges[:-1].copy(), edges[1:].copy()


# smoothing


@settings(deadline=None)
@given(st.integers(0, 40), st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.5, 4.0]))
def test_smoothing_keeps_length_and_a_constant(n: int, value: float, sigma: float) -> None:
    kept = smooth(np.full(n, value), Localization(sigma))
    assert (kept == value).all()
    assert len(kept) == n


@pytest.mark.parametrize(("n", "sigma"), [(1, 1.5), (5, 1.5), (6, 3.0), (50, 1.5), (51, 2.0)])
def test_smoothing_is_scipys_gaussian_divided_by_its_weight_inside(n: int, sigma: float) -> None:
    scores = RNG(n).random(n)
    top, weight = (
        gaussian_filter1d(x, sigma, mode="constant", truncate=4.0) for x in (scores, np.ones(n))
    )
    assert smooth(scores, Localization(sigma)) == pytest.approx(top / weight, rel=1e-9)


def test_smoothing_does_not_cross_a_break() -> None:
    one, two = RNG(1).random(7), RNG(2).random(9)
    assert smooth(np.r_[one, two], breaks=[7]) == pytest.approx(np.r_[smooth(one), smooth(two)])
    assert (
        smooth(np.r_[np.zeros(7), np.ones(9)], breaks=[7]) == np.r_[np.zeros(7), np.ones(9)]
    ).all()


def test_runs_break_at_pauses_and_at_gaps_on_a_boundary() -> None:
    starts, ends = np.array([0.0, 1.6, 4.8, 6.4]), np.array([1.6, 3.2, 6.4, 8.0])
    assert contiguous_runs(starts, ends) == [2]
    assert contiguous_runs(
        starts, ends, (Gap(1.5, 1.7, "corrupt"), Gap(7.0, 7.2, "inside a segment"))
    ) == [
        1,
        2,
    ]
    assert contiguous_runs(np.array([]), np.array([])) == []


# thresholds


def test_the_adaptive_threshold_uses_only_scores_older_than_the_lag() -> None:
    scores, warmup, lag = RNG(0).random(40), 5, 3
    got = adaptive_threshold(scores, 2.0, warmup, lag)
    for i in range(40):
        past = scores[: max(0, i - lag + 1)]
        want = past.mean() + 2.0 * past.std() if len(past) >= warmup else math.inf
        assert got[i] == pytest.approx(want)


def test_the_adaptive_threshold_is_causal_and_a_constant_score_raises_no_event() -> None:
    scores = RNG(0).random(60)
    changed = np.r_[scores[:30], np.ones(30)]
    assert (
        adaptive_threshold(scores, 3, 10, 4)[:33] == adaptive_threshold(changed, 3, 10, 4)[:33]
    ).all()
    assert (adaptive_threshold(np.full(60, 0.3), 3, 10, 4) > 0.3).all()


# events


def test_events_by_hand() -> None:
    starts, ends = spans(8, 1.0)
    smoothed = np.array([0.0, 0.6, 0.8, 0.1, 0.0, 0.0, 0.5, 0.0])
    found = find_events(starts, ends, smoothed, 0.5, EventTracker(0.0, 0.0))
    assert found == (Event(1, 3, peak=2.5, score=0.8), Event(6, 7, peak=6.5, score=0.5))
    assert find_events(starts, ends, smoothed, 0.5, EventTracker(3.5, 0.0)) == (
        Event(1, 7, peak=2.5, score=0.8),
    )
    assert (
        find_events(starts, ends, smoothed, 0.5, EventTracker(3.0, 0.0)) == found
    )  # 3 s apart is not closer than 3 s
    assert find_events(starts, ends, smoothed, 0.5, EventTracker(0.0, 1.5)) == found[:1]
    assert find_events(starts, ends, smoothed, math.inf, EventTracker(0.0, 0.0)) == ()


def test_no_event_crosses_a_gap() -> None:
    starts, ends = np.array([0.0, 1, 3, 4]), np.array([1.0, 2, 4, 5])
    hot = np.ones(4)
    assert [(e.start, e.end) for e in find_events(starts, ends, hot, 0.5, EventTracker(60, 0))] == [
        (0, 2),
        (3, 5),
    ]
    touching = find_events(
        *spans(4, 1.0), hot, 0.5, EventTracker(60, 0), gaps=(Gap(2.0, 2.0, "lost packets"),)
    )
    assert [(e.start, e.end) for e in touching] == [(0, 2), (2, 4)]


def events_slowly(
    starts: np.ndarray,
    ends: np.ndarray,
    scores: np.ndarray,
    limits: np.ndarray,
    merge: float,
    least: float,
    breaks: Container[int],
) -> tuple[Event, ...]:
    """The rule in whole seconds, written with lists: runs, merge, drop."""
    hot: list[list[int]] = []
    for i in (i for i in range(len(scores)) if scores[i] >= limits[i]):
        joins = hot and hot[-1][-1] == i - 1 and i not in breaks
        hot[-1].append(i) if joins else hot.append([i])
    merged: list[list[int]] = []
    for run in hot:
        near = merged and starts[run[0]] - ends[merged[-1][-1]] < merge
        same = merged and not any(b in breaks for b in range(merged[-1][-1] + 1, run[0] + 1))
        merged[-1].extend(run) if near and same else merged.append(list(run))
    kept = [m for m in merged if ends[m[-1]] - starts[m[0]] >= least]
    tops = [max(m, key=lambda i: (scores[i], -i)) for m in kept]
    return tuple(
        Event(starts[m[0]], ends[m[-1]], (starts[t] + ends[t]) / 2, scores[t])
        for m, t in zip(kept, tops, strict=True)
    )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_events_equal_those_of_a_plain_implementation(data: st.DataObject) -> None:
    steps = data.draw(
        st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from([0, 0, 0, 2])), min_size=1, max_size=30
        )
    )
    ends = np.cumsum([a + b for a, b in steps]).astype(float)
    starts = ends - [a for a, _ in steps]
    scores = (
        np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(ends), max_size=len(ends)))) / 4
    )
    limits = np.array(
        data.draw(
            st.lists(st.sampled_from([0.5, 0.75, np.inf]), min_size=len(ends), max_size=len(ends))
        )
    )
    merge, least = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 6))
    holes = {i for i in range(1, len(ends)) if starts[i] > ends[i - 1]}
    want = events_slowly(starts, ends, scores, limits, merge, least, holes)
    assert find_events(starts, ends, scores, limits, EventTracker(merge, least)) == want


def test_a_pending_event_is_visible_and_closes_as_soon_as_nothing_can_join() -> None:
    tracker = EventTracker(2.0, 0.0)
    assert tracker.push(0, 1, 0.9, 0.5) == []
    assert tracker.pending == Event(0, 1, peak=0.5, score=0.9)
    assert tracker.push(1, 2, 0.1, 0.5) == []  # the next could start 1 s after it
    assert tracker.push(2, 3, 0.1, 0.5) == [Event(0, 1, peak=0.5, score=0.9)]
    assert tracker.flush() == []


@settings(max_examples=200, deadline=None)
@given(
    score_lists,
    st.sets(st.integers(1, 59)),
    st.sets(st.integers(1, 59)),
    st.sampled_from(["fixed", "adaptive"]),
    st.sampled_from([0.0, 1.5]),
)
def test_live_equals_offline_for_every_prefix(
    raw: list[float], holes: set[int], lost: set[int], rule: Rule, sigma: float
) -> None:
    chosen = Localization(sigma=sigma, rule=rule, threshold=0.5, kappa=1.0, warmup=3, lag=2)
    starts, ends = spans(len(raw))
    for hole in holes:
        starts[hole:] += 4.0
        ends[hole:] += 4.0
    gaps = tuple(Gap(starts[i], starts[i], "lost") for i in lost if i < len(raw))
    breaks = contiguous_runs(starts, ends, gaps)
    assert breaks == sorted(i for i in holes | lost if i < len(raw))
    scores, found = localize(starts, ends, np.array(raw), gaps, chosen)
    want = smooth(np.array(raw), chosen, breaks)
    limits = adaptive_threshold(want, 1.0, 3, 2) if rule == "adaptive" else np.full(len(raw), 0.5)
    assert (scores.smoothed == want).all()
    assert (scores.threshold == limits).all()
    assert found == find_events(starts, ends, want, limits, Localizer(chosen).tracker, gaps=gaps)
    live, settled, closed = Localizer(chosen), [], []
    for i, segment in enumerate(zip(starts, ends, raw, strict=True)):
        some, done = live.push(*segment, gap=i in lost)
        settled += some
        closed += done
        assert closed == list(found[: len(closed)])  # never taken back
    some, done = live.flush()
    assert [s.smoothed for s in settled + some] == want.tolist()
    assert tuple(closed + done) == found


def test_localize_needs_a_threshold_and_numbers() -> None:
    starts, ends = spans(2)
    with pytest.raises(UsageError):
        localize(starts, ends, np.zeros(2), (), Localization())
    with pytest.raises(ValueError, match="nan"):
        localize(
            starts, ends, np.array([0, math.nan]), (), Localization(rule="fixed", threshold=0.5)
        )


def test_localize_without_segments_finds_no_events() -> None:
    scores, found = localize(
        np.array([]), np.array([]), np.array([]), (), Localization(rule="adaptive")
    )
    assert (len(scores.raw), found) == (0, ())


def test_settings_survive_json_and_are_checked() -> None:
    chosen = Localization(rule="adaptive", kappa=2.5, lag=4).with_threshold(0.25)
    assert Localization.from_json(chosen.to_json()) == chosen
    for wrong in (
        {"rule": "guess"},
        {"rule": "fixed", "threshold": None},
        {"sigma": -1},
        {"lag": 0},
        {"threshold": math.nan},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            Localization.from_json({**chosen.to_json(), **wrong})
    with pytest.raises(TypeError):
        Localization.from_json({**chosen.to_json(), "sigmas": 1.0})
    short = {k: v for k, v in chosen.to_json().items() if k not in {"extend", "refine"}}
    with pytest.raises(ValueError, match="the localization lacks extend, refine"):
        Localization.from_json(short)


@settings(deadline=None)
@given(hnp.arrays(np.float64, 30, elements=st.floats(0, 1)))
def test_smoothing_stays_within_its_scores(scores: np.ndarray) -> None:
    out = smooth(scores)
    assert scores.min() <= out.min()
    assert out.max() <= scores.max()
