"""Raw scores to smoothed scores and events, segment by segment or for a whole video."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize.contiguity import JOIN_S, contiguous_runs
from hiprobe.localize.settings import Localization
from hiprobe.localize.smoothing import Smoother
from hiprobe.localize.thresholds import threshold_rule
from hiprobe.localize.tracker import EventTracker
from hiprobe.types import Event, Gap, Scores, Source

Array = NDArray[np.float64]


class Scored(NamedTuple):
    """A segment whose smoothed score is final; times in seconds."""

    start: float
    end: float
    raw: float
    smoothed: float
    threshold: float


class Localizer:
    """Smoothing, threshold and events of one stream, segment by segment.

    `localize` runs it over a whole video. A segment is settled once the smoothing has seen the
    segments after it that it needs: at sigma 1 those are 4 with `gaussian`, 1 with `median`, and 0
    with `causal` and `none`. `tracker.pending` is the current event of the settled segments. Raises
    UsageError if the settings lack the threshold that their rule needs.
    """

    def __init__(self, settings: Localization) -> None:
        self._smoother = Smoother(settings.sigma, settings.smoothing)
        self._limit = threshold_rule(settings)
        self.tracker = EventTracker(settings.merge_s, settings.min_s, settings.extend)
        self._waiting: deque[tuple[float, float, float, bool]] = deque()
        self._end = math.inf

    def push(
        self, start: float, end: float, raw: float, *, gap: bool = False
    ) -> tuple[list[Scored], list[Event]]:
        """Add the next segment; return the segments that it settles and the events that it closes.

        `start` and `end` in seconds, `gap` as in `EventTracker.push`. Raises ValueError for a score
        that is not finite.
        """
        if not math.isfinite(raw):
            raise ValueError(
                f"the score of the segment at {start:.10g} s must be finite, got {raw}"
            )
        gap = gap or start - self._end > JOIN_S
        due = self._smoother.flush() if gap else []
        settled = [self._settle(value) for value in due]
        self._waiting.append((start, end, raw, gap))
        settled += [self._settle(value) for value in self._smoother.push(raw)]
        self._end = end
        return [scored for scored, _ in settled], [
            event for _, closed in settled for event in closed
        ]

    def flush(self) -> tuple[list[Scored], list[Event]]:
        """End the stream: return the remaining segments and events."""
        settled = [self._settle(value) for value in self._smoother.flush()]
        closed = [event for _, events in settled for event in events] + self.tracker.flush()
        return [scored for scored, _ in settled], closed

    def _settle(self, smoothed: float) -> tuple[Scored, list[Event]]:
        start, end, raw, gap = self._waiting.popleft()
        threshold = self._limit(smoothed)
        return (
            Scored(start, end, raw, smoothed, threshold),
            self.tracker.push(start, end, smoothed, threshold, gap=gap),
        )


def localize(
    starts: Array,
    ends: Array,
    raw: Array,
    gaps: Sequence[Gap],
    settings: Localization,
    sources: Sequence[Source] = (),
) -> tuple[Scores, tuple[Event, ...]]:
    """Turn the raw scores of one video into smoothed scores and events.

    `starts` and `ends` (n,) are the spans of its segments in seconds, `raw` (n,) their scores,
    `gaps` the spans that could not be decoded, `sources` (n,) how the scores came about, for the
    result. Raises UsageError if the settings lack the threshold
    that their rule needs, ValueError for a score that is not finite.

    >>> edges, raw = np.arange(6) * 1.6, np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    >>> settings = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> _, events = localize(edges[:-1], edges[1:], raw, (), settings)
    >>> [(event.start, event.end, event.score) for event in events]
    [(3.2, 6.4, 0.9)]
    """
    localizer, new = Localizer(settings), set(contiguous_runs(starts, ends, gaps))
    steps = [
        localizer.push(float(s), float(e), float(r), gap=i in new)
        for i, (s, e, r) in enumerate(zip(starts, ends, raw, strict=True))
    ] + [localizer.flush()]
    settled = [scored for some, _ in steps for scored in some]
    columns = np.array(settled, dtype=np.float64).reshape(-1, 5).T
    scores = Scores(starts, ends, columns[2], columns[3], columns[4], tuple(gaps), tuple(sources))
    return scores, tuple(event for _, some in steps for event in some)
