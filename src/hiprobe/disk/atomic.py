"""Files that appear whole or not at all. Knows no format and no folder layout."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiprobe import environment
from hiprobe.errors import StoreError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a new file beside `path`, which replaces `path` after the `with` block.

    A reader sees the old file or the whole new one. If the block fails, the new file is removed.
    Missing folders are created. Raises StoreError naming `path` if the file cannot be written, or
    if it is a folder or a device: that would be replaced, not written to.
    """
    if path.exists() and not path.is_file():
        raise StoreError("not a regular file", where=path, cure="choose another file")
    # Not named by process id: in a container every run may have the same one, and a killed run
    # leaves its file behind.
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:  # also when interrupted
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` as a whole, as readable as the umask allows. Raises StoreError."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that names `path`."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> StoreError:
    """Return the StoreError for a failed write; the cure depends on what the machine refused."""
    cure = environment.cure_for(error.errno)
    return StoreError(f"cannot write: {error.strerror}", where=path, cure=cure)


def write_refusal(path: Path) -> int | None:
    """Return the `errno` with which the disk refuses to let `path` be written; None if it does not.

    Nothing is written: whether there is room shows only when something is.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            if path.exists():
                path.open("r+b").close()
    except OSError as error:
        return error.errno
    return None
