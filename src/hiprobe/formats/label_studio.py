"""Label Studio: tasks with predictions on a timeline, and labels from its JSON export.

Knows no video. Label Studio plays a video in the browser and counts frames from 1 at the rate that
its `<Video>` tag states, whatever the file's own times are: seconds are frames over that rate.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hiprobe.errors import LabelError
from hiprobe.formats import LabelledSpan, LabelledVideo, VideoEvents
from hiprobe.formats._documents import check_order, read_number, read_whole
from hiprobe.formats._times import nominal_frames
from hiprobe.formats._words import label_of, plain

suffix, one_file, needs = ".json", True, "rate"
label_suffix = ".json"
LOCAL_FILES = "/data/local-files/?d="  # how Label Studio serves a folder of the machine it runs on
TIMELINE = "timelinelabels"
RATES = ("fps", "framerate", "frame_rate", "frameRate")
WHOLE = ("choices", "taxonomy")  # without times they label the whole video
UNNAMED = "event"  # the label of a region to which nobody gave one
RELATION = "relation"  # an arrow between two regions
VIDEOS = ("video", "video_url", "url", "media")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what an upload puts before a name


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one task per video, with a prediction whose regions are its events."""
    return json.dumps([_task(one) for one in videos], indent=1, allow_nan=False) + "\n"


def _task(video: VideoEvents) -> dict[str, Any]:
    regions = [_region(line, video) for line in video.lines]
    scores = [one["score"] for one in regions if "score" in one]
    return {
        "data": {
            "video": LOCAL_FILES + quote(video.name),
            "name": video.name,
            "fps": video.known_clock.fps,
        },
        "predictions": [
            {"model_version": "hiprobe", "score": max(scores, default=0.0), "result": regions}
        ],
    }


def _region(line: Mapping[str, Any], video: VideoEvents) -> dict[str, Any]:
    first, end = nominal_frames(video.known_clock.fps, line["start"], line["end"], video.duration)
    words = plain(line["explanation"] or "")
    found = {
        "id": line["id"],
        "from_name": "events",
        "to_name": "video",
        "type": TIMELINE,
        "origin": "prediction",
        "value": {"ranges": [{"start": first + 1, "end": end}], TIMELINE: [label_of(line)]},
    }
    found |= {"meta": {"text": [words]}} if words else {}
    return found | ({} if line["peak_score"] is None else {"score": line["peak_score"]})


def recognizes(document: Any) -> bool:
    """Tell whether JSON values are tasks with annotations: the export "JSON", not "JSON-MIN"."""
    return isinstance(document, list) and all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) and "annotations" in task
        for task in document
    )


def read_labels(document: Any, where: str) -> Iterator[LabelledVideo]:
    """Yield the videos that have a submitted annotation; without a region they are normal.

    Of several annotations the one that is marked as ground truth counts, else the newest. A choice
    that is not about a region labels the whole video. Raises LabelError.
    """
    for place, task in enumerate(document, 1):
        at = f"{where}: task {task.get('id', place)}"
        if not isinstance(task["annotations"], list):
            raise LabelError("its annotations must be a list", where=at)
        done = [one for one in task["annotations"] if _is_submitted(one, at)]
        if not done:
            continue
        chosen = max(done, key=lambda one: (one.get("ground_truth") is True, _moment(one)))
        spans = tuple(_spans(chosen["result"], task["data"], at))
        yield LabelledVideo(_names(task, at), spans, where=at)


def _is_submitted(annotation: Any, where: str) -> bool:
    if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
        raise LabelError(
            "an annotation has no result", where=where, cure='export as "JSON", with all fields'
        )
    return not annotation.get("was_cancelled")


