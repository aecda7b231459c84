"""OpenTimelineIO: the events of a video as clips of a timeline, each with a marker at its peak.

Knows no video. Times are frames at the video's average rate, as editing programs count them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hiprobe.formats import VideoEvents
from hiprobe.formats._times import nominal_frame, nominal_frames
from hiprobe.formats._words import label_of, title_of

suffix, one_file, needs = ".otio", False, "rate"


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one timeline of one video; its address is its name, relative to the videos folder."""
    (video,) = videos
    clips = [_clip(line, video) for line in video.lines]
    track = _part("Track.1", "events", kind="Video", source_range=None, markers=[], effects=[])
    stack = _part("Stack.1", "tracks", source_range=None, markers=[], effects=[])
    timeline = _part("Timeline.1", video.name, global_start_time=None)
    whole = {**timeline, "tracks": {**stack, "children": [{**track, "children": clips}]}}
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def _part(schema: str, name: str, **values: Any) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, **values}


def _clip(line: Mapping[str, Any], video: VideoEvents) -> dict[str, Any]:
    fps = video.known_clock.fps
    first, end = nominal_frames(fps, line["start"], line["end"], video.duration)
    frames = nominal_frames(fps, 0.0, video.duration, video.duration)[1]
    media = _part(
        "ExternalReference.1",
        video.name,
        target_url=quote(video.name),
        available_range=_range(0, frames, fps),
    )
    clip = _part(
        "Clip.1",
        title_of(line),
        source_range=_range(first, end - first, fps),
        media_reference=media,
        markers=[_marker(line, fps, (first, end))],
        effects=[],
    )
    return {**clip, "metadata": {"hiprobe": dict(line)}}


def _marker(line: Mapping[str, Any], fps: float, span: tuple[int, int]) -> dict[str, Any]:
    peak = line["start"] if line["peak_time"] is None else line["peak_time"]
    frame = min(max(span[0], nominal_frame(fps, peak)), span[1] - 1)
    color = "YELLOW" if line["severity"] == "low" else "RED"
    return _part("Marker.2", label_of(line), marked_range=_range(frame, 1, fps), color=color)


def _range(start: int, duration: int, fps: float) -> dict[str, Any]:
    times = [
        {"OTIO_SCHEMA": "RationalTime.1", "value": float(value), "rate": fps}
        for value in (start, duration)
    ]
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": times[0], "duration": times[1]}
