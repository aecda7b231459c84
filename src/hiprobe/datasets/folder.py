"""Read your own clips: folders `normal/` and `abnormal/`, or a CSV of events. Opens no video.

The CSV has the columns `path,label` and optionally `start,end,split`. Paths are relative to its
folder. The label `normal` (or 0) means that nothing happens; any other word names an anomaly from
`start` to `end`, in seconds, `end` exclusive, both blank for the whole video. Several rows with one
path are several events of one video, which belongs to one split.
"""

from __future__ import annotations

import csv
import math
import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import LabelError
from hiprobe.types import Event, Video
from hiprobe.video import pictures
from hiprobe.video.files import videos_below

NORMAL = {"normal", "0"}
COLUMNS = "path,label,start,end,split"


@dataclass(frozen=True)
class _Row:
    """One line of the CSV, about `video`; `event` is None if the line says that it is normal."""

    video: Path
    event: Event | None
    split: str | None
    where: str


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = None,
    absent: bool = False,
) -> Iterator[Video]:
    """Yield the labelled videos at `root`: a folder, one with a `labels.csv`, or a CSV.

    `videos` is the folder that the CSV's paths are relative to, if not its own. `fps` is the rate
    of folders of frames, which then count as videos. `absent` keeps a video of the CSV that is not
    there. Raises LabelError, with file and line, for labels that are malformed, contradict each
    other or name no file.
    """
    table = root if root.is_file() else root / "labels.csv"
    if table.is_file():
        return iter(_from_csv(table, videos or table.parent, split, fps, absent))
    root = videos or root
    if not root.is_dir():
        raise LabelError("there is no such folder or CSV", where=root, cure="check the path")
    if split is not None:
        raise LabelError(
            f"folders normal/ and abnormal/ have no split {split!r}",
            where=root,
            cure="write a labels.csv",
        )
    return iter(_from_folders(root, fps))


def _from_folders(root: Path, fps: float | None) -> list[Video]:
    found = {
        name: [
            *videos_below(root / name),
            *(pictures.below(pictures.named(root / name, fps)) if fps else ()),
        ]
        for name in ("normal", "abnormal")
    }
    if not any(found.values()):
        raise LabelError(
            "there are no videos in normal/ or abnormal/",
            where=root,
            cure=f"put clips into both, or write a labels.csv ({COLUMNS})",
        )
    whole = (Event(0.0, math.inf, label="abnormal"),)
    return [
        Video(str(path), whole if name == "abnormal" else (), categories=(name,))
        for name, paths in found.items()
        for path in paths
    ]


def _from_csv(
    path: Path, base: Path, split: str | None, fps: float | None, absent: bool
) -> list[Video]:
    # By absolute path, as the CSV may write one path in several ways.
    videos: dict[str, list[_Row]] = {}
    for row in _rows(path, base):
        rows = videos.setdefault(os.path.abspath(row.video), [])
        rows.append(row)
        _check_same(rows[0], row)
    chosen = [rows for rows in videos.values() if split is None or rows[0].split == split]
    if not chosen:
        raise LabelError(f"there is no row of split {split!r}", where=path)
    return [_video(rows, fps, absent) for rows in chosen]


def _check_same(first: _Row, row: _Row) -> None:
    if (first.event is None) != (row.event is None):
        said = ["normal" if one.event is None else one.event.label for one in (first, row)]
        raise LabelError(
            f"{row.video} has label {said[1]} here and {said[0]} in {first.where}", where=row.where
        )
    if first.split != row.split:
        raise LabelError(
            f"{row.video} is in split {row.split} here and {first.split} in {first.where}",
            where=row.where,
            cure="a video belongs to one split",
        )


def _video(rows: list[_Row], fps: float | None, absent: bool) -> Video:
    first = rows[0]
    if not (absent or _exists(first.video, fps)):
        raise LabelError(
            f"there is no file {first.video}",
            where=first.where,
            cure="paths are relative to the folder of the CSV",
        )
    events = sorted((row.event for row in rows if row.event), key=lambda e: e.start)
    kinds = tuple(sorted({event.label or "" for event in events})) or ("normal",)
    path = pictures.named(first.video, fps) if os.path.isdir(first.video) else str(first.video)
    return Video(path, tuple(events), first.split, kinds)


def _exists(path: Path, fps: float | None) -> bool:
    """Tell whether there is such a file, or such a folder of frames with a known rate."""
    folder, rate = pictures.parted(path)
    return os.path.isfile(path) or (os.path.isdir(folder) and (rate or fps) is not None)


def _rows(path: Path, base: Path) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(reader.fieldnames or (), path)
            rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"cannot be read as CSV: {error}", where=path) from error
    if not rows:
        raise LabelError("there are no rows", where=path)
    return [_row(base, row, f"{path}:{number}") for number, row in rows]


def _check_columns(names: Sequence[str], path: Path) -> None:
    """Refuse an unknown column: a misspelt `start` would make the whole video an event."""
    known = COLUMNS.split(",")
    wrong = [name for name in names if name not in known or names.count(name) > 1]
    if wrong or not {"path", "label"} <= set(names):
        raise LabelError(
            f"the columns are {','.join(names)[:80] or 'not named'}",
            where=f"{path}:1",
            cure=f"the first line must name path and label, and may name others of {COLUMNS}",
        )


def _row(base: Path, row: dict[str, str], where: str) -> _Row:
    if not (row["path"] or "").strip() or not (row["label"] or "").strip() or None in row:
        raise LabelError(
            "a row needs a path and a label, and no more columns than the first line", where=where
        )
    return _Row(
        base / row["path"].strip(),
        _event(row, where),
        (row.get("split") or "").strip() or None,
        where,
    )


def _event(row: dict[str, str], where: str) -> Event | None:
    """Return the event of a row; None if the row says that the video is normal."""
    label, start, end = (
        row["label"].strip(),
        _seconds(row, "start", 0.0, where),
        _seconds(row, "end", math.inf, where),
    )
    if label.lower() in NORMAL:
        if (start, end) != (0.0, math.inf):
            raise LabelError(
                "a normal row is about the whole video: leave start and end blank", where=where
            )
        return None
    if end <= start:
        raise LabelError(
            f"the event must end after its start at {start} s, got end {end} s", where=where
        )
    return Event(start, end, label=label)


def _seconds(row: dict[str, str], column: str, blank: float, where: str) -> float:
    text = (row.get(column) or "").strip()
    try:
        value = float(text) if text else blank
    except ValueError as error:
        raise LabelError(
            f"{column} must be a number of seconds, got {text!r}", where=where
        ) from error
    if math.isnan(value) or value < 0:
        raise LabelError(f"{column} must be a time of 0 s or later, got {text!r}", where=where)
    return value
