"""Add to a result when its video was recorded, if the name or the container says so."""

from __future__ import annotations

from dataclasses import replace

from hiprobe import video
from hiprobe.types import Result


def with_recording_time(result: Result, pattern: str | None = None) -> Result:
    """Return the result with `recorded` in its provenance: the time, and where it comes from.

    With `pattern` it is the time in the video's name, as `video.NamePattern` finds it; without, or
    where the name has none, the creation time in the container. Raises the errors of `video.info`.
    """
    named = video.NamePattern(pattern).time(result.name) if pattern else None
    time, source = named, "file name"
    if named is None:
        time, source = video.info(result.path).recorded, "container"
    recorded = None if time is None else {"at": time, "from": source}
    return replace(result, provenance={**result.provenance, "recorded": recorded})
