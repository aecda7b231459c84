"""Files written whole or not at all. Knows no format."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiprobe.errors import StoreError


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one; raises StoreError."""
    # Not named by process id: in a container every run has the same one, and a killed run leaves its file behind.
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666
        )  # as readable as the umask allows
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:  # also when interrupted
            temporary.unlink(missing_ok=True)


def place_also(source: Path, path: Path) -> None:
    """Puts the file `source` also at `path`, whole or not at all: a hard link, or a copy where the disk has no such.

    Raises StoreError.
    """
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                os.link(source.resolve(), temporary)
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(source, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """What the disk refuses is a StoreError that names `path`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write: {error.strerror}", where=path, cure="free disk space or choose -o"
        ) from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keeps other processes from rewriting `path` meanwhile; the lock ends with this process, however it ends."""
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with _refusal(path):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
