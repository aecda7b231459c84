"""Recall against false alarms per hour over many thresholds (FROC).

The free-response receiver operating characteristic (Chakraborty 1989): recall over true events
against false alarms per unit of what was watched, here an hour. A true event is hit if a predicted
one matches it at a tIoU of `HIT_TIOU`, each event once; a predicted event that overlaps no true one
is a false alarm. A mere overlap is not enough for a hit: one alarm over the whole video would then
hit every event in it without a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.metrics.events import Watched, false_alarms, matches
from hiprobe.metrics.intervals import Groups, central_interval, draw_videos
from hiprobe.types import Event

Array = NDArray[np.float64]
RATES = (0.5, 1.0, 2.0, 4.0, 8.0)  # false alarms per hour at which recall is reported
HIT_TIOU = 0.1
# A rate that differs from the limit by rounding only has reached it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Froc:
    """Hits and false alarms of each video at each threshold.

    `thresholds` (points,), `hits` and `false` (points, videos), `true` (videos,) the number of true
    events, `hours` (videos,). `froc` and `froc_by_score` make it.
    """

    thresholds: Array
    hits: Array
    false: Array
    true: Array
    hours: Array

    @property
    def recall(self) -> Array:
        """The share of true events that are hit at each threshold (points,); NaN without any."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.hits.sum(1) / self.true.sum())

    @property
    def false_per_hour(self) -> Array:
        """False alarms per hour of all videos, at each threshold (points,)."""
        return np.asarray(self.false.sum(1) / self.hours.sum())

    def recall_at(self, rate: float) -> float:
        """Return the highest recall of a threshold with at most `rate` false alarms per hour.

        There is no interpolation between thresholds. It is 0 if every threshold has more, as a
        threshold above all scores raises no alarm, and the highest recall of all thresholds if none
        has as many. NaN without a true event. Raises ValueError for a rate below 0.
        """
        return float(self.recalls_at((rate,), np.ones((1, len(self.true)), np.int64))[0, 0])

    def recalls_at(self, rates: Sequence[float], draws: NDArray[np.int64]) -> Array:
        """Compute `recall_at` (rates, draws) of bootstrap draws; each has its own best threshold.

        `draws` (draws, videos) says how often a video counts in a draw.

        >>> videos = [Watched([], [Event(0.0, 1.0, score=0.9)], 3600.0),
        ...           Watched([Event(0.0, 1.0)], [Event(0.0, 1.0, score=0.5)], 3600.0)]
        >>> froc_by_score(videos).recalls_at((0.5, 1.0), np.array([[1, 1], [2, 1]])).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
        """
        if not all(rate >= 0 for rate in rates):
            raise ValueError(f"a rate must be 0 or more false alarms per hour, got {rates}")
        weights = draws.T.astype(np.float64)
        false, hits, hours = self.false @ weights, self.hits @ weights, self.hours @ weights
        best = [
            np.where(false <= rate * hours + _ROUNDING, hits, 0.0).max(axis=0, initial=0.0)
            for rate in rates
        ]
        with np.errstate(invalid="ignore"):
            return np.stack(best) / (self.true @ weights)

    def intervals(
        self,
        rates: Sequence[float] = RATES,
        *,
        level: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
        groups: Groups = None,
    ) -> dict[float, tuple[float, float]]:
        """Compute the percentile bootstrap interval over videos of `recall_at`, by rate.

        Drawn as by `Ranking.interval`; draws without a true event are left out, and a rate has no
        interval if no draw is left. Raises LabelError for fewer than two videos or groups.
        """
        draws = draw_videos(len(self.true), resamples, seed, groups)
        found = zip(rates, self.recalls_at(rates, draws), strict=True)
        ends = {rate: central_interval(values, level) for rate, values in found}
        return {rate: pair for rate, pair in ends.items() if pair is not None}


def froc(points: Iterable[tuple[float, Sequence[Watched]]]) -> Froc:
    """Return the FROC of events that were found anew at each threshold.

    `points` are pairs of a threshold and all videos with the events found at it. Raises LabelError
    if there is no pair, or if the videos or their true events differ between thresholds.

    >>> true = [Event(0.0, 4.0)]
    >>> high = [Watched(true, [Event(1.0, 4.0)], 1800.0), Watched([], [], 1800.0)]
    >>> low = [Watched(true, [Event(0.0, 4.0)], 1800.0), Watched([], [Event(8.0, 9.0)], 1800.0)]
    >>> found = froc([(0.9, high), (0.5, low)])
    >>> found.recall.tolist(), found.false_per_hour.tolist(), found.recall_at(0.0)
    ([1.0, 1.0], [0.0, 1.0], 1.0)
    """
    found = [(threshold, list(videos)) for threshold, videos in points]
    if not found:
        raise LabelError("a FROC needs at least one threshold")
    first = found[0][1]
    if any(_facts(videos) != _facts(first) for _, videos in found):
        raise LabelError("a FROC needs the same videos and true events at each threshold")
    return Froc(
        np.array([threshold for threshold, _ in found], np.float64),
        np.array([[_hits(video) for video in videos] for _, videos in found], np.float64),
        np.array([[false_alarms(video) for video in videos] for _, videos in found], np.float64),
        *_sizes(first),
    )


def froc_by_score(videos: Sequence[Watched]) -> Froc:
    """Return the FROC of one list of events per video, cut at each of their scores.

    At a threshold only the events that score as much or more count; their starts and ends stay.
    Raises LabelError for a predicted event without a score.

    >>> found = [Event(0.0, 4.0, score=0.6), Event(8.0, 9.0, score=0.9)]
    >>> video = Watched([Event(0.0, 4.0)], found, 3600.0)
    >>> found = froc_by_score([video])
    >>> found.thresholds.tolist(), found.recall_at(0.5), found.recall_at(1.0)
    ([0.9, 0.6], 0.0, 1.0)
    """
    thresholds = np.unique([_score(event) for video in videos for event in video.predicted])[::-1]
    hits, false = np.zeros((2, len(thresholds), len(videos)))
    for j, video in enumerate(videos):
        for score in sorted({_score(event) for event in video.predicted}, reverse=True):
            cut = video._replace(predicted=[e for e in video.predicted if _score(e) >= score])
            # The counts hold until the video's next lower score.
            reached = thresholds <= score
            hits[reached, j], false[reached, j] = _hits(cut), false_alarms(cut)
    return Froc(thresholds, hits, false, *_sizes(videos))


def _hits(video: Watched) -> int:
    return matches(video.true, video.predicted, HIT_TIOU)


def _score(event: Event) -> float:
    if event.score is None or not math.isfinite(event.score):
        raise LabelError(
            f"the event from {event.start:g} to {event.end:g} s has no score",
            cure="give events with scores, or the scores of the segments",
        )
    return event.score


def _facts(videos: Sequence[Watched]) -> list[tuple[float, tuple[Event, ...]]]:
    return [(video.seconds, tuple(video.true)) for video in videos]


def _sizes(videos: Sequence[Watched]) -> tuple[Array, Array]:
    """Return the number of true events and the hours of each video, both (videos,)."""
    return (
        np.array([len(video.true) for video in videos], np.float64),
        np.array([video.seconds / 3600 for video in videos], np.float64),
    )
