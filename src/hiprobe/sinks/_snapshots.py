"""Find the snapshot that a message names, inside the watcher's folder. Knows no sink."""

from __future__ import annotations

from pathlib import Path

from hiprobe.disk.regular import read_regular
from hiprobe.sinks import Line

SNAPSHOT_BYTES = 4 << 20


def snapshot_path(line: Line, folder: Path | None) -> Path | None:
    """Return the path of the snapshot; None if the message names none, or it is gone.

    >>> snapshot_path({"snapshot": "../secret.jpg"}, Path("state")) is None
    True
    """
    named = line.get("snapshot")
    if folder is None or not named:
        return None
    path, home = (folder / str(named)).resolve(), folder.resolve()
    return path if path.is_relative_to(home) and path.is_file() else None


def snapshot_bytes(line: Line, folder: Path | None) -> bytes | None:
    """Return the snapshot as a JPEG file holds it; None if there is none, or it is gone.

    >>> snapshot_bytes({"snapshot": None}, Path("state")) is None
    True
    """
    path = snapshot_path(line, folder)
    if path is None:
        return None
    try:
        return read_regular(path, SNAPSHOT_BYTES)
    except OSError:
        return None  # retention may remove it at any time; the alert goes out without
