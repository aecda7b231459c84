"""From scores to events: smoothing, threshold, merging. Knows only times and scores: no video, no model, no file.

Each rule is one streaming class; the offline function of the same name runs it, so live and offline are equal.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Event, Gap, LabelArray, Scores

Array = NDArray[np.float64]
Rule = Literal["calibrated", "fixed", "adaptive"]

RULES = ("calibrated", "fixed", "adaptive")
JOIN_S = 1e-3  # segments less than this apart, in seconds, follow each other: more is a gap
STD_FLOOR = 1e-3  # of the running deviation: a constant score must not lie on its own threshold
_ROUNDING = 1e-6  # seconds, in comparisons of sums of durations


@dataclass(frozen=True)
class Localization:
    """How scores become events; part of a probe file.

    `sigma` in segments (1.5: HeadHunt-VAD). `threshold`: given (`fixed`), or found when the probe is fitted
    (`calibrated`). `adaptive`: see `RunningThreshold`; `warmup` and `lag` in segments. Events less than `merge_s`
    seconds apart merge, those shorter than `min_s` go. All defaults but sigma are our own.
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
        numbers = [self.sigma, self.kappa, self.merge_s, self.min_s, self.warmup, self.lag]
        if not all(math.isfinite(n) and n >= 0 for n in numbers) or self.warmup < 1 or self.lag < 1:
            raise ValueError(f"settings are finite, from 0, warmup and lag from 1: {self}")
        if self.rule not in RULES:
            raise ValueError(f"rule {self.rule!r} is none of {RULES}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError(f"threshold={self.threshold}")
        if self.rule == "fixed" and self.threshold is None:
            raise ValueError("a fixed rule needs its threshold")

    def with_threshold(self, threshold: float) -> Localization:
        """The same settings with this threshold."""
        return replace(self, threshold=threshold)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Localization:
        """The inverse of `to_json`; raises TypeError or ValueError for anything else."""
        return cls(**values)


class Smoother:
    """Gaussian over segment index, cut at 4 sigma, of one run without a gap.

    The weights that fall outside the run are left out and the rest sum to 1, so that the ends are not pulled
    toward zero and a constant stays that constant. A score is final once `radius` more have come.
    """

    def __init__(self, sigma: float) -> None:
        self.radius = int(4.0 * sigma + 0.5)
        offsets = np.arange(-self.radius, self.radius + 1)
        self._weights = np.exp(-0.5 * (offsets / sigma) ** 2) if self.radius else np.ones(1)
        self._window: deque[float] = deque(maxlen=2 * self.radius + 1)
        self._seen = self._given = 0

    def push(self, score: float) -> list[float]:
        """Takes the next raw score; gives the smoothed scores that became final: none or one."""
        self._window.append(score)
        self._seen += 1
        return [self._next()] if self._given + self.radius < self._seen else []

    def flush(self) -> list[float]:
        """Ends the run: gives the smoothed scores still due, and starts anew."""
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
    """Indices of the segments that start a new run: after a hole in time, or where a gap lies on the boundary."""

    def apart(i: int) -> bool:
        before, after = ends[i - 1] - JOIN_S, starts[i] + JOIN_S
        return bool(starts[i] - ends[i - 1] > JOIN_S) or any(
            g.start <= after and g.end >= before for g in gaps
        )

    return [i for i in range(1, len(starts)) if apart(i)]


def smooth(scores: Array, sigma: float = 1.5, breaks: Sequence[int] | None = None) -> Array:
    """Smoothed scores (n,) of raw ones (n,) by `Smoother`, each run on its own.

    `breaks` as given by `contiguous_runs`.
    """
    smoother, out, new = Smoother(sigma), [], set(breaks or ())
    for index, score in enumerate(scores):
        if index in new:
            out += smoother.flush()
        out += smoother.push(float(score))
    return np.array(out + smoother.flush(), dtype=np.float64)


class RunningThreshold:
    """mean + kappa * std of all scores that lie at least `lag` segments back; our own.

    The lag keeps an event that has begun from raising its own threshold. Until `warmup` scores lie that far back
    the threshold is infinite: no event. The deviation is at least 0.001, so that a constant score raises no event.
    A gap does not reset it: the camera is the same.
    """

    def __init__(self, kappa: float, warmup: int, lag: int) -> None:
        self._kappa, self._warmup, self._lag = kappa, warmup, lag
        self._recent: deque[float] = deque()
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def update(self, score: float) -> float:
        """The threshold that applies to `score`, which itself counts only `lag` segments later."""
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
    """The threshold (n,) that applies to each of the smoothed `scores` (n,), by `RunningThreshold`."""
    rule = RunningThreshold(kappa, warmup, lag)
    return np.array([rule.update(float(score)) for score in scores], dtype=np.float64)


class EventTracker:
    """Consecutive segments at or above the threshold are one event; near ones merge, short ones go.

    `pending` is the event in progress, or one that a near follower may still extend: it is not final.
    """

    def __init__(self, merge_s: float, min_s: float) -> None:
        self._merge_s, self._min_s = merge_s, min_s
        self._end = math.inf
        self.pending: Event | None = None

    def push(
        self, start: float, end: float, score: float, threshold: float, *, gap: bool = False
    ) -> list[Event]:
        """Takes the next segment (seconds, smoothed score); gives the events that are final: none or one.

        A hole in time is a gap by itself; `gap` states one where the times touch. No event crosses a gap.
        """
        closed = self.flush() if gap or start - self._end > JOIN_S else []
        self._end = end
        if score >= threshold:
            self._extend(Event(start, end, peak=(start + end) / 2, score=score))
        elif self.pending and end - self.pending.end >= self._merge_s - _ROUNDING:
            closed += self.flush()  # the next segment starts too late to merge
        return closed

    def flush(self) -> list[Event]:
        """Ends the stream or the run: gives the pending event if it is long enough."""
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
    *,
    merge_s: float,
    min_s: float,
    gaps: Sequence[Gap] = (),
) -> tuple[Event, ...]:
    """The events of one video by `EventTracker`: spans and peaks in seconds, score = the highest smoothed score.

    `starts`, `ends`, `smoothed` (n,); `threshold` a number or (n,). The peak is the centre of the highest segment.
    """
    tracker, new = EventTracker(merge_s, min_s), set(contiguous_runs(starts, ends, gaps))
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
    """Smoothing, threshold and events of one stream, segment by segment; `localize` runs it over a whole video.

    A segment is settled once the smoothing has seen the segments after it: 6 of them at sigma 1.5. Raises
    UsageError if the settings lack a threshold that their rule needs.
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
        """Takes the next segment; gives the segments settled and the events closed by it. `gap`: see `EventTracker`."""
        if not math.isfinite(raw):
            raise ValueError(f"the score of the segment at {start} s is {raw}")
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
        """Ends the stream: gives the segments and events still due."""
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
) -> tuple[Scores, tuple[Event, ...]]:
    """Scores and events of one video from its segments' spans (n,), in seconds, and raw scores (n,).

    Raises UsageError if the settings lack a threshold that their rule needs, ValueError for a score that is not finite.
    """
    localizer, new = Localizer(settings), set(contiguous_runs(starts, ends, gaps))
    steps = [
        localizer.push(float(s), float(e), float(r), gap=i in new)
        for i, (s, e, r) in enumerate(zip(starts, ends, raw, strict=True))
    ] + [localizer.flush()]
    settled = [scored for some, _ in steps for scored in some]
    columns = np.array(settled, dtype=np.float64).reshape(-1, 5).T
    scores = Scores(starts, ends, columns[2], columns[3], columns[4], tuple(gaps))
    return scores, tuple(event for _, some in steps for event in some)


def label_segments(
    starts: Array, ends: Array, events: Sequence[Event] | None, *, positive_share: float = 0.5
) -> LabelArray:
    """Labels (n,) of segments: 1 if at least `positive_share` of it lies in an event, 0 if nothing does, else -1.

    Spans in seconds; overlapping events count once. `find_events` None (unknown) leaves all out; () is a normal video.
    """
    if events is None:
        return np.full(len(starts), -1, dtype=np.int8)
    inside = np.zeros(len(starts))
    for first, last in _union(events):
        inside += np.clip(np.minimum(ends, last) - np.maximum(starts, first), 0.0, None)
    positive = inside >= positive_share * (ends - starts) - 1e-9
    return np.asarray(np.where(inside <= 1e-9, 0, np.where(positive, 1, -1)), dtype=np.int8)


def calibrate(scores: Array, labels: LabelArray) -> float:
    """The threshold with the best F1 of `scores` (n,) >= threshold against `labels` (n,); -1 is left out.

    It lies midway between two neighbouring scores; of equal F1 the highest is taken, which alarms least. Best F1
    is HeadHunt-VAD's rule, the rest our own. Raises LabelError for one class or a score that is not finite.
    """
    scores, labels = scores[labels >= 0], labels[labels >= 0]
    if len(np.unique(labels)) < 2 or not np.isfinite(scores).all():
        raise LabelError(
            f"a threshold needs finite scores of both classes: {(labels == 1).sum()} anomalous, "
            f"{(labels == 0).sum()} normal, {(~np.isfinite(scores)).sum()} not finite"
        )
    levels, where = np.unique(scores, return_inverse=True)
    hits, alarms = (
        np.bincount(where, weights, len(levels))[::-1].cumsum()[::-1]
        for weights in ((labels == 1).astype(float), np.ones(len(labels)))
    )
    f1 = 2 * hits / (alarms + hits[0])
    return float(_cuts(levels)[np.flatnonzero(f1 == f1.max())[-1]])


def _cuts(levels: Array) -> Array:
    """A threshold just below each of the rising `levels`: midway to the one before; below the first as far again."""
    if len(levels) == 1:
        return levels - 1e-6
    between = (levels[1:] + levels[:-1]) / 2
    between = np.where(
        between > levels[:-1], between, levels[1:]
    )  # neighbouring floats have no midpoint
    return np.concatenate([2 * levels[:1] - between[:1], between])


def _union(events: Sequence[Event]) -> list[tuple[float, float]]:
    """The same spans, sorted and without overlap."""
    out: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda e: e.start):
        if out and event.start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], event.end))
        else:
            out.append((event.start, event.end))
    return out


def _limit(settings: Localization) -> Callable[[float], float]:
    """The threshold rule: a function from each smoothed score, in order, to its threshold."""
    if settings.rule == "adaptive":
        return RunningThreshold(settings.kappa, settings.warmup, settings.lag).update
    threshold = settings.threshold
    if threshold is None:
        raise UsageError(
            f"the {settings.rule} rule has no threshold yet", cure="fit a probe or give a threshold"
        )
    return lambda _: threshold
