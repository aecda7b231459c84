"""Labels of segments against a 1 ms grid and cases worked out by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.labels import label_segments, short_events
from hiprobe.types import Event


def spans(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The starts and ends of n segments of 1.6 s."""
    edges = np.arange(n + 1) * 1.6
    return edges[:-1].copy(), edges[1:].copy()


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=12),
    st.lists(
        st.tuples(st.integers(0, 2500), st.one_of(st.integers(1, 900), st.just(math.inf))),
        max_size=6,
    ),
)
def test_labels_are_those_counted_on_a_millisecond_grid(
    lengths: list[int], events_ms: list[tuple[int, float]]
) -> None:
    edges = np.r_[0, np.cumsum(lengths)]
    covered = np.zeros(edges[-1] + 1, dtype=bool)  # the last entry is never in an event
    for start, length in events_ms:
        covered[start : -1 if math.isinf(length) else min(start + int(length), edges[-1])] = True
    shares = [covered[a:b].mean() for a, b in pairwise(edges)]
    want = [1 if share >= 0.5 else 0 if share == 0 else -1 for share in shares]
    half, short = list(want), []
    changes = np.flatnonzero(np.diff(np.r_[False, covered]))
    for first, last in changes.reshape(-1, 2):  # each stretch of covered milliseconds
        held = [max(0, min(b, last) - max(a, first)) for a, b in pairwise(edges)]
        if not any(half[i] == 1 for i, inside in enumerate(held) if inside):
            want[held.index(max(held))] = 1
            short.append((first / 1000, last / 1000))
    truth = [Event(start / 1000, (start + length) / 1000) for start, length in events_ms]
    starts, ends = edges[:-1] / 1000, edges[1:] / 1000
    assert label_segments(starts, ends, truth).tolist() == want
    found = [(start, min(end, ends[-1])) for start, end in short_events(starts, ends, truth)]
    assert np.allclose(np.array(found).reshape(-1, 2), np.array(short).reshape(-1, 2))


def test_an_event_that_fills_half_of_no_segment_takes_the_segment_that_holds_most_of_it() -> None:
    starts, ends = spans(4)
    # 1.2 s across a boundary, .6 s in each: the first of equals, whatever floats make of it
    assert label_segments(starts, ends, (Event(1.0, 2.2),)).tolist() == [1, -1, 0, 0]
    assert label_segments(starts, ends, (Event(2.7, 3.7),)).tolist() == [0, 1, -1, 0]
    assert label_segments(starts, ends, (Event(2.9, 3.7),)).tolist() == [0, -1, 1, 0]
    # merged first: two halves of one event are not two events
    split = (Event(1.0, 1.7), Event(1.6, 2.2))
    assert label_segments(starts, ends, split).tolist() == [1, -1, 0, 0]
    # each short event gets its own segment, beside a long one too
    several = (Event(0.2, 0.4), Event(3.2, 4.8), Event(5.0, 5.1))
    assert label_segments(starts, ends, several).tolist() == [1, 0, 1, 1]
    assert short_events(starts, ends, several) == [(0.2, 0.4), (5.0, 5.1)]
    # an event that lies in no segment changes none
    assert label_segments(starts, ends, (Event(6.4, 9.0),)).tolist() == [0, 0, 0, 0]
    assert short_events(starts, ends, (Event(6.4, 9.0),)) == []


def test_labels_of_unknown_normal_and_wholly_abnormal_videos() -> None:
    starts, ends = spans(3)
    assert label_segments(starts, ends, None).tolist() == [-1, -1, -1]
    assert label_segments(starts, ends, ()).tolist() == [0, 0, 0]
    assert label_segments(starts, ends, (Event(0, math.inf),)).tolist() == [1, 1, 1]
    assert label_segments(starts, ends, (Event(0, 0.4),), positive_share=0.25).tolist() == [1, 0, 0]


def test_a_share_of_exactly_one_half_is_positive_and_overlaps_count_once() -> None:
    starts, ends = spans(2)
    assert label_segments(starts, ends, (Event(0.8, 1.6),)).tolist() == [1, 0]
    assert label_segments(
        starts, ends, (Event(0.0, 0.5), Event(0.1, 0.6), Event(0.2, 0.7))
    ).tolist() == [1, 0]  # .7 s, too short: the segment that holds most of it
    assert label_segments(starts, ends, (Event(0.0, 0.5), Event(0.9, 1.3))).tolist() == [1, 0]
