"""What judgements say together: of one span, of an event, of a whole video. Knows no page.

Of two judgements of the same seconds the later one counts, whoever made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hiprobe.review.judgements import Judgement
from hiprobe.types import Event

# What a key or a button says of a span, and the judgement that it is: of an alarm, or of no alarm.
_FITTING = {
    "true_alarm": ("true_alarm", "missed"),
    "false_alarm": ("false_alarm", "normal"),
    "anomalous": ("true_alarm", "missed"),
}


def fitting_kind(said: str, *, alarm: bool) -> str:
    """Return the kind of judgement for what was said of a span that is, or is not, an alarm.

    A span that never was an alarm is no true or false alarm: it was missed, or is normal.
    """
    return _FITTING[said][0 if alarm else 1] if said in _FITTING else said


def latest_judgements(
    events: Sequence[Event], standing: Sequence[Judgement]
) -> list[Judgement | None]:
    """Find for each event the latest judgement that covers at least half of it, or None.

    `standing` are the judgements of the events' video that were not undone, oldest first.
    """
    starts, ends = (
        np.array([getattr(j, side) for j in standing], dtype=np.float64)
        for side in ("start", "end")
    )
    found: list[Judgement | None] = []
    for event in events:
        shared = np.minimum(ends, event.end) - np.maximum(starts, event.start)
        covering = np.flatnonzero(shared >= 0.5 * (event.end - event.start) - 1e-9)
        found.append(standing[covering[-1]] if len(covering) else None)
    return found


def by_video(standing: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    """Return the judgements of each video, in their order."""
    found: dict[str, list[Judgement]] = {}
    for judgement in standing:
        found.setdefault(judgement.video, []).append(judgement)
    return found


def judged_spans(standing: Sequence[Judgement]) -> list[tuple[Event, Judgement]]:
    """List the distinct spans of one video that were judged, each with the judgement that counts.

    A span that was judged several times is one span.
    """
    spans = [Event(*span) for span in dict.fromkeys((j.start, j.end) for j in standing)]
    latest = latest_judgements(spans, standing)
    return [(span, one) for span, one in zip(spans, latest, strict=True) if one is not None]


def count_spans(standing: Sequence[Judgement], kinds: Sequence[str]) -> dict[str, int]:
    """Count the judged spans of all videos by the kind of the judgement that counts."""
    found = [one.kind for part in by_video(standing).values() for _, one in judged_spans(part)]
    return {kind: found.count(kind) for kind in kinds}


def anomalous_spans(standing: Sequence[Judgement]) -> list[tuple[float, float]]:
    """Return the seconds of one video that are anomalous by all judgements, as spans in order.

    Spans that touch or overlap are joined.
    """
    edges = sorted({time for one in standing for time in (one.start, one.end)})
    found: list[tuple[float, float]] = []
    for start, end in pairwise(edges):
        about = [one for one in standing if one.start <= start and end <= one.end]
        if not about or not about[-1].anomalous:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def covered_s(standing: Sequence[Judgement]) -> float:
    """Return how many seconds of one video were judged at all."""
    total, reached = 0.0, -np.inf
    for start, end in sorted((one.start, one.end) for one in standing):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return float(total)
