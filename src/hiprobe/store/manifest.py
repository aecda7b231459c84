"""The list of all results in a folder: `manifest.jsonl`, one line per video.

Knows no models and no video formats.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiprobe.disk.atomic import write_atomic
from hiprobe.errors import StoreError
from hiprobe.store.files import alone
from hiprobe.store.results import result_folder
from hiprobe.types import Result

MANIFEST = "manifest.jsonl"
NOTE_REST = 20  # rewriting the manifest takes at most a twentieth of the time


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
            line = _manifest_line(out, result)
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
        # The first failure is the one to report.
        with suppress(StoreError) if kind else nullcontext():
            if self._waiting:
                self.flush()


def _manifest(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
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


def _manifest_line(out: Path, result: Result) -> dict[str, Any]:
    scored = result.scores is not None
    name, folder = (
        _utf8(text) for text in (Path(result.path).name, result_folder(out, result).name)
    )
    return {
        "name": name,
        "digest": result.video_id or None,
        "status": result.status,
        "duration": round(result.duration, 3),
        "segments": len(result.scores.starts) if result.scores else 0,
        "events": len(result.events),
        "gaps": len(result.scores.gaps) if result.scores else 0,
        "reason": result.reason,
        "folder": folder if scored else None,
    }


def _utf8(name: str) -> str:
    """Return a file name as text: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
