"""Read XD-Violence (Wu et al., ECCV 2020). Opens no video, so it knows no seconds.

3,954 training videos are labelled as a whole, 800 test videos by frame. The truth is read from
`annotations.txt` (`name s1 e1 s2 e2 ...`, abnormal test videos only) and `frame_counts.csv`
(`video,frames`, not part of the download), which names the test videos. All others below `root` are
training videos. The file names give the classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from hiprobe.datasets._frames import (
    COUNTS,
    FrameLabels,
    Span,
    annotation_name,
    find_file,
    frame_counts,
    frame_spans,
    has_counts,
    index,
    lines,
    listing,
    locate,
    mark,
    parts,
    same_videos,
)
from hiprobe.errors import LabelError
from hiprobe.types import Event, Video

RULES = ("frames", "i3d")
ANNOTATION = "annotations.txt"
CLASSES = {
    "B1": "fighting",
    "B2": "shooting",
    "B4": "riot",
    "B5": "abuse",
    "B6": "car accident",
    "G": "explosion",
}
SNIPPET = 16  # frames of one I3D feature


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = None,
) -> Iterator[Video]:
    """Yield the videos of the split `train`, `test` or both, with their classes.

    They are below `videos` or `root`. Folders of frames may replace files; they need `fps`, which
    is not the same in all videos. Raises LabelError, UsageError.

    An abnormal training video is one endless event. The events of an abnormal test video are None,
    as seconds are not known: `truth` has its frames, which `events_from_frames` turns into events.
    """
    base = videos or root
    chosen, found, test = parts(split), index(base), frame_counts(root)
    names = {"train": sorted(set(found) - set(test)), "test": list(test)}
    return iter(
        [
            _video(find_file(found, base, f"{name}.mp4", fps), name, part)
            for part in chosen
            for name in names[part]
        ]
    )


def _video(path: str, name: str, split: str) -> Video:
    kinds = _classes(name)
    if kinds == ("normal",):
        return Video(path, (), split, kinds)
    return Video(
        path,
        (Event(0.0, math.inf, label=", ".join(kinds)),) if split == "train" else None,
        split,
        kinds,
    )


def truth(root: Path, rule: str) -> dict[str, FrameLabels]:
    """Return the labels of each test video by name, from spans `[s, e)`.

    Rule `frames` labels all n frames, `i3d` the first (n - 1) - (n - 1) % 16, as in evaluations on
    I3D features. Raises LabelError for files that are malformed or about different videos.
    """
    counts, annotated = frame_counts(root), _annotation(root)
    abnormal = [name for name in counts if _classes(name) != ("normal",)]
    same_videos(root, annotation=annotated, abnormal_frame_counts=abnormal)
    labels = {name: mark(annotated.get(name, ()), frames, name) for name, frames in counts.items()}
    return (
        labels
        if rule == "frames"
        else {name: _snippets(values, name) for name, values in labels.items()}
    )


def _snippets(labels: FrameLabels, name: str) -> FrameLabels:
    last = len(labels) - 1
    if last < SNIPPET:
        raise LabelError(
            f"{len(labels)} frames are too few for an I3D feature",
            where=name,
            cure="use the rule frames",
        )
    return labels[: last - last % SNIPPET]


def uncounted(root: Path, videos: Path, fps: float | None) -> dict[str, str]:
    """Return the videos below `videos` by name, if there is no `frame_counts.csv` yet.

    No file names the normal test videos, so all videos of the folder count as test videos. Raises
    LabelError if a violent one is not annotated, as it is then a training video.
    """
    if has_counts(root):
        return {}
    found, annotated = index(videos), _annotation(root)
    names = sorted(found.keys() | annotated.keys())
    training = [name for name in names if name not in annotated and _classes(name) != ("normal",)]
    if training:
        raise LabelError(
            f"to make {COUNTS} the folder must hold the test videos only, but {len(training)} "
            f"violent videos are not in {ANNOTATION}: {listing(training)}",
            where=videos,
            cure="give --videos the folder of the test videos once",
        )
    return {name: find_file(found, videos, f"{name}.mp4", fps) for name in names}


def categories(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the classes in the name of each test video, `normal` for none; raises LabelError."""
    return {name: _classes(name) for name in frame_counts(root)}


def _classes(name: str) -> tuple[str, ...]:
    """Return the classes that `..._label_B1-G-0` names, in that order; `label_A` is normal."""
    codes = [code for code in name.rpartition("_label_")[2].split("-") if code != "0"]
    if codes == ["A"] and "_label_" in name:
        return ("normal",)
    if "_label_" not in name or not codes or not set(codes) <= set(CLASSES):
        raise LabelError(
            "the file name must end in a label such as label_A or label_B1-0-0", where=name
        )
    return tuple(CLASSES[code] for code in codes)


def _annotation(root: Path) -> dict[str, list[Span]]:
    path = locate(root, ANNOTATION)
    found: dict[str, list[Span]] = {}
    for where, words in lines(path):
        name, marked = annotation_name(words[0]), frame_spans(words[1:], where)
        if not marked or name in found:
            raise LabelError("each video needs one line `name start end ...`", where=where)
        found[name] = marked
    return found
