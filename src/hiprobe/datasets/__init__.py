"""Data sets: where labelled videos lie and what is true of them. One file, one layout; knows no model, no score."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import plugins
from hiprobe.datasets._frames import FrameLabels, annotation_name, events_from_frames, listing
from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Video

__all__ = [
    "FrameLabels",
    "annotated",
    "annotation_name",
    "categories",
    "events_from_frames",
    "listing",
    "load",
    "names",
    "rules",
    "truth",
]


def names() -> tuple[str, ...]:
    """The data sets of this folder, sorted."""
    return plugins.names(__path__)


def load(
    name: str,
    root: str | Path,
    split: str | None = None,
    *,
    videos: str | Path | None = None,
    fps: float | None = None,
    absent: bool = False,
) -> Iterator[Video]:
    """The videos of the data set `name` (a file of this folder, or `module:attribute`) that lies in `root`.

    `videos`: where the videos lie, if not in `root`. `fps`: the rate of frame folders, if not the data set's own.
    `absent`: keep a listed video that is not there, so that it can be counted. Raises UsageError for an unknown name
    or an option that the data set does not have, LabelError for labels that cannot be read.
    """
    found = plugins.load(sys.modules[__name__], "data set", name, ("load",))
    given = {
        "videos": Path(videos) if videos is not None else None,
        "fps": fps,
        "absent": absent or None,
    }
    options = {key: value for key, value in given.items() if value is not None}
    known = inspect.signature(found.load).parameters.keys()
    lacking = (
        options.keys() - known - {"absent"}
    )  # only a data set that refuses an absent video has that option
    if lacking:
        raise UsageError(f"the data set {name} takes no {', '.join(sorted(lacking))}")
    taken = {key: value for key, value in options.items() if key in known}
    return found.load(Path(root), split, **taken)  # type: ignore[no-any-return]


def rules(name: str) -> tuple[str, ...]:
    """The rules by which `truth` reads the annotation of `name`, its default first; raises UsageError."""
    found = tuple(_annotated(name).RULES)
    if not found:
        raise UsageError(f"the data set {name} has no rule", cure="name at least one in RULES")
    return found


def annotated(name: str) -> bool:
    """Whether the data set labels frames in files of their own, so that `truth` needs no video; raises UsageError."""
    found = plugins.load(sys.modules[__name__], "data set", name, ("load",))
    return hasattr(found, "truth") and hasattr(found, "RULES")


def truth(name: str, root: str | Path, *, rule: str | None = None) -> dict[str, FrameLabels]:
    """The labels uint8 (frames,), 1 anomalous, of each test video by its name without folder and suffix.

    From the annotation and frame-count files in `root` alone; no video is opened. Raises UsageError for an unknown
    name or rule, LabelError for files that are missing, malformed or about different videos.
    """
    found, known = _annotated(name), rules(name)
    if rule is not None and rule not in known:
        raise UsageError(f"{name} has no rule {rule!r}", cure=f"choose {', '.join(known)}")
    return _labels(name, found.truth(_folder(root), rule or known[0]))


def categories(name: str, root: str | Path) -> dict[str, tuple[str, ...]]:
    """The classes of each test video by its name, `("normal",)` for none; empty where a data set annotates none.

    Raises UsageError for an unknown name, LabelError as `truth`.
    """
    found = _annotated(name)
    return found.categories(_folder(root)) if hasattr(found, "categories") else {}


def _annotated(name: str) -> Any:
    return plugins.load(
        sys.modules[__name__], "data set with labels by frame", name, ("truth", "RULES")
    )


def _labels(name: str, found: Any) -> dict[str, FrameLabels]:
    """What a data set, which may be from outside, gives as truth; raises UsageError for what is no labels of frames."""
    odd = (
        found
        if not isinstance(found, dict)
        else [
            key
            for key, labels in found.items()
            if not (
                isinstance(labels, np.ndarray)
                and labels.dtype == np.uint8
                and labels.ndim == 1
                and (labels <= 1).all()
            )
        ]
    )
    if odd or not isinstance(found, dict):
        raise UsageError(
            f"the data set {name} gives no uint8 labels of 0 and 1, one a frame: {str(odd)[:80]}"
        )
    return found


def _folder(root: str | Path) -> Path:
    if not Path(root).is_dir():
        raise LabelError("no such folder", where=root, cure="check the path")
    return Path(root)
