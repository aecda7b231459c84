"""Event figures over videos against plain loops: matching, boundary errors, draws, demotion."""

from __future__ import annotations

import math
import time
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe.metrics import (
    EventTable,
    Watched,
    alarms_only,
    boundary_errors,
    draw_videos,
    matched_pairs,
)
from hiprobe.types import Event

# Eighths of a second, so that sums and differences are exact.
spans = st.tuples(st.integers(0, 60), st.integers(1, 24)).map(
    lambda pair: Event(pair[0] / 8, (pair[0] + pair[1]) / 8)
)
videos = st.lists(
    st.builds(
        Watched,
        st.lists(spans, max_size=3),
        st.lists(spans, max_size=4),
        st.sampled_from([9.0, 18.0]),
    ),
    min_size=1,
    max_size=5,
)


def iou(one: Event, other: Event) -> float:
    """Count in eighths of a second."""
    a, b = (set(range(round(8 * e.start), round(8 * e.end))) for e in (one, other))
    return len(a & b) / len(a | b)


def greedy(truth: list[Event], predicted: list[Event], at: float) -> list[tuple[int, int]]:
    """Take the best remaining pair again and again, the first of equals."""
    left, right, found = set(range(len(truth))), set(range(len(predicted))), []
    while left and right:
        best = max(iou(truth[i], predicted[j]) for i in left for j in right)
        if best < at:
            break
        i, j = min((i, j) for i in left for j in right if iou(truth[i], predicted[j]) == best)
        left.remove(i)
        right.remove(j)
        found.append((i, j))
    return found


def plain(drawn: list[Watched]) -> dict[str, float]:
    """Every figure of a list of videos, with loops alone."""
    true = sum(len(v.true) for v in drawn)
    predicted = sum(len(v.predicted) for v in drawn)
    hours = sum(v.seconds for v in drawn) / 3600

    def share(part: float, whole: float) -> float:
        return part / whole if whole else math.nan

    found = {}
    for at in (0.1, 0.3, 0.5):
        hits = sum(len(greedy(list(v.true), list(v.predicted), at)) for v in drawn)
        found[f"precision@{at}"] = share(hits, predicted)
        found[f"recall@{at}"] = share(hits, true)
        found[f"f1@{at}"] = share(2 * hits, true + predicted)
    waits, starts, ends, false = [], [], [], 0
    for v in drawn:
        for t in v.true:
            meets = [p.start for p in v.predicted if p.start < t.end and t.start < p.end]
            waits += [max(0.0, min(meets) - t.start)] if meets else []
        false += sum(all(p.start >= t.end or t.start >= p.end for t in v.true) for p in v.predicted)
        for i, j in greedy(list(v.true), list(v.predicted), 0.1):
            starts.append(abs(v.true[i].start - v.predicted[j].start))
            ends.append(abs(v.true[i].end - v.predicted[j].end))

    def median(values: list[float]) -> float:
        return float(np.median(values)) if values else math.nan

    return found | {
        "false_alarms_per_hour": share(false, hours),
        "false_alarms_per_day": share(24 * false, hours),
        "delay_mean": share(sum(waits), len(waits)),
        "delay_median": median(waits),
        "start_error_median": median(starts),
        "end_error_median": median(ends),
        "boundary_error_median": median(starts + ends),
    }


@settings(max_examples=25, deadline=None)
@given(videos, st.integers(0, 99))
def test_the_figures_of_every_draw_are_those_of_plain_loops(
    watched: list[Watched], seed: int
) -> None:
    draws = np.random.default_rng(seed).integers(0, 3, (3, len(watched)))
    draws[0] = 1
    found = EventTable(watched).drawn(draws)
    for k, draw in enumerate(draws):
        drawn = [v for v, times in zip(watched, draw, strict=True) for _ in range(times)]
        expected = plain(drawn)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][k] == pytest.approx(value, nan_ok=True), name
    figures = EventTable(watched).figures()
    assert figures == pytest.approx(plain(watched), nan_ok=True)


def test_boundary_errors_by_hand() -> None:
    """Two of three true events match; the alarm at 50 s touches neither, and 0.05 is too little."""
    one = Watched(
        [Event(10, 20), Event(30, 40), Event(60, 160)],
        [Event(12, 20.5), Event(29, 36), Event(50, 52), Event(155, 160)],
        200.0,
    )
    assert boundary_errors(one) == ([2.0, 1.0], [0.5, 4.0])
    found = EventTable([one]).figures()
    assert found["start_error_median"] == 1.5
    assert found["end_error_median"] == 2.25
    assert found["boundary_error_median"] == 1.5  # of 0.5, 1, 2 and 4
    assert found["false_alarms_per_day"] == pytest.approx(24 * 3600 / 200)


def test_pairs_do_not_depend_on_the_order_of_events_with_different_overlaps() -> None:
    truth, predicted = [Event(0, 10), Event(10, 20)], [Event(3, 14), Event(0, 9), Event(12, 19)]
    pairs = {
        frozenset((t.start, p.start) for t, p in matched_pairs(list(a), list(b), 0.1))
        for a in permutations(truth)
        for b in permutations(predicted)
    }
    assert pairs == {frozenset({(0, 0), (10, 12)})}


def test_demoted_events_are_no_alarms() -> None:
    """With the demoted events there is one more hit and one more false alarm."""
    hit, false = Event(0, 4, severity="low"), Event(20, 24, severity="low")
    both = Watched(
        [Event(0, 4), Event(10, 14)], [hit, Event(10, 14, severity="high"), false], 3600.0
    )
    alarms, every = (EventTable([one]).figures() for one in (alarms_only(both), both))
    assert (alarms["precision@0.5"], alarms["recall@0.5"]) == (1.0, 0.5)
    assert (every["precision@0.5"], every["recall@0.5"]) == (pytest.approx(2 / 3), 1.0)
    assert (alarms["false_alarms_per_hour"], every["false_alarms_per_hour"]) == (0.0, 1.0)
    assert len(both.predicted) == 3


def test_draws_of_many_videos_take_little_time() -> None:
    """240 videos, 400 resamples, ten tables, as a study with ten labelled draws needs."""
    rng = np.random.default_rng(0)

    def watched() -> Watched:
        true = [Event(s, s + 8) for s in rng.uniform(0, 150, 2)]
        return Watched(true, [Event(s, s + 6) for s in rng.uniform(0, 150, 12)], 160.0)

    some = [watched() for _ in range(240)]
    draws = draw_videos(240, 400, 0)
    begun = time.process_time()
    for _ in range(10):
        EventTable(some).drawn(draws)
    assert time.process_time() - begun < 5.0
