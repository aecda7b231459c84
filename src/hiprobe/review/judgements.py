"""Judgements in one SQLite file (WAL), with who made them and when; none is deleted. Knows no page.

A judgement is about a span of a video, not about an event: events move with the threshold and the
probe. Of two judgements of the same seconds the later one counts. Undoing marks a batch, with who
undid it and when.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hiprobe.errors import UsageError, one_line
from hiprobe.review.review_file import make_review_file, open_review_file
from hiprobe.types import Event

# What a reviewer can say of a span, and whether the span is then anomalous.
KINDS = {"true_alarm": True, "missed": True, "false_alarm": False, "normal": False}
WHO = 64  # characters of a reviewer's name


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
        texts, times = (self.at, self.who, self.video), (self.start, self.end)
        if self.kind not in KINDS or not (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(time, float) and math.isfinite(time) for time in times)
        ):
            raise ValueError(f"judgement {self.id} has a wrong kind, wrong times or a wrong text")

    @property
    def anomalous(self) -> bool:
        """Whether the span was judged anomalous."""
        return KINDS[self.kind]


@dataclass(frozen=True)
class KeptProbe:
    """A probe that is or was in use.

    `figures` are the AUC before and after its refit, their intervals, and its threshold; `upto` is
    the id of the last judgement that it was fitted on.
    """

    digest: str
    at: str
    who: str
    note: str
    figures: dict[str, float | None]
    upto: int

    def __post_init__(self) -> None:
        texts, numbers = (self.digest, self.at, self.who, self.note), self.figures.values()
        if not all(isinstance(text, str) for text in texts) or not all(
            number is None or (isinstance(number, float | int) and math.isfinite(number))
            for number in numbers
        ):
            raise ValueError(f"probe {str(self.digest)[:12]} has a wrong text or wrong figures")


Span = tuple[str, float, float]


class Judgements:
    """The review file of one results folder.

    Each call is one transaction, which is on disk when the call returns. Every call may raise
    StoreError.
    """

    def __init__(self, folder: Path) -> None:
        self.path = make_review_file(folder)

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_review_file(self.path)

    def judge(self, spans: Sequence[Span], kind: str, who: str) -> int:
        """Save one kind of judgement about `spans` as a batch that is undone together.

        Returns the batch's number. Raises UsageError for no spans or a kind that is not in KINDS.
        """
        return self.judge_each([(span, kind) for span in spans], who)

    def judge_each(self, judged: Sequence[tuple[Span, str]], who: str) -> int:
        """Save a judgement about each span, of its own kind, as a batch; errors as `judge`."""
        _check(judged)
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            batch = int(
                db.execute("SELECT coalesce(max(batch), 0) + 1 FROM judgement").fetchone()[0]
            )
            rows = [
                (batch, utc_now(), reviewer(who), video, start, end, kind)
                for (video, start, end), kind in judged
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
                (utc_now(), reviewer(who), batch),
            )
            return _judgements(db, "WHERE batch = ?", (batch,))

    def undo_video(self, video: str, who: str) -> None:
        """Undo every judgement of a video, whoever made it: what was judged is gone."""
        with self._open() as db:
            db.execute(
                "UPDATE judgement SET undone_at = ?, undone_by = ? "
                "WHERE video = ? AND undone_at IS NULL",
                (utc_now(), reviewer(who), video),
            )

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
                (digest, utc_now(), reviewer(who), note, json.dumps(figures), upto),
            )

    def choose_probe(self, digest: str, who: str) -> None:
        """Save that the probe `digest` is in use from now on."""
        with self._open() as db:
            db.execute(
                "INSERT INTO choice (digest, at, who) VALUES (?, ?, ?)",
                (digest, utc_now(), reviewer(who)),
            )

    def chosen_probe(self) -> str | None:
        """Return the digest of the probe in use, or None if there was none yet."""
        with self._open() as db:
            row = db.execute("SELECT digest FROM choice ORDER BY id DESC LIMIT 1").fetchone()
        return str(row[0]) if row else None

    def previous_probe(self) -> str | None:
        """Return the digest of the probe that was in use before this one, None if there is none."""
        with self._open() as db:
            rows = db.execute("SELECT digest FROM choice ORDER BY id DESC").fetchall()
        return next((str(digest) for (digest,) in rows if digest != rows[0][0]), None)

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
                str(video): tuple(Event(a, b) for a, b in json.loads(events))
                for video, events in rows
            }

    def digest_of(self, path: Path, stamp: str) -> str | None:
        """Return the saved digest of a file with this size and time of change, or None."""
        with self._open() as db:
            row = db.execute(
                "SELECT digest FROM source WHERE path = ? AND stamp = ?",
                (os.fsencode(path), stamp),
            ).fetchone()
        return str(row[0]) if row else None

    def note_digest(self, path: Path, stamp: str, digest: str) -> None:
        """Save the digest of a file, so that the file is not read again for it."""
        with self._open() as db:
            row = (os.fsencode(path), stamp, digest)  # bytes: a name need not be UTF-8
            db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?)", row)


def spoken(kind: str) -> str:
    """Write a kind of judgement as people say it: "true alarm"."""
    return kind.replace("_", " ")


def reviewer(who: str) -> str:
    """Clean a reviewer's name: one line, at most 64 characters."""
    return one_line(" ".join(who.split()))[:WHO] or "unnamed"


def _check(judged: Sequence[tuple[Span, str]]) -> None:
    wrong = [kind for _, kind in judged if kind not in KINDS]
    if wrong:
        raise UsageError(f"a judgement must be one of {', '.join(KINDS)}, got {wrong[0][:80]!r}")
    if not judged:
        raise UsageError("no span was chosen", cure="choose at least one")


def _judgements(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Judgement]:
    columns = "id, batch, at, who, video, start, end, kind, undone_at, undone_by"
    return [
        Judgement(*row)
        for row in db.execute(f"SELECT {columns} FROM judgement {where} ORDER BY id", values)
    ]


def utc_now() -> str:
    """Return the time in UTC to the millisecond, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
