"""What annotation files share: names, frame counts, spans, and the check that they belong together. Opens no video.

Spans are in frames counted from 0, `end` exclusive; labels are uint8 (frames,), 1 anomalous, 0 normal.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Event
from hiprobe.video import pictures
from hiprobe.video.files import VIDEO_SUFFIXES

FrameLabels = NDArray[np.uint8]
Span = tuple[int, int]

COUNTS = "frame_counts.csv"
MOST_FRAMES = (
    2**27
)  # of a video or a score file: 1,242 hours at 30 frames a second; a few bytes may claim any number
SLACK = 30  # frames that a span may reach past the video's end
SPLITS = ("train", "test")


def annotation_name(name: str) -> str:
    """The name without its folder, its video suffix or a frame folder's rate; other dots belong to the name."""
    base = pictures.bare(name.replace("\\", "/").rsplit("/", 1)[-1])
    suffix = next((s for s in VIDEO_SUFFIXES if base.lower().endswith(s)), "")
    return base[: len(base) - len(suffix)] if len(suffix) < len(base) else base


def listing(names: Collection[str], most: int = 5) -> str:
    """The first few of `names`, and how many more there are."""
    first = ", ".join(sorted(names)[:most])
    return f"{first} and {len(names) - most} more" if len(names) > most else first


def parts(split: str | None) -> tuple[str, ...]:
    """The splits meant by `split`: both for None; raises UsageError for another one."""
    if split is not None and split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", cure=f"choose {' or '.join(SPLITS)}")
    return SPLITS if split is None else (split,)


def locate(root: Path, name: str, cure: str | None = None) -> Path:
    """The file or folder `name` in `root` or the only one below it; raises LabelError for none or several."""
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
    """Where each line that is not blank stands, and its words; raises LabelError for what is no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"cannot be read: {error}", where=path) from error
    return (
        (f"{path}:{number}", words)
        for number, line in enumerate(text.splitlines(), 1)
        if (words := line.split())
    )


def spans(words: Sequence[str], where: str) -> list[Span]:
    """The spans of `start end start end ...`, in frames; a pair of -1 is none. Raises LabelError for anything else."""
    try:
        numbers = [int(word) for word in words]
    except ValueError as error:
        raise LabelError(f"a frame number is no whole number: {error}", where=where) from error
    pairs = [pair for pair in zip(numbers[::2], numbers[1::2], strict=False) if pair != (-1, -1)]
    if len(numbers) % 2 or any(start < 0 or end <= start for start, end in pairs):
        raise LabelError(f"{' '.join(words)!r} are no pairs of start and a later end", where=where)
    return pairs


def frame_counts(root: Path) -> dict[str, int]:
    """The frames of each test video, from `frame_counts.csv` (`video,frames`) in `root`; raises LabelError."""
    path = locate(
        root,
        COUNTS,
        "write one: columns video,frames, a row for each test video with its number of frames",
    )
    found: dict[str, int] = {}
    for where, row in _rows(path):
        name, text = annotation_name((row["video"] or "").strip()), (row["frames"] or "").strip()
        if (
            not name
            or not text.isdecimal()
            or len(text) > 9
            or not 1 <= int(text) <= MOST_FRAMES
            or name in found
        ):
            raise LabelError(
                f"each video needs one row with its number of frames: {name!r}, {text!r}",
                where=where,
            )
        found[name] = int(text)
    if not found:
        raise LabelError("no rows", where=path)
    return found


def _rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            if not {"video", "frames"} <= set(reader.fieldnames or ()):
                raise LabelError("the first line must name the columns video,frames", where=path)
            return [(f"{path}:{reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"cannot be read as CSV: {error}", where=path) from error


def same_videos(root: Path, **sides: Collection[str]) -> None:
    """Raises LabelError, with the names and their number, for videos that one of two sides has and the other lacks."""
    (one, first), (other, second) = (
        (side.replace("_", " "), set(names)) for side, names in sides.items()
    )
    faults = [
        f"{len(left - right)} videos of the {here} are not in the {there}: {listing(left - right)}"
        for here, left, there, right in ((one, first, other, second), (other, second, one, first))
        if left - right
    ]
    if faults:
        raise LabelError("; ".join(faults), where=root, cure="both must be about the same videos")


def mark(spans: Iterable[Span], frames: int, where: str) -> FrameLabels:
    """Labels (frames,) of one video: 1 in `spans`, cut at the video's end; raises LabelError for one far past the end.

    UCF-Crime's reach 2 frames past it; many frames mean counts or spans of another video or frame rate.
    """
    labels = np.zeros(frames, np.uint8)
    for start, end in spans:
        if start >= frames or end > frames + SLACK:
            raise LabelError(
                f"a span of frames {start} to {end} in a video of {frames}",
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
    """The runs of anomalous frames as events in seconds: `labels` and presentation `times` (frames,), video end `end`.

    A run ends when the next normal frame is shown. Spans that touch are one event. Raises LabelError where the
    video has another number of frames than the truth.
    """
    if labels.shape != times.shape:
        raise LabelError(f"the truth has {len(labels)} frames, the video {len(times)}")
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    bounds = np.append(times, end)
    return tuple(
        Event(float(bounds[first]), float(bounds[last]), label=label)
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    )


def index(root: Path) -> dict[str, list[Path]]:
    """The video files and the folders of pictures below `root` by their names; raises LabelError if there is none."""
    files = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    ]
    found: dict[str, list[Path]] = {}
    for path in [*files, *pictures.below(root)]:
        found.setdefault(annotation_name(path.name) if path in files else path.name, []).append(
            path
        )
    if not found:
        raise LabelError(
            "no video file in this folder or below",
            where=root,
            cure="point at the data set's folder",
        )
    return found


def find_file(
    found: Mapping[str, Sequence[Path]], root: Path, relative: str, fps: float | None = None
) -> str:
    """The path of the video listed as `relative`: the file that ends so, else the only one of that name.

    A folder of pictures in its place gets the rate `fps`. One that is absent keeps its listed path, so that reading
    it fails by name. Raises LabelError for several.
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
