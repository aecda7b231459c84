"""Count the true events of the rendered scenes and shipped clips whose labels the short rule sets.

An event that fills half of no segment makes the segment that holds most of it anomalous. Published
figures depend on that rule only if there are such events. No video is rendered or read: the times
of the plans and of the shipped table are enough. Run: `python -m experiments.short_events`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import rendered
from experiments.tables import Table
from hiprobe import datasets, embedded
from hiprobe.labels import short_events
from hiprobe.types import SEGMENT_S, Event
from training import ship

LENGTHS = (SEGMENT_S, 3.2)  # only the first is used; the second is for comparison
Labelled = tuple[float, tuple[Event, ...]]  # seconds of a video, its true events


@dataclass(frozen=True)
class Count:
    """Count videos, events, and the events that are too short at each length of segment."""

    videos: int
    events: int
    shortest_s: float
    short: tuple[int, ...]


def count(videos: Sequence[Labelled]) -> Count:
    """Count the short events of some videos at each of `LENGTHS`."""
    events = [event for _, found in videos for event in found]
    lasting = [min(event.end, length) - event.start for length, found in videos for event in found]
    short = tuple(sum(_short(*one, length) for one in videos) for length in LENGTHS)
    return Count(len(videos), len(events), min(lasting, default=math.inf), short)


def _short(seconds: float, events: tuple[Event, ...], length: float) -> int:
    """Count the short events on a grid from 0, whose last segment ends with the video."""
    starts = np.arange(0, seconds - 1e-6, length)
    return len(short_events(starts, np.minimum(starts + length, seconds), events))


def worlds() -> dict[str, list[Labelled]]:
    """Return the videos of each rendered split and of the shipped clips."""
    found: dict[str, list[Labelled]] = {}
    for plan in rendered.plans(Path()):
        events = tuple(Event(start, end) for _, start, end in plan.truth)
        found.setdefault(f"{plan.family} {plan.split}", []).append((plan.seconds, events))
    clips = datasets.load("folder", embedded.CLIPS)
    found["shipped clips"] = [(ship.CLIP_S, one.events or ()) for one in clips]
    demo = tuple(Event(start, end + 0.6) for _, start, end in ship.DEMO)
    return {**found, "demo video": [(ship.DEMO_S, demo)]}


def table() -> Table:
    """Return one row per set of videos."""
    rows = []
    for name, videos in worlds().items():
        found = count(videos)
        short = tuple(str(number) for number in found.short)
        rows.append((name, str(found.videos), str(found.events), f"{found.shortest_s:.1f}", *short))
    columns = ("videos of", "videos", "events", "shortest, s")
    return Table(
        "Events too short for the rule of one half",
        (*columns, *(f"short at {length:g} s" for length in LENGTHS)),
        tuple(rows),
    )


if __name__ == "__main__":
    print(table().to_markdown())
