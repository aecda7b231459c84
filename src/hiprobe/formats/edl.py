"""CMX 3600 EDL: the events as a cut list for editing programs. Knows no video.

Editing programs know the timecodes of film and television only (SMPTE ST 12). A video of such a
rate is counted in its own frames, and any other, as from many cameras, in 25ths of a second. The
title states the rate, which the program asks for when it reads the file.
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
BASES = (24, 25, 30, 48, 50, 60)  # frames that a second of timecode counts
NTSC = 1000 / 1001  # rates in use are a base, or a base times this
OTHERWISE = 25
SAME = 0.01  # frames a second


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one cut per event of one video; raises LabelError for more events than an EDL counts."""
    return "".join(map(_cuts, videos))


def _cuts(video: VideoEvents) -> str:
    if len(video.lines) > MOST_EVENTS:
        raise LabelError(
            f"an EDL counts up to {MOST_EVENTS} events, got {len(video.lines)}",
            where=video.name,
            cure="write otio",
        )
    rate, base = timecode_rate(video.known_clock.fps)
    spans = [nominal_frames(rate, one["start"], one["end"], video.duration) for one in video.lines]
    at = [0, *accumulate(end - start for start, end in spans)]
    name = plain(video.name)
    head = f"TITLE: {name} ({rate:.6g} fps)\nFCM: NON-DROP FRAME\n"
    return head + "".join(
        _cut(number, (span, (at[number - 1], at[number])), base)
        + f"* FROM CLIP NAME: {name}\n* COMMENT: {title_of(line)}\n"
        for number, (line, span) in enumerate(zip(video.lines, spans, strict=True), 1)
    )


def _cut(number: int, spans: Sequence[tuple[int, int]], base: int) -> str:
    times = " ".join(timecode(frame, base) for span in spans for frame in span)
    return f"\n{number:03d}  AX       V     C        {times}\n"


def timecode_rate(fps: float) -> tuple[float, int]:
    """Return the frames a second in which an EDL counts a video, and those of its timecode.

    >>> timecode_rate(29.97), timecode_rate(15.0)
    ((29.97, 30), (25.0, 25))
    """
    known = (base for base in BASES if min(abs(fps - base), abs(fps - base * NTSC)) < SAME)
    base = next(known, None)
    return (float(OTHERWISE), OTHERWISE) if base is None else (fps, base)


def timecode(frame: int, base: int) -> str:
    """Return a frame as `hh:mm:ss:ff` of `base` frames a second; it begins again after a day.

    >>> timecode(90_012, 25)
    '01:00:00:12'
    """
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"
