"""Read what annotation files have in common: names, frame counts, spans. Opens no video.

Spans are in frames counted from 0, `end` exclusive; labels are uint8 (frames,), 1 for anomalous.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets._tables import read_rows, read_text
from hiprobe.errors import LabelError, UsageError, counted
from hiprobe.types import Event
from hiprobe.video import pictures
from hiprobe.video.files import VIDEO_SUFFIXES, videos_below

FrameLabels = NDArray[np.uint8]
Span = tuple[int, int]

COUNTS = "frame_counts.csv"
# A few bytes may claim any number of frames; this is 1,242 hours at 30 frames a second.
MOST_FRAMES = 2**27
SLACK = 30  # frames that a span may reach past the end of the video
SPLITS = ("train", "test")


def annotation_name(name: str) -> str:
    """Strip a name of its folder, its video suffix and the rate of a frame folder.

    Other dots belong to the name.

    >>> annotation_name("Abuse/Abuse001_x264.v2.mp4")
    'Abuse001_x264.v2'
    """
    return bare_name(name).rpartition("/")[2]


def bare_name(name: str) -> str:
    """Strip a name of its video suffix and the rate of a frame folder, but not of its folder.

    >>> bare_name("cam1/0900.mp4")
    'cam1/0900'
    """
    folder, slash, base = name.replace("\\", "/").rpartition("/")
    base = pictures.bare(base)
    suffix = next((s for s in VIDEO_SUFFIXES if base.lower().endswith(s)), "")
    kept = base[: len(base) - len(suffix)] if len(suffix) < len(base) else base
    return f"{folder}{slash}{kept}"


def listing(names: Collection[str], most: int = 5) -> str:
    """List the first few of `names`, and how many more there are.

    >>> listing(["b", "a", "c"], most=2)
    'a, b and 1 more'
    """
    first = ", ".join(sorted(names)[:most])
    return f"{first} and {len(names) - most} more" if len(names) > most else first


def parts(split: str | None) -> tuple[str, ...]:
    """Return the splits that `split` means: both for None; raises UsageError for an unknown one."""
    if split is not None and split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", cure=f"choose {' or '.join(SPLITS)}")
    return SPLITS if split is None else (split,)


def locate(root: Path, name: str, cure: str | None = None) -> Path:
    """Find the file or folder `name` in `root`, or the only one below it.

    Raises LabelError if there is none, or if there are several.
    """
    if (root / name).exists():
        return root / name
    found = sorted(root.rglob(name))
    if not found:
        raise LabelError(
            f"there is no {name}", where=root, cure=cure or "point at the data set's folder"
        )
    if len(found) > 1:
        raise LabelError(
            f"{len(found)} files are called {name}: {listing([str(p) for p in found])}",
            where=root,
            cure="keep one",
        )
    return found[0]


def lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Iterate over the place (`file:number`) and the words of each line that is not blank.

    Raises LabelError for a file that is not text in UTF-8 or UTF-16.
    """
    return (
        (f"{path}:{number}", words)
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if (words := line.split())
    )


def frame_spans(words: Sequence[str], where: str) -> list[Span]:
    """Read spans in frames from `start end start end ...`, leaving out pairs of -1.

    Raises LabelError for anything else.
    """
    try:
        numbers = [int(word) for word in words]
    except ValueError as error:
        raise LabelError(f"a frame number must be a whole number: {error}", where=where) from error
    pairs = [pair for pair in zip(numbers[::2], numbers[1::2], strict=False) if pair != (-1, -1)]
    if len(numbers) % 2 or any(start < 0 or end <= start for start, end in pairs):
        raise LabelError(
            f"spans must be pairs of a start and a later end, got {' '.join(words)!r}", where=where
        )
    return pairs


def has_counts(root: Path) -> bool:
    """Tell whether there is a `frame_counts.csv` in `root` or below."""
    return (root / COUNTS).exists() or any(root.rglob(COUNTS))


def frame_counts(root: Path) -> dict[str, int]:
    """Read the number of frames of each test video from `frame_counts.csv` in `root`.

    Its columns are `video,frames`. Raises LabelError.
    """
    path = locate(
        root,
        COUNTS,
        "give --videos, so that the frames are counted, or write one: columns video,frames, "
        "a row for each test video",
    )
    found: dict[str, int] = {}
    for row in read_rows(path, _check_counts):
        name, text = annotation_name(row.text("video")), row.text("frames")
        if (
            not name
            or not text.isdecimal()
            or len(text) > 9
            or not 1 <= int(text) <= MOST_FRAMES
            or name in found
        ):
            raise LabelError(
                f"each video needs one row with its number of frames, got {name!r}, {text!r}",
                where=row.where,
            )
        found[name] = int(text)
    if not found:
        raise LabelError("there are no rows", where=path)
    return found


