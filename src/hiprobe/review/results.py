"""Read a results folder: its manifest, and the result of each video. Knows no probe and no page.

The folder may come from somebody else, so names in it may not lead outside and numbers are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.errors import StoreError
from hiprobe.ranges import require
from hiprobe.store import MANIFEST
from hiprobe.store import results as stored
from hiprobe.types import Event, Result, Scores

DIGEST = re.compile(r"[0-9a-f]{64}")
_INVALID = (
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
    """One line of the manifest: a video, its status, and the folder of its result, if it has one.

    `video_id` is the content digest, None for a video that could not be read. `duration` is in
    seconds. `page` is where it is shown, if that is not the page of a video.
    """

    name: str
    video_id: str | None
    status: str
    duration: float
    reason: str | None
    folder: Path | None
    page: str | None = None


@dataclass(frozen=True)
class ReviewedResult:
    """Scores and events of one video; `probe` is the digest of the probe that made them.

    `notice` is what the model says about its limits, if it says anything, and `recorded` when the
    video was recorded, as ISO 8601, if that is known.
    """

    entry: ReviewedVideo
    scores: Scores
    events: tuple[Event, ...]
    probe: str
    notice: str | None = None
    recorded: str | None = None


def entries(out: Path) -> tuple[ReviewedVideo, ...]:
    """List the videos of a results folder, in the order of its manifest.

    An absent manifest gives no video, a damaged line one that failed and says so. Raises StoreError
    for a manifest that cannot be read.
    """
    path = out / MANIFEST
    try:
        stat = path.stat()
        return _entries(path, stat.st_mtime_ns)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise StoreError(
            f"not a valid manifest: {error}", where=path, cure="run hiprobe detect again"
        ) from error


def shared_content(listed: Iterable[ReviewedVideo]) -> dict[str, tuple[str, ...]]:
    """Return the names of scored videos by their digest, where several have the same content."""
    names: dict[str, tuple[str, ...]] = {}
    for one in listed:
        if one.folder is not None and one.video_id is not None:
            names[one.video_id] = (*names.get(one.video_id, ()), one.name)
    return {digest: some for digest, some in names.items() if len(some) > 1}


def others(entry: ReviewedVideo, shared: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the other names among `shared_content` of a video."""
    return tuple(name for name in shared.get(str(entry.video_id), ()) if name != entry.name)


@lru_cache(maxsize=8)
def _entries(path: Path, _changed: int) -> tuple[ReviewedVideo, ...]:
    lines = read_regular(path, JSON_BYTES).decode("utf-8", "replace").split("\n")
    return tuple(_line(path, number, line) for number, line in enumerate(lines, 1) if line)


def _line(path: Path, number: int, line: str) -> ReviewedVideo:
    try:
        return _entry(path.parent, json.loads(line))
    except _INVALID as error:
        reason = f"not a valid line: {error}; run hiprobe detect again"
        return ReviewedVideo(f"{path.name}, line {number}", None, "failed", 0.0, reason, None)


def _entry(out: Path, line: Mapping[str, Any]) -> ReviewedVideo:
    digest, folder = line["digest"], line["folder"]
    if digest is not None and not DIGEST.fullmatch(digest):
        raise ValueError(f"digest must be 64 hex digits, got {digest!r}")
    place = None if folder is None else out / folder
    if place is not None and place.resolve().parent != out.resolve():
        raise ValueError(f"{folder!r} is outside the results folder")
    require("duration", line["duration"])
    return ReviewedVideo(
        str(line["name"]),
        digest,
        str(line["status"]),
        float(line["duration"]),
        None if line["reason"] is None else str(line["reason"]),
        place,
    )


def reviewed_result(entry: ReviewedVideo) -> ReviewedResult:
    """Read the scores and events that `detect` wrote; raises StoreError if missing or damaged."""
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
        notice = result.provenance.get("notice")
        return ReviewedResult(
            entry,
            _scores(result, entry),
            result.events,
            _probe(result),
            None if notice is None else str(notice),
            result.recorded,
        )
    except _INVALID as error:
        raise _damaged(entry, error) from error


def _scores(result: Result, entry: ReviewedVideo) -> Scores:
    """Return the scores if they are of this video; their numbers were checked when loaded."""
    if result.video_id != entry.video_id or result.scores is None:
        raise ValueError("it is the result of another video")
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
