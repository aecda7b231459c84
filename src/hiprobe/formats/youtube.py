"""Chapters as lines of text, as a YouTube description has them. Knows no video.

YouTube shows them from three chapters on, each of at least 10 s, the first at 0:00. Times are whole
seconds, so an event begins at the second in which it starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hiprobe.formats import VideoEvents
from hiprobe.formats._words import tiled

suffix, one_file, needs = ".txt", False, "nothing"
BETWEEN = "no event"


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one line per chapter of one video: the time and the title."""
    (video,) = videos
    spans = [
        (int(one["start"]), max(int(one["start"]) + 1, round(one["end"]))) for one in video.lines
    ]
    found = tiled(video.lines, spans, max(1, math.ceil(video.duration)), BETWEEN)
    return "".join(f"{_clock(start)} {title}\n" for start, _, title in found)


def _clock(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"
