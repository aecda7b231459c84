"""FFmpeg's metadata file: the events as chapters that FFmpeg puts into MP4 or Matroska.

Knows no video. `ffmpeg -i shop.mp4 -i shop.ffmeta -map_metadata 1 -map_chapters 1 -c copy out.mp4`
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hiprobe.formats import VideoEvents
from hiprobe.formats._times import milliseconds
from hiprobe.formats._words import plain, tiled

suffix, one_file, needs = ".ffmeta", False, "nothing"
BETWEEN = "no event"
_SPECIAL = re.compile(r"([=;#\\])")


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make the chapters of one video, which cover it from start to end."""
    (video,) = videos
    spans = [milliseconds(line) for line in video.lines]
    found = tiled(video.lines, spans, round(video.duration * 1000), BETWEEN)
    return f";FFMETADATA1\ntitle={_escaped(video.name)}\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={_escaped(title)}\n"
        for start, end, title in found
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", plain(text))
