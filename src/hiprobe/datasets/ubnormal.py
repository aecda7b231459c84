"""Read UBnormal (Acsintoae et al., CVPR 2022). Opens no video, so it knows no seconds.

Rendered scenes; the lists `normal_test_video_names.txt`, `abnormal_training_video_names.txt` and so
on are in `scripts/` of github.com/lilygeorgescu/UBnormal. The truth of an abnormal video is
`NAME_annotations/NAME_tracks.txt` (`object,first,last`, frames from 0, the last one included), as
in `scripts/write_frame_level_ground_truth.py` there, and `frame_counts.csv` (`video,frames`, not
part of the download). The validation split is not read.
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
    has_counts,
    index,
    lines,
    locate,
    mark,
    parts,
    same_videos,
)
from hiprobe.errors import LabelError
from hiprobe.types import Event, Video

RULES = ("tracks",)
LISTS = {"train": "training", "test": "test"}
KINDS = ("normal", "abnormal")


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = None,
) -> Iterator[Video]:
    """Yield the videos of the lists of the split `train`, `test` or both, `normal` or `abnormal`.

    They are below `videos` or `root`; a folder of all its frames, shown at `fps`, may replace a
    file. Raises LabelError, UsageError. Of its tracks an abnormal training video has only that they
    exist: it is one endless event. The events of an abnormal test video are None, as seconds are
    not known: `truth` has its frames.
    """
    listed = [(part, kind, name) for part in parts(split) for kind, name in _listed(root, part)]
    base = videos or root
    found = index(base)
    return iter(
        [
            _video(find_file(found, base, f"{name}.mp4", fps), kind, part)
            for part, kind, name in listed
        ]
    )


def _video(path: str, kind: str, split: str) -> Video:
    if kind == "normal":
        return Video(path, (), split, (kind,))
    events = (Event(0.0, math.inf, label=kind),) if split == "train" else None
    return Video(path, events, split, (kind,))


def truth(root: Path, rule: str) -> dict[str, FrameLabels]:
    """Return the labels (frames,) of each test video by name: 1 while any track lasts.

    Raises LabelError for files that are missing, malformed or about different videos.
    """
    counts, listed = frame_counts(root), dict(_names(root))
    same_videos(root, lists=listed, frame_counts=counts)
    return {
        name: mark(_tracks(root, name) if kind == "abnormal" else [], counts[name], name)
        for name, kind in listed.items()
    }


def uncounted(root: Path, videos: Path, fps: float | None) -> dict[str, str]:
    """Return the test videos by name, if there is no `frame_counts.csv` yet; raises LabelError."""
    if has_counts(root):
        return {}
    for name, kind in _names(root):  # a fault in one is found before hours of counting
        if kind == "abnormal":
            _tracks(root, name)
    every = load(root, "test", videos=videos, fps=fps)
    return {annotation_name(one.path): one.path for one in every}


def categories(root: Path) -> dict[str, tuple[str, ...]]:
    """Return `("normal",)` or `("abnormal",)` of each test video; raises LabelError."""
    return {name: (kind,) for name, kind in _names(root)}


def _names(root: Path) -> list[tuple[str, str]]:
    return [(name, kind) for kind, name in _listed(root, "test")]


def _listed(root: Path, split: str) -> list[tuple[str, str]]:
    """Return the kind and the name of each video of a split; raises LabelError."""
    found: list[tuple[str, str]] = []
    for kind in KINDS:
        path = locate(root, f"{kind}_{LISTS[split]}_video_names.txt")
        names = [(kind, words[0]) for _, words in lines(path)]
        if len(set(names)) < len(names) or not names:
            raise LabelError("each line must name another video, and there must be one", where=path)
        found += names
    return found


def _tracks(root: Path, name: str) -> list[Span]:
    """Return the spans in frames of the tracks of an abnormal video; raises LabelError."""
    path = locate(root, f"{name}_tracks.txt")
    found = [_span("".join(words), where) for where, words in lines(path)]
    if not found:
        raise LabelError("an abnormal video needs at least one track", where=path)
    return found


def _span(line: str, where: str) -> Span:
    try:
        _, first, last = (float(part) for part in line.split(","))
        whole = first.is_integer() and last.is_integer()
    except ValueError:
        whole = False
    if not whole or not 0 <= first <= last:
        raise LabelError(
            f"a track must be object,first frame,last frame, got {line[:80]!r}", where=where
        )
    return int(first), int(last) + 1
