"""The folder in which a watcher keeps what it has to remember: one watcher at a time.

Knows no camera and no model.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from hiprobe.disk.atomic import disk_errors
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import UsageError

LOCK, PROBE, PREVIOUS = ".watcher.lock", "probe.safetensors", "previous.safetensors"


class StateFolder:
    """Holds the folder `path`, which is made if it is missing, until it is closed.

    The lock is the operating system's, so that a watcher that was killed leaves none. Raises
    UsageError while another watcher holds it, and StoreError if it cannot be written.

    >>> import tempfile
    >>> with StateFolder(Path(tempfile.mkdtemp()) / "watch") as folder:
    ...     folder.probe.name
    'probe.safetensors'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_links(path, path / LOCK)
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise UsageError(
                f"another watcher uses this folder (process {holder or 'unknown'})",
                where=path,
                cure="end it, or give another --state",
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    @property
    def probe(self) -> Path:
        """The probe that a watcher went over to; there is none before the first judgement."""
        return self.path / PROBE

    @property
    def previous(self) -> Path:
        """The probe that was used before that one."""
        return self.path / PREVIOUS

    def close(self) -> None:
        """Let another watcher use the folder."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()
