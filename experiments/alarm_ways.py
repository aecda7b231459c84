"""Turn the raw scores of long footage into alarms, as `hiprobe detect` does. Reads on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from hiprobe.types import Event, HiddenStates, Scores, Site

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """One way from scores to alarms.

    `settings` without a threshold; `share` of the calibrated threshold from which an event starts.
    `verify` is "no", "zero" (log-odds of 0), "calibrated", or "rank", which rejects nothing.
    `segments` is how many segments of an event the model is asked about.
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

    def rule(self, way: Way) -> VerificationRule:
        """Return how events are checked in a way that checks them."""
        fixed = {"zero": 0.0, "rank": -1e6}
        limit = fixed.get(way.verify, verification_threshold(self.odds, self.some.y)[0])
        return VerificationRule(threshold=limit, segments=way.segments)


def fitted_draw(some: Footage, odds: Array, seed: int) -> FittedDraw:
    """Fit on labelled videos; `odds` (n,) are the model's log-odds of yes in their segments."""
    how = hiprobe()
    held = out_of_fold(some, split(some, seed), dlsp, smooth=False)[0]
    (index,) = dlsp(some, some.y)
    known, site = some.y >= 0, some.sites[index]
    tensors = how.fit(some.values((site,))[known], some.y[known])
    return FittedDraw(some, site, tensors, held, odds)


Found = tuple[Scores, Sequence[Event]]
Score = Callable[[HiddenStates, FittedDraw, Localization], Found]


def scored(one: HiddenStates, draw: FittedDraw, settings: Localization) -> Found:
    """Score all windows of a video with the probe of a draw, and find events."""
    raw = draw.score(one.at((draw.site,)))
    return localize(one.starts, one.ends, raw, one.gaps, settings)


def watch(
    long: LongFootage,
    draws: Sequence[FittedDraw],
    way: Way,
    cut: float = 1.0,
    score: Score = scored,
) -> list[list[Watched]]:
    """Return for each draw the true events and the alarms of each video, found in one way.

    `cut` multiplies the threshold: for curves over thresholds. `score` finds events before they are
    checked and refined.
    """
    limits = [cut * way.share * draw.threshold(way.settings) for draw in draws]
    settings = [replace(way.settings, rule="fixed", threshold=limit) for limit in limits]
    found: list[list[Watched]] = [[] for _ in draws]
    for one, extra, true in zip(long.footage.states, long.extra, long.footage.events, strict=True):
        ends = [replace(event, end=min(event.end, one.duration)) for event in true]
        every = [score(one, draw, rule) for draw, rule in zip(draws, settings, strict=True)]
        if way.verify != "no":
            every = _checked(every, [draw.rule(way) for draw in draws], extra)
        if way.settings.refine:
            every = _refined(every, draws, settings, extra)
        for watched, (_, events) in zip(found, every, strict=True):
            watched.append(Watched(ends, events, one.duration))
    return found


def _checked(
    every: list[Found], rules: Sequence[VerificationRule], extra: ExtraWindows
) -> list[Found]:
    """Return only the events that the model confirms, for each draw."""
    asked = [
        [peak_windows(event, scores, rule.segments) for event in events]
        for (scores, events), rule in zip(every, rules, strict=True)
    ]
    # What all draws ask about is read in one pass over the video.
    odds = extra.odds({window for some in asked for windows in some for window in windows})
    answers = [
        [float(np.mean([odds[window] for window in windows])) for windows in some] for some in asked
    ]
    return [
        (scores, list(_confirmed(events, given, rule)))
        for (scores, events), given, rule in zip(every, answers, rules, strict=True)
    ]


def _confirmed(
    events: Sequence[Event], answers: Sequence[float], rule: VerificationRule
) -> Iterator[Event]:
    """Yield the events that the model confirms, with its log-odds."""
    for event, odds in zip(events, answers, strict=True):
        checked = rule.check(odds)
        if checked.result == "confirmed":
            yield replace(event, verification=checked)


def _refined(
    every: list[Found],
    draws: Sequence[FittedDraw],
    settings: Sequence[Localization],
    extra: ExtraWindows,
) -> list[Found]:
    wanted = [windows_to_refine(events, scores) for scores, events in every]
    states = extra.states({window for windows in wanted for window in windows})
    found = []
    for (scores, events), windows, draw, rule in zip(every, wanted, draws, settings, strict=True):
        if windows:
            place = extra.sites.index(draw.site)
            values = np.stack([states[window][[place]] for window in windows])
            known = dict(zip(windows, draw.score(values).tolist(), strict=True))
            events = refined_events(events, scores, rule, known)
        found.append((scores, events))
    return found
