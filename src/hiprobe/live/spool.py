"""Footage of one alert, collected in a file until its clip is made. Knows no codec.

The file says itself what is in it, so that a watcher that was killed makes the clip when it starts
again. What is cut off at its end is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.disk.atomic import disk_errors
from hiprobe.disk.regular import open_regular
from hiprobe.live.live_items import Footage

LINE_BYTES = 4096


@dataclass(frozen=True)
class Piece:
    """A piece of footage in a spool: `size` bytes at `place`, and its `start` and `end`.

    Both are on the camera's clock, in seconds; `wall` is the Unix time of `start`. `key`: it can be
    shown from its beginning.
    """

    place: int
    size: int
    start: float
    end: float
    wall: float
    key: bool


class Spool:
    """Append the footage of an alert to the file `path`. Raises StoreError if the disk refuses."""

    def __init__(self, path: Path, alert: str, camera: str) -> None:
        self.path, self.alert, self.camera = path, alert, camera
        self.pieces: list[Piece] = []
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        self._write(_line({"alert": alert, "camera": camera}))

    def add(self, footage: Footage) -> None:
        """Append a piece; raises StoreError, and the file then holds the pieces before it."""
        facts: dict[str, Any] = {
            "size": int(footage.data.size),
            "start": footage.start,
            "end": footage.end,
            "wall": footage.wall,
            "key": footage.key,
        }
        self._write(_line(facts))
        place = self._file.tell()
        self._write(footage.data.tobytes())
        self.pieces.append(Piece(place, **facts))

    def _write(self, data: bytes) -> None:
        with disk_errors(self.path):
            self._file.write(data)
            self._file.flush()

    @property
    def end(self) -> float:
        """Where the footage ends, on the camera's clock; 0 if there is none."""
        return max((piece.end for piece in self.pieces), default=0.0)

    def close(self) -> None:
        """Close the file, which stays; of a piece that could not be written it may hold a part."""
        with suppress(OSError):
            self._file.close()


def read_spool(path: Path) -> tuple[str, str, list[Piece]]:
    """Return the alert, the camera and the pieces of a spool file, as far as they are whole.

    Raises OSError, and ValueError for what is not a spool file.
    """
    with open_regular(path) as file:
        first = _facts(file.readline(LINE_BYTES))
        pieces = []
        size = path.stat().st_size
        while line := file.readline(LINE_BYTES):
            try:
                piece = Piece(file.tell(), **_facts(line))
            except (ValueError, TypeError):
                break  # cut off
            if not 0 < piece.size <= size - piece.place:
                break
            pieces.append(piece)
            file.seek(piece.size, 1)
    if not (isinstance(first.get("alert"), str) and isinstance(first.get("camera"), str)):
        raise ValueError("not a spool file")
    return first["alert"], first["camera"], pieces


def useful(pieces: Sequence[Piece], start: float, end: float) -> list[Piece]:
    """Return the pieces from the last keyframe before `start` on, up to `end`.

    >>> pieces = [Piece(0, 1, float(at), at + 1.0, 0.0, at % 2 == 0) for at in range(8)]
    >>> [piece.start for piece in useful(pieces, 3.5, 6.0)]
    [2.0, 3.0, 4.0, 5.0]
    """
    keys = [piece.start for piece in pieces if piece.key and piece.start <= start]
    first = max(keys, default=min((piece.start for piece in pieces), default=0.0))
    return [piece for piece in pieces if first <= piece.start < end]


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _facts(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ValueError("the line is cut off")
    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("not a spool file")
    return values
