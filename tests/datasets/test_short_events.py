"""Which events are too short is known from the labels alone, as it is from all segments."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.datasets import count_labels
from hiprobe.labels import short_events
from hiprobe.types import Event, Video


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=8),
    st.sampled_from([0.5, 1.6, 2.5]),
)
def test_the_labels_alone_give_what_all_segments_give(
    tenths: list[tuple[int, int]], segment_s: float
) -> None:
    events = tuple(Event(start / 10, (start + length) / 10) for start, length in tenths)
    edges = np.arange(100) * segment_s
    every = short_events(edges[:-1], edges[1:], events)
    found = count_labels([Video("a.mp4", events)], segment_s).short
    assert [(one.start, one.end) for one in found] == every


def test_twenty_thousand_events_far_apart_are_counted_without_their_segments() -> None:
    spans = [Event(2.0 + 1000000.7 * n, 3.0 + 1000000.7 * n) for n in range(20_000)]
    video = Video("a.mp4", (*spans, Event(1e15, float("inf"))))
    found = count_labels([video]).short
    assert 0 < len(found) < 20_000
    assert str(found[0]).startswith("a.mp4:")
