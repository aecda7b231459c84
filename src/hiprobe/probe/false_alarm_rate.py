"""The level of the check, or the threshold, that keeps false alarms below a number per day.

Scores and events only: no states, no videos, no files.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, counted
from hiprobe.localize import Localization, Localizer, contiguous_runs, find_events
from hiprobe.probe.calibration import MIN_SEGMENTS
from hiprobe.probe.causal_rule import moved_threshold
from hiprobe.probe.file import Probe
from hiprobe.ranges import require
from hiprobe.types import Event, Scores

Array = NDArray[np.float64]

HOURS_A_DAY = 24.0
CONFIDENCE = 0.95
QUIET = 0.9  # the share of normal footage that is below every threshold


@dataclass(frozen=True)
class FalseAlarmRate:
    """A threshold, and what normal footage says about the false alarms that it gives.

    It is one of scores or, if `of_check`, one of the log-odds of the model's check. `wanted` is the
    number per day to stay below, `events` the alarms in `hours` of normal footage at `threshold`.

    >>> print(FalseAlarmRate(0.8, wanted=72, events=1, hours=2.04))
    1 false alarm in 2.04 hours of normal footage: 12 per day (95 % interval 0.3 to 66)
    """

    threshold: float
    wanted: float
    events: int
    hours: float
    of_check: bool = False

    @property
    def per_day(self) -> float:
        """The false alarms per day in the footage."""
        return self.events / self.hours * HOURS_A_DAY

    @property
    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval of the rate per day (Garwood 1936)."""
        from scipy.special import gammaincinv

        tail = (1 - CONFIDENCE) / 2
        low = float(gammaincinv(self.events, tail)) if self.events else 0.0
        high = float(gammaincinv(self.events + 1, 1 - tail))
        return low / self.hours * HOURS_A_DAY, high / self.hours * HOURS_A_DAY

    @property
    def bound(self) -> float:
        """The rate per day that the true one is below with 95 % confidence."""
        return highest_mean(self.events) / self.hours * HOURS_A_DAY

    @property
    def supported(self) -> bool:
        """Whether there is enough footage to promise at most `wanted` per day."""
        return self.bound <= self.wanted

    @property
    def hours_needed(self) -> float:
        """The hours of normal footage from which on `wanted` per day can be promised."""
        return highest_mean(0) / self.wanted * HOURS_A_DAY

    @property
    def doubt(self) -> str:
        """Say that the footage is too short for what is wanted; empty if it is long enough."""
        if self.supported:
            return ""
        return (
            f"{_length(self.hours)} of normal footage cannot support less than "
            f"{_figure(self.bound, up=True)} per day: at most {_figure(self.wanted)} per day needs "
            f"{_length(self.hours_needed)} or more. {self.named} gives no alarm in this footage, "
            "but nothing is promised"
        )

    @property
    def named(self) -> str:
        """The threshold in words."""
        if self.of_check:
            return f"A check from log-odds {self.threshold:.2f} on"
        return f"The threshold {self.threshold:.3f}"

    @property
    def source(self) -> str:
        """Say where the threshold comes from, for the provenance."""
        promise = (
            f"at most {_figure(self.wanted)} false alarms per day with 95 % confidence"
            if self.supported
            else f"no alarm in the normal footage, which is too little for {_figure(self.wanted)} "
            "false alarms per day"
        )
        return f"{promise}; {self}"

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        low, high = self.interval
        return {
            "wanted": self.wanted,
            "events": self.events,
            "hours": self.hours,
            "per_day": self.per_day,
            "low": low,
            "high": high,
            "bound": self.bound,
            "supported": self.supported,
        }

    def __str__(self) -> str:
        low, high = map(_figure, self.interval)
        return (
            f"{counted(self.events, 'false alarm')} in {_length(self.hours)} of normal footage: "
            f"{_figure(self.per_day)} per day (95 % interval {low} to {high})"
        )


def _figure(value: float, *, up: bool = False) -> str:
    """Write a number with two digits, or whole from 10 on; rounded up if `up`."""
    if not value:
        return "0"
    step = 1.0 if value >= 10 else 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{(math.ceil if up else round)(value / step) * step:,.10g}"


def _length(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.3g} minutes" if hours >= 1 / 60 else f"{hours * 3600:.0f} seconds"
    return f"{hours:.3g} hours" if hours < 100 else f"{hours:,.0f} hours"


