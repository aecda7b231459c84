"""FiftyOne: a `labels.json` of temporal detections (FiftyOneTemporalDetectionDataset).

Knows no video. FiftyOne counts the frames of a video from 1, and both ends belong to a detection.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hiprobe.errors import LabelError
from hiprobe.formats import VideoClock, VideoEvents
from hiprobe.formats._times import frames_on_screen
from hiprobe.formats._words import label_of

suffix, one_file, needs = ".json", True, "frames"


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make one JSON object about all videos, whose keys are their names without a suffix.

    Raises LabelError for two videos whose names differ in the suffix only.
    """
    twice = [stem for stem, count in Counter(one.stem for one in videos).items() if count > 1]
    if twice:
        raise LabelError(
            "FiftyOne leaves out suffixes, so two videos would have this name",
            where=twice[0],
            cure="rename one of them",
        )
    found = {one.stem: [_detection(line, one.known_clock) for line in one.lines] for one in videos}
    return json.dumps({"classes": None, "labels": found}, indent=1, allow_nan=False) + "\n"


def _detection(line: Mapping[str, Any], clock: VideoClock) -> dict[str, Any]:
    assert clock.times is not None
    first, end = frames_on_screen(clock.times, line["start"], line["end"])
    values = {"label": label_of(line), "support": [first + 1, end]}
    score = line["peak_score"]
    return values if score is None else {**values, "confidence": score}
