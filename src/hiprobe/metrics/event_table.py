"""Event metrics over many videos, and over any bootstrap draw of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiprobe.metrics.events import (
    TIOUS,
    Watched,
    boundary_errors,
    delays,
    false_alarms,
    matches,
)
from hiprobe.metrics.intervals import Groups, Owned, central_interval, draw_videos

Array = NDArray[np.float64]
HOURS_PER_DAY = 24


class EventTable:
    """Event counts per video, from which every event metric follows, also for a bootstrap draw.

    >>> from hiprobe.types import Event
    >>> video = Watched([Event(10.0, 20.0)], [Event(12.0, 20.0), Event(50.0, 54.0)], 3600.0)
    >>> found = EventTable([video]).figures()
    >>> found["precision@0.5"], found["recall@0.5"], found["delay_median"]
    (0.5, 1.0, 2.0)
    >>> found["false_alarms_per_hour"], found["start_error_median"], found["end_error_median"]
    (1.0, 2.0, 0.0)
    """

    def __init__(self, videos: Sequence[Watched]) -> None:
        late = [delays(video) for video in videos]
        errors = [boundary_errors(video) for video in videos]
        self._rows = np.array(
            [_counted(video, waits) for video, waits in zip(videos, late, strict=True)],
            dtype=np.float64,
        ).reshape(len(videos), len(TIOUS) + 6)
        self._medians = {
            "delay_median": Owned(late),
            "start_error_median": Owned([starts for starts, _ in errors]),
            "end_error_median": Owned([ends for _, ends in errors]),
            "boundary_error_median": Owned([starts + ends for starts, ends in errors]),
        }

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

        - `precision`, `recall` and `f1` at each tIoU: the matches of all videos over predicted
          events, true events, and half of both.
        - `delay_mean` and `delay_median`: seconds, over the detected events (`delays`).
        - `false_alarms_per_hour` and `false_alarms_per_day` of all videos (`false_alarms`).
        - `start_error_median`, `end_error_median`, and `boundary_error_median` over starts and ends
          together: seconds (`boundary_errors`).
        """
        once = np.ones((1, len(self._rows)), np.int64)
        return {name: float(values[0]) for name, values in self.drawn(once).items()}

    def drawn(self, draws: NDArray[np.int64]) -> dict[str, Array]:
        """Compute each metric (draws,) where video `j` counts `draws[i, j]` times in draw `i`.

        `draws` is (draws, videos), as `draw_videos` returns it. The names are those of `figures`.

        >>> from hiprobe.types import Event
        >>> videos = [Watched([], [Event(0.0, 1.0)], 3600.0), Watched([], [], 3600.0)]
        >>> EventTable(videos).drawn(np.array([[1, 1], [2, 0]]))["false_alarms_per_hour"].tolist()
        [0.5, 1.0]
        """
        figures = _event_figures((draws @ self._rows).T)
        return figures | {name: owned.medians(draws) for name, owned in self._medians.items()}

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
        figures = self.drawn(draw_videos(len(self._rows), resamples, seed, groups))
        return {
            name: ends
            for name, values in figures.items()
            if (ends := central_interval(values, level)) is not None
        }


def _counted(video: Watched, waits: Sequence[float]) -> list[float]:
    """Count what `_event_figures` needs of one video."""
    return [
        *(matches(video.true, video.predicted, at) for at in TIOUS),
        len(video.true),
        len(video.predicted),
        len(waits),
        sum(waits),
        false_alarms(video),
        video.seconds / 3600,
    ]


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
        return {
            **found,
            "delay_mean": waited / detected,
            "false_alarms_per_hour": false / hours,
            "false_alarms_per_day": HOURS_PER_DAY * false / hours,
        }
