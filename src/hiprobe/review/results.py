"""What a results folder holds, read back: the manifest, scores and events. Knows no probe, no model and no page.

The folder may come from somebody else: names in it lead nowhere outside, and numbers are checked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import StoreError
from hiprobe.store import MANIFEST
from hiprobe.store import results as stored
from hiprobe.types import Event, Result, Scores

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
    """Scores and events of one video, and `probe`, the digest of the probe that made them."""

    entry: ReviewedVideo
    scores: Scores
    events: tuple[Event, ...]
    probe: str


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


def reviewed_result(entry: ReviewedVideo) -> ReviewedResult:
    """Read the scores and events that `detect` wrote; raises StoreError for a missing or damaged result."""
    if entry.folder is None:
        raise StoreError("nothing was scored", where=entry.name)
    try:
        changed = (entry.folder / stored.NAME).stat().st_mtime_ns
    except OSError as error:
        raise _damaged(entry, error) from error
    return _reviewed(entry, changed)


@lru_cache(maxsize=1024)
def _reviewed(entry: ReviewedVideo, _changed: int) -> ReviewedResult:
    assert entry.folder is not None
    result = stored.read_result(entry.folder)
    try:
        return ReviewedResult(entry, _scores(result, entry), result.events, _probe(result))
    except _UNSOUND as error:
        raise _damaged(entry, error) from error


def _scores(result: Result, entry: ReviewedVideo) -> Scores:
    """The scores, if they are those of this video and can be drawn."""
    if result.video_id != entry.video_id or result.scores is None:
        raise ValueError("it is the result of another video")
    for name in ("starts", "ends", "raw", "smoothed"):
        if not np.isfinite(getattr(result.scores, name)).all():
            raise ValueError(f"a value of {name!r} is not finite")
    gaps = [time for gap in result.scores.gaps for time in (gap.start, gap.end)]
    events = [
        value
        for event in result.events
        for value in (event.end, event.peak, event.score)
        if value is not None
    ]
    if not np.isfinite([*gaps, *events]).all():
        raise ValueError("a gap or an event has a value that is not finite")
    return result.scores


def _probe(result: Result) -> str:
    probe = result.provenance["probe"]
    if not isinstance(probe, str):
        raise TypeError(f"the probe's digest is {probe!r}")
    return probe


def _damaged(entry: ReviewedVideo, error: Exception) -> StoreError:
    return StoreError(
        f"not a valid result: {error}", where=entry.folder, cure="run hiprobe detect again"
    )
