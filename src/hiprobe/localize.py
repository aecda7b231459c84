"""From scores to events: smoothing, threshold, merging.

Times and scores only: no videos, no models, no files. Each rule is a streaming class, and the
offline functions run the same classes, so live and offline results are equal.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.ranges import require
from hiprobe.types import Event, Gap, Scores, Source

Array = NDArray[np.float64]
Rule = Literal["calibrated", "fixed", "adaptive"]

RULES = ("calibrated", "fixed", "adaptive")
# Segments at most this many seconds apart are consecutive; a longer pause is a gap.
JOIN_S = 1e-3
# Lower bound of the running deviation: keeps a constant score below its own threshold.
STD_FLOOR = 1e-3
# Tolerance in seconds when sums of durations are compared.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Localization:
    """The settings that turn scores into events; part of a probe file.

    - `sigma`: width of the Gaussian smoothing, in segments (1.5 as in HeadHunt-VAD).
    - `rule`: `fixed` uses `threshold` as given, `calibrated` as found when the probe was fitted,
      `adaptive` follows the scores with `kappa`, `warmup` and `lag`: see `RunningThreshold`.
    - `merge_s`: events less than this many seconds apart are merged.
    - `min_s`: events shorter than this many seconds are dropped.

    All defaults except `sigma` are our own. Raises ValueError for a setting out of range.

    >>> Localization(rule="fixed", threshold=0.65).with_threshold(0.7).threshold
    0.7
    """

    sigma: float = 1.5
    rule: Rule = "calibrated"
    threshold: float | None = None
    kappa: float = 3.0
    warmup: int = 20
    lag: int = 12
    merge_s: float = 2.0
    min_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sigma", "kappa", "warmup", "lag", "merge_s", "min_s"):
            require(name, getattr(self, name))
        if self.threshold is not None:
            require("threshold", self.threshold)
        if self.rule not in RULES:
            raise ValueError(f"the rule must be one of {RULES}, got {self.rule!r}")
        if self.rule == "fixed" and self.threshold is None:
            raise ValueError("the fixed rule needs a threshold")

    def with_threshold(self, threshold: float) -> Localization:
        """Return the same settings with this threshold."""
        return replace(self, threshold=threshold)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Localization:
        """Build settings from the values of `to_json`; raises TypeError or ValueError."""
        return cls(**values)


class Smoother:
    """Gaussian smoothing of the scores of one run of segments without a gap.

    The kernel is cut at 4 `sigma`. Weights outside the run are dropped and the rest are normalised,
    so that the ends are not pulled towards zero and a constant stays constant (our own). A smoothed
    score is final once `radius` more scores have arrived.

    >>> smoother = Smoother(sigma=0.5)
    >>> smoother.push(1.0), smoother.push(1.0), smoother.push(1.0), smoother.flush()
    ([], [], [1.0], [1.0, 1.0])
    """

    def __init__(self, sigma: float) -> None:
        self.radius = int(4.0 * sigma + 0.5)
        offsets = np.arange(-self.radius, self.radius + 1)
        self._weights = np.exp(-0.5 * (offsets / sigma) ** 2) if self.radius else np.ones(1)
        self._window: deque[float] = deque(maxlen=2 * self.radius + 1)
        self._seen = self._given = 0

    def push(self, score: float) -> list[float]:
        """Add the next raw score; return the smoothed scores that became final: none or one."""
        self._window.append(score)
        self._seen += 1
        return [self._next()] if self._given + self.radius < self._seen else []

    def flush(self) -> list[float]:
        """End the run: return the remaining smoothed scores, and begin a new run."""
        due = [self._next() for _ in range(self._given, self._seen)]
        self._window.clear()
        self._seen = self._given = 0
        return due

    def _next(self) -> float:
        centre, base = self._given, self._seen - len(self._window)
        low, high = max(centre - self.radius, 0), min(centre + self.radius + 1, self._seen)
        values = np.array(self._window)[low - base : high - base]
        weights = self._weights[low - centre + self.radius : high - centre + self.radius]
        self._given += 1
        mean = float(weights @ values / weights.sum())
        return min(max(mean, float(values.min())), float(values.max()))  # exact for a constant


def contiguous_runs(starts: Array, ends: Array, gaps: Sequence[Gap] = ()) -> list[int]:
    """Return the indices of the segments that start a new run.

    A run ends where segments (spans `starts` and `ends` (n,), in seconds) do not follow each other,
    and where one of `gaps` touches the boundary between two segments.

    >>> contiguous_runs(np.array([0.0, 1.6, 8.0]), np.array([1.6, 3.2, 9.6]))
    [2]
    """

    def apart(i: int) -> bool:
        before, after = ends[i - 1] - JOIN_S, starts[i] + JOIN_S
        return bool(starts[i] - ends[i - 1] > JOIN_S) or any(
            g.start <= after and g.end >= before for g in gaps
        )

    return [i for i in range(1, len(starts)) if apart(i)]


def smooth(scores: Array, sigma: float = 1.5, breaks: Sequence[int] | None = None) -> Array:
    """Smooth raw scores (n,) with `Smoother`, each run on its own; returns an array (n,).

    `breaks` are the indices that start a new run, as `contiguous_runs` returns them.

    >>> smooth(np.array([0.5, 0.5, 0.9, 0.9]), sigma=1.5, breaks=[2])
    array([0.5, 0.5, 0.9, 0.9])
    """
    smoother, out, new = Smoother(sigma), [], set(breaks or ())
    for index, score in enumerate(scores):
        if index in new:
            out += smoother.flush()
        out += smoother.push(float(score))
    return np.array(out + smoother.flush(), dtype=np.float64)


class RunningThreshold:
    """The adaptive rule: mean + kappa * std of all scores at least `lag` segments back (our own).

    The lag keeps an event from raising its own threshold. Until `warmup` scores are that old, the
    threshold is infinite and there is no event. The deviation is taken as at least 0.001, so that a
    constant score does not become an event. A gap does not reset the rule, as the camera is the
    same.
    """

    def __init__(self, kappa: float, warmup: int, lag: int) -> None:
        self._kappa, self._warmup, self._lag = kappa, warmup, lag
        self._recent: deque[float] = deque()
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def update(self, score: float) -> float:
        """Return the threshold for `score`, and count the score itself `lag` segments later."""
        if len(self._recent) == self._lag:
            self._absorb(self._recent.popleft())
        self._recent.append(score)
        if self._count < self._warmup:
            return math.inf
        return self._mean + self._kappa * max(math.sqrt(self._squares / self._count), STD_FLOOR)

    def _absorb(self, score: float) -> None:
        self._count += 1
        step = score - self._mean
        self._mean += step / self._count
        self._squares += step * (score - self._mean)


def adaptive_threshold(scores: Array, kappa: float, warmup: int, lag: int) -> Array:
    """Compute the threshold (n,) for each of the smoothed `scores` (n,) with `RunningThreshold`.

    >>> adaptive_threshold(np.array([0.1, 0.1, 0.1, 0.9]), kappa=3.0, warmup=1, lag=2)
    array([  inf,   inf, 0.103, 0.103])
    """
    rule = RunningThreshold(kappa, warmup, lag)
    return np.array([rule.update(float(score)) for score in scores], dtype=np.float64)


class EventTracker:
    """Joins consecutive segments at or above the threshold into events, and merges close events.

    Events less than `merge_s` seconds apart are merged; shorter ones than `min_s` are dropped.
    `pending` is the current event; a later segment may still extend it.
    """

    def __init__(self, merge_s: float, min_s: float) -> None:
        self._merge_s, self._min_s = merge_s, min_s
        self._end = math.inf
        self.pending: Event | None = None

    def push(
        self, start: float, end: float, score: float, threshold: float, *, gap: bool = False
    ) -> list[Event]:
        """Add the next segment and return the events that became final: none or one.

        `start` and `end` in seconds, `score` smoothed. No event crosses a gap. A pause before
        the segment is a gap; `gap` marks one before a segment whose start touches the last end.
        """
        closed = self.flush() if gap or start - self._end > JOIN_S else []
        self._end = end
        if score >= threshold:
            self._extend(Event(start, end, peak=(start + end) / 2, score=score))
        elif self.pending and end - self.pending.end >= self._merge_s - _ROUNDING:
            closed += self.flush()  # the next segment would start too late to be merged
        return closed

    def flush(self) -> list[Event]:
        """End the run: return the pending event, if it is long enough."""
        event, self.pending = self.pending, None
        return [event] if event and event.end - event.start >= self._min_s - _ROUNDING else []

    def _extend(self, event: Event) -> None:
        last = self.pending or event
        top = event if (event.score or 0.0) > (last.score or 0.0) else last
        self.pending = replace(top, start=last.start, end=event.end)


def find_events(
    starts: Array,
    ends: Array,
    smoothed: Array,
    threshold: float | Array,
    tracker: EventTracker,
    gaps: Sequence[Gap] = (),
) -> tuple[Event, ...]:
    """Find the events of one video with a new `tracker`; spans and peaks in seconds.

    `starts`, `ends` and `smoothed` are (n,), `threshold` is a number or (n,). An event's score is
    the highest smoothed score in it, its peak the centre of that segment.
    """
    new = set(contiguous_runs(starts, ends, gaps))
    limits = np.broadcast_to(np.asarray(threshold, dtype=np.float64), smoothed.shape)
    found: list[Event] = []
    for i, (start, end, score, limit) in enumerate(
        zip(starts, ends, smoothed, limits, strict=True)
    ):
        found += tracker.push(float(start), float(end), float(score), float(limit), gap=i in new)
    return tuple(found + tracker.flush())


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
    segments after it: 6 of them at sigma 1.5. Raises UsageError if the settings lack the threshold
    that their rule needs.
    """

    def __init__(self, settings: Localization) -> None:
        self._smoother = Smoother(settings.sigma)
        self._limit = _limit(settings)
        self.tracker = EventTracker(settings.merge_s, settings.min_s)
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


def _limit(settings: Localization) -> Callable[[float], float]:
    """Return a function that gives each smoothed score, in order, its threshold."""
    if settings.rule == "adaptive":
        return RunningThreshold(settings.kappa, settings.warmup, settings.lag).update
    threshold = settings.threshold
    if threshold is None:
        raise UsageError(
            f"the {settings.rule} rule has no threshold", cure="fit a probe or give a threshold"
        )
    return lambda _: threshold
