"""What a results folder holds, read back: the manifest, scores and events. Knows no probe, no model and no page.

The folder may come from somebody else: names in it lead nowhere outside, and numbers are checked.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StoreError
from hiprobe.sinks.csv import SCORE_COLUMNS
from hiprobe.store import MANIFEST
from hiprobe.types import Event, Gap, Scores

DIGEST = re.compile(r"[0-9a-f]{64}")
_UNSOUND = (
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class ReviewedVideo:
    """One line of the manifest: a video's name, its content digest (None if it was never read), and how far it got."""

    name: str
    video_id: str | None
    status: str
    duration: float
    reason: str | None
    folder: Path | None


@dataclass(frozen=True)
class ReviewedResult:
    """Scores and events of one video, `probe` being the digest of what made them (None if no event says)."""

    entry: ReviewedVideo
    scores: Scores
    events: tuple[Event, ...]
    probe: str | None


def entries(out: Path) -> tuple[ReviewedVideo, ...]:
    """The videos of a results folder, in the order of its manifest; raises StoreError if it is no sound one."""
    path = out / MANIFEST
    try:
        return _entries(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return ()
    except _UNSOUND as error:
        raise StoreError(
            f"no sound manifest: {error}", where=path, cure="run hiprobe detect again"
        ) from error


@lru_cache(maxsize=8)
def _entries(path: Path, _changed: int) -> tuple[ReviewedVideo, ...]:
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return tuple(_entry(path.parent, line) for line in lines)


def _entry(out: Path, line: Mapping[str, Any]) -> ReviewedVideo:
    digest, folder = line["digest"], line["folder"]
    if digest is not None and not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no digest")
    place = None if folder is None else out / folder
    if place is not None and place.resolve().parent != out.resolve():
        raise ValueError(f"{folder!r} lies outside the folder")
    if not 0 <= float(line["duration"]) < math.inf:
        raise ValueError(f"{line['duration']!r} is no duration")
    return ReviewedVideo(
        str(line["name"]),
        digest,
        str(line["status"]),
        float(line["duration"]),
        line["reason"],
        place,
    )


def read_result(entry: ReviewedVideo) -> ReviewedResult:
    """The scores and events that `detect` wrote; raises StoreError for files that are missing or not sound."""
    if entry.folder is None:
        raise StoreError("nothing was scored", where=entry.name)
    files = [entry.folder / name for name in ("scores.csv", "events.jsonl")]
    try:
        return _read(entry, tuple(file.stat().st_mtime_ns for file in files))
    except _UNSOUND as error:
        raise StoreError(
            f"no sound result: {error}", where=entry.folder, cure="run hiprobe detect again"
        ) from error


@lru_cache(maxsize=1024)
def _read(entry: ReviewedVideo, _changed: tuple[int, ...]) -> ReviewedResult:
    assert entry.folder is not None
    lines = [
        json.loads(line)
        for line in (entry.folder / "events.jsonl").read_text("utf-8").split("\n")
        if line
    ]
    probes = {str(line["probe"]) for line in lines}
    return ReviewedResult(
        entry,
        _scores(entry.folder / "scores.csv"),
        tuple(map(_event, lines)),
        max(probes, default=None),
    )


def _event(line: Mapping[str, Any]) -> Event:
    return Event(
        float(line["start"]),
        float(line["end"]),
        line["peak_time"],
        line["peak_score"],
        line["label"],
        line["explanation"],
    )


def _scores(path: Path) -> Scores:
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if tuple(table.fieldnames or ()) != SCORE_COLUMNS:
            raise ValueError(f"scores.csv has the columns {table.fieldnames}")
        rows = list(table)
    gaps = tuple(
        Gap(float(row["start"]), float(row["end"]), row["status"].removeprefix("gap: "))
        for row in rows
        if row["status"] != "scored"
    )
    scored = [row for row in rows if row["status"] == "scored"]
    starts, ends, raw, smoothed = (
        _column(scored, name) for name in ("start", "end", "raw", "smoothed")
    )
    # Blank while an adaptive threshold warms up: no score reaches it.
    threshold = np.array([float(row["threshold"] or "inf") for row in scored])
    return Scores(starts, ends, raw, smoothed, threshold, gaps)


def _column(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.float64]:
    values = np.array([float(row[name]) for row in rows], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"a {name} is not finite")
    return values
