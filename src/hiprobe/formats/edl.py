"""CMX 3600 EDL: the events as a cut list for editing programs. Knows no video.

Times are frames at the video's average rate, as an editing program has after it conformed the
video, written as non-drop-frame timecode of the nearest whole rate. An EDL does not state its
rate: choose it when you import the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from hiprobe.errors import LabelError
from hiprobe.formats import VideoEvents
from hiprobe.formats._times import nominal_frames
from hiprobe.formats._words import plain, title_of

suffix, one_file, needs = ".edl", False, "rate"
MOST_EVENTS = 999  # the number of an event has three digits
MOST_RATE = 99


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one cut per event of one video; raises LabelError for what an EDL cannot count."""
    return "".join(map(_cuts, videos))


def _cuts(video: VideoEvents) -> str:
    fps = video.known_clock.fps
    base = max(1, round(fps))
    if len(video.lines) > MOST_EVENTS or base > MOST_RATE:
        raise LabelError(
            f"an EDL counts up to {MOST_EVENTS} events and {MOST_RATE} frames a second, "
            f"got {len(video.lines)} and {fps:g}",
            where=video.name,
            cure="write otio",
        )
    spans = [nominal_frames(fps, one["start"], one["end"], video.duration) for one in video.lines]
    at = [0, *accumulate(end - start for start, end in spans)]
    head = f"TITLE: {plain(video.name)}\nFCM: NON-DROP FRAME\n"
    return head + "".join(
        _cut(number, ((start, end), (at[number - 1], at[number])), base)
        + f"* FROM CLIP NAME: {plain(video.name)}\n* COMMENT: {title_of(line)}\n"
        for number, (line, (start, end)) in enumerate(zip(video.lines, spans, strict=True), 1)
    )


def _cut(number: int, spans: Sequence[tuple[int, int]], base: int) -> str:
    times = " ".join(timecode(frame, base) for span in spans for frame in span)
    return f"\n{number:03d}  AX       V     C        {times}\n"


def timecode(frame: int, base: int) -> str:
    """Return a frame as `hh:mm:ss:ff` of `base` frames a second; it begins again after a day.

    >>> timecode(90_012, 25)
    '01:00:00:12'
    """
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"
