"""A result as a file that gives it back unchanged: `result.json`, written last, so that where it stands all is done.

Knows no model and no video, and of the files beside it only whether they are still the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.store.files import write_atomic
from hiprobe.types import Event, Gap, Result, Scores

NAME = "result.json"
SCHEMA = "hiprobe.result/1"
BESIDE = ("scores.csv", "events.jsonl")
STEM_BYTES = 200  # of a folder's name: with the digest and a suffix it must stay below the 255 of a file system
_ARRAYS = ("starts", "ends", "raw", "smoothed", "threshold")
_UNSOUND = (
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
    """Keeps a result that has scores, made with `settings` (JSON), beside the files written for it.

    Raises StoreError, and ValueError for a result without scores.
    """
    path = folder / NAME
    values = {"schema": SCHEMA, "settings": settings, "beside": _beside(folder), **_to_json(result)}
    write_atomic(path, json.dumps(values, indent=1, allow_nan=False).encode() + b"\n")
    return path


def load_result(folder: Path, path: str, video_id: str, settings: Settings) -> Result | None:
    """The kept result of the video `video_id`, now at `path`; None where there is none made with these settings.

    A file that is not sound, or beside which another has been changed, is no result: it is to be made anew.
    """
    try:
        values = json.loads((folder / NAME).read_bytes())
        same = (values["schema"], values["video"], values["settings"]) == (
            SCHEMA,
            video_id,
            settings,
        )
        return _from_json(values, path) if same and values["beside"] == _beside(folder) else None
    except _UNSOUND:
        return None


def result_facts(folder: Path) -> dict[str, Any] | None:
    """Name, digest, status, reason and settings of the result in `folder`; None where there is no sound one."""
    try:
        values = json.loads((folder / NAME).read_bytes())
        _from_json(values, values["name"])
        return {name: values[name] for name in ("name", "video", "status", "reason", "settings")}
    except _UNSOUND:
        return None


def _beside(folder: Path) -> dict[str, str]:
    there = [folder / name for name in BESIDE if (folder / name).is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there}


def _to_json(result: Result) -> dict[str, Any]:
    scores = result.scores
    if scores is None:
        raise ValueError(f"a {result.status} result has no scores to keep")
    arrays = {name: [_plain(value) for value in getattr(scores, name).tolist()] for name in _ARRAYS}
    return {
        "name": Path(result.path).name,
        "video": result.video_id,
        "status": result.status,
        "reason": result.reason,
        "duration": result.duration,
        "provenance": result.provenance,
        "events": [
            {name: _plain(value) for name, value in vars(event).items()} for event in result.events
        ],
        "gaps": [vars(gap) for gap in scores.gaps],
        "scores": arrays,
    }


def _from_json(values: Mapping[str, Any], path: str) -> Result:
    """Raises an error of `_UNSOUND` for what no result can be made of."""
    arrays = {
        name: np.array([float(value) for value in values["scores"][name]], np.float64)
        for name in _ARRAYS
    }
    scores = Scores(**arrays, gaps=tuple(Gap(**gap) for gap in values["gaps"]))
    events = tuple(Event(**event) for event in values["events"])
    return Result(
        path,
        values["video"],
        values["status"],
        float(values["duration"]),
        scores,
        events,
        values["reason"],
        values["provenance"],
    )


def _plain(value: Any) -> Any:
    """A number that JSON has no word for as the text that `float` reads: "inf", "-inf", "nan"."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def result_folder(out: Path, result: Result) -> Path:
    """Where the files of one result go: `OUT/<stem>-<digest8>`, a very long stem cut."""
    stem = Path(result.path).stem
    if len(os.fsencode(stem)) > STEM_BYTES:
        stem = os.fsencode(stem)[:STEM_BYTES].decode("utf-8", "ignore")
    return out / f"{stem}-{result.video_id[:8]}"
