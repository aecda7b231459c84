"""Windows that were left out on purpose: smoothing, events and refinement step over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.localize import (
    EventTracker,
    Localization,
    contiguous_runs,
    find_events,
    localize,
    smooth,
)
from hiprobe.localize.contiguity import left_out_before
from hiprobe.pipeline.refinement import windows_to_refine
from hiprobe.types import UNREAD, Gap

Array = NDArray[np.float64]
STEP = 1.6
PLAIN = Localization(sigma=0.0, rule="fixed", threshold=0.5, min_s=0.0, extend=1.0)


def grid(scores: Sequence[float | None]) -> tuple[Array, Array, Array, list[Gap]]:
    """Return starts, ends and scores of windows, and those with None as left out."""
    starts = np.arange(len(scores)) * STEP
    known = np.array([score is not None for score in scores])
    raw = np.array([score for score in scores if score is not None])
    left = [Gap(start, start + STEP, UNREAD) for start in starts[~known].tolist()]
    return starts[known], starts[known] + STEP, raw, left


def events(
    scores: Sequence[float | None], settings: Localization = PLAIN, more: Sequence[Gap] = ()
) -> list[tuple[float, float]]:
    """Return the windows that each event begins and ends with."""
    starts, ends, raw, left = grid(scores)
    _, found = localize(starts, ends, raw, [*left, *more], settings)
    return [(round(one.start / STEP, 3), round(one.end / STEP, 3)) for one in found]


def test_a_run_goes_on_behind_windows_left_out_and_ends_at_a_gap() -> None:
    starts, ends, _, left = grid([0.1, None, None, 0.1, 0.1, None, 0.1])
    assert contiguous_runs(starts, ends, left) == []
    assert contiguous_runs(starts, ends, [*left, Gap(4.8, 4.8, "damaged data")]) == [1]
    assert contiguous_runs(starts, ends, left[:-1]) == [3]  # the last pause is a gap
    assert left_out_before(starts, left).tolist() == [0, 2, 0, 1]


@pytest.mark.parametrize("kind", ["gaussian", "causal"])
def test_smoothing_weighs_by_distance_in_time(kind: str) -> None:
    """The reference is a mean weighted by a Gaussian of the distance in windows."""
    rng = np.random.default_rng(5)
    scores = [float(x) if rng.random() < 0.4 else None for x in rng.random(60)]
    starts, ends, raw, left = grid(scores)
    rule = Localization(sigma=1.5, rule="fixed", threshold=0.5, smoothing=kind)  # type: ignore[arg-type]
    found, _ = localize(starts, ends, raw, left, rule)
    apart = np.subtract.outer(starts, starts) / STEP
    weights = np.exp(-0.5 * (apart / 1.5) ** 2) * (np.abs(apart) < 6.5)
    weights *= (apart > -0.5) if kind == "causal" else 1
    assert np.allclose(found.smoothed, weights @ raw / weights.sum(1), atol=1e-12)
    assert len(found.smoothed) == len(starts)


def test_a_median_is_of_the_windows_that_are_known() -> None:
    starts, ends, raw, left = grid([0.1, None, 0.9, 0.2, None])
    rule = Localization(sigma=1.0, rule="fixed", threshold=0.5, smoothing="median")
    found, _ = localize(starts, ends, raw, left, rule)
    assert found.smoothed.tolist() == pytest.approx([0.1, 0.55, 0.55])  # three windows wide


def test_an_event_is_not_extended_over_a_window_left_out() -> None:
    assert events([0.9, 0.9, None, None, 0.9]) == [(0, 2), (4, 5)]
    assert events([None, 0.9, None]) == [(1, 2)]


def test_events_close_to_each_other_are_merged_over_it() -> None:
    """One window is 1.6 s, below the 2 s of `merge_s`; two are above."""
    assert events([0.9, None, 0.9, None, None, 0.9]) == [(0, 3), (5, 6)]
    longer = Localization(sigma=0.0, rule="fixed", threshold=0.5, min_s=0.0, merge_s=4.0)
    assert events([0.9, None, 0.9, None, None, 0.9], longer) == [(0, 6)]


def test_a_gap_between_them_is_never_crossed() -> None:
    gap = [Gap(1.6, 2.9, "damaged data")]
    assert events([0.9, None, 0.9], more=gap) == [(0, 1), (2, 3)]


def test_events_at_another_threshold_follow_the_same_rule() -> None:
    scores = [0.9, None, 0.9, None, None, 0.9, 0.1]
    starts, ends, raw, left = grid(scores)
    found = find_events(starts, ends, raw, 0.5, EventTracker(2.0, 0.0), left)
    places = [(round(one.start / STEP, 3), round(one.end / STEP, 3)) for one in found]
    assert places == events(scores)


def test_a_short_event_is_dropped_although_windows_beside_it_are_unknown() -> None:
    rule = Localization(sigma=0.0, rule="fixed", threshold=0.5, min_s=3.0)
    assert events([0.1, None, 0.9, None, 0.9, 0.9], rule) == [(2, 6)]
    assert events([0.1, None, 0.9, None, None, 0.9, 0.9], rule) == [(5, 7)]


def test_nothing_changes_where_all_windows_are_read() -> None:
    raw = np.random.default_rng(1).random(200)
    starts = np.arange(200) * STEP
    rule = Localization(sigma=1.5, rule="fixed", threshold=0.5)
    found, _ = localize(starts, starts + STEP, raw, (), rule)
    assert found.smoothed.tobytes() == smooth(raw, rule).tobytes()


def test_refinement_reads_a_window_of_the_grid_that_was_left_out() -> None:
    """Around a boundary at 3.2 s the window from 3.2 s is known only if it was read."""
    rule = Localization(sigma=0.0, rule="fixed", threshold=0.5, min_s=0.0)
    asked = []
    for scores in ([0.1, 0.9, 0.1, 0.1, 0.1], [0.1, 0.9, None, None, 0.1]):
        starts, ends, raw, left = grid(scores)
        found, events_of = localize(starts, ends, raw, left, rule)
        asked.append({round(start, 3) for start, _ in windows_to_refine(events_of, found)})
    assert asked[1] - asked[0] == {3.2}
    assert asked[0] < asked[1]
