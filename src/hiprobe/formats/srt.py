"""SubRip (SRT): captions that every player shows. Knows only event lines.

The format has no standard: numbered blocks, times with a decimal comma, a blank line between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.formats import VideoEvents
from hiprobe.formats._times import milliseconds
from hiprobe.formats._words import caption, plain
from hiprobe.formats.webvtt import timestamp

suffix, one_file, needs = ".srt", False, "nothing"
JOINER = "\u2060"  # invisible; keeps players from seeing a tag
_TAG = re.compile(r"<(?=[A-Za-z/])|\{(?=\\)")


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one numbered block per event of one video: its span, label and score, explanation."""
    lines = [line for one in videos for line in one.lines]
    return "\n".join(_block(number, line) for number, line in enumerate(lines, 1))


def _block(number: int, line: Mapping[str, Any]) -> str:
    start, end = (timestamp(at).replace(".", ",") for at in milliseconds(line))
    texts = [_shown(part or "") for part in (caption(line), line["explanation"])]
    return "\n".join([str(number), f"{start} --> {end}", *filter(None, texts), ""])


def _shown(text: str) -> str:
    """Return text that players show as it is: there are no escapes for tags and arrows."""
    return _TAG.sub(rf"\g<0>{JOINER}", plain(text)).replace("-->", "->")
