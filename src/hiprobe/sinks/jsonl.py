"""Write events and alerts as JSON lines, one per line. Knows no result, only messages.

The events of a command become one file, written when all are in. A watcher's alerts are appended
one by one, and each is on disk before the next.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiprobe.disk.atomic import disk_errors
from hiprobe.errors import StoreError, UsageError
from hiprobe.sinks import ALERT_SCHEMA, NO_OPTIONS, SCHEMA, Line, Live, Sink, Target, TextFile
from hiprobe.sinks._settings import check_names

schemas = (SCHEMA, ALERT_SCHEMA)
network = False
paths = ("target",)  # relative to the camera file in one
TAIL = 1 << 20  # more bytes than one message has
OURS = b'{"schema": "hiprobe.'


class AppendedLines:
    """A file to which each message is appended as one line, synced before `write` returns.

    What a killed writer left of a line is removed by the next one. The file may be renamed or
    removed at any time: the next message then makes a new one.
    """

    def __init__(self, target: Target) -> None:
        self.path = Path(target)

    def write(self, line: Line) -> None:
        """Append one message; raises StoreError if the disk refuses."""
        data = json_line(line).encode()
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            number = _opened(self.path)
            try:
                _remove_torn(number)
                _write_all(number, data)
                _sync(number, self.path, len(data))
            finally:
                os.close(number)

    def close(self) -> None:
        """Do nothing: every message is in the file already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def json_line(line: Line) -> str:
    r"""Make one JSON object in ASCII, so that no text inside can end the line.

    >>> json_line({"label": "two\nlines"})
    '{"label": "two\\nlines"}\n'
    """
    return json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n"


def events_jsonl(lines: Sequence[Line]) -> str:
    """Make one JSON object per line, in ASCII, so that no text inside can end a line."""
    return "".join(map(json_line, lines))


def open(target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None) -> Sink:
    """Open a sink for the file `target`: written when it is closed, or appended to if `live`."""
    check_names("option", options, ())
    return TextFile(target, events_jsonl) if live is None else AppendedLines(target)


def check_target(target: Target, options: Mapping[str, Any] = NO_OPTIONS) -> None:
    """Raise UsageError for a target that cannot be appended to; nothing is written."""
    check_names("option", options, ())
    path = Path(target)
    if os.path.lexists(path) and not path.is_file():
        raise UsageError("not a regular file", where=path, cure="choose another file")
    if any(one.exists() and not one.is_dir() for one in path.parents):
        raise UsageError("its folder is a file", where=path, cure="choose another file")


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    number = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise StoreError("not a regular file", where=path, cure="choose another file")
    return number


def _sync(number: int, path: Path, written: int) -> None:
    os.fsync(number)
    if os.fstat(number).st_size == written:  # a new file: its name has to survive too
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write_all(number: int, data: bytes) -> None:
    """Write all of it, or nothing: a part would be taken for a line by readers."""
    before = os.fstat(number).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(number, left) :]
    except OSError:
        os.ftruncate(number, before)
        raise


def _remove_torn(number: int) -> None:
    """Remove the last line if it is one of ours without its end; end it if it is not ours."""
    size = os.fstat(number).st_size
    start = max(0, size - TAIL)
    tail = os.pread(number, size - start, start)
    if not tail or tail.endswith(b"\n"):
        return
    torn = tail[tail.rfind(b"\n") + 1 :]
    if OURS.startswith(torn[: len(OURS)]):
        os.ftruncate(number, size - len(torn))
    else:
        _write_all(number, b"\n")
