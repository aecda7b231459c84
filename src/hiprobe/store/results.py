"""A result as a file from which it is read back unchanged: `result.json`, which is written last.

Knows no models and no videos, and of the files beside it only whether they have changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.errors import BlockedResult, StoreError
from hiprobe.ranges import require, require_all
from hiprobe.types import SOURCES, Event, Gap, Result, Scores, Verification, Video, unicode

NAME = "result.json"
SCHEMA = "hiprobe.result/3"
MOVE = "move it away, or choose another -o"
BESIDE = ("scores.csv", "events.jsonl")
STEM_BYTES = 200  # of a folder name; with digest and suffix it must stay below 255
# Settings of what is made of the scores: a change keeps the words of the same events.
AFTER_SCORES = ("localization", "time_from_name", "where")
EXTRA = ("refined", "verified")  # counts of windows beyond those of the scores
_ARRAYS = {  # and the range of each
    "starts": "start",
    "ends": "end",
    "raw": "score",
    "smoothed": "score",
    "threshold": "threshold",
}
_INVALID = (
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
Settings = Mapping[str, Any]


def save_result(folder: Path, result: Result, settings: Settings) -> Path:
    """Store a result that was made with `settings` (JSON values), beside its other files.

    Returns the path. Raises StoreError if it cannot be written, ValueError for a result without
    scores.
    """
    path = folder / NAME
    values = {"schema": SCHEMA, "settings": settings, "beside": _beside(folder), **_to_json(result)}
    write_atomic(path, json.dumps(values, indent=1, allow_nan=False).encode() + b"\n")
    return path


def load_result(folder: Path, video: Video, settings: Settings) -> Result | None:
    """Load the stored result of `video`; None unless made with `settings`.

    None also for a damaged file, or if a file beside it was changed: the result has to be made
    again.
    """
    try:
        values = _values(folder)
        stated = tuple(values[key] for key in ("schema", "name", "video", "settings"))
        if stated != (SCHEMA, unicode(video.name), video.id, settings):
            return None
        return _from_json(values, video) if values["beside"] == _beside(folder) else None
    except _INVALID:
        return None


def load_older(folder: Path, video: Video, settings: Settings) -> Result | None:
    """Load the result of `video` that differs from `settings` in nothing that a model does.

    None if there is none, or it is damaged.
    """
    facts = result_facts(folder)
    if facts is None or not isinstance(facts["settings"], Mapping):
        return None
    if model_settings(facts["settings"]) != model_settings(settings):
        return None
    return load_result(folder, video, facts["settings"])


def model_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings without those that only change what is made of the scores."""
    return {name: value for name, value in settings.items() if name not in AFTER_SCORES}


def read_result(folder: Path) -> Result:
    """Read the result in `folder`, whatever its settings; its path and name are the video's name.

    Raises StoreError for a file that is missing or damaged.
    """
    try:
        values = _values(folder)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}, expected {SCHEMA!r}")
        return _from_json(values, _named(values))
    except _INVALID as error:
        raise StoreError(
            f"not a valid result: {error}", where=folder / NAME, cure="run hiprobe detect again"
        ) from error


def result_facts(folder: Path) -> dict[str, Any] | None:
    """Return name, digest, status, reason and settings of a result; None if it is damaged."""
    try:
        values = _values(folder)
        _from_json(values, _named(values))
        return {name: values[name] for name in ("name", "video", "status", "reason", "settings")}
    except _INVALID:
        return None


def _named(values: Mapping[str, Any]) -> Video:
    name = str(values["name"])
    return Video(name, name=name)


def _values(folder: Path) -> dict[str, Any]:
    """Parse the file; raise an error of `_INVALID` unless it is a regular file of a fair size."""
    values: dict[str, Any] = json.loads(read_regular(folder / NAME, JSON_BYTES))
    return values


def _beside(folder: Path) -> dict[str, str]:
    there = [folder / name for name in BESIDE if (folder / name).is_file()]
    return {path.name: hashlib.sha256(read_regular(path, JSON_BYTES)).hexdigest() for path in there}


