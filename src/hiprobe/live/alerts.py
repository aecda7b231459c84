"""The life of the alerts of one camera: new, then ended or withdrawn, segment by segment.

Two rules find events in the same scores. The causal one looks back only and raises an alert at
once; the offline one, that of `detect`, knows later which events there are. Times and scores only:
no videos, no models, no clock.
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from hiprobe.localize import JOIN_S, Localization, Localizer, Scored, Smoother
from hiprobe.pipeline.refinement import AFTER_STRIDES
from hiprobe.types import Event

StepKind = Literal["new", "end", "withdrawn"]
KEPT_SCORES = 4096  # segments whose scores are kept
_TOUCH_S = 1e-6  # times nearer than this are the same


class AlertStep(NamedTuple):
    """What happens to an alert; its times are those of the camera's own clock, in seconds.

    The event is that of the causal rule while `provisional`, else that of the offline rule.
    """

    id: str
    kind: StepKind
    event: Event
    provisional: bool


class ScoredSegment(NamedTuple):
    """A segment with its raw score; times in seconds."""

    start: float
    end: float
    raw: float


@dataclass
class _Alert:
    """An alert that has not ended: its event so far.

    `since` is the start of the causal rule's event while that goes on, `raised` the end of the
    segment that raised the alert, and `backed` whether the offline rule has an event there now.
    """

    id: str
    event: Event
    raised: float
    since: float | None = None
    backed: bool = False


def unique_id() -> str:
    """Return a new id, different from all others anywhere: 32 hex digits."""
    return uuid.uuid4().hex


class AlertLife:
    """Turns the raw scores of one camera into the lives of its alerts.

    `provisional` are the settings of the causal rule, `final` those of the offline rule, and
    `segment_s` is the length of a segment in seconds. Every event of the offline rule is the `end`
    of one alert, and all others are withdrawn: as soon as the offline rule can find no event near
    them any more. `settled` are the segments that the last `push` settled for the offline rule,
    `newest` is the last one by the causal rule.

    For `cooldown_s` seconds after an alert's event no other alert is raised, until that one is
    withdrawn or `forgive` is called; `rested` counts the events that were therefore left out.
    Raises UsageError for settings without a threshold.

    >>> rule = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> life = AlertLife(rule, rule, segment_s=1.6, make_id=lambda: "a1")
    >>> for place, raw in enumerate([0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]):
    ...     for step in life.push(place * 1.6, (place + 1) * 1.6, raw):
    ...         print(place, step.kind, step.event.start, step.event.end, step.provisional)
    1 new 1.6 3.2 True
    6 end 1.6 3.2 False
    """

    def __init__(
        self,
        provisional: Localization,
        final: Localization,
        segment_s: float,
        cooldown_s: float = 0.0,
        make_id: Callable[[], str] = unique_id,
    ) -> None:
        self.segment_s, self.cooldown_s, self._make_id = segment_s, cooldown_s, make_id
        self._rest_until, self.rested = -math.inf, 0
        self.settled: list[Scored] = []
        self.newest: Scored | None = None
        self._open: list[_Alert] = []
        self._closing: list[tuple[_Alert, Event]] = []  # the offline rule is done with these
        self._current: _Alert | None = None  # the alert of the causal rule's event
        self._denied: float | None = None  # the start of such an event that was withdrawn
        self._begin(provisional, final)
        # What the causal rule says up to here belongs to an event that has ended.
        self._answered = self._done = self._cut = -math.inf
        self._free_from = -math.inf  # in this run, events begin here at the earliest

    def _begin(self, provisional: Localization, final: Localization) -> None:
        self._early, self._late = Localizer(provisional), Localizer(final)
        self._min_s = provisional.min_s
        ahead = Smoother(final.sigma, final.smoothing).ahead
        behind = Smoother(provisional.sigma, provisional.smoothing).behind
        self._near_s, self._tail_s = (1 + ahead / 2) * self.segment_s, behind * self.segment_s
        self._known = self._settled_to = -math.inf
        # The segments of this run by each rule.
        self._by_early: deque[Scored] = deque(maxlen=KEPT_SCORES)
        self._by_late: deque[Scored] = deque(maxlen=KEPT_SCORES)

    @property
    def alerts(self) -> list[tuple[str, Event]]:
        """The alerts that have not ended, the oldest first, with their events so far."""
        return [(one.id, one.event) for one in [*(one for one, _ in self._closing), *self._open]]

    @property
    def possible(self) -> list[Event]:
        """The events that are not over, or may still become one: each as far as it is known."""
        going = [self._late.tracker.possible, self._early.tracker.possible]
        closing = [event for _, event in self._closing]
        return [*closing, *(one.event for one in self._open), *(one for one in going if one)]

    @property
    def settled_to(self) -> float:
        """The time in seconds up to which the offline rule is sure of the scores."""
        return self._settled_to

    def push(self, start: float, end: float, raw: float, *, gap: bool = False) -> list[AlertStep]:
        """Add the next segment, in seconds, with its raw score; return what happens.

        `gap` marks one that does not follow the last one, although its start may touch it; after a
        pause it is always so. Raises ValueError for a score that is not finite.
        """
        steps = self.end_run() if gap or start - self._known > JOIN_S else []
        closed = self._score(ScoredSegment(start, end, raw))
        steps += [step for event in closed for step in self._close(event)]
        return steps + self._looked()

    def end_run(self) -> list[AlertStep]:
        """End the run of segments, as at the end of a video: every alert ends or is withdrawn."""
        self._early.flush()
        self.settled, closed = self._late.flush()
        self._settled_to = self._known
        steps = [step for event in self._new_parts(closed) for step in self._close(event)]
        steps += self._finished(math.inf)
        withdrawn = [AlertStep(one.id, "withdrawn", one.event, True) for one in self._open]
        self._open, self._current, self._denied = [], None, None
        self._cut = self._free_from = -math.inf
        self._by_early.clear()
        self._by_late.clear()
        return steps + withdrawn

    def restart(
        self,
        provisional: Localization,
        final: Localization,
        run: Iterable[ScoredSegment],
        *,
        cut: bool = False,
    ) -> list[AlertStep]:
        """Go on with other settings, and other scores of the current run; return what happens.

        Open alerts keep their ids. An event of the past that had no alert gets none now, and none
        overlaps one that has ended. `cut` says that the run began before `run` does: an event that
        begins there keeps its old start.
        """
        self._begin(provisional, final)
        self._free_from, self._cut = self._done + self.segment_s, -math.inf
        steps: list[AlertStep] = []
        for place, one in enumerate(run):
            if place == 0 and cut:
                self._cut = one.start
            past = [event for event in self._score(one) if self._owner(event)]
            steps += [step for event in past for step in self._close(event)]
        self._follow(self._early.tracker.pending)
        return steps + self._looked()

    def _score(self, one: ScoredSegment) -> list[Event]:
        """Let both rules see a segment; return the events that the offline rule closes."""
        early, _ = self._early.push(one.start, one.end, one.raw)
        self._by_early.extend(early)
        self.settled, closed = self._late.push(one.start, one.end, one.raw)
        self.newest, self._known = early[-1], one.end
        if self.settled:
            self._settled_to = self.settled[-1].end
        return self._new_parts(closed)

    def _new_parts(self, closed: Sequence[Event]) -> list[Event]:
        """Return the parts of events that come after the last one that has ended."""
        self._by_late.extend(self.settled)
        return [part for event in closed if (part := self._new_part(event))]

    def _new_part(self, event: Event | None) -> Event | None:
        """Return what of an event comes after those before the restart; None if nothing does.

        By other scores it may have begun earlier, in one that has ended. As between any two events
        a segment is left between them.
        """
        return _part(event, self._free_from, self._by_late) if event else None

    def _early_part(self, event: Event) -> Event | None:
        """Return what of an event of the causal rule comes after the last one that has ended."""
        return _part(event, max(self._done, self._free_from), self._by_early)

    def _looked(self) -> list[AlertStep]:
        return self._raised() + self._withdrawn() + self._finished(self._known)

    def _raised(self) -> list[AlertStep]:
        """Follow the events that go on by both rules, and raise alerts for those that have none."""
        steps = self._raise_early(self._early.tracker.pending)
        pending = self._new_part(self._late.tracker.pending)
        owner = self._owner(pending) if pending else None
        for one in self._open:
            one.backed = one is owner
        if pending and owner is None and self._may_raise(pending):
            steps.append(self._new(pending, provisional=False, backed=True))
        return steps

    def _raise_early(self, pending: Event | None) -> list[AlertStep]:
        current = self._current
        if current and (pending is None or pending.start != current.since):
            current.since, self._current = None, None
        if pending is None or pending.start == self._denied:
            return []
        if self._current:
            since = self._current.event.start
            part = _part(pending, since, self._by_early) or self._current.event
            self._current.event = replace(part, start=since)
            return []
        if pending.end <= self._answered + _TOUCH_S:
            return []
        begun = self._early_part(pending)
        if begun is None or not self._may_raise(begun):
            return []
        step = self._new(begun, provisional=True)
        self._current = self._open[-1]
        self._current.since = pending.start
        return [step]

    def _may_raise(self, event: Event) -> bool:
        long = event.end - event.start >= self._min_s - _TOUCH_S
        return long and not self._rests(event)

    def _rests(self, event: Event) -> bool:
        """Tell whether no alert is raised for an event, as another one was not long ago."""
        busy = [one.event.end + self.cooldown_s for one in self._open if self.cooldown_s]
        return event.end <= max(self._rest_until, *busy, -math.inf)

    def forgive(self) -> None:
        """Let the last alert that ended keep nothing from being raised: it was a false alarm."""
        self._rest_until = -math.inf

    def _new(self, event: Event, *, provisional: bool, backed: bool = False) -> AlertStep:
        alert = _Alert(self._make_id(), event, self._known, backed=backed)
        self._open.append(alert)
        return AlertStep(alert.id, "new", event, provisional)

    def _owner(self, event: Event) -> _Alert | None:
        """Return the open alert that an event belongs to: the one that it shares most time with."""
        near = [one for one in self._open if _distance(one.event, event) <= self._near_s]
        return min(near, key=lambda one: _distance(one.event, event), default=None)

    def _close(self, event: Event) -> list[AlertStep]:
        """Let an event of the offline rule end its alert; without one it is raised first."""
        steps, alert = [], self._owner(event)
        self._done = max(self._done, event.end)
        self._answered = max(self._answered, event.end + self._tail_s)
        if alert is None:
            if self._rests(event):
                self.rested += 1
                return []
            steps.append(self._new(event, provisional=False))
            alert = self._open[-1]
        if event.start <= self._cut:
            event = replace(event, start=max(min(event.start, alert.event.start), self._free_from))
        alert.event = event
        self._leave(alert)
        if self.cooldown_s:
            self._rest_until = max(self._rest_until, event.end + self.cooldown_s)
        self._closing.append((alert, event))
        return steps

    def _leave(self, alert: _Alert) -> None:
        self._open.remove(alert)
        if self._current is alert:
            self._current = None

    def _withdrawn(self) -> list[AlertStep]:
        """Withdraw the alerts near which the offline rule can find no event any more."""
        steps, possible = [], self._late.tracker.possible
        for one in list(self._open):
            waits = possible is not None and _distance(possible, one.event) <= self._near_s
            limit = one.raised if one is self._current else one.event.end
            if one.backed or waits or self._settled_to < limit + self._near_s - _TOUCH_S:
                continue
            if one is self._current:
                self._denied = one.since
            self._leave(one)
            steps.append(AlertStep(one.id, "withdrawn", one.event, True))
        return steps

    def _finished(self, known: float) -> list[AlertStep]:
        """End the alerts of which enough is known to refine their boundaries, in order."""
        steps, after_s = [], AFTER_STRIDES * self.segment_s - _TOUCH_S
        while self._closing and self._closing[0][1].end + after_s <= known:
            alert, event = self._closing.pop(0)
            steps.append(AlertStep(alert.id, "end", event, False))
        return steps

    def _follow(self, pending: Event | None) -> None:
        """Let the causal rule's event after a restart be that of the alert it belongs to."""
        for one in self._open:
            one.since = None
        self._current, self._denied = (self._owner(pending) if pending else None), None
        part = self._early_part(pending) if pending else None
        if self._current and pending and part:
            start = min(self._current.event.start, part.start)
            self._current.event = replace(part, start=start)
            self._current.since = pending.start


def _part(event: Event, since: float, scored: Iterable[Scored]) -> Event | None:
    """Return an event from the segment at `since` on, with its own peak; None without any."""
    if event.start >= since - _TOUCH_S:
        return event
    low, high = since - _TOUCH_S, event.end + _TOUCH_S
    part = [one for one in scored if one.start >= low and one.end <= high]
    if not part:
        return None
    top = max(part, key=lambda one: one.smoothed)
    peak = (top.start + top.end) / 2
    return replace(event, start=part[0].start, peak=peak, score=top.smoothed)


def _distance(one: Event, other: Event) -> float:
    """Return the seconds between two events; below 0 the seconds that they share."""
    return max(one.start, other.start) - min(one.end, other.end)
