"""Compute the event figures and FROC curves of a report. Numpy only: it opens no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiprobe.datasets import FrameLabels, events_from_frames
from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.evaluation.event_finder import Sweepable, sweep
from hiprobe.evaluation.event_tables import Events, FrocRow
from hiprobe.metrics import (
    RATES,
    EventTable,
    Froc,
    Watched,
    alarms_only,
    froc_by_score,
)

if TYPE_CHECKING:
    from hiprobe.evaluation.measure import Detection

FOUND_AGAIN = "events found again at each threshold, without verification"
BY_SCORE = "alarms as they are, by their scores"


def watched_videos(
    truth: Mapping[str, FrameLabels], found: Mapping[str, Detection]
) -> dict[str, Watched]:
    """Pair the true events of each video, in seconds by its own frame times, with the predicted."""
    return {
        name: Watched(
            events_from_frames(labels, found[name].times, found[name].end),
            found[name].events,
            found[name].end,
        )
        for name, labels in sorted(truth.items())
    }


def event_blocks(watched: Mapping[str, Watched], drawn: Bootstrap) -> tuple[Events, Events | None]:
    """Return the figures of the alarms, and those with demoted events if there are any."""
    alarms = _events(alarms_of(watched), drawn)
    return alarms, _events(watched, drawn) if has_demoted(watched) else None


def alarms_of(watched: Mapping[str, Watched]) -> dict[str, Watched]:
    """Return the videos without their demoted events."""
    return {name: alarms_only(video) for name, video in watched.items()}


def _events(watched: Mapping[str, Watched], drawn: Bootstrap) -> Events:
    made = EventTable(list(watched.values()))
    figures = {
        name: value if math.isfinite(value) else None for name, value in made.figures().items()
    }
    return Events(
        made.counts(), figures, made.intervals(**drawn.of(watched)) if drawn.draws else {}
    )


def froc_rows(
    watched: Mapping[str, Watched], found: Mapping[str, Detection], drawn: Bootstrap
) -> tuple[FrocRow, ...]:
    """Return a row for each way in which events can be found at other thresholds.

    Events are found again in the scores where these are known. Alarms are cut by their own scores
    where they are not known, and also if events were demoted: events that are found again are not
    verified.
    """
    again = froc_again(watched, found)
    curves = {} if again is None else {FOUND_AGAIN: again}
    if again is None or has_demoted(watched):
        alarms = froc_of_alarms(watched)
        curves |= {} if alarms is None else {BY_SCORE: alarms}
    return tuple(_row(name, curve, watched, drawn) for name, curve in curves.items())


def has_demoted(watched: Mapping[str, Watched]) -> bool:
    """Tell whether any predicted event was demoted."""
    return any(event.demoted for video in watched.values() for event in video.predicted)


def froc_again(watched: Mapping[str, Watched], found: Mapping[str, Detection]) -> Froc | None:
    """Return the FROC of events found again in the scores; None unless all scores are known."""
    finders = [found[name].finder for name in watched]
    known = [finder for finder in finders if finder is not None]
    if len(known) < len(finders) or not any(len(finder.peaks()) for finder in known):
        return None
    return sweep(
        [
            Sweepable(video.true, finder, video.seconds)
            for video, finder in zip(watched.values(), known, strict=True)
        ]
    )


def froc_of_alarms(watched: Mapping[str, Watched]) -> Froc | None:
    """Return the FROC of the alarms cut by their own scores; None unless all have one."""
    alarms = list(alarms_of(watched).values())
    events = [event for video in alarms for event in video.predicted]
    if not events or any(event.score is None for event in events):
        return None
    return froc_by_score(alarms)


def _row(name: str, curve: Froc, watched: Mapping[str, Watched], drawn: Bootstrap) -> FrocRow:
    ends = curve.intervals(**drawn.of(watched)) if drawn.draws else {}
    points = (curve.thresholds, curve.recall, curve.false_per_hour)
    return FrocRow(
        name,
        {f"{rate:g}": _finite(curve.recall_at(rate)) for rate in RATES},
        {f"{rate:g}": pair for rate, pair in ends.items()},
        *(tuple(values.tolist()) for values in points),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
