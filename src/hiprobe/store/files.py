"""A second name for a file of a store, and a lock on one. Knows no format."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiprobe.disk.atomic import disk_errors, replacing


def place_also(source: Path, path: Path) -> None:
    """Put the file `source` also at `path`: a hard link, or a copy if the disk has no hard links.

    Raises StoreError.
    """
    with replacing(path) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(source, temporary)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from rewriting `path` meanwhile.

    The lock ends with this process, however it ends. Raises StoreError.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(path.with_name(f".{path.name}.lock"), how, 0o666)
    try:
        with disk_errors(path):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