def highest_mean(events: int) -> float:
    """Return the mean of a Poisson count that is not exceeded with 95 % confidence.

    `events` is the count. Also the 95 % quantile of a gamma variable of shape `events` + 1, which
    is the expected number of events above the next highest one (our own use of it).

    >>> round(highest_mean(0), 3)
    2.996
    """
    from scipy.special import gammaincinv

    return float(gammaincinv(events + 1, CONFIDENCE))


def most_events(wanted: float, hours: float) -> int:
    """Return the most events in so many hours that still promise at most `wanted` per day.

    -1 if not even footage without an event does.

    >>> most_events(72, hours=2.04), most_events(24, hours=2.04)
    (1, -1)
    """
    mean = wanted * hours / HOURS_A_DAY
    return bisect_right(range(math.ceil(mean) + 1), mean, key=highest_mean) - 1


def threshold_for_rate(
    wanted: float, footage: Sequence[Scores], settings: Localization
) -> FalseAlarmRate:
    """Find the lowest threshold that normal footage supports for `wanted` false alarms per day.

    `footage` are the scores of videos without an anomaly, smoothed as in `settings`, which also say
    how events are made. Every event that `localize` finds in them counts as a false alarm.

    If events come like a Poisson process, the true rate at a threshold just above the one where
    event k + 1 appears exceeds `highest_mean(k)` per length of the footage in at most 5 % of all
    footage; the largest k is taken that keeps `wanted` (our own). The threshold is midway to the
    next higher local maximum of the scores. If the footage is too short for any k, it is just above
    the highest alarm, or that of `settings` if it is higher, and the result is not `supported`. No
    threshold is below nine tenths of the normal scores, even if few alarms are left there.

    Raises ValueError for a number out of range, LabelError for less than 4 segments.

    >>> edges, raw = np.arange(2401) * 1.6, np.tile([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2], 300)
    >>> raw[[100, 200, 300]] = 0.9, 0.8, 0.7
    >>> settings = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> scores = Scores(edges[:-1], edges[1:], raw, raw, raw)
    >>> found = threshold_for_rate(120, [scores], settings)
    >>> round(found.threshold, 3), found.events, found.supported
    (0.85, 1, True)
    """
    require("false alarms per day", wanted)
    check_footage(footage)
    hours = sum(one.scored_s for one in footage) / 3600
    most = most_events(wanted, hours)
    alarms = _Alarms(footage, replace(settings, rule="fixed", threshold=0.0))
    threshold = _lowest(alarms, max(most, 0))
    if most < 0 and settings.threshold is not None:
        threshold = max(threshold, settings.threshold)
    return FalseAlarmRate(threshold, wanted, alarms.count(threshold).alarms, hours)


def check_footage(footage: Sequence[Scores]) -> None:
    """Raise LabelError for normal footage of fewer than 4 segments."""
    segments = sum(len(one.starts) for one in footage)
    if segments < MIN_SEGMENTS:
        raise LabelError(
            f"the normal footage has {counted(segments, 'segment')}, at least {MIN_SEGMENTS} are "
            "needed",
            cure="label more normal videos, or give footage of the camera with --normal",
        )


def level_for_rate(
    wanted: float, odds: Sequence[float], hours: float, least: float
) -> FalseAlarmRate:
    """Find the lowest level of the model's check that supports `wanted` false alarms per day.

    `odds` are the log-odds at the peaks of the events in `hours` of normal footage, found at the
    probe's threshold. As in `threshold_for_rate`, the level lies above the (k + 1)-th highest of
    them, with the largest k that keeps `wanted` with 95 % confidence; never below `least`. If the
    footage is too short for any k, it is just above the highest, and the result is not `supported`
    (our own). Raises ValueError for a number out of range.

    >>> found = level_for_rate(120, [4.0, 2.0, 1.0, -3.0], hours=1.0667, least=0.0)
    >>> found.threshold, found.events, found.supported
    (3.0, 1, True)
    """
    require("false alarms per day", wanted)
    ranked, most = sorted(odds, reverse=True), max(most_events(wanted, hours), 0)
    level = least
    if len(ranked) > most:
        level = _between(ranked[most], ranked[most - 1] if most else math.inf)
    level = max(level, least)
    return FalseAlarmRate(level, wanted, sum(one >= level for one in odds), hours, of_check=True)


def _between(low: float, high: float) -> float:
    """Return a number above `low`, midway to `high` if that is finite and higher."""
    middle = (low + high) / 2 if math.isfinite(high) else low
    return middle if middle > low else math.nextafter(low, math.inf)


