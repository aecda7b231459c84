"""What is known of one camera: its scores, its alerts, and the frames that they may still need.

Scores come in; what happens to alerts goes out, each with what is needed to look at it more
closely. Knows no model, no clock and no receiver.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hiprobe.live.alerts import KEPT_SCORES, AlertLife, AlertStep, ScoredSegment
from hiprobe.live.open_frames import OpenFrames, Span
from hiprobe.localize import JOIN_S, Localization
from hiprobe.pipeline.refinement import AFTER_STRIDES, BEFORE_S
from hiprobe.types import Event, FloatArray, HiddenStates, Scores, Segment

KEPT_STATES = 512  # segments of a camera whose hidden states are kept, for another probe
STEP_OVER = 8  # dropped segments in a row that do not end a run
PEAK_STRIDES, EDGE_STRIDES, TAIL_STRIDES = 2.5, 2.5, 3.0


@dataclass(frozen=True)
class Rules:
    """How scores become alerts: at once by `causal`, and later by `final`, as in `detect`."""

    causal: Localization
    final: Localization


class Kept(NamedTuple):
    """A segment of the current run: its span as scored and as read, and its states if kept.

    It is scored from the end of the segment before it, also if others were dropped in between.
    """

    start: float
    end: float
    raw: float
    read_from: float
    values: FloatArray | None

    @property
    def stretched(self) -> bool:
        """Whether segments before it were dropped."""
        return self.read_from - self.start > JOIN_S


@dataclass(frozen=True)
class View:
    """What is known around an event when it is looked at more closely.

    `scores` are those of its run, up to ten minutes back, `earlier` the events before it there as
    the offline rule found them, as far as there are scores of them, and `before` the last of those
    as it was told. `whole`: no segment near the event was dropped, and one probe gave its scores.
    """

    scores: Scores
    frames: OpenFrames
    earlier: tuple[Event, ...]
    before: Event | None
    whole: bool


class Happening(NamedTuple):
    """A step in the life of an alert, with what was known then."""

    step: AlertStep
    view: View


class CameraTrack:
    """Follows the scores of one camera by `rules`; its segments are `segment_s` seconds long.

    >>> rule = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> track = CameraTrack(Rules(rule, rule), 1.6)
    >>> segment = Segment(np.zeros((1, 2, 2, 3), np.uint8), np.array([0.8]), 0.0, 1.6, 0)
    >>> [one.step.kind for one in track.push(segment, 0.9, wall=1e9)]
    ['new']
    >>> track.wall(0.5) - 1e9
    0.5
    """

    def __init__(
        self, rules: Rules, segment_s: float, cooldown_s: float = 0.0, speed: float = 1.0
    ) -> None:
        self.life = AlertLife(rules.causal, rules.final, segment_s, cooldown_s)
        self.frames = OpenFrames()
        self._speed = speed
        self._run: deque[Kept] = deque(maxlen=KEPT_SCORES)
        self._cut = False  # whether the run is longer than what is kept of it
        self._ended: list[Event] = []
        self._told: Event | None = None
        self._walls: deque[tuple[float, float]] = deque(maxlen=KEPT_SCORES)
        self._index = -1
        self._own_from = -math.inf  # since when the scores of the run are of the present probe

    def push(
        self,
        segment: Segment,
        raw: float,
        wall: float,
        values: FloatArray | None = None,
    ) -> list[Happening]:
        """Add the next segment with its score and states (sites, width); return what happens.

        `wall` is the Unix time of its start. A pause ends the run, unless a few segments were
        dropped there, which their indices tell.
        """
        start, happened = self._start_of(segment), list[Happening]()
        if start is None:
            start, happened = segment.start, self.end_run()
        self._index = segment.index
        self._walls.append((segment.start, wall))
        self._cut = self._cut or len(self._run) == KEPT_SCORES
        self._run.append(Kept(start, segment.end, raw, segment.start, values))
        self._forget_states()
        self.frames.add(segment)
        steps = self.life.push(start, segment.end, raw)
        happened += self._with_views(steps)
        self._trim()
        return happened

    def end_run(self) -> list[Happening]:
        """End the run, as at the end of a video; return what happens to its alerts."""
        happened = list(self._with_views(self.life.end_run()))
        self._run.clear()
        self._ended, self._told, self._cut, self._own_from = [], None, False, -math.inf
        return happened

    def restart(self, rules: Rules, scores: Sequence[float]) -> list[Happening]:
        """Go on with other rules and other `scores` of the segments that `states` returns.

        Without scores the kept states are of no use to the new probe, and are forgotten.
        """
        recent = self._recent() if scores else []
        first = len(self._run) - len(recent)
        known = [*self._run][:first]
        if not scores:
            known = [one._replace(values=None) for one in known]
        again = [one._replace(raw=raw) for one, raw in zip(recent, scores, strict=True)]
        self._own_from = again[0].start if again else self._run[-1].end if self._run else -math.inf
        self._run = deque([*known, *again], KEPT_SCORES)
        # Only scores of one probe are compared; without any, those of the old one count on.
        run = [ScoredSegment(one.start, one.end, one.raw) for one in again or self._run]
        cut = self._cut or (first > 0 and bool(again))
        return list(self._with_views(self.life.restart(rules.causal, rules.final, run, cut=cut)))

    def states(self, of: HiddenStates) -> HiddenStates | None:
        """Return the states kept of this run, described as those `of`; None without any."""
        recent = self._recent()
        return _states(recent, of) if recent else None

    def states_between(self, start: float, end: float, of: HiddenStates) -> HiddenStates | None:
        """Return the states kept of the segments that touch a span; None without any."""
        some = [one for one in self._recent() if one.end > start and one.read_from < end]
        return _states(some, of) if some else None

    def tell(self, event: Event) -> None:
        """Take note of how the last event that ended was told: no later one begins before it."""
        self._told = event

    def wall(self, time: float) -> float:
        """Return the Unix time of a time of the camera's clock; raises LookupError without any."""
        if not self._walls:
            raise LookupError("no segment has come yet")
        place = bisect_right(self._walls, (time + JOIN_S, float("inf"))) - 1
        start, wall = self._walls[max(place, 0)]
        return wall + (time - start) / self._speed

    def view(self, event: Event) -> View:
        """Return what is known around an event."""
        since = event.start - BEFORE_S - self.life.segment_s
        near_from = event.start - EDGE_STRIDES * self.life.segment_s
        until = event.end + AFTER_STRIDES * self.life.segment_s
        run = [one for one in self._run if one.end > since]
        breaks = [i for i, one in enumerate(run) if one.stretched and one.end <= near_from]
        run = run[breaks[-1] :] if breaks else run
        mixed = event.start < self._own_from - JOIN_S  # its scores are of two probes
        run = run if mixed else [one for one in run if one.start >= self._own_from - JOIN_S]
        first = run[0].start if run else event.start
        dropped = any(one.stretched for one in run[1:] if near_from < one.end and one.start < until)
        known = run[0].read_from if run else event.start
        before = [one for one in self._ended if known < one.end <= event.start]
        earlier = tuple(replace(one, start=max(one.start, known)) for one in before)
        whole = not (dropped or mixed) and first <= event.start
        return View(_scores(run), self.frames.copy(), earlier, self._told, whole)

    def _start_of(self, segment: Segment) -> float | None:
        """Return from when on a segment counts; None if it begins a new run."""
        if not self._run:
            return None
        pause, missed = segment.start - self._run[-1].end, segment.index - self._index - 1
        if abs(pause) <= JOIN_S:
            return segment.start
        near = 0 < missed <= STEP_OVER and pause <= (missed + 0.5) * self.life.segment_s
        return self._run[-1].end if near and pause > 0 else None

    def _with_views(self, steps: Sequence[AlertStep]) -> Iterator[Happening]:
        for step in steps:
            step = step._replace(event=self._placed(step.event))
            view = self.view(step.event)
            if step.kind == "end":
                self._ended = [*self._ended, step.event][-64:]
            yield Happening(step, view)

    def _placed(self, event: Event) -> Event:
        """Return the event with its peak in the middle of what was read there."""
        for one in reversed(self._run):
            if event.peak is not None and one.start <= event.peak < one.end and one.stretched:
                return replace(event, peak=(one.read_from + one.end) / 2)
        return event

    def _trim(self) -> None:
        """Forget the frames that no event can need any more."""
        stride, life = self.life.segment_s, self.life
        sure = max(life.settled_to, self._run[0].start) - TAIL_STRIDES * stride
        needed, spread = [(sure, self._run[-1].end)], list[Span]()
        for event in life.possible:
            edges = [event.start, event.end]
            reaches = [(one, EDGE_STRIDES * stride) for one in edges]
            reaches += [(event.peak, PEAK_STRIDES * stride)] if event.peak is not None else []
            needed += [(time - reach, time + reach) for time, reach in reaches]
            spread.append((event.start, event.end))
        self.frames.trim(needed, spread)

    def _recent(self) -> list[Kept]:
        """Return the last segments of the run, as many in a row as have their states."""
        found: list[Kept] = []
        for one in reversed(self._run):
            if one.values is None:
                break
            found.append(one)
        return found[::-1]

    def _forget_states(self) -> None:
        if len(self._run) > KEPT_STATES:
            place = len(self._run) - KEPT_STATES - 1
            self._run[place] = self._run[place]._replace(values=None)


def _scores(run: Sequence[Kept]) -> Scores:
    """Return the scores of segments as they were read; smoothing and thresholds have no part."""
    starts, ends, raw = (
        np.array([getattr(one, name) for one in run], np.float64)
        for name in ("read_from", "end", "raw")
    )
    return Scores(starts, ends, raw, raw, np.full(len(run), np.nan))


def _states(some: Sequence[Kept], of: HiddenStates) -> HiddenStates:
    values = np.stack([one.values for one in some if one.values is not None])
    starts, ends = np.array([(one.read_from, one.end) for one in some], np.float64).T
    return replace(of, starts=starts, ends=ends, values=values, duration=float(ends[-1]))
