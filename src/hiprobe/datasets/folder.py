"""Read your own clips: folders `normal/` and `abnormal/`, or a CSV of events. Opens no video.

The CSV has the columns `path,label` and optionally `start,end,split,group`. Paths are relative to
its folder. A label such as `normal` (`_words` has all of them) means that nothing happens; any
other word names an anomaly from `start` to `end`, `end` exclusive, both blank for the whole video.
Times are seconds, `mm:ss` or `h:mm:ss`. Several rows with one path are several events of one video,
which belongs to one split and one group, such as a camera. Labels that were made with another
program (`hiprobe.formats`) take the place of a CSV.
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path

from hiprobe import formats
from hiprobe.datasets._label_files import label_files, rows_of_files
from hiprobe.datasets._rows import LabelRow
from hiprobe.datasets._tables import Row, read_rows
from hiprobe.datasets._words import LabelWords
from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Event, Video
from hiprobe.video import pictures
from hiprobe.video.files import videos_below
from hiprobe.video.names import Root

COLUMNS = "path,label,start,end,split,group"


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = None,
    absent: bool = False,
    words: LabelWords | None = None,
) -> Iterator[Video]:
    """Yield the labelled videos at `root`: a folder, one with a `labels.csv`, or a file of labels.

    A folder without `labels.csv`, `normal/` and `abnormal/` may hold one file of labels per video.
    `videos` is the folder that the paths of labels are relative to, if not their own. `fps` is the
    rate of folders of frames, which then count as videos. `absent` keeps a labelled video that is
    not there. `words` gives the meaning of labels. Raises LabelError, with file and line,
    for labels that are malformed, unclear, contradict each other or name no file, and UsageError
    for `words` that no row has.
    """
    table = root if root.is_file() else root / "labels.csv"
    others = _other_files(root) if root.is_dir() and not table.is_file() else []
    if others or table.is_file():
        given, base = words or LabelWords(), videos or table.parent
        rows = rows_of_files(others, base, given) if others else _rows(table, base, given)
        return iter(_from_rows(rows, table, split, fps, absent))
    if words is not None:
        raise UsageError("only a file of labels has words to give a meaning", where=root)
    root = videos or root
    if not root.is_dir():
        raise UsageError("there is no such folder or CSV", where=root, cure="check the path")
    if split is not None:
        raise LabelError(
            f"folders normal/ and abnormal/ have no split {split!r}",
            where=root,
            cure="write a labels.csv",
        )
    return iter(_from_folders(root, fps))


def _other_files(root: Path) -> list[Path]:
    """Return the files of labels in a folder that holds neither `normal/` nor `abnormal/`."""
    if any((root / name).is_dir() for name in ("normal", "abnormal")):
        return []
    return label_files(root)


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
        Video(
            str(path),
            whole if name == "abnormal" else (),
            categories=(name,),
            name=_name(root, str(path)),
        )
        for name, paths in found.items()
        for path in paths
    ]


def _from_rows(
    every: list[LabelRow], path: Path, split: str | None, fps: float | None, absent: bool
) -> list[Video]:
    # By absolute path, as the CSV may write one path in several ways.
    videos: dict[str, list[LabelRow]] = {}
    for row in every:
        rows = videos.setdefault(os.path.abspath(row.video), [])
        rows.append(row)
        _check_same(rows[0], row)
    chosen = [rows for rows in videos.values() if split is None or rows[0].split == split]
    if not chosen:
        raise LabelError(f"there is no row of split {split!r}", where=path)
    return [_video(rows, fps, absent) for rows in chosen]


def _check_same(first: LabelRow, row: LabelRow) -> None:
    if (first.event is None) != (row.event is None):
        said = ["normal" if one.event is None else one.event.label for one in (first, row)]
        raise LabelError(
            f"{row.video} has label {said[1]} here and {said[0]} in {first.where}", where=row.where
        )
    for name in ("split", "group"):
        here, there = getattr(row, name), getattr(first, name)
        if here != there:
            raise LabelError(
                f"{row.video} is in {name} {here} here and {there} in {first.where}",
                where=row.where,
                cure=f"a video belongs to one {name}",
            )


def _video(rows: list[LabelRow], fps: float | None, absent: bool) -> Video:
    first = rows[0]
    if not (absent or _exists(first.video, fps)):
        raise LabelError(
            f"there is no file {first.video}",
            where=first.where,
            cure="paths are relative to the folder of the labels",
        )
    events = sorted((row.event for row in rows if row.event), key=lambda e: e.start)
    kinds = tuple(sorted({event.label or "" for event in events})) or ("normal",)
    path = pictures.named(first.video, fps) if os.path.isdir(first.video) else str(first.video)
    name = _name(first.base, path)
    return Video(path, tuple(events), first.split, kinds, name=name, group=first.group)


def _name(base: Path, path: str) -> str:
    """Return the path relative to the folder of the labels; of a path outside it, the last part."""
    return Root(str(base)).name(path) or ""


def _exists(path: Path, fps: float | None) -> bool:
    """Tell whether there is such a file, or such a folder of frames with a known rate."""
    folder, rate = pictures.parted(path)
    return os.path.isfile(path) or (os.path.isdir(folder) and (rate or fps) is not None)


def _rows(path: Path, base: Path, words: LabelWords) -> list[LabelRow]:
    if formats.has_labels(path):
        return rows_of_files([path], base, words)
    rows = read_rows(path, _check_columns)
    if not rows:
        raise LabelError("there are no rows", where=path)
    words.check_used((row.text("label") for row in rows), str(path))
    return [_row(base, row, words) for row in rows]


def _check_columns(names: Sequence[str], where: str) -> None:
    """Refuse an unknown column: a misspelt `start` would make the whole video an event."""
    known = COLUMNS.split(",")
    wrong = [name for name in names if name not in known or names.count(name) > 1]
    if wrong or not {"path", "label"} <= set(names):
        raise LabelError(
            f"the columns are {','.join(names)[:80] or 'not named'}",
            where=where,
            cure=f"the first line must name path and label, and may name others of {COLUMNS}",
        )


def _row(base: Path, row: Row, words: LabelWords) -> LabelRow:
    if not row.text("path") or not row.text("label") or row.too_long:
        raise LabelError(
            "a row needs a path and a label, and no more columns than the first line",
            where=row.where,
            cure="quote a text that contains the separator" if row.too_long else None,
        )
    event = _event(row, words)
    split, group = row.text("split") or None, row.text("group") or None
    return LabelRow(base, base / row.text("path"), event, split, group, row.where)


def _event(row: Row, words: LabelWords) -> Event | None:
    """Return the event of a row; None if the row says that the video is normal."""
    label, start, end = row.text("label"), row.seconds("start", 0.0), row.seconds("end", math.inf)
    if words.is_normal(label, row.where):
        if (start, end) != (0.0, math.inf):
            raise LabelError(
                "a normal row is about the whole video: leave start and end blank", where=row.where
            )
        return None
    if end <= start:
        raise LabelError(
            f"the event must end after its start at {start:.10g} s, got end {end:.10g} s",
            where=row.where,
        )
    return Event(start, end, label=label)