def with_level(probe: Probe, rate: FalseAlarmRate) -> Probe:
    """Return the probe with a check at the level of `rate`, and its figures in the provenance."""
    assert probe.verification is not None
    warnings = [*probe.provenance.get("warnings", ()), *filter(None, [rate.doubt])]
    told = {"verification": rate.source, "false_alarms": rate.to_json(), "warnings": warnings}
    return replace(
        probe,
        localization=replace(probe.localization, confirm=None),
        verification=replace(probe.verification, threshold=rate.threshold, source=rate.source),
        provenance={**probe.provenance, **told},
    )


def with_rate(probe: Probe, rate: FalseAlarmRate) -> Probe:
    """Return the probe with the threshold or level of `rate`, and its figures in the provenance."""
    if rate.of_check:
        return with_level(probe, rate)
    warnings = [*probe.provenance.get("warnings", ()), *filter(None, [rate.doubt])]
    told = {"threshold_from": rate.source, "false_alarms": rate.to_json(), "warnings": warnings}
    settings = replace(probe.localization, rule="calibrated")
    causal, old = probe.causal_threshold, probe.localization.threshold
    return replace(
        probe,
        localization=settings.with_threshold(rate.threshold, rate.source),
        causal_threshold=None if causal is None else moved_threshold(causal, old, rate.threshold),
        provenance={**probe.provenance, **told},
    )


@dataclass(frozen=True)
class _Count:
    """The alarms at a threshold, and their number if events too short to be kept were alarms."""

    alarms: int
    with_short: int


@dataclass(frozen=True)
class _Alarms:
    """Count the alarms in footage at any threshold."""

    footage: Sequence[Scores]
    settings: Localization

    def count(self, threshold: float) -> _Count:
        every, least_s = self._events(threshold, 0.0), self.settings.min_s
        short = any(event.end - event.start < least_s for event in every)
        kept = self._events(threshold, least_s) if short else every
        return _Count(len(kept), len(every))

    def _events(self, threshold: float, min_s: float) -> list[Event]:
        settings = replace(self.settings, threshold=threshold, min_s=min_s)
        return [
            event
            for one in self.footage
            if one.peak is not None and one.peak >= threshold
            for event in find_events(
                one.starts,
                one.ends,
                one.smoothed,
                threshold,
                Localizer(settings).tracker,
                one.gaps,
            )
        ]

    @cached_property
    def maxima(self) -> Array:
        """The local maxima of all scores, the highest first: no event is without one."""
        return np.sort(np.concatenate([_maxima(one) for one in self.footage]))[::-1]

    @cached_property
    def levels(self) -> Array:
        """All thresholds above `floor` at which the events change, the highest first."""
        # With hysteresis an event also changes where its lower threshold meets a score.
        extend = self.settings.extend
        found = np.unique(np.concatenate([self._scores, self._scores / extend]))[::-1]
        return found[found > self.floor]

    @cached_property
    def floor(self) -> float:
        """The score that the threshold must be above."""
        return float(np.quantile(self._scores, QUIET))

    @cached_property
    def _scores(self) -> Array:
        return np.concatenate([one.smoothed for one in self.footage])


def _maxima(one: Scores) -> Array:
    """Return the scores (m,) that are local maxima within a run; of equal ones the first."""
    first = np.array([0, *contiguous_runs(one.starts, one.ends, one.gaps)], dtype=np.int64)
    before, after = np.roll(one.smoothed, 1), np.roll(one.smoothed, -1)
    before[first[: len(before)]] = after[first[: len(after)] - 1] = -math.inf
    return np.asarray(one.smoothed[(one.smoothed > before) & (one.smoothed >= after)])


def _lowest(alarms: _Alarms, most: int) -> float:
    """Return a threshold above the highest one that gives more than `most` alarms.

    From one threshold to a lower one, alarms that count short events grow at most by the number of
    local maxima in between, as existing ones only join. So thresholds are passed over until there
    are enough maxima, and none with more than `most` is missed.
    """
    levels, entered = alarms.levels, np.searchsorted(-alarms.maxima, -alarms.levels, "right")
    place = int(np.searchsorted(entered, most + 1))
    while place < len(levels):
        count = alarms.count(levels[place])
        if count.alarms > most:
            return _above(levels[place], alarms.maxima)
        room = most + 1 - count.with_short
        place = int(np.searchsorted(entered, entered[place] + room)) if room > 0 else place + 1
    return _above(alarms.floor, alarms.maxima)


def _above(level: float, maxima: Array) -> float:
    """Return a threshold above `level`, midway to the next local maximum if there is one."""
    higher = maxima[maxima > level]
    if not len(higher):
        return math.nextafter(level, math.inf)  # no margin: probabilities crowd below 1
    middle = (level + higher[-1]) / 2
    return float(middle if middle > level else higher[-1])
