"""What is left of a worker: a file that says it has begun, and a folder that it holds open.

Knows no claim and no index.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hiprobe.disk.atomic import disk_errors
from hiprobe.errors import EnvironmentFailed

WORKERS = "workers"  # a folder in the store


class WorkMark:
    """A file that says that a worker has begun and not ended; a killed one leaves it behind.

    Removing it needs no room, no descriptor and no index. So a worker that ends because the machine
    refuses these, and cannot release its claims, is still told from one that a video killed.
    """

    def __init__(self, store: Path, worker: str) -> None:
        self._path = store / WORKERS / worker

    def set(self) -> None:
        """Make the file; raises StoreError."""
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()

    def is_set(self) -> bool:
        """Tell whether the worker has begun and not ended."""
        return self._path.exists()

    def clear(self) -> None:
        """Remove the file; on a disk that refuses even that, it stays."""
        with suppress(OSError):
            self._path.unlink()


class OpenFolder:
    """A folder that has to stay where it is during a run. Raises StoreError if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with disk_errors(path):
            # While it is open, no other folder can get its inode.
            self._handle = os.open(path, os.O_RDONLY)

    def check(self) -> None:
        """Raise EnvironmentFailed if the folder was removed, or is not the one that was opened."""
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._handle))
        except OSError:
            same = False
        if not same:
            raise EnvironmentFailed(
                "the output folder was removed or replaced during the run",
                where=self._path.parent,
                cure="bring it back, or choose -o, then give the same command again",
            )

    def remove(self, name: str) -> None:
        """Remove a file of the folder, wherever that is now, if it can be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._handle)

    def close(self) -> None:
        """Stop watching the folder."""
        os.close(self._handle)
