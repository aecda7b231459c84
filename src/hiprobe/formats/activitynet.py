"""ActivityNet JSON, version 1.3: the usual file of temporal action detection. Knows no video.

What is written holds both parts of the format: `database`, as ground truth has it, and `results`
with scores, as detections are handed in. The keys are names of videos without a suffix. What is
read is `database`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hiprobe.errors import LabelError
from hiprobe.formats import LabelledSpan, LabelledVideo, VideoEvents, short_names
from hiprobe.formats._documents import check_order, read_number
from hiprobe.formats._words import label_of

suffix, one_file, needs = ".json", True, "nothing"
label_suffix = ".json"
VERSION = "VERSION 1.3"
# ActivityNet keeps the annotations of this subset back: an empty list says nothing there.
KEPT_BACK = "testing"


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one JSON object about all videos; one without events has empty lists."""
    keys = short_names([one.name for one in videos])
    pairs = list(zip(keys, videos, strict=True))
    values = {
        "version": VERSION,
        "taxonomy": [],
        "database": {key: _truth(one) for key, one in pairs},
        "results": {key: [_detection(line) for line in one.lines] for key, one in pairs},
        "external_data": {"used": True, "details": "events of hiprobe detect"},
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"


def _truth(video: VideoEvents) -> dict[str, Any]:
    annotations = [
        {key: _detection(line)[key] for key in ("segment", "label")} for line in video.lines
    ]
    return {
        "subset": "validation",
        "duration": round(video.duration, 6),
        "resolution": "",
        "url": "",
        "annotations": annotations,
    }


def _detection(line: Mapping[str, Any]) -> dict[str, Any]:
    score = line["peak_score"]
    return {
        "segment": [line["start"], line["end"]],
        "label": label_of(line),
        "score": 0.0 if score is None else score,
    }


def recognizes(document: Any) -> bool:
    """Tell whether JSON values are ground truth of ActivityNet."""
    return isinstance(document, dict) and isinstance(document.get("database"), dict)


def read_labels(document: Any, where: str) -> Iterator[LabelledVideo]:
    """Yield the videos of `database`, whose subset becomes the split.

    One without annotations is normal; in the subset `testing` it is left out, as the benchmark
    keeps those annotations back. Raises LabelError.
    """
    for key, entry in document["database"].items():
        place = f"{where}: video {key}"
        if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), list):
            raise LabelError("it has no list of annotations", where=place)
        found = [
            _span(one, f"{place}, annotation {n}") for n, one in enumerate(entry["annotations"], 1)
        ]
        if found or entry.get("subset") != KEPT_BACK:
            # Videos are often stored as v_ and the key.
            yield LabelledVideo((key, f"v_{key}"), tuple(found), _split(entry), place)


def _split(entry: Mapping[str, Any]) -> str | None:
    return str(entry["subset"]) if entry.get("subset") else None


def _span(values: Any, where: str) -> LabelledSpan:
    segment = values.get("segment") if isinstance(values, dict) else None
    if not isinstance(segment, list) or len(segment) != 2 or not values.get("label"):
        raise LabelError("an annotation needs a label and a segment [start, end]", where=where)
    start, end = (read_number(value, "a segment's time", where) for value in segment)
    check_order(start, end, where)
    return LabelledSpan(str(values["label"]), start, end, where=where)