def _to_json(result: Result) -> dict[str, Any]:
    scores = result.scores
    if scores is None:
        raise ValueError(f"a result with status {result.status!r} has no scores to store")
    arrays = {name: [_plain(value) for value in getattr(scores, name).tolist()] for name in _ARRAYS}
    return {
        "name": unicode(result.name),
        "video": result.video_id,
        "status": result.status,
        "reason": result.reason,
        "duration": result.duration,
        "provenance": result.provenance,
        "events": [_event_values(event) for event in result.events],
        "gaps": [vars(gap) for gap in scores.gaps],
        "windows": {
            **{source: scores.sources.count(source) for source in SOURCES[:2]},
            **({"carried": scores.carried} if scores.carried else {}),
            **({"unread": len(scores.unread)} if scores.unread else {}),
            **{name: getattr(result, name) for name in EXTRA},
        },
        "scores": {**arrays, "sources": scores.sources},
    }


def _from_json(values: Mapping[str, Any], video: Video) -> Result:
    """Build a result; raises an error of `_INVALID` for invalid values."""
    arrays = {name: _column(name, values["scores"][name]) for name in _ARRAYS}
    require("duration", values["duration"])
    gaps, sources = tuple(map(_gap, values["gaps"])), tuple(values["scores"]["sources"])
    scores = Scores(**arrays, gaps=gaps, sources=sources)
    events = tuple(map(_event, values["events"]))
    return Result(
        video.path,
        values["video"],
        values["status"],
        values["duration"],
        scores,
        events,
        values["reason"],
        values["provenance"],
        video.name,
        **{name: _count(values["windows"][name]) for name in EXTRA},
    )


def _count(value: Any) -> int:
    require("extra windows", value)
    return int(value)


def _column(name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    """Return one array of the scores; an adaptive threshold begins at infinity, stored as text."""
    endless = name == "threshold"
    require_all(_ARRAYS[name], [one for one in values if not (endless and one == "inf")])
    return np.array([float(one) for one in values], np.float64)


def _gap(values: Mapping[str, Any]) -> Gap:
    require("start", values["start"], "the start of a gap")
    require("end", values["end"], "the end of a gap")
    return Gap(values["start"], values["end"], str(values["reason"]))


def _event_values(event: Event) -> dict[str, Any]:
    values = {name: _plain(value) for name, value in vars(event).items()}
    return {**values, "verification": vars(event.verification)}


def _event(values: Mapping[str, Any]) -> Event:
    numbers = {name: values[name] for name in ("start", "end", "peak", "score")}
    for name, value in numbers.items():
        if value is not None or name in ("start", "end"):
            require(name, value, f"the {name} of an event")
    words = {
        name: None if values[name] is None else str(values[name])
        for name in ("label", "explanation")
    }
    asked = values["verification"]
    if asked["log_odds"] is not None:
        require("score", asked["log_odds"], "the log-odds of an event")
    box, heat = values["box"], values["heat"]
    parts = {
        "box": None if box is None else tuple(map(float, box)),
        "heat": None if heat is None else tuple(tuple(map(float, row)) for row in heat),
    }
    checked = Verification(asked["result"], asked["log_odds"])
    found = {**numbers, **words, **parts, "severity": values["severity"]}
    return Event(**found, verification=checked)


def _plain(value: Any) -> Any:
    """Return a value for JSON: infinity and NaN as text that `float` reads, such as "inf"."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def check_place(folder: Path) -> None:
    """Raise BlockedResult unless a result can be written to `folder`, through no link.

    It may be absent or a folder that holds only regular files.
    """
    try:
        odd = folder if _is_odd_folder(folder) else next(_odd_entries(folder), None)
    except OSError as error:
        raise BlockedResult(
            f"the folder of the result cannot be read: {error.strerror}", where=folder, cure=MOVE
        ) from error
    if odd is not None:
        kind = "a link" if odd.is_symlink() else "not a regular file"
        what = "not a folder" if odd == folder and not odd.is_symlink() else kind
        raise BlockedResult(f"no result can be written here: it is {what}", where=odd, cure=MOVE)


def _is_odd_folder(folder: Path) -> bool:
    return os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir())


def _odd_entries(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.is_symlink() or not path.is_file():
            yield path


def result_folder(out: Path, result: Result) -> Path:
    """Return the folder of one result: `OUT/<stem>-<key>`, with a very long stem cut.

    The key is the first 16 hex digits of SHA-256 of the name, a NUL and the content digest.
    """
    stem = unicode(Path(result.name).stem)  # so that a link to it is valid text
    if len(os.fsencode(stem)) > STEM_BYTES:
        stem = os.fsencode(stem)[:STEM_BYTES].decode("utf-8", "ignore")
    named = f"{result.name}\0{result.video_id}".encode("utf-8", "surrogateescape")
    return out / f"{stem}-{hashlib.sha256(named).hexdigest()[:16]}"
