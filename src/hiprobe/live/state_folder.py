"""The folder in which a watcher keeps what it has to remember: one watcher at a time.

Knows no camera and no model.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from hiprobe.disk.atomic import disk_errors, write_atomic
from hiprobe.disk.regular import read_regular, refuse_links
from hiprobe.errors import UsageError

LOCK, PROBE, PREVIOUS = ".watcher.lock", "probe.safetensors", "previous.safetensors"
BEGUN = ".begun"  # the digest of the probe that the watcher was given
# Neither through a link nor waiting for a pipe.
FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
PRIVATE = 0o700  # a new folder: whoever may enter it sees footage


class StateFolder:
    """Holds the folder `path` until it is closed; made, for its owner only, if it is missing.

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
            path.mkdir(PRIVATE, parents=True, exist_ok=True)
            self._file = os.open(path / LOCK, FLAGS | os.O_CREAT, 0o600)
        _lock(self._file, path)
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def begin(self, digest: str) -> None:
        """Note the digest of the probe that the watcher was given; see `continued`."""
        if continued(self.path, digest) is not None:
            return
        with disk_errors(self.probe):
            if self.probe.is_file():
                self.probe.replace(self.previous)
        write_atomic(self.path / BEGUN, digest.encode())

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


def check_free(path: Path) -> None:
    """Raise UsageError while a watcher uses the folder, or if it is a file; nothing is written.

    >>> check_free(Path("no-such-folder"))
    """
    if path.exists() and not path.is_dir():
        raise UsageError("the state folder is a file", where=path, cure="give another --state")
    try:
        file = os.open(path / LOCK, FLAGS)
    except OSError:
        return  # there is none; or it cannot be used, which `StateFolder` will name
    _lock(file, path)
    os.close(file)


def _lock(file: int, path: Path) -> None:
    """Lock the open file until it is closed; raises UsageError if another process has done so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 20).decode("ascii", "replace").strip()
        os.close(file)
        raise UsageError(
            f"another watcher uses this folder (process {holder or 'unknown'})",
            where=path,
            cure="end it, or give another --state",
        ) from None  # its number also means that no process may be started


def continued(path: Path, digest: str) -> Path | None:
    """Return the probe that a watcher in this folder went over to; None if there is none.

    It counts only if that watcher was given the probe with this `digest`, as the one that asks was:
    what people have judged is then not lost when the watcher starts again.
    """
    try:
        begun = read_regular(path / BEGUN, 256).decode("ascii", "replace")
    except (OSError, ValueError):
        return None
    return path / PROBE if begun == digest and (path / PROBE).is_file() else None
