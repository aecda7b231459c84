"""Your own clips: a folder with `normal/` and `abnormal/`, or a CSV of paths and intervals. Opens no video.

CSV columns: `path,label` and optionally `start,end,split`. Paths count from the CSV's folder. The label `normal` (or 0)
means that nothing happens; any other word names an anomaly, from `start` to `end` in seconds, `end` exclusive, both
blank for the whole video. Several rows with one path are several events of one video.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from hiprobe.errors import LabelError
from hiprobe.types import VIDEO_SUFFIXES, Event, Video

NORMAL = {"normal", "0"}
COLUMNS = "path,label,start,end,split"


def load(root: Path, split: str | None = None) -> Iterator[Video]:
    """The labelled videos at `root`: a folder, a folder that holds `labels.csv`, or a CSV; raises LabelError."""
    if root.is_file():
        return iter(_from_csv(root, split))
    if (root / "labels.csv").is_file():
        return iter(_from_csv(root / "labels.csv", split))
    if not root.is_dir():
        raise LabelError("no such folder or CSV", where=root, cure="check the path")
    return iter(_from_folders(root))


def _from_folders(root: Path) -> list[Video]:
    found = {name: _clips(root / name) for name in ("normal", "abnormal")}
    if not any(found.values()):
        raise LabelError("no videos in normal/ or abnormal/", where=root,
                         cure=f"put clips into both, or write a labels.csv ({COLUMNS})")
    whole = (Event(0.0, math.inf, label="abnormal"),)
    return [Video(str(path), whole if name == "abnormal" else (), categories=(name,))
            for name, paths in found.items() for path in paths]


def _clips(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())


def _from_csv(path: Path, split: str | None) -> list[Video]:
    rows = _rows(path)
    spans: dict[tuple[str, str | None], list[Event]] = {}
    plain: set[tuple[str, str | None]] = set()
    for number, row in rows:
        part = (row.get("split") or "").strip() or None
        key = (str(path.parent / row["path"].strip()), part)
        event = _event(row, f"{path}:{number}")
        spans.setdefault(key, [])
        if event is None:
            plain.add(key)
        else:
            spans[key].append(event)
    for key in sorted(plain, key=str):
        if spans[key]:
            raise LabelError(f"{key[0]} is called normal in one row and {spans[key][0].label} in another", where=path)
    return [Video(name, tuple(sorted(events, key=lambda e: e.start)), part,
                  tuple(sorted({e.label or "" for e in events})) or ("normal",))
            for (name, part), events in spans.items() if split is None or part == split]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            if not {"path", "label"} <= set(reader.fieldnames or ()):
                raise LabelError(f"the first line must name the columns {COLUMNS}", where=path)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"cannot be read as CSV: {error}", where=path) from error
    for number, row in rows:
        if not (row["path"] or "").strip() or not (row["label"] or "").strip() or None in row:
            raise LabelError("a row needs a path and a label, and no more columns than the first line",
                             where=f"{path}:{number}")
    if not rows:
        raise LabelError("no rows", where=path)
    return rows


def _event(row: dict[str, str], where: str) -> Event | None:
    """The event of a row; None if the row says that the video is normal."""
    label, start, end = row["label"].strip(), _seconds(row, "start", 0.0, where), _seconds(row, "end", math.inf, where)
    if label.lower() in NORMAL:
        if (start, end) != (0.0, math.inf):
            raise LabelError("a normal row is about the whole video: leave start and end blank", where=where)
        return None
    if end <= start:
        raise LabelError(f"the event ends at {end} s, not after its start at {start} s", where=where)
    return Event(start, end, label=label)


def _seconds(row: dict[str, str], column: str, blank: float, where: str) -> float:
    text = (row.get(column) or "").strip()
    try:
        value = float(text) if text else blank
    except ValueError as error:
        raise LabelError(f"{column} is {text!r}, not a number of seconds", where=where) from error
    if math.isnan(value) or value < 0:
        raise LabelError(f"{column} is {text!r}, not a time from 0 on", where=where)
    return value
