"""The list of all results in a folder: `manifest.jsonl`, one line per video.

Knows no models and no video formats.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Self

from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.errors import EnvironmentFailed, StoreError
from hiprobe.store.files import alone
from hiprobe.store.results import result_folder
from hiprobe.types import Result, unicode

MANIFEST = "manifest.jsonl"
DIGEST = re.compile(r"[0-9a-f]{64}")
NOTE_REST = 20  # rewriting the manifest takes at most a twentieth of the time


@dataclass(frozen=True)
class ManifestLine:
    """One video of a results folder. `digest` is None for a file that could not be read.

    `duration` is in seconds. `peak` is the highest smoothed score, `margin` the largest difference
    of a score to its threshold (see `Result.margin`), both None without scores; `folder` is the
    folder of the result, `recorded` the time of recording. `events` counts alarms, `demoted` the
    other events. Raises ValueError for a value of another type or out of range.
    """

    name: str
    digest: str | None
    status: str
    duration: float
    segments: int
    events: int
    gaps: int
    peak: float | None
    margin: float | None
    reason: str | None
    folder: str | None
    recorded: str | None = None
    demoted: int = 0

    def __post_init__(self) -> None:
        optional = (self.reason, self.folder, self.digest, self.recorded)
        texts = (self.name, self.status, *(one or "" for one in optional))
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("name, status, reason, folder and digest must be text")
        if self.digest is not None and not DIGEST.fullmatch(self.digest):
            raise ValueError(f"digest must be 64 hex digits, got {self.digest!r}")
        odd = self.folder is not None and PurePath(self.folder).name != self.folder
        if odd or self.folder in ("", ".."):
            raise ValueError(f"folder must be a name without a path, got {self.folder!r}")
        counts = (self.segments, self.events, self.gaps, self.demoted)
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError(f"segments, events, gaps and demoted must be 0 or more, got {counts}")
        numbers = [self.duration, *(one for one in (self.peak, self.margin) if one is not None)]
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
            raise ValueError(f"duration, peak and margin must be finite numbers, got {numbers}")
        if self.duration < 0:
            raise ValueError(f"duration must be 0 or more, got {self.duration}")


def read_manifest(out: Path) -> list[ManifestLine]:
    """Read `OUT/manifest.jsonl`, in its order; none if it is missing. Raises StoreError."""
    path = out / MANIFEST
    try:
        return [ManifestLine(**line) for line in _manifest(path)]
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"not a valid manifest: {error}", where=path, cure="delete it or choose another -o"
        ) from error


def note(out: Path, results: Iterable[Result]) -> Path:
    """Add results to `OUT/manifest.jsonl`, one line per video; a line that is there is replaced.

    The failure of a file that could not be read is deleted once a file of that name has a result.
    Several processes may write to one manifest. Returns its path. Raises StoreError if it is
    damaged or cannot be written.
    """
    path = out / MANIFEST
    with alone(path):
        lines = {_line_key(line): line for line in _manifest(path)}
        for result in results:
            line = asdict(_line_of(out, result))
            lines.pop((line["name"], ""), None)
            lines[_line_key(line)] = line
        # ASCII only, so that no name inside can end a line for any reader.
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines.values()).encode())
    return path


class Notes:
    """Adds results to a manifest, in batches once rewriting takes time.

    A rewrite waits for 20 times as long as the last one took, so that the cost of a run stays
    proportional to its length. The end of the `with` block adds the rest; the next run adds what a
    killed one did not.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._next = out, 0.0
        self._waiting: list[Result] = []

    def add(self, results: Iterable[Result]) -> None:
        """Add results, now or later; raises StoreError."""
        self._waiting += results
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Add the waiting results; raises StoreError."""
        began = time.monotonic()
        note(self._out, self._waiting)
        self._waiting = []
        self._next = began + NOTE_REST * (time.monotonic() - began)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        # The first failure is the one to report. If the folder is gone, it is not made again.
        gone = kind is not None and issubclass(kind, EnvironmentFailed)
        with suppress(StoreError) if kind else nullcontext():
            if self._waiting and not gone:
                self.flush()


def _manifest(path: Path) -> list[dict[str, Any]]:
    try:
        text = read_regular(path, JSON_BYTES).decode()
        lines = [json.loads(line) for line in text.split("\n") if line]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(
            f"not a valid manifest: {error}", where=path, cure="delete it or choose another -o"
        ) from error
    if not all(isinstance(line, dict) for line in lines):
        raise StoreError(
            "not a valid manifest: a line is not a JSON object",
            where=path,
            cure="delete it or choose another -o",
        )
    return lines


def _line_key(line: Mapping[str, Any]) -> tuple[str, str]:
    return str(line.get("name")), str(line.get("digest") or "")


def _line_of(out: Path, result: Result) -> ManifestLine:
    scores = result.scores
    return ManifestLine(
        unicode(result.name),
        result.video_id or None,
        result.status,
        round(result.duration, 3),
        len(scores.starts) if scores else 0,
        len(result.alarms),
        len(scores.lost) if scores else 0,
        _rounded(scores.peak) if scores else None,
        _rounded(result.margin),
        result.reason,
        unicode(result_folder(out, result).name) if scores else None,
        result.recorded,
        len(result.demoted),
    )


def _rounded(value: float | None) -> float | None:
    """Return a number with 6 decimals; None for none, and for what JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else round(value, 6)
