"""Say in one sentence how labels were understood. Opens no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiprobe.errors import counted
from hiprobe.labels import short_events
from hiprobe.types import SEGMENT_S, Event, Video

MOST_LABELS = 10  # that the sentence names


@dataclass(frozen=True)
class ShortEvent:
    """An event of the video at `path`, in seconds, that fills half of no segment.

    >>> print(ShortEvent("a.mp4", 3.0, 3.4))
    a.mp4:3-3.4
    """

    path: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.path}:{self.start:g}-{self.end:g}"


@dataclass(frozen=True)
class LabelCounts:
    """Numbers of normal and anomalous videos, of videos by label, of events and of named groups.

    `short` are the events that fill half of no segment.

    >>> print(LabelCounts(normal=12, anomalous=9, labels={"fight": 5, "fall": 4}, events=14))
    12 normal and 9 anomalous videos (fight 5, fall 4), 14 events
    """

    normal: int
    anomalous: int
    labels: dict[str, int]
    events: int
    short: tuple[ShortEvent, ...] = ()
    groups: int = 0

    def __str__(self) -> str:
        videos = f"{self.normal:,} normal and {counted(self.anomalous, 'anomalous video')}"
        named = f" ({self._named()})" if self.labels else ""
        short = f", {len(self.short)} of them too short for the half rule" if self.short else ""
        groups = f"; {counted(self.groups, 'group')}" if self.groups else ""
        return f"{videos}{named}, {counted(self.events, 'event')}{short}{groups}"

    def _named(self) -> str:
        first = [f"{label} {count}" for label, count in self.labels.items()]
        more = len(first) - MOST_LABELS
        return ", ".join(first[:MOST_LABELS]) + (f" and {more} more" if more > 0 else "")


def count_labels(videos: Sequence[Video], segment_s: float = SEGMENT_S) -> LabelCounts:
    """Count the videos and events by label, the most frequent label first.

    A video with events of two labels counts for both, and once as anomalous. Which events are too
    short is judged on segments of `segment_s` seconds from the first frame on. No video is opened,
    so the shorter segment at the end of a video is not known.

    >>> from hiprobe import datasets, embedded
    >>> count_labels(list(datasets.load("folder", embedded.CLIPS))).normal
    14
    """
    anomalous = [video for video in videos if video.events != ()]
    found = Counter(kind for video in anomalous for kind in video.categories)
    return LabelCounts(
        len(videos) - len(anomalous),
        len(anomalous),
        dict(sorted(found.items(), key=lambda one: (-one[1], one[0]))),
        sum(len(video.events or ()) for video in anomalous),
        tuple(
            ShortEvent(video.path, start, end)
            for video in anomalous
            for start, end in _short(video.events or (), segment_s)
        ),
        len({video.group for video in videos} - {None}),
    )


def _short(events: Sequence[Event], segment_s: float) -> list[tuple[float, float]]:
    """Return the spans of the short events, judged on the segments that such events touch.

    An event as long as a segment always fills half of one.
    """
    few = [(one.start, one.end) for one in events if one.end - one.start < segment_s]
    if not few:
        return []
    first, last = np.floor(np.array(few).T / segment_s)
    starts = np.unique([first, last]) * segment_s
    found = short_events(starts, starts + segment_s, events)
    return [(start, end) for start, end in found if end - start < segment_s]