def _check_counts(names: Sequence[str], where: str) -> None:
    if not {"video", "frames"} <= set(names):
        raise LabelError("the first line must name the columns video,frames", where=where)


def same_videos(root: Path, **sides: Collection[str]) -> None:
    """Check that two sides are about the same videos; raises LabelError with those that differ."""
    (one, first), (other, second) = (
        (side.replace("_", " "), set(names)) for side, names in sides.items()
    )
    faults = [
        f"{counted(len(left - right), 'video')} of the {here} not in the {there}: "
        f"{listing(left - right)}"
        for here, left, there, right in ((one, first, other, second), (other, second, one, first))
        if left - right
    ]
    if faults:
        raise LabelError("; ".join(faults), where=root, cure="both must be about the same videos")


def mark(spans: Iterable[Span], frames: int, where: str) -> FrameLabels:
    """Make the labels (frames,) of one video: 1 in `spans`, which are cut at the end of the video.

    Spans of UCF-Crime reach 2 frames past it. More than `SLACK` frames mean that counts or spans
    are of another video or frame rate, and raise LabelError.

    >>> mark([(1, 3), (4, 6)], 5, "shop").tolist()
    [0, 1, 1, 0, 1]
    """
    labels = np.zeros(frames, np.uint8)
    for start, end in spans:
        if start >= frames or end > frames + SLACK:
            raise LabelError(
                f"the span of frames {start} to {end} is not in a video of {frames}",
                where=where,
                cure="spans and frame counts must be of the same videos, at the same frame rate",
            )
        labels[start:end] = 1
    return labels


def events_from_frames(
    labels: FrameLabels,
    times: NDArray[np.float64],
    end: float,
    label: str | None = None,
) -> tuple[Event, ...]:
    """Turn runs of anomalous frames into events, in seconds.

    `labels` and the presentation `times` have shape (frames,); `end` is where the video ends. A run
    ends when the next normal frame is shown; spans that touch are one event. Raises LabelError if
    the video has another number of frames than the truth.

    >>> labels, times = np.array([0, 1, 1], np.uint8), np.array([0.0, 0.5, 1.0])
    >>> [(event.start, event.end) for event in events_from_frames(labels, times, 1.5)]
    [(0.5, 1.5)]
    """
    if labels.shape != times.shape:
        raise LabelError(f"the truth has {counted(len(labels), 'frame')}, the video {len(times)}")
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    bounds = np.append(times, end)
    return tuple(
        Event(float(bounds[first]), float(bounds[last]), label=label)
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    )


def index(root: Path) -> dict[str, list[Path]]:
    """Find the video files and the folders of pictures below `root`, by their names.

    Raises LabelError if there is none.
    """
    files = videos_below(root)
    found: dict[str, list[Path]] = {}
    for path in [*files, *pictures.below(root)]:
        found.setdefault(annotation_name(path.name) if path in files else path.name, []).append(
            path
        )
    if not found:
        raise LabelError(
            "there is no video file in this folder or below",
            where=root,
            cure="point at the data set's folder",
        )
    return found


def find_file(
    found: Mapping[str, Sequence[Path]], root: Path, relative: str, fps: float | None = None
) -> str:
    """Return the path of the video listed as `relative`.

    That is the file whose path ends like it, or else the only one of that name. A folder of
    pictures gets the rate `fps`. An absent video keeps its listed path, so that the error of
    reading it names it. Raises LabelError if several files could be meant.
    """
    paths = found.get(annotation_name(relative), ())
    endings = [
        _literal(relative),
        _literal(relative[: len(relative) - len(Path(relative).name)] + annotation_name(relative)),
    ]
    exact = [path for path in paths if any(path.match(ending) for ending in endings)]
    if len(exact or paths) > 1:
        raise LabelError(
            f"{len(paths)} files could be {relative}: {listing([str(path) for path in paths])}",
            where=root,
            cure="keep one",
        )
    chosen = (exact or paths or [root / relative])[0]
    return pictures.named(chosen, fps) if chosen.is_dir() else str(chosen)


def _literal(relative: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in relative)
