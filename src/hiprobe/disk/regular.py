"""Read regular files only, up to a size: no pipe, no device, no folder. Knows no format."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from hiprobe import environment
from hiprobe.errors import StoreError

MOST_BYTES = 1 << 40  # of a video; it is hashed in twenty minutes at 1 GB/s
JSON_BYTES = 256 << 20  # of a JSON file or a manifest; eight hours of video make a result of 2 MB


class Refused(OSError):
    """The file is not a regular one, or is too large; `strerror` and `str` say which."""

    def __str__(self) -> str:
        return str(self.strerror)


def open_regular(path: str | os.PathLike[str], most: int | None = None) -> BufferedReader:
    """Open a regular file of at most `most` bytes for reading; never waits for a pipe or a device.

    Links are followed. Raises Refused, an OSError, for anything else, and the other OSErrors of
    `open`; but EnvironmentFailed if the machine refuses, so that no file is taken for damaged.

    >>> try:
    ...     open_regular("/dev/zero")
    ... except OSError as error:
    ...     print(error)
    not a regular file
    """
    _check(path, os.stat(path), most)  # opening a device may already do something
    file = os.fdopen(_opened(path), "rb")
    try:
        _check(path, os.fstat(file.fileno()), most)
    except BaseException:
        file.close()
        raise
    return file


def _opened(path: str | os.PathLike[str]) -> int:
    try:
        # What is there may have changed since: without O_NONBLOCK, opening a pipe would wait.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        number = environment.refused(error)
        if number is None:
            raise
        raise environment.failed(number) from error


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a regular file of at most `most` bytes as a whole.

    It takes as much memory as the file has bytes. Raises what `open_regular` raises.
    """
    with open_regular(path, most) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
    if len(data) != size:
        raise Refused(0, "the file changed while it was read", path)
    return data


def _check(path: str | os.PathLike[str], facts: os.stat_result, most: int | None) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(0, "not a regular file", path)
    if most is not None and facts.st_size > most:
        raise Refused(0, f"the file has {facts.st_size:,} bytes, more than {most:,}", path)


def refuse_links(base: Path, path: Path) -> None:
    """Raise StoreError if `path`, or a folder between `base` and it, is a link.

    What is written into a folder that a stranger made must stay in it.
    """
    for part in (path, *path.parents):
        if part == base:
            return
        if part.is_symlink():
            raise StoreError(
                "is a link, and nothing is written through links",
                where=part,
                cure="remove the link, or choose another folder",
            )


def refuse_odd_database(path: Path) -> None:
    """Raise StoreError unless an SQLite file and what belongs to it are regular files or absent.

    SQLite would follow a link and write through it, and wait for a pipe.
    """
    for part in database_files(path):
        if os.path.lexists(part) and (part.is_symlink() or not part.is_file()):
            raise StoreError("not a regular file", where=part, cure="remove it")


def database_files(path: Path) -> tuple[Path, ...]:
    """Return the names of all files that SQLite keeps for the database `path`."""
    return (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm", "-journal")))
