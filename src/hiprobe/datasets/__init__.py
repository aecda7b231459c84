"""Load labelled videos and their true labels. One file is one layout, found by its name.

Knows no model and no score.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import plugins
from hiprobe.datasets._frames import (
    COUNTS,
    MOST_FRAMES,
    FrameLabels,
    annotation_name,
    bare_name,
    events_from_frames,
    listing,
)
from hiprobe.datasets._summary import LabelCounts, ShortEvent, count_labels
from hiprobe.datasets._words import LabelWords
from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Video

__all__ = [
    "COUNTS",
    "MOST_FRAMES",
    "FrameLabels",
    "LabelCounts",
    "LabelWords",
    "ShortEvent",
    "annotated",
    "annotation_name",
    "bare_name",
    "categories",
    "count_labels",
    "events_from_frames",
    "find_dataset",
    "frame_rate",
    "listing",
    "load",
    "names",
    "rules",
    "truth",
    "uncounted",
]


def names() -> tuple[str, ...]:
    """Return the data sets that can be loaded by name alone, sorted.

    >>> {"folder", "ucf_crime"} <= set(names())
    True
    """
    return plugins.names(__path__, __name__)


def find_dataset(name: str) -> Any:
    """Import the data set `name`: a plug-in or `module:attribute`; raises UsageError.

    >>> find_dataset("folder").__name__
    'hiprobe.datasets.folder'
    """
    return plugins.load(sys.modules[__name__], "data set", name, ("load",))


def load(
    name: str,
    root: str | Path,
    split: str | None = None,
    *,
    videos: str | Path | None = None,
    fps: float | None = None,
    absent: bool = False,
    words: LabelWords | None = None,
) -> Iterator[Video]:
    """Yield the videos of the data set `name` that is in the folder `root`, of one split or of all.

    `videos` is the folder of the videos, if not `root`. `fps` is the rate of folders of frames, if
    not the data set's own. `absent` keeps a listed video whose file is missing, so that it can be
    counted. `words` gives the meaning of labels that might be normal or an anomaly. Raises
    UsageError for an unknown name or an option that the data set does not have, LabelError for
    labels that cannot be read.

    >>> from hiprobe import embedded
    >>> videos = list(load("folder", embedded.CLIPS))
    >>> len(videos), sum(video.events == () for video in videos)
    (28, 14)
    """
    found = find_dataset(name)
    given = {
        "videos": Path(videos) if videos is not None else None,
        "fps": fps,
        "absent": absent or None,
        "words": words,
    }
    options = {key: value for key, value in given.items() if value is not None}
    known = inspect.signature(found.load).parameters.keys()
    # Only a data set that refuses an absent video has the option `absent`.
    unknown = options.keys() - known - {"absent"}
    if unknown:
        raise UsageError(f"the data set {name} has no option {', '.join(sorted(unknown))}")
    taken = {key: value for key, value in options.items() if key in known}
    return found.load(Path(root), split, **taken)  # type: ignore[no-any-return]


def rules(name: str) -> tuple[str, ...]:
    """Return the rules by which `truth` reads the annotation, the default first; raises UsageError.

    >>> rules("ucf_crime")
    ('half_open', 'inclusive')
    """
    found = tuple(_annotated(name).RULES)
    if not found:
        raise UsageError(f"the data set {name} has no rule", cure="name at least one in RULES")
    return found


def annotated(name: str) -> bool:
    """Tell whether the data set labels frames in its own files, so that `truth` needs no video.

    Raises UsageError for an unknown name.

    >>> annotated("ucf_crime"), annotated("folder")
    (True, False)
    """
    found = find_dataset(name)
    return hasattr(found, "truth") and hasattr(found, "RULES")


def truth(name: str, root: str | Path, *, rule: str | None = None) -> dict[str, FrameLabels]:
    """Return the labels of each test video: uint8 (frames,), 1 for anomalous, by the video's name.

    Names have no folder and no suffix. Reads only the annotation and frame counts in `root` and
    opens no video. Raises UsageError for an unknown name or rule, LabelError for files that are
    missing, malformed or about different videos.
    """
    found, known = _annotated(name), rules(name)
    if rule is not None and rule not in known:
        raise UsageError(f"{name} has no rule {rule!r}", cure=f"choose {', '.join(known)}")
    return _checked(name, found.truth(_folder(root), rule or known[0]))


def categories(name: str, root: str | Path) -> dict[str, tuple[str, ...]]:
    """Return the classes of each test video by its name, `("normal",)` for a normal one.

    Empty where the data set annotates no classes. Raises UsageError for an unknown name, LabelError
    as `truth` does.
    """
    found = _annotated(name)
    return found.categories(_folder(root)) if hasattr(found, "categories") else {}


def uncounted(
    name: str, root: str | Path, videos: str | Path, fps: float | None = None
) -> dict[str, str]:
    """Return the test videos, by name, whose frames must be counted before `truth` can be read.

    Empty where the counts are there or not needed. Raises UsageError for an unknown name and
    LabelError as `load` does.
    """
    found = find_dataset(name)
    if not hasattr(found, "uncounted"):
        return {}
    return dict(found.uncounted(_folder(root), _folder(videos), fps))


def frame_rate(name: str) -> float | None:
    """Return the frames per second in which the data set is annotated, None if it does not say.

    >>> frame_rate("ucf_crime")
    30.0
    """
    return getattr(find_dataset(name), "FPS", None)


def _annotated(name: str) -> Any:
    return plugins.load(
        sys.modules[__name__], "data set with labels by frame", name, ("truth", "RULES")
    )


def _checked(name: str, found: Any) -> dict[str, FrameLabels]:
    """Check the truth of a data set, which may be an outside plug-in; raises UsageError."""
    if not isinstance(found, dict):
        odd = found
    else:
        odd = [key for key, labels in found.items() if not _is_frame_labels(labels)]
    if odd or not isinstance(found, dict):
        raise UsageError(
            f"the truth of data set {name} must be uint8 labels of 0 and 1, one per frame, "
            f"got {str(odd)[:80]}"
        )
    return found


def _is_frame_labels(labels: Any) -> bool:
    return (
        isinstance(labels, np.ndarray)
        and labels.dtype == np.uint8
        and labels.ndim == 1
        and bool((labels <= 1).all())
    )


def _folder(root: str | Path) -> Path:
    if not Path(root).is_dir():
        raise LabelError("there is no such folder", where=root, cure="check the path")
    return Path(root)