def _moment(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _names(task: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return what the video may be called: the path in its address, or the name of an upload."""
    texts = [task["data"].get(key) for key in VIDEOS] + [*task["data"].values()]
    found = next((one for one in texts if isinstance(one, str) and one.strip()), None)
    if found is None:
        raise LabelError("its data names no video", where=where)
    parts = urlsplit(found)
    local = parse_qs(parts.query).get("d", [])
    path = local[0] if local else unquote(parts.path) or found
    name = path.rpartition("/")[2]
    return tuple(dict.fromkeys((path, name, _UPLOADED.sub("", name, count=1))))


def _spans(results: Sequence[Any], data: Mapping[str, Any], where: str) -> Iterator[LabelledSpan]:
    """Yield the spans of an annotation; a region that has no label is an event all the same.

    A region may have several results with its id and its times, such as its label and a rating.
    """
    regions: dict[tuple[str | int, float, float], list[str]] = {}
    for place, result in enumerate(results):
        if isinstance(result, dict) and result.get("type") == RELATION:
            continue
        kind, value = _kind_and_value(result, where)
        labels, key = _labels(kind, value, where), str(result["id"]) if "id" in result else place
        for start, end in _times(kind, value, data, where):
            check_order(start, end, where)
            regions.setdefault((key, start, end), []).extend(labels)
    for (_, start, end), labels in regions.items():
        for label in dict.fromkeys(labels or [UNNAMED]):
            yield LabelledSpan(label, start, end, where=where)


def _kind_and_value(result: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    kind = result.get("type") if isinstance(result, dict) else None
    value = result.get("value") if isinstance(result, dict) else None
    if not isinstance(kind, str) or not isinstance(value, dict):
        raise LabelError("a region has no type or no value", where=where)
    return kind, value


def _labels(kind: str, value: Mapping[str, Any], where: str) -> list[str]:
    """Return the names in a result: of a path, as in a taxonomy, the last; of a rating none."""
    found = value.get(kind) or value.get("labels") or []
    names = [_last(one) for one in found] if isinstance(found, list) else [None]
    named = [one for one in names if isinstance(one, str)]
    if len(named) == len(names):
        return named
    if kind in WHOLE or kind.endswith("labels"):
        raise LabelError(
            f"its {kind[:40]} must be a list of names, got {str(found)[:40]!r}",
            where=where,
            cure='export as "JSON" again',
        )
    return []


def _last(name: Any) -> Any:
    return name[-1] if isinstance(name, list) and name else name


def _times(
    kind: str, value: Mapping[str, Any], data: Mapping[str, Any], where: str
) -> Iterator[tuple[float, float]]:
    """Yield the spans of a result in seconds: of a timeline, of sound, or of boxes that move.

    A choice without times is about the whole video; another result without times has no span.
    """
    if isinstance(value.get("ranges"), list):
        rate = _rate(value, data, where)
        for one in value["ranges"]:
            ends = [one.get(key) if isinstance(one, dict) else None for key in ("start", "end")]
            first, last = (read_whole(end, "a frame", where) for end in ends)
            yield max(0, first - 1) / rate, last / rate
    elif isinstance(value.get("sequence"), list):
        yield from _visible(value["sequence"], value, data, where)
    elif "start" in value and "end" in value:
        yield read_number(value["start"], "start", where), read_number(value["end"], "end", where)
    elif kind in WHOLE and value.get(kind):
        yield 0.0, math.inf


def _visible(
    sequence: Sequence[Any], value: Mapping[str, Any], data: Mapping[str, Any], where: str
) -> Iterator[tuple[float, float]]:
    """Yield when a box can be seen: from an enabled keyframe until one that is not, or the end."""
    rate, since = _rate(value, data, where), None
    keyframes = [_keyframe(one, where) for one in sequence]
    for frame, enabled in sorted(keyframes, key=lambda one: one[0]):
        if enabled and since is None:
            since = max(0, frame - 1) / rate
        elif not enabled and since is not None:
            yield since, frame / rate
            since = None
    if since is not None:
        yield since, math.inf


def _keyframe(values: Any, where: str) -> tuple[int, bool]:
    """Return the frame of a keyframe, and whether the box can be seen from there on."""
    if not isinstance(values, dict):
        raise LabelError("a keyframe must be an object", where=where)
    return read_whole(values.get("frame"), "a frame", where), values.get("enabled") is not False


def _rate(value: Mapping[str, Any], data: Mapping[str, Any], where: str) -> float:
    """Return the frames a second in which Label Studio counted."""
    given = next((data[key] for key in RATES if key in data), None)
    if given is None and value.get("framesCount") and value.get("duration"):
        given = read_whole(value["framesCount"], "framesCount", where) / read_number(
            value["duration"], "duration", where
        )
    rate = 0.0 if given is None else read_number(given, "fps", where)
    if rate <= 0:
        raise LabelError(
            "it labels frames, and its data does not say at how many frames a second",
            where=where,
            cure='add "fps" to the data of each task: the framerate of the <Video> tag, else 24',
        )
    return rate
