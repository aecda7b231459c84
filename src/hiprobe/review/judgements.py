"""Judgements in one SQLite file (WAL), with who made them and when; none is deleted. Knows no page.

A judgement is about a span of a video, not about an event: events move with the threshold and the
probe. Of two judgements of the same seconds the later one counts. Undoing marks a batch, with who
undid it and when.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hiprobe import environment
from hiprobe.disk.regular import refuse_links, refuse_odd_database
from hiprobe.errors import StoreError, UsageError, one_line
from hiprobe.store import index
from hiprobe.types import Event

# What a reviewer can say of a span, and whether the span is then anomalous.
KINDS = {"true_alarm": True, "missed": True, "false_alarm": False, "normal": False}
NAME = "review.sqlite"
SCHEMA = 2  # of the file; 1 had no version number, and other names of kinds
WHO = 64  # characters of a reviewer's name
_TABLES = f"""
PRAGMA user_version = {SCHEMA};
CREATE TABLE IF NOT EXISTS judgement (
  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL,
  video TEXT NOT NULL, start REAL NOT NULL, end REAL NOT NULL CHECK (end > start),
  kind TEXT NOT NULL, undone_at TEXT, undone_by TEXT);
CREATE INDEX IF NOT EXISTS by_video ON judgement (video);
CREATE TABLE IF NOT EXISTS probe (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, at TEXT NOT NULL, who TEXT NOT NULL,
  note TEXT NOT NULL, figures TEXT NOT NULL, upto INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS choice (
  id INTEGER PRIMARY KEY, digest TEXT NOT NULL, at TEXT NOT NULL, who TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS labelled (video TEXT PRIMARY KEY, events TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS source (
  path TEXT PRIMARY KEY, stamp TEXT NOT NULL, digest TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Judgement:
    """What `who` said of `[start, end)` seconds of a video, and when; `at` is in UTC, ISO 8601.

    An undone judgement has `undone_at` and `undone_by`.
    """

    id: int
    batch: int
    at: str
    who: str
    video: str
    start: float
    end: float
    kind: str
    undone_at: str | None = None
    undone_by: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not (
            isinstance(self.start, float) and isinstance(self.end, float)
        ):
            raise ValueError(f"judgement {self.id} has a wrong kind or wrong times")

    @property
    def anomalous(self) -> bool:
        """Whether the span was judged anomalous."""
        return KINDS[self.kind]


@dataclass(frozen=True)
class KeptProbe:
    """A probe that is or was in use.

    `figures` are the AUC before and after its refit and its threshold; `upto` is the id of the last
    judgement that it was fitted on.
    """

    digest: str
    at: str
    who: str
    note: str
    figures: dict[str, float | None]
    upto: int


Span = tuple[str, float, float]


class Judgements:
    """The review file of one results folder.

    Each call is one transaction, which is on disk when the call returns. Every call may raise
    StoreError.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        refuse_links(folder.parent, folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot write: {error.strerror}",
                where=folder,
                cure=f"{environment.cure_for(error.errno)}, or review a copy of the folder",
            ) from error
        with self._open() as db:
            _check_schema(db, self.path)
            db.executescript(_TABLES)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        refuse_odd_database(self.path)
        try:
            with closing(sqlite3.connect(self.path, timeout=10.0)) as db:
                db.execute("PRAGMA journal_mode=WAL")
                # So that a power cut loses nothing that was confirmed.
                db.execute("PRAGMA synchronous=FULL")
                with db:
                    yield db
        # The file may be damaged, or come from somebody else.
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(
                f"cannot be used: {error}",
                where=self.path,
                cure=_cure(error, self.path),
            ) from error

    def judge(self, spans: Sequence[Span], kind: str, who: str) -> int:
        """Save one kind of judgement about `spans` as a batch that is undone together.

        Returns the batch's number. Raises UsageError for no spans or a kind that is not in KINDS.
        """
        if kind not in KINDS:
            raise UsageError(f"a judgement must be one of {', '.join(KINDS)}, got {kind!r}")
        if not spans:
            raise UsageError("no span was chosen", cure="choose at least one")
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            batch = int(
                db.execute("SELECT coalesce(max(batch), 0) + 1 FROM judgement").fetchone()[0]
            )
            rows = [
                (batch, _now(), reviewer(who), video, start, end, kind)
                for video, start, end in spans
            ]
            db.executemany(
                "INSERT INTO judgement (batch, at, who, video, start, end, kind) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        return batch

    def undo(self, who: str) -> list[Judgement]:
        """Undo the newest batch of `who`, never one of another reviewer; returns its judgements."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            batch = db.execute(
                "SELECT max(batch) FROM judgement WHERE undone_at IS NULL AND who = ?",
                (reviewer(who),),
            ).fetchone()[0]
            db.execute(
                "UPDATE judgement SET undone_at = ?, undone_by = ? "
                "WHERE batch = ? AND undone_at IS NULL",
                (_now(), reviewer(who), batch),
            )
            return _judgements(db, "WHERE batch = ?", (batch,))

    def standing(self, video: str | None = None) -> list[Judgement]:
        """List the judgements that were not undone, oldest first; all, or those of `video`."""
        with self._open() as db:
            if video is None:
                return _judgements(db, "WHERE undone_at IS NULL", ())
            return _judgements(db, "WHERE undone_at IS NULL AND video = ?", (video,))

    def all(self) -> list[Judgement]:
        """List every judgement ever made, undone ones too, oldest first."""
        with self._open() as db:
            return _judgements(db, "", ())

    def keep_probe(
        self, digest: str, who: str, note: str, figures: dict[str, float | None], upto: int
    ) -> None:
        """Save the facts of a probe whose file is kept; those saved before stay as they are."""
        with self._open() as db:
            db.execute(
                "INSERT OR IGNORE INTO probe (digest, at, who, note, figures, upto) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (digest, _now(), reviewer(who), note, json.dumps(figures), upto),
            )

    def choose_probe(self, digest: str, who: str) -> None:
        """Save that the probe `digest` is in use from now on."""
        with self._open() as db:
            db.execute(
                "INSERT INTO choice (digest, at, who) VALUES (?, ?, ?)",
                (digest, _now(), reviewer(who)),
            )

    def chosen_probe(self) -> str | None:
        """Return the digest of the probe in use, or None if there was none yet."""
        with self._open() as db:
            row = db.execute("SELECT digest FROM choice ORDER BY id DESC LIMIT 1").fetchone()
        return str(row[0]) if row else None

    def probes(self) -> list[KeptProbe]:
        """List the kept probes, newest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT digest, at, who, note, figures, upto FROM probe ORDER BY id DESC"
            )
            return [
                KeptProbe(d, at, who, note, dict(json.loads(figures)), int(upto))
                for d, at, who, note, figures, upto in rows
            ]

    def set_labelled(self, labelled: Iterable[tuple[str, Sequence[Event]]]) -> None:
        """Save the labelled clips, as (video digest, true events) pairs, for later starts."""
        rows = [
            (video, json.dumps([[e.start, min(e.end, 1e9)] for e in events]))
            for video, events in labelled
        ]
        with self._open() as db:
            db.execute("DELETE FROM labelled")
            db.executemany("INSERT OR REPLACE INTO labelled VALUES (?, ?)", rows)

    def labelled(self) -> dict[str, tuple[Event, ...]]:
        """Return the true events of the labelled clips, by video digest."""
        with self._open() as db:
            rows = db.execute("SELECT video, events FROM labelled ORDER BY video")
            return {
                video: tuple(Event(a, b) for a, b in json.loads(events)) for video, events in rows
            }

    def digest_of(self, path: Path, stamp: str) -> str | None:
        """Return the saved digest of a file with this size and time of change, or None."""
        with self._open() as db:
            row = db.execute(
                "SELECT digest FROM source WHERE path = ? AND stamp = ?", (str(path), stamp)
            ).fetchone()
        return str(row[0]) if row else None

    def note_digest(self, path: Path, stamp: str, digest: str) -> None:
        """Save the digest of a file, so that the file is not read again for it."""
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?)", (str(path), stamp, digest))


def latest_judgements(
    events: Sequence[Event], standing: Sequence[Judgement]
) -> list[Judgement | None]:
    """Find for each event the latest judgement that covers at least half of it, or None.

    `standing` are the judgements of the events' video that were not undone, oldest first.
    """
    starts, ends = (
        np.array([getattr(j, side) for j in standing], dtype=np.float64)
        for side in ("start", "end")
    )
    found: list[Judgement | None] = []
    for event in events:
        shared = np.minimum(ends, event.end) - np.maximum(starts, event.start)
        covering = np.flatnonzero(shared >= 0.5 * (event.end - event.start) - 1e-9)
        found.append(standing[covering[-1]] if len(covering) else None)
    return found


def spoken(kind: str) -> str:
    """Write a kind of judgement as people say it: "true alarm"."""
    return kind.replace("_", " ")


def reviewer(who: str) -> str:
    """Clean a reviewer's name: one line, at most 64 characters."""
    return one_line(" ".join(who.split()))[:WHO] or "unnamed"


def _cure(error: Exception, path: Path) -> str:
    if isinstance(error, sqlite3.Error) and index.is_refusal(error):
        return index.refusal_cure(error, path)
    return "restore the file"


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and version != SCHEMA:
        raise StoreError(
            f"written by another version of hiprobe: schema {version}, expected {SCHEMA}",
            where=path,
            cure="move it away and judge again",
        )


def _judgements(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Judgement]:
    columns = "id, batch, at, who, video, start, end, kind, undone_at, undone_by"
    return [
        Judgement(*row)
        for row in db.execute(f"SELECT {columns} FROM judgement {where} ORDER BY id", values)
    ]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
