"""Raw scores to smoothed scores and events, segment by segment or for a whole video."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize.contiguity import JOIN_S, contiguous_runs, left_out_before
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


class _Waiting(NamedTuple):
    """A segment that is not settled; `left_out`: windows before it were left out on purpose."""

    start: float
    end: float
    raw: float
    gap: bool
    left_out: bool


_Settled = tuple[Scored, list[Event]]


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
        self._waiting: deque[_Waiting | None] = deque()  # None for a window that was left out
        self._end = math.inf

    def push(
        self, start: float, end: float, raw: float, *, gap: bool = False, left_out: int = 0
    ) -> tuple[list[Scored], list[Event]]:
        """Add the next segment; return the segments that it settles and the events that it closes.

        `start` and `end` in seconds, `gap` as in `EventTracker.push`. `left_out` is the number of
        windows before it, since the last segment, that were left out on purpose; they do not make a
        gap. Raises ValueError for a score that is not finite.
        """
        if not math.isfinite(raw):
            raise ValueError(
                f"the score of the segment at {start:.10g} s must be finite, got {raw}"
            )
        gap = gap or (start - self._end > JOIN_S and not left_out)
        left_out = 0 if gap else left_out
        due = self._smoother.flush() if gap else []
        settled = [self._settle(value) for value in due]
        for _ in range(left_out):
            settled += self._add(None, math.nan)
        settled += self._add(_Waiting(start, end, raw, gap, left_out > 0), raw)
        self._end = end
        return _sorted_out(settled)

    def _add(self, segment: _Waiting | None, raw: float) -> list[_Settled | None]:
        self._waiting.append(segment)
        return [self._settle(value) for value in self._smoother.push(raw)]

    def flush(self) -> tuple[list[Scored], list[Event]]:
        """End the stream: return the remaining segments and events."""
        scored, closed = _sorted_out([self._settle(value) for value in self._smoother.flush()])
        return scored, closed + self.tracker.flush()

    def _settle(self, smoothed: float) -> _Settled | None:
        one = self._waiting.popleft()
        if one is None:
            return None
        start, end, raw, gap, left_out = one
        threshold = self._limit(smoothed)
        if left_out:
            self.tracker.step_over()
        closed = self.tracker.push(start, end, smoothed, threshold, gap=gap)
        return Scored(start, end, raw, smoothed, threshold), closed


def _sorted_out(settled: Sequence[_Settled | None]) -> tuple[list[Scored], list[Event]]:
    """Return the segments, and the events, without the windows that were left out."""
    some = [one for one in settled if one is not None]
    return [scored for scored, _ in some], [event for _, closed in some for event in closed]


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
    `gaps` the spans without a score, `sources` (n,) how the scores came about, for the result.
    Smoothing and merging step over the windows in `gaps` that were left out on purpose, and no
    event is extended over one; what could not be decoded ends every run. Raises
    UsageError if the settings lack the threshold that their rule needs, ValueError for a score that
    is not finite.

    >>> edges, raw = np.arange(6) * 1.6, np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    >>> settings = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> _, events = localize(edges[:-1], edges[1:], raw, (), settings)
    >>> [(event.start, event.end, event.score) for event in events]
    [(3.2, 6.4, 0.9)]
    """
    localizer, new = Localizer(settings), set(contiguous_runs(starts, ends, gaps))
    steps = [
        localizer.push(float(s), float(e), float(r), gap=i in new, left_out=int(n))
        for i, (s, e, r, n) in enumerate(
            zip(starts, ends, raw, left_out_before(starts, gaps), strict=True)
        )
    ] + [localizer.flush()]
    settled = [scored for some, _ in steps for scored in some]
    columns = np.array(settled, dtype=np.float64).reshape(-1, 5).T
    scores = Scores(starts, ends, columns[2], columns[3], columns[4], tuple(gaps), tuple(sources))
    return scores, tuple(event for _, some in steps for event in some)
