"""Events extended below the threshold, against connected components over the whole array."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from hiprobe.localize import (
    EventTracker,
    Localization,
    Localizer,
    Rule,
    Smoothing,
    adaptive_threshold,
    contiguous_runs,
    find_events,
    localize,
    low_threshold,
    smooth,
)
from hiprobe.types import Event, Gap

LEVELS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


def components(hot: np.ndarray, breaks: list[int]) -> list[tuple[int, int]]:
    """The first and last index of each connected run; a break separates neighbours."""
    spread = np.insert(hot.astype(int), breaks, 0)  # a cold cell at each break
    found, count = label(spread)
    position = np.delete(np.arange(len(spread)), np.array(breaks, int) + np.arange(len(breaks)))
    runs = (np.flatnonzero(found[position] == one) for one in range(1, count + 1))
    return [(int(run[0]), int(run[-1])) for run in runs]


def whole_array_events(
    spans: np.ndarray, scores: np.ndarray, limits: np.ndarray, rules: Localization, cuts: list[int]
) -> tuple[Event, ...]:
    """Components above the low limit that hold a start; then merge, then drop."""
    starts, ends = spans
    lows = np.array(
        [
            limit - (1 - rules.extend) * abs(limit) if np.isfinite(limit) else limit
            for limit in limits
        ]
    )
    kept: list[list[tuple[int, int]]] = []
    for first, last in components(scores >= lows, cuts):
        if not (scores[first : last + 1] >= limits[first : last + 1]).any():
            continue
        before = kept[-1][-1][1] if kept else None
        near = before is not None and starts[first] - ends[before] < rules.merge_s - 1e-6
        apart = before is not None and any(before < cut <= first for cut in cuts)
        if near and not apart:
            kept[-1].append((first, last))
        else:
            kept.append([(first, last)])
    events = []
    for parts in kept:
        inside = np.concatenate([np.arange(first, last + 1) for first, last in parts])
        start, end = starts[inside[0]], ends[inside[-1]]
        top = inside[np.argmax(scores[inside])]
        if end - start >= rules.min_s - 1e-6:
            events.append(Event(start, end, (starts[top] + ends[top]) / 2, scores[top]))
    return tuple(events)


@st.composite
def videos(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[Gap, ...]]:
    """Starts, ends, raw scores and gaps: pauses between segments, and gaps at a boundary."""
    count = draw(st.integers(1, 40))
    pauses = draw(st.lists(st.sampled_from([0, 0, 0, 0, 0, 3]), min_size=count, max_size=count))
    lost = draw(st.sets(st.integers(1, 39), max_size=3))
    starts = np.arange(count) * 1.5 + np.cumsum(pauses)
    raw = LEVELS[draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))]
    gaps = tuple(Gap(float(starts[i]), float(starts[i]), "lost") for i in lost if i < count)
    return starts, starts + 1.5, raw, gaps


@settings(max_examples=150, deadline=None)
@given(
    videos(),
    st.sampled_from([0.3, 0.5, 0.75, 1.0]),
    st.sampled_from(["fixed", "adaptive"]),
    st.sampled_from(["gaussian", "causal", "median", "none"]),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.5, 9.0]),
    st.sampled_from([0.0, 1.5, 2.0, 4.5]),
)
def test_live_and_offline_events_are_the_components_with_a_start(
    video: tuple[np.ndarray, np.ndarray, np.ndarray, tuple[Gap, ...]],
    extend: float,
    rule: Rule,
    smoothing: Smoothing,
    merge_s: float,
    min_s: float,
) -> None:
    starts, ends, raw, gaps = video
    rules = Localization(
        sigma=0.7,
        rule=rule,
        threshold=0.6,
        kappa=0.5,
        warmup=2,
        lag=3,
        merge_s=merge_s,
        min_s=min_s,
        smoothing=smoothing,
        extend=extend,
    )
    cuts = contiguous_runs(starts, ends, gaps)
    smoothed = smooth(raw, rules, cuts)
    limits = np.full(len(raw), 0.6)
    if rule == "adaptive":
        limits = adaptive_threshold(smoothed, 0.5, 2, 3)
    want = whole_array_events(np.array([starts, ends]), smoothed, limits, rules, cuts)

    scores, offline = localize(starts, ends, raw, gaps, rules)
    assert offline == want
    assert (scores.smoothed == smoothed).all()
    tracker = EventTracker(merge_s, min_s, extend)
    assert find_events(starts, ends, smoothed, limits, tracker, gaps) == want

    live, closed = Localizer(rules), []
    for i in range(len(raw)):
        closed += live.push(starts[i], ends[i], raw[i], gap=i in cuts)[1]
        assert closed == list(want[: len(closed)])  # never taken back
    assert tuple(closed + live.flush()[1]) == want


def test_an_event_grows_both_ways_and_a_run_without_a_start_is_not_one() -> None:
    edges = np.arange(10.0)
    smoothed = np.array([0.4, 0.1, 0.4, 0.5, 0.9, 0.4, 0.1, 0.5, 0.4])
    for extend, want in ((1.0, [(4, 5)]), (0.5, [(2, 6)]), (0.55, [(3, 5)])):
        tracker = EventTracker(0.0, 0.0, extend)
        found = find_events(edges[:-1], edges[1:], smoothed, 0.8, tracker)
        assert [(event.start, event.end) for event in found] == want
        assert [(event.peak, event.score) for event in found] == [(4.5, 0.9)]


def test_extension_ends_at_a_gap_and_only_extended_events_are_merged_or_dropped() -> None:
    edges = np.arange(9.0)
    smoothed = np.array([0.5, 0.9, 0.5, 0.1, 0.1, 0.5, 0.9, 0.5])

    def spans(merge_s: float, min_s: float, *gaps: Gap) -> list[tuple[float, float]]:
        tracker = EventTracker(merge_s, min_s, 0.5)
        found = find_events(edges[:-1], edges[1:], smoothed, 0.9, tracker, gaps)
        return [(event.start, event.end) for event in found]

    assert spans(2.0, 3.0) == [(0, 3), (5, 8)]  # 3 s long, though 1 s is at the threshold
    assert spans(2.5, 0.0) == [(0, 8)]  # the starts are 4 s apart, the extended events 2 s
    assert spans(0.0, 0.0, Gap(2, 2, "lost")) == [(0, 2), (5, 8)]


def test_a_pending_event_shows_its_start_once_the_threshold_is_reached() -> None:
    tracker = EventTracker(2.0, 0.0, 0.5)
    seen = []
    for second, score in enumerate([0.5, 0.6, 0.9, 0.5, 0.1, 0.5, 0.5, 0.5, 0.1]):
        closed = tracker.push(second, second + 1, score, 0.8)
        assert closed == ([] if second < 8 else [Event(0, 4, peak=2.5, score=0.9)])
        seen.append(tracker.pending and (tracker.pending.start, tracker.pending.end))
    # The run from 5 to 8 s never reaches the threshold, and holds the event back until it ends.
    assert seen == [None, None, (0, 3), (0, 4), (0, 4), (0, 4), (0, 4), (0, 4), None]


@settings(deadline=None)
@given(st.floats(-1e15, 1e15), st.floats(0.01, 1.0))
def test_the_low_threshold_is_never_above_the_threshold(threshold: float, extend: float) -> None:
    low = low_threshold(threshold, extend)
    assert low <= threshold
    assert low == pytest.approx(threshold - (1 - extend) * abs(threshold), rel=1e-9, abs=1e-9)
    assert low_threshold(threshold, 1.0) == threshold


def test_log_odds_are_extended_too_and_a_warm_up_is_not() -> None:
    edges, smoothed = np.arange(6.0), np.array([-5.0, -2.9, -1.0, -2.9, -5.0])
    found = find_events(edges[:-1], edges[1:], smoothed, -2.0, EventTracker(0, 0, 0.5))
    assert [(event.start, event.end) for event in found] == [(1, 4)]
    limits = np.array([math.inf, math.inf, -2.0, -2.0, -2.0])
    found = find_events(edges[:-1], edges[1:], smoothed, limits, EventTracker(0, 0, 0.5))
    assert [(event.start, event.end) for event in found] == [(2, 4)]
