"""CVAT for video 1.1 (XML): events as tracks, and labels from tracks or from tags of frames.

Knows no video. CVAT counts the frames that it decodes, from 0. A track is a box that is on screen
from a frame on until a box that is `outside`; an event is a box around its place, or the whole
picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hiprobe.errors import LabelError
from hiprobe.formats import LabelledSpan, LabelledVideo, VideoClock, VideoEvents
from hiprobe.formats._documents import read_whole
from hiprobe.formats._times import frames_on_screen
from hiprobe.formats._words import label_of

suffix, one_file, needs = ".xml", False, "frames"
label_suffix = ".xml"
STEP = "step="  # of a task that has only every n-th frame
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make the annotations of one video: one track per event.

    CVAT takes them if the task has the labels that are listed in `meta`.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for video in videos:
        _describe(root, video)
        for number, line in enumerate(video.lines):
            _track(root, number, line, video.known_clock)
    indent(root, " ")
    text = _NOT_XML.sub("\ufffd", tostring(root, "unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _describe(root: Element, video: VideoEvents) -> None:
    clock, times = video.known_clock, _times(video.known_clock)
    task = SubElement(SubElement(root, "meta"), "task")
    for tag, text in (
        ("name", video.name),
        ("size", str(len(times))),
        ("mode", "interpolation"),
        ("start_frame", "0"),
        ("stop_frame", str(len(times) - 1)),
        ("frame_filter", ""),
    ):
        SubElement(task, tag).text = text
    labels = SubElement(task, "labels")
    for name in dict.fromkeys(map(label_of, video.lines)):
        SubElement(SubElement(labels, "label"), "name").text = name
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = (
        str(clock.width),
        str(clock.height),
    )
    SubElement(task, "source").text = video.name


def _track(root: Element, number: int, line: Mapping[str, Any], clock: VideoClock) -> None:
    first, end = frames_on_screen(_times(clock), line["start"], line["end"])
    track = SubElement(root, "track", id=str(number), label=label_of(line), source="auto")
    x, y, width, height = line["box"] or (0.0, 0.0, 1.0, 1.0)
    left, right = (f"{at * clock.width:.2f}" for at in (x, x + width))
    top, bottom = (f"{at * clock.height:.2f}" for at in (y, y + height))
    place = {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom, "occluded": "0", "z_order": "0"}
    frames = dict.fromkeys((first, end - 1), "0")
    # Without a box that is outside, CVAT shows a track up to the end of the video.
    frames |= {end: "1"} if end < len(_times(clock)) else {}
    for frame, outside in frames.items():
        SubElement(
            track, "box", {"frame": str(frame), "outside": outside, "keyframe": "1", **place}
        )


def _times(clock: VideoClock) -> Any:
    assert clock.times is not None
    return clock.times


def recognizes(document: Any) -> bool:
    """Tell whether an XML element is an export of CVAT."""
    return isinstance(document, Element) and document.tag == "annotations"


def read_labels(document: Element, where: str) -> Iterator[LabelledVideo]:
    """Yield the videos of a task, a job or a project; one without a track or a tag is normal.

    Spans are in frames. Frames in a row with the same tag, or with any shape of the same label,
    are one span. Raises LabelError.
    """
    meta = document.find("meta")
    tasks = _tasks(meta, where)
    spans: dict[str, list[LabelledSpan]] = {key: [] for key in tasks}
    for track in document.iter("track"):
        key = _task_of(track, tasks, where)
        at = f"{where}: track {track.get('id', '?')}"
        spans[key] += _of_track(track, _step(tasks[key]), at)
    for key, label, frames in _tagged(document, tasks, where):
        spans[key] += _runs(frames, label, _step(tasks[key]), f"{where}: images labelled {label}")
    for key, task in tasks.items():
        names = _names(task, meta)
        if not names:
            raise LabelError(
                "it does not name the video", where=where, cure='keep "source" in "meta"'
            )
        found = tuple(sorted(spans[key], key=lambda one: one.start))
        yield LabelledVideo(names, found, task.findtext("subset") or None, f"{where}: {names[0]}")


def _tasks(meta: Element | None, where: str) -> dict[str, Element]:
    """Return the tasks by their id; a job counts as one."""
    found = [] if meta is None else [*meta.iter("task"), *meta.iter("job")]
    if not found:
        raise LabelError(
            "it describes no task", where=where, cure="export it as CVAT for video 1.1"
        )
    return {one.findtext("id") or str(place): one for place, one in enumerate(found)}


def _task_of(element: Element, tasks: Mapping[str, Element], where: str) -> str:
    key = element.get("task_id") or next(iter(tasks))
    if key not in tasks or (len(tasks) > 1 and "task_id" not in element.attrib):
        raise LabelError(f"a {element.tag} belongs to no task that is described", where=where)
    return key


def _names(task: Element, meta: Element | None) -> tuple[str, ...]:
    source = task.findtext("source") or (None if meta is None else meta.findtext("source"))
    return tuple(dict.fromkeys(text for text in (source, task.findtext("name")) if text))


def _step(task: Element) -> int:
    """Return the distance of the frames of a task in the video."""
    _, found, text = (task.findtext("frame_filter") or "").partition(STEP)
    return max(1, int(text)) if found and text.isdecimal() and len(text) < 7 else 1


def _of_track(track: Element, step: int, where: str) -> Iterator[LabelledSpan]:
    """Yield when a track is on screen: until a box that is outside, or the last box."""
    label, since, last = _label(track, where), None, 0
    boxes = [
        (read_whole(one.get("frame"), "frame", where), one.get("outside") == "1") for one in track
    ]
    for frame, outside in sorted(boxes):
        if outside and since is not None:
            yield LabelledSpan(label, since, frame, True, where)
            since = None
        elif not outside and since is None:
            since = frame
        last = frame
    if since is not None:
        yield LabelledSpan(label, since, last + step, True, where)


def _tagged(
    document: Element, tasks: Mapping[str, Element], where: str
) -> Iterator[tuple[str, str, list[int]]]:
    """Yield task, label and frames of what is tagged or drawn in single frames."""
    found: dict[tuple[str, str], set[int]] = {}
    for image in document.iter("image"):
        at = f"{where}: image {image.get('id', '?')}"
        key, frame = _task_of(image, tasks, at), read_whole(image.get("id"), "id", at)
        for one in image:
            found.setdefault((key, _label(one, at)), set()).add(frame)
    for (key, label), frames in found.items():
        yield key, label, sorted(frames)


def _runs(frames: Iterable[int], label: str, step: int, where: str) -> Iterator[LabelledSpan]:
    """Yield runs of frames that are at most `step` apart."""
    since = last = None
    for frame in [*frames, math.inf]:
        if since is not None and last is not None and frame > last + step:
            yield LabelledSpan(label, since, last + step, True, where)
            since = None
        since, last = (frame if since is None else since), frame


def _label(element: Element, where: str) -> str:
    found = element.get("label")
    if not found:
        raise LabelError(f"a {element.tag} has no label", where=where)
    return found
