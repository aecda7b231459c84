"""The review file of one results folder: its tables, and that no other file is taken for it.

The folder may come from a stranger, whose file could hold triggers or views that run with every
question. So its whole schema is compared, and links are not followed. Knows no judgement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hiprobe import environment
from hiprobe.disk.regular import refuse_links, refuse_odd_database
from hiprobe.errors import StoreError
from hiprobe.store import index

NAME = "review.sqlite"
SCHEMA = 3  # of the file; 2 had no seen alerts, 1 no version number
SEEN = """CREATE TABLE seen (
  video TEXT PRIMARY KEY, alert TEXT NOT NULL, camera TEXT NOT NULL, at TEXT NOT NULL,
  who TEXT NOT NULL)"""
TABLES = (
    """CREATE TABLE judgement (
  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
  video TEXT NOT NULL, start REAL NOT NULL, end REAL NOT NULL CHECK (end > start),
  kind TEXT NOT NULL, undone_at TEXT, undone_by TEXT)""",
    "CREATE INDEX by_video ON judgement (video)",
    """CREATE TABLE probe (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, at TEXT NOT NULL, who TEXT NOT NULL,
  note TEXT NOT NULL, figures TEXT NOT NULL, upto INTEGER NOT NULL)""",
    """CREATE TABLE choice (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL)""",
    "CREATE TABLE labelled (video TEXT PRIMARY KEY, events TEXT NOT NULL)",
    """CREATE TABLE source (
  path TEXT PRIMARY KEY, stamp TEXT NOT NULL, digest TEXT NOT NULL)""",
    SEEN,
)


def make_review_file(folder: Path) -> Path:
    """Make the review file in `folder`, or check the one that is there; return its path.

    Raises StoreError for a link, a file of another kind or version, and a disk that refuses.
    """
    path = folder / NAME
    refuse_links(folder.parent, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write: {error.strerror}",
            where=folder,
            cure=f"{environment.cure_for(error.errno)}, or review a copy of the folder",
        ) from error
    refuse_odd_database(path)
    with open_review_file(path) as db:
        db.execute("BEGIN IMMEDIATE")
        written = _written(db)
        if not written:
            _create(db)
        elif _is_of_schema_2(db, written):
            db.execute(SEEN)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        _check_schema(db, path)
    return path


@contextmanager
def open_review_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Open one transaction, which is on disk when it is closed; raises StoreError."""
    try:
        with closing(sqlite3.connect(path, timeout=10.0)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            # So that a power cut loses nothing that was confirmed.
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA trusted_schema=OFF")
            with db:
                yield db
    # The file may be damaged, or come from somebody else.
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise StoreError(f"cannot be used: {error}", where=path, cure=_cure(error, path)) from error


def _cure(error: Exception, path: Path) -> str:
    if isinstance(error, sqlite3.Error) and index.is_refusal(error):
        return index.refusal_cure(error, path)
    return "restore the file"


def _written(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def _is_of_schema_2(db: sqlite3.Connection, written: set[str]) -> bool:
    """Tell whether an earlier version of hiprobe has made the file, which lacks a table only."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return bool(version == 2 and written == {*TABLES} - {SEEN})


def _create(db: sqlite3.Connection) -> None:
    for table in TABLES:
        db.execute(table)
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA:
        raise StoreError(
            f"written by another version of hiprobe: schema {version}, expected {SCHEMA}",
            where=path,
            cure="move it away and judge again",
        )
    if _written(db) != set(TABLES):
        raise StoreError(
            "holds other tables, triggers or views than hiprobe writes",
            where=path,
            cure="move it away and judge again",
        )
