"""Turn the raw scores of long footage into alarms, as `hiprobe detect` does. Reads on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.extra_windows import ExtraWindows
from experiments.fits import dlsp, hiprobe, out_of_fold, split
from experiments.footage import Footage
from hiprobe.localize import Localization, localize
from hiprobe.metrics import Watched
from hiprobe.pipeline.refinement import refined_events, windows_to_refine
from hiprobe.pipeline.verification import peak_windows
from hiprobe.probe.threshold import calibrate
from hiprobe.probe.verification_rule import VerificationRule, verification_threshold
from hiprobe.types import Event, Scores, Site

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One way from scores to alarms.

    `settings` without a threshold; `share` of the calibrated threshold from which an event starts.
    `verify` is "no", "zero" (log-odds of 0) or "calibrated", and `segments` how many segments of an
    event the model is asked about.
    """

    name: str
    settings: Localization
    verify: str = "no"
    share: float = 1.0
    segments: int = 1


@dataclass(frozen=True)
class LongFootage:
    """Long videos with their states and true events, and what else can be read of them."""

    footage: Footage
    extra: list[ExtraWindows]

    @cached_property
    def hours(self) -> float:
        """The length of all videos in hours."""
        return sum(one.duration for one in self.footage.states) / 3600


@dataclass(frozen=True)
class FittedDraw:
    """The method of the paper, fitted on one draw of labelled videos.

    `held` are out-of-fold raw scores (n,) of the draw's segments, `odds` (n,) the model's log-odds
    of yes there.
    """

    some: Footage
    site: Site
    tensors: dict[str, NDArray[np.float64]]
    held: Array
    odds: Array

    def score(self, values: NDArray[np.floating]) -> Array:
        """Return raw scores (n,) of states (n, 1, width) at its site."""
        return hiprobe().score(values, self.tensors)

    def threshold(self, settings: Localization) -> float:
        """Return the threshold with the best F1 of out-of-fold scores, smoothed as in use."""
        known = self.some.y >= 0
        return calibrate(self.some.smoothed(self.held, settings)[known], self.some.y[known])

    def rule(self, way: Way) -> VerificationRule | None:
        """Return how events are checked; None if they are not."""
        if way.verify == "no":
            return None
        limit = 0.0 if way.verify == "zero" else verification_threshold(self.odds, self.some.y)[0]
        return VerificationRule(threshold=limit, segments=way.segments)


def fitted_draw(some: Footage, odds: Array, seed: int) -> FittedDraw:
    """Fit on labelled videos; `odds` (n,) are the model's log-odds of yes in their segments."""
    how = hiprobe()
    held = out_of_fold(some, split(some, seed), dlsp, smooth=False)[0]
    (index,) = dlsp(some, some.y)
    known, site = some.y >= 0, some.sites[index]
    tensors = how.fit(some.values((site,))[known], some.y[known])
    return FittedDraw(some, site, tensors, held, odds)


def watch(long: LongFootage, draw: FittedDraw, way: Way, cut: float = 1.0) -> list[Watched]:
    """Return the true events and the alarms of each video, found in one way.

    `cut` multiplies the threshold: for curves over thresholds.
    """
    limit = cut * way.share * draw.threshold(way.settings)
    settings = replace(way.settings, rule="fixed", threshold=limit)
    rule, found = draw.rule(way), []
    for one, extra, true in zip(long.footage.states, long.extra, long.footage.events, strict=True):
        raw = draw.score(one.at((draw.site,)))
        scores, coarse = localize(one.starts, one.ends, raw, one.gaps, settings)
        events: Sequence[Event] = coarse
        if rule is not None:
            events = _checked(events, scores, rule, extra)
        if settings.refine:
            events = _refined(events, scores, settings, draw, extra)
        ends = [replace(event, end=min(event.end, one.duration)) for event in true]
        found.append(Watched(ends, events, one.duration))
    return found


def _checked(
    events: Sequence[Event], scores: Scores, rule: VerificationRule, extra: ExtraWindows
) -> list[Event]:
    """Return only the events that the model confirms."""
    kept = []
    for event in events:
        odds = extra.odds(peak_windows(event, scores, rule.segments))
        if rule.check(float(np.mean(list(odds.values())))).result == "confirmed":
            kept.append(event)
    return kept


def _refined(
    events: Sequence[Event],
    scores: Scores,
    settings: Localization,
    draw: FittedDraw,
    extra: ExtraWindows,
) -> Sequence[Event]:
    wanted = windows_to_refine(events, scores)
    if not wanted:
        return events
    place = extra.sites.index(draw.site)
    values = np.stack([states[[place]] for states in extra.states(wanted).values()])
    known = dict(zip(wanted, draw.score(values).tolist(), strict=True))
    return refined_events(events, scores, settings, known)
