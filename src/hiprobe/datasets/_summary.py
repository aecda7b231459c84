"""Say in one sentence how labels were understood. Opens no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.errors import counted
from hiprobe.types import Video

MOST_LABELS = 10  # that the sentence names


@dataclass(frozen=True)
class LabelCounts:
    """Numbers of normal and anomalous videos, of videos by label, and of events.

    >>> print(LabelCounts(normal=12, anomalous=9, labels={"fight": 5, "fall": 4}, events=14))
    12 normal and 9 anomalous videos (fight 5, fall 4), 14 events
    """

    normal: int
    anomalous: int
    labels: dict[str, int]
    events: int

    def __str__(self) -> str:
        videos = f"{self.normal:,} normal and {counted(self.anomalous, 'anomalous video')}"
        named = f" ({self._named()})" if self.labels else ""
        return f"{videos}{named}, {counted(self.events, 'event')}"

    def _named(self) -> str:
        first = [f"{label} {count}" for label, count in self.labels.items()]
        more = len(first) - MOST_LABELS
        return ", ".join(first[:MOST_LABELS]) + (f" and {more} more" if more > 0 else "")


def count_labels(videos: Sequence[Video]) -> LabelCounts:
    """Count the videos and events by label, the most frequent label first.

    A video with events of two labels counts for both, and once as anomalous.

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
    )
