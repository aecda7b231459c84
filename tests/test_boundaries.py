"""Where a score crosses a level, and what that does to the start and end of an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from hiprobe.localize import Localization, localize
from hiprobe.pipeline.boundaries import refined_boundary
from hiprobe.pipeline.refinement import refined_events, windows_to_refine
from hiprobe.types import Event, Gap, Scores

L = 1.6
Truth = Callable[[float, float], float]


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([0.1, 0.3, 0.9, 1.0], 1.0 + 0.2 / 0.6),
        ([0.9, 0.1, 0.9, 1.0], 1.5),  # the crossing next to the inside
        ([0.6, 0.7, 0.8, 0.9], 0.0),  # all inside
        ([0.1, 0.2, 0.3, 0.4], 3.0),  # all outside
        ([0.1, 0.1, 0.5, 0.9], 2.0),  # the level itself is inside
    ],
)
def test_a_boundary_is_where_the_score_crosses_the_level(
    scores: list[float], wanted: float
) -> None:
    centres = np.arange(4.0)
    assert refined_boundary(centres, np.array(scores), 0.5) == pytest.approx(wanted)
    mirrored = refined_boundary(-centres, np.array(scores), 0.5)
    assert mirrored == pytest.approx(-wanted)


def share(*events: tuple[float, float]) -> Truth:
    """The score of a window is the share of it that is in an event: a perfect, unsmoothed probe."""

    def score(start: float, end: float) -> float:
        inside = sum(max(0.0, min(end, b) - max(start, a)) for a, b in events)
        return inside / (end - start)

    return score


def refine(
    truth: Truth,
    threshold: float = 0.5,
    windows: int = 16,
    gaps: tuple[Gap, ...] = (),
    **how: float,
) -> tuple[tuple[Event, ...], tuple[Event, ...], int]:
    """Return coarse events, refined events, and how many windows that took."""
    starts = np.array([i * L for i in range(windows)])
    starts = starts[[not any(gap.start <= one < gap.end for gap in gaps) for one in starts]]
    raw = np.array([truth(one, one + L) for one in starts])
    settings = Localization(sigma=0.0, rule="fixed", threshold=threshold, refine=True, **how)  # type: ignore[arg-type]
    scores, coarse = localize(starts, starts + L, raw, gaps, settings)
    wanted = windows_to_refine(coarse, scores)
    check_windows(wanted, scores, coarse)
    extra = {window: truth(*window) for window in wanted}
    return coarse, refined_events(coarse, scores, settings, extra), len(wanted)


def check_windows(
    wanted: list[tuple[float, float]], scores: Scores, coarse: tuple[Event, ...]
) -> None:
    edges = [edge for event in coarse for edge in (event.start, event.end)]
    for start, end in wanted:
        assert end - start == pytest.approx(L)
        assert min(abs((start + end) / 2 - edge) for edge in edges) <= L + 1e-6
        assert min(abs(scores.starts - start)) > 1e-6
        assert not any(gap.start < end - 1e-6 and start < gap.end - 1e-6 for gap in scores.gaps)


@pytest.mark.parametrize("start", [6.4, 6.5, 7.0, 7.2, 7.9])
@pytest.mark.parametrize("length", [3.3, 6.0])
def test_boundaries_come_nearer_to_the_truth(start: float, length: float) -> None:
    coarse, found, windows = refine(share((start, start + length)))
    (event,) = found
    assert event.start == pytest.approx(start, abs=0.21)
    assert event.end == pytest.approx(start + length, abs=0.21)
    assert windows == 14
    assert (event.peak, event.score) == (coarse[0].peak, coarse[0].score)


def test_a_boundary_at_the_edge_of_the_video_or_at_a_gap_stays() -> None:
    _, (event,), windows = refine(share((-5.0, 4.2)))
    assert (event.start, windows) == (0.0, 7)
    gap = Gap(8 * L, 10 * L, "damaged data")
    coarse, found, _ = refine(share((4.2, 30.0)), gaps=(gap,))
    assert found[0].end == coarse[0].end == gap.start
    assert found[1].start == coarse[1].start == gap.end


def test_no_window_leaves_a_run(  # near a gap and near the ends
) -> None:
    _, found, windows = refine(share((2.0, 4.9)), windows=4)
    assert windows < 14
    assert found[0].start == pytest.approx(2.0, abs=0.3)


def test_a_boundary_moves_at_most_one_stride() -> None:
    """Scores that rise slowly: the coarse threshold is far below the middle."""
    coarse, found, _ = refine(lambda start, end: min(1.0, max(0.0, (start - 3.0) / 12)), 0.1)
    assert found[0].start == pytest.approx(coarse[0].start + L)
    assert found[0].start <= found[0].peak  # type: ignore[operator]


def of_scores(raw: list[float], extra: float, **how: float) -> tuple[list[Event], list[Event]]:
    """Return coarse and refined events of windows with these scores, and `extra` in between."""
    starts = np.arange(len(raw)) * L
    settings = Localization(sigma=0.0, rule="fixed", threshold=0.5, extend=1.0, refine=True, **how)  # type: ignore[arg-type]
    scores, coarse = localize(starts, starts + L, np.array(raw), (), settings)
    known = dict.fromkeys(windows_to_refine(coarse, scores), extra)
    return list(coarse), list(refined_events(coarse, scores, settings, known))


# Half of the windows outside are low: the median of the scores is above a weak event, that of their
# log-odds below it.
@pytest.mark.parametrize(
    ("raw", "how"),
    [
        ([0.46] * 3 + [0.001] * 2 + [0.94] * 2, {"threshold": 0.345}),
        ([0.43] * 2 + [0.001] * 2 + [0.94] * 2, {"threshold": 0.3, "sigma": 0.0}),
        ([0.43] * 2 + [0.001] * 2 + [0.94] * 2, {"threshold": 0.3, "smoothing": "median"}),
    ],
)
def test_a_weak_event_needs_no_window_that_was_not_asked_for(
    raw: list[float], how: dict[str, Any]
) -> None:
    starts, settings = np.arange(len(raw)) * L, Localization(rule="fixed", **how)
    scores, events = localize(starts, starts + L, np.array(raw), (), settings)
    assert len(events) == 2
    known = dict.fromkeys(windows_to_refine(events, scores), 0.5)
    assert len(refined_events(events, scores, settings, known)) == 2
    (weak, _) = events
    wanted = dict.fromkeys(windows_to_refine([weak], scores), 0.5)
    refined_events([weak], scores, settings, wanted)  # alone, as in a watcher


@settings_of_hypothesis(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([-0.2, 0.0, 0.001, 0.3, 0.43, 0.46, 0.5, 0.94, 1.0, 1.3]), min_size=1),
    st.booleans(),
    st.sampled_from([0.2, 0.345, 0.5]),
    st.sampled_from([-0.5, 0.0, 0.4, 1.0, 2.0]),
)
def test_refining_needs_only_the_windows_it_asked_for(
    raw: list[float], probable: bool, threshold: float, extra: float
) -> None:
    found = np.clip(raw, 0.0, 1.0) if probable else np.array(raw)
    starts, settings = np.arange(len(raw)) * L, Localization(rule="fixed", threshold=threshold)
    scores, events = localize(starts, starts + L, found, (), settings)
    known = dict.fromkeys(windows_to_refine(events, scores), extra)
    refined = refined_events(events, scores, settings, known)
    assert len(refined) == len(events)
    assert all(one.end <= other.start for one, other in pairwise(refined))


def test_an_event_that_becomes_too_short_keeps_its_span() -> None:
    raw = [0.0, 0.0, 0.9, 0.0, 0.0]
    coarse, found = of_scores(raw, 0.0, min_s=1.0)
    assert found == coarse
    # One high window among low ones says nothing about where an event begins.
    assert of_scores(raw, 0.0, min_s=0.2)[1] == coarse


def test_an_event_begins_when_the_one_before_it_has_ended() -> None:
    """With no merging, a dip of one window between two events leaves two coarse events."""
    coarse, found = of_scores([0.0, 0.0, 0.9, 0.48, 1.0, 0.0, 0.0, 0.0], 0.8, merge_s=0.0)
    first, second = found
    assert (first.end, second.start) == (second.start, first.end)
    assert coarse[0].end < first.end <= coarse[1].start + 1e-9
    assert (second.peak, second.score) == (coarse[1].peak, 1.0)


def test_what_comes_later_moves_no_boundary() -> None:
    """A watcher knows five windows after an event; a video that goes on gives the same."""
    truth = share((16.5, 22.4), (44.0, 50.0))
    for windows in (19, 20, 24, 60):
        found = refine(lambda a, b: max(0.1 * (a > 32.0), truth(a, b)), windows=windows)[1]
        assert (found[0].start, found[0].end) == pytest.approx((16.5, 22.4), abs=0.2)
        if windows == 19:
            first = found[0]
        assert found[0] == first


def test_the_level_is_that_of_the_last_ten_minutes() -> None:
    """Scores that have risen since the morning count for nothing."""

    def old(start: float, end: float) -> float:
        return 0.45 if start < 1000 else share((1900.2, 1906.6))(start, end)

    def new(start: float, end: float) -> float:
        return share((1900.2, 1906.6))(start, end)

    assert refine(old, windows=1300)[1] == refine(new, windows=1300)[1]


def test_a_demoted_event_keeps_its_span_and_needs_no_windows() -> None:
    starts = np.arange(8) * L
    raw = np.array([0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0.8, 0.0])
    settings = Localization(sigma=0.0, rule="fixed", threshold=0.5, extend=1.0, min_s=0.5)
    scores, (first, second) = localize(starts, starts + L, raw, (), settings)
    events = (first, replace(second, severity="low"))
    wanted = windows_to_refine(events, scores)
    assert wanted == windows_to_refine((first,), scores)
    known = dict.fromkeys(wanted, 0.0)
    moved, kept = refined_events(events, scores, settings, known)
    assert kept == events[1]
    assert (moved.start, moved.end) != (first.start, first.end)


def test_a_missing_window_is_an_error_and_no_event_needs_none() -> None:
    starts = np.arange(8) * L
    raw = np.array([0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0])
    settings = Localization(sigma=0.0, rule="fixed", threshold=0.5, refine=True)
    scores, events = localize(starts, starts + L, raw, (), settings)
    with pytest.raises(KeyError):
        refined_events(events, scores, settings, {})
    assert windows_to_refine((), scores) == []
    flat, whole = localize(starts, starts + L, np.ones(8), (), settings)
    assert windows_to_refine(whole, flat) == []
    assert refined_events(whole, flat, settings, {}) == whole
