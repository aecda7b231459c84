"""Find the events of scored videos at any threshold, and sweep it for a FROC.

Arrays and events only: it opens no file and runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets import events_from_frames
from hiprobe.localize import Localization, localize
from hiprobe.metrics import Froc, Watched, false_alarms, froc
from hiprobe.types import Event, Scores

Array = NDArray[np.float64]

POINTS = 200  # thresholds of a sweep, denser where few scores reach them
MOST_RATE = 16.0  # a sweep ends at the first threshold with more false alarms per hour


@dataclass(frozen=True)
class EventFinder:
    """The scores of one video and how events are found in them at a threshold.

    `levels` (n,) are the scores that are compared with the threshold, in time order; NaN where
    nothing was scored. `find` returns the events at a threshold.

    >>> finder = finder_of_frames(np.array([0.1, 0.7, 0.9]), np.array([0.0, 0.5, 1.0]), 1.5)
    >>> [(event.start, event.end) for event in finder.at(0.8)], finder.at(0.95)
    ([(1.0, 1.5)], ())
    """

    levels: Array
    find: Callable[[float], tuple[Event, ...]]

    def at(self, threshold: float) -> tuple[Event, ...]:
        """Return the events at `threshold`; none if no score reaches it."""
        return self.find(threshold) if (self.levels >= threshold).any() else ()

    def peaks(self) -> Array:
        """Return the different scores (peaks,) that are at least as high as their neighbours.

        A falling threshold meets a new event only at one of them.
        """
        padded = np.concatenate([[-np.inf], np.nan_to_num(self.levels, nan=-np.inf), [-np.inf]])
        top = (padded[1:-1] >= padded[:-2]) & (padded[1:-1] >= padded[2:])
        return np.unique(self.levels[top & np.isfinite(self.levels)])


def finder_of_frames(scores: Array, times: Array, end: float) -> EventFinder:
    """Return a finder in which each run of frames that score the threshold or more is an event.

    `scores` and `times` (frames,); frame `i` is shown from `times[i]` seconds on, the last one
    until `end`.

    >>> finder = finder_of_frames(np.array([0.1, 0.7, 0.9]), np.array([0.0, 0.5, 1.0]), 1.5)
    >>> finder.peaks().tolist()
    [0.9]
    """
    return EventFinder(
        scores, lambda at: events_from_frames((scores >= at).astype(np.uint8), times, end)
    )


def finder_of_segments(scores: Scores, settings: Localization, end: float) -> EventFinder:
    """Return a finder that runs `localize` on the raw scores, with its threshold fixed.

    Events that start at `end` seconds or later are left out.

    >>> edges, raw = np.arange(4) * 1.6, np.array([0.2, 0.7, 0.2])
    >>> scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(3, 0.9))
    >>> finder = finder_of_segments(scores, Localization(sigma=0.0), 4.8)
    >>> [(event.start, event.end) for event in finder.at(0.5)]
    [(1.6, 3.2)]
    """

    def find(threshold: float) -> tuple[Event, ...]:
        fixed = replace(settings, rule="fixed", threshold=threshold)
        found = localize(scores.starts, scores.ends, scores.raw, scores.gaps, fixed, scores.sources)
        return tuple(event for event in found[1] if event.start < end)

    return EventFinder(scores.smoothed, find)


class Sweepable(NamedTuple):
    """One video: its true events, how its predicted ones are found, and its seconds.

    >>> finder = finder_of_frames(np.array([0.1, 0.7]), np.array([0.0, 0.5]), 1.0)
    >>> Sweepable([Event(0.5, 1.0)], finder, 1.0).seconds
    1.0
    """

    true: Sequence[Event]
    finder: EventFinder
    seconds: float


def sweep(videos: Sequence[Sweepable], most_rate: float = MOST_RATE) -> Froc:
    """Find the events of all videos anew at falling thresholds and return the FROC.

    The thresholds are `sweep_thresholds`, down to the first with more than `most_rate` false alarms
    per hour: give at least twice the highest rate of interest, as bootstrap draws have other rates.
    Raises LabelError without a score.

    >>> times = np.arange(4.0)
    >>> finder = finder_of_frames(np.array([0.1, 0.6, 0.2, 0.9]), times, 4.0)
    >>> found = sweep([Sweepable([Event(1.0, 2.0)], finder, 3600.0)])
    >>> found.thresholds.tolist(), found.recall_at(0.5), found.recall_at(1.0)
    ([0.9, 0.6], 0.0, 1.0)
    """
    allowed = most_rate * sum(video.seconds for video in videos) / 3600
    points: list[tuple[float, list[Watched]]] = []
    for threshold in sweep_thresholds([video.finder for video in videos]):
        found = [Watched(video.true, video.finder.at(threshold), video.seconds) for video in videos]
        points.append((threshold, found))
        if sum(map(false_alarms, found)) > allowed:
            break
    return froc(points)


def sweep_thresholds(finders: Sequence[EventFinder]) -> list[float]:
    """Choose at most `POINTS` thresholds among the peaks of all scores, in falling order.

    Their ranks grow geometrically, since a few false alarms per hour are raised near the top.
    """
    peaks = np.sort(np.concatenate([finder.peaks() for finder in finders]))[::-1]
    ranks = np.unique(np.geomspace(1, max(len(peaks), 1), POINTS).round().astype(int)) - 1
    levels = peaks if len(peaks) <= POINTS else peaks[ranks]
    return [float(level) for level in dict.fromkeys(levels.tolist())]
