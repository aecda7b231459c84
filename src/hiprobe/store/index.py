"""The index of a store: an SQLite file of the stored hidden states and the status of every video.

The files are the truth: a missing or damaged index is rebuilt and follows them. Knows no models.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hiprobe import environment
from hiprobe.disk.atomic import write_error, write_refusal
from hiprobe.disk.regular import database_files
from hiprobe.errors import StoreError
from hiprobe.store.files import alone
from hiprobe.store.states import describe

NAME = "index.sqlite"
VERSION = 2
BUSY_S = 30.0
TABLES = (
    "CREATE TABLE states (file TEXT PRIMARY KEY, video TEXT NOT NULL, recipe TEXT NOT NULL, "
    "dtype TEXT NOT NULL, sites INTEGER NOT NULL, segments INTEGER NOT NULL, "
    "bytes INTEGER NOT NULL) STRICT",
    "CREATE TABLE runs (run TEXT PRIMARY KEY, settings TEXT NOT NULL, videos INTEGER NOT NULL, "
    "began REAL NOT NULL) STRICT",
    "CREATE TABLE items (folder TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, "
    "run TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN "
    "('todo', 'claimed', 'done', 'partial', 'failed', 'quarantined')), "
    "lost INTEGER NOT NULL, lease REAL NOT NULL, worker TEXT NOT NULL, reason TEXT, "
    "changed REAL NOT NULL) STRICT",
    "CREATE INDEX items_of_digest ON items (digest, status)",
)
# Errors that come from the disk or another process, and not from the content of the file.
_REFUSALS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
}
# Of these, the ones for which other processes are the cause.
_OF_OTHERS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_checked: dict[Path, int] = {}  # the inode of each index that this process found intact


@dataclass(frozen=True)
class StoredStates:
    """One file of hidden states: its path inside the store, and what it holds."""

    file: str
    video: str
    recipe: str
    dtype: str
    sites: int
    segments: int
    bytes: int


@contextmanager
def open_index(store: Path) -> Iterator[sqlite3.Connection]:
    """Open one transaction on the index of the store; raises StoreError if the disk refuses.

    An index that is missing, damaged or of another version is replaced by an empty one.
    """
    path = store / NAME
    try:
        _make_sound(path)
        with closing(_connect(path)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")  # closing without a commit rolls everything back
    except OSError as error:
        raise write_error(path, error) from error
    except sqlite3.Error as error:
        _checked.pop(path, None)
        if is_refusal(error):
            raise StoreError(
                f"cannot write: {error}", where=path, cure=refusal_cure(error, path)
            ) from error
        raise StoreError(
            f"the index is damaged: {error}",
            where=path,
            cure="run the command again, which rebuilds it",
        ) from error


def stored_states(store: Path) -> list[StoredStates]:
    """List all files of hidden states in the store by name, and update the index from the files.

    A damaged file is left out. Raises StoreError if the disk refuses.
    """
    there = {
        str(path.relative_to(store)): path
        for path in sorted(store.glob("*/*/*.safetensors"))
        if not path.name.startswith(".")
    }
    with open_index(store) as db:
        known = {row[0] for row in db.execute("SELECT file FROM states")}
        db.executemany(
            "DELETE FROM states WHERE file = ?", [(file,) for file in known - there.keys()]
        )
        for file in sorted(there.keys() - known):
            _enter(db, store, there[file])
        return [StoredStates(*row) for row in db.execute("SELECT * FROM states ORDER BY file")]


def enter(store: Path, path: Path) -> None:
    """Add one file of hidden states to the index; raises StoreError if the disk refuses."""
    with open_index(store) as db:
        _enter(db, store, path)


def _enter(db: sqlite3.Connection, store: Path, path: Path) -> None:
    try:
        video, recipe, dtype, sites, segments = describe(path)
    except StoreError:
        return  # reading these states raises the error
    db.execute(
        "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)",
        (str(path.relative_to(store)), video, recipe, dtype, sites, segments, path.stat().st_size),
    )


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    # Text that is not UTF-8 passes SQLite's own check.
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    # A power cut may damage the index, which is then rebuilt; a killed process cannot.
    db.execute("PRAGMA synchronous=OFF")
    return db


def _make_sound(path: Path) -> None:
    """Check the file once per process, and again after it was replaced; rebuild it if necessary."""
    odd = any(os.path.islink(part) for part in database_files(path))
    if not odd and _inode(path) is not None and _checked.get(path) == _inode(path):
        return
    with alone(path):
        if odd or not path.is_file() or not _sound(path):
            for part in database_files(path):
                part.unlink(missing_ok=True)
            _create(path)
        inode = _inode(path)
    if inode is not None:
        _checked[path] = inode


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _sound(path: Path) -> bool:
    """Tell whether the file is intact and has our tables; raises sqlite3.Error if refused."""
    try:
        with closing(_connect(path)) as db:
            tables = {
                row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            }
            version = db.execute("PRAGMA user_version").fetchone()[0]
            return (
                tables == set(TABLES)
                and version == VERSION
                and db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            )
    except sqlite3.Error as error:
        if is_refusal(error):
            raise
        return False
    except UnicodeDecodeError:
        return False  # raised for a damaged name in the text of an SQLite error


def _create(path: Path) -> None:
    with closing(_connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            db.execute(table)
        db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")


def is_refusal(error: sqlite3.Error) -> bool:
    """Tell whether the disk or another process is the cause, and not the content of the file."""
    return _code(error) in _REFUSALS


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def refusal_cure(error: sqlite3.Error, path: Path) -> str:
    """Return what to do about a refused write to `path`; SQLite does not say why it was refused."""
    if _code(error) in _OF_OTHERS:
        return "end the other programs that use it"
    number = write_refusal(path)
    if number is None and _code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
        number = errno.EFBIG if environment.is_limited(errno.EFBIG) else errno.ENOSPC
    return environment.cure_for(number)
