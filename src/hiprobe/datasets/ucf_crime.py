"""Read UCF-Crime (Sultani, Chen and Shah, CVPR 2018). Opens no video, so it knows no seconds.

1,610 training videos are labelled as a whole, 290 test videos by frame. The truth is read from
`Temporal_Anomaly_Annotation.txt` or `Temporal_Anomaly_Annotation_for_Testing_Videos.txt` (`name
class s1 e1 s2 e2`, frames, -1 for none) and `frame_counts.csv` (`video,frames`, not part of the
download); the splits from `Anomaly_Train.txt` and `Anomaly_Test.txt`. The videos may be anywhere
below `root`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from hiprobe.datasets._frames import (
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

RULES = ("half_open", "inclusive")
FPS = 30.0  # of every test video
ANNOTATION = "Temporal_Anomaly_Annotation.txt"
LONG_ANNOTATION = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"  # the same file
LISTS = {"train": "Anomaly_Train.txt", "test": "Anomaly_Test.txt"}


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = FPS,
) -> Iterator[Video]:
    """Yield the videos of the lists `train`, `test` or both, with their class.

    They are below `videos` or `root`; a folder of all its frames, shown at `fps`, may replace a
    file. Raises LabelError, UsageError.

    An abnormal training video is one endless event. The events of an abnormal test video are None,
    as seconds are not known: `truth` has its frames, which `events_from_frames` turns into events.
    """
    listed = [
        (part, words[0]) for part in parts(split) for _, words in lines(locate(root, LISTS[part]))
    ]
    base = videos or root
    found = index(base)
    return iter(
        [_video(find_file(found, base, relative, fps), relative, part) for part, relative in listed]
    )


def _video(path: str, relative: str, split: str) -> Video:
    folder = relative.rpartition("/")[0]
    if not folder:
        raise LabelError(
            f"a video must be listed as class/name, got {relative!r}", where=LISTS[split]
        )
    if "Normal" in folder:
        return Video(path, (), split, ("normal",))
    return Video(
        path, (Event(0.0, math.inf, label=folder),) if split == "train" else None, split, (folder,)
    )


def truth(root: Path, rule: str) -> dict[str, FrameLabels]:
    """Return the labels (frames,) of each test video by name.

    Spans are `[s, e)` by rule `half_open` and `[s, e]` by `inclusive`, cut at the end of the video.
    Raises LabelError for files that are malformed or about different videos.
    """
    counts, annotated = frame_counts(root), _annotation(root)
    same_videos(root, annotation=annotated, frame_counts=counts)
    more = int(rule == "inclusive")
    return {
        name: mark([(start, end + more) for start, end in found], counts[name], name)
        for name, (_, found) in annotated.items()
    }


def uncounted(root: Path, videos: Path, fps: float | None) -> dict[str, str]:
    """Return the test videos by name, if there is no `frame_counts.csv` yet; raises LabelError."""
    if has_counts(root):
        return {}
    _annotation(root)  # a fault in it is found before hours of counting
    every = load(root, "test", videos=videos, fps=FPS if fps is None else fps)
    return {annotation_name(one.path): one.path for one in every}


def categories(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the class of each test video, from the annotation's second column.

    Raises LabelError.
    """
    return {name: (kind,) for name, (kind, _) in _annotation(root).items()}


def _annotation(root: Path) -> dict[str, tuple[str, list[Span]]]:
    """Return the class and the spans of each test video."""
    path = _annotation_file(root)
    found: dict[str, tuple[str, list[Span]]] = {}
    for where, words in lines(path):
        name, kind = annotation_name(words[0]), "".join(words[1:2])
        kind = "normal" if kind == "Normal" else kind
        marked = frame_spans(words[2:], where)
        if not kind or name in found or (kind == "normal") == bool(marked):
            raise LabelError(
                "each video needs one line `name class start end ...`, with a span unless Normal",
                where=where,
            )
        found[name] = kind, marked
    if not found:
        raise LabelError("there are no lines", where=path)
    return found


def _annotation_file(root: Path) -> Path:
    """Find the annotation by either of its names; raises LabelError for none or several."""
    found = sorted({path for name in (ANNOTATION, LONG_ANNOTATION) for path in root.rglob(name)})
    if len({path.name for path in found}) > 1:
        raise LabelError(
            f"the annotation is there under two names: {listing([str(path) for path in found])}",
            where=root,
            cure="keep one",
        )
    name = found[0].name if found else ANNOTATION
    return locate(root, name, f"{LONG_ANNOTATION} is read too")
