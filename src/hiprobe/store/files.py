"""Files of a store beside their bytes: a second name for one, and a lock on one. Knows no format."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiprobe.atomic import disk_errors, replacing


def place_also(source: Path, path: Path) -> None:
    """Put the file `source` also at `path`, by a hard link, or by a copy where the disk has none.

    Raises StoreError.
    """
    with replacing(path) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(source, temporary)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from rewriting `path` meanwhile; the lock ends with this process, however it ends."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with disk_errors(path):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
