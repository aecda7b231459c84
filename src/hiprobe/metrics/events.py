"""How well predicted events agree with annotated ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.metrics.intervals import Groups, central_interval, draw_videos
from hiprobe.types import Event

Array = NDArray[np.float64]
TIOUS = (0.1, 0.3, 0.5)  # temporal overlaps (tIoU) at which events are compared


def tiou(one: Event, other: Event) -> float:
    """Compute the temporal intersection over union of two events, from 0 to 1.

    Raises LabelError for an event without a finite end.

    >>> tiou(Event(0.0, 4.0), Event(2.0, 6.0)) == 2 / 6
    True
    """
    if math.isinf(one.end) or math.isinf(other.end):
        raise LabelError("an event has no finite end", cure="clip it to the video's duration")
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    return shared / ((one.end - one.start) + (other.end - other.start) - shared)


def matches(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> int:
    """Count the matching events of one video: pairs with a tIoU of at least `at`, each event once.

    Pairs are taken greedily, the highest tIoU first. Raises ValueError for `at` outside (0, 1].
    """
    if not 0 < at <= 1:
        raise ValueError(f"the tIoU must be above 0 and at most 1, got {at}")
    pairs = sorted(
        (-tiou(t, p), i, j) for i, t in enumerate(truth) for j, p in enumerate(predicted)
    )
    left, right = set(), set()
    for overlap, i, j in pairs:
        if -overlap >= at and i not in left and j not in right:
            left.add(i)
            right.add(j)
    return len(left)


def event_f1(truth: Sequence[Event], predicted: Sequence[Event], at: float) -> float:
    """Compute the F1 of the events of one video at tIoU `at`: 2 matches / (true + predicted).

    Raises LabelError if there are no events at all, as F1 is undefined then.

    >>> event_f1([Event(0.0, 4.0)], [Event(0.0, 3.0), Event(9.0, 10.0)], at=0.5) == 2 / 3
    True
    """
    if not truth and not predicted:
        raise LabelError("F1 is undefined without a true or a predicted event")
    return 2 * matches(truth, predicted, at) / (len(truth) + len(predicted))


class Watched(NamedTuple):
    """The true and the predicted events of one video, and its length in seconds."""

    true: Sequence[Event]
    predicted: Sequence[Event]
    seconds: float


def overlaps(one: Event, other: Event) -> bool:
    """Tell whether two events share any time."""
    return one.start < other.end and other.start < one.end


def delays(video: Watched) -> list[float]:
    """List the delay of each detected event: seconds from its start to the first alarm (our own).

    An event is detected if a predicted one overlaps it. The delay is 0 for an alarm that began
    before the event. The time that a live run needs to settle a score is not included.
    """
    first = [
        min((p.start for p in video.predicted if overlaps(t, p)), default=None) for t in video.true
    ]
    return [
        max(0.0, start - t.start)
        for t, start in zip(video.true, first, strict=True)
        if start is not None
    ]


def false_alarms(video: Watched) -> int:
    """Count the predicted events that overlap no true one (our own)."""
    return sum(not any(overlaps(t, p) for t in video.true) for p in video.predicted)


class EventTable:
    """Event counts per video, from which every event metric follows, also for a bootstrap draw."""

    def __init__(self, videos: Sequence[Watched]) -> None:
        late = [delays(video) for video in videos]
        self._rows = np.array(
            [
                [
                    *(matches(video.true, video.predicted, at) for at in TIOUS),
                    len(video.true),
                    len(video.predicted),
                    len(waits),
                    sum(waits),
                    false_alarms(video),
                    video.seconds / 3600,
                ]
                for video, waits in zip(videos, late, strict=True)
            ],
            dtype=np.float64,
        ).reshape(len(videos), -1)
        self._waits = [wait for waits in late for wait in waits]

    def counts(self) -> dict[str, float]:
        """Count over all videos: true, detected and predicted events, false alarms, and hours."""
        true, predicted, detected, _, false, hours = map(float, self._rows.sum(0)[len(TIOUS) :])
        return {
            "true": true,
            "detected": detected,
            "predicted": predicted,
            "false_alarms": false,
            "hours": hours,
        }

    def figures(self) -> dict[str, float]:
        """Compute the metrics over all videos, by name; NaN where one is undefined.

        `precision`, `recall` and `f1` at each tIoU: the matches of all videos over predicted
        events, true events, and half of both. `delay_mean` and `delay_median` in seconds, over the
        detected events. `false_alarms_per_hour`.
        """
        median = float(np.median(self._waits)) if self._waits else math.nan
        return {
            **{
                name: float(value[0])
                for name, value in _event_figures(self._rows.sum(0)[:, None]).items()
            },
            "delay_median": median,
        }

    def intervals(
        self,
        *,
        level: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
        groups: Groups = None,
    ) -> dict[str, tuple[float, float]]:
        """Compute the percentile bootstrap interval of each metric, by name.

        Drawn as by `Ranking.interval`; draws in which a metric is undefined are left out. Raises
        LabelError for fewer than two videos or groups.
        """
        draws = draw_videos(len(self._rows), resamples, seed, groups)
        figures = _event_figures((draws @ self._rows).T)
        return {
            name: ends
            for name, values in figures.items()
            if (ends := central_interval(values, level)) is not None
        }


def _event_figures(totals: Array) -> dict[str, Array]:
    """Compute the metrics (draws,) from summed counts (counts, draws)."""
    hit, (true, predicted, detected, waited, false, hours) = (
        totals[: len(TIOUS)],
        totals[len(TIOUS) :],
    )
    found: dict[str, Array] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for at, matched in zip(TIOUS, hit, strict=True):
            found |= {
                f"precision@{at}": matched / predicted,
                f"recall@{at}": matched / true,
                f"f1@{at}": 2 * matched / (true + predicted),
            }
        return {**found, "delay_mean": waited / detected, "false_alarms_per_hour": false / hours}
