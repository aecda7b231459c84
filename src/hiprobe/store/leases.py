"""Who works on which video, and how that ended. A claim is a lease, which expires with its worker.

Knows no models and no video files: here a video is the folder of its result, a name and a digest.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiprobe.errors import EnvironmentFailed, StoreError
from hiprobe.store import index, results
from hiprobe.store.work_marks import WORKERS, OpenFolder, WorkMark
from hiprobe.types import digest_json

LEASE_S = 20.0
BEATS = 4  # renewals during a lease
MAX_ATTEMPTS = 2  # attempts that crash a worker or decoder before a video is quarantined
WORKER_LOST = "its worker died"
_LATER = (StoreError, EnvironmentFailed, MemoryError)  # reported by the next claim or end
DRIVER = "driver-"  # prefix of the token of a driver


@dataclass(frozen=True)
class VideoRecord:
    """The status of a video.

    `folder` is the name of its result folder, `run` the digest of the settings of its last claim,
    `worker` the token of who claimed it. `lost` counts the attempts that crashed a worker or
    decoder. `lease` and `changed` are in Unix seconds.
    """

    folder: str
    name: str
    digest: str
    run: str
    status: str
    lost: int
    lease: float
    worker: str
    reason: str | None
    changed: float


@dataclass(frozen=True)
class RunRecord:
    """The settings of a run, the number of videos it was given, and its start (Unix seconds)."""

    run: str
    settings: Mapping[str, Any]
    videos: int
    began: float


class LeaseHolder:
    """Claims videos inside a `with` block, renews the claims, and releases what is not finished.

    A `driver` claims for other processes and reports their crashes; its own end does not count as
    an attempt on its videos.
    """

    def __init__(
        self, store: Path, settings: Mapping[str, Any], videos: int, *, driver: bool = False
    ) -> None:
        self.run, self.token, self.began = digest_json(settings), secrets.token_hex(8), time.time()
        self.token = DRIVER + self.token if driver else self.token
        self._store, self._over = store, threading.Event()
        self._folder: OpenFolder | None = None
        self._about = (self.run, json.dumps(settings), videos, self.began)
        self._pulse = threading.Thread(target=self._beat, name="hiprobe lease", daemon=True)

    def __enter__(self) -> Self:
        with index.open_index(self._store) as db:
            db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", self._about)
        self._folder = OpenFolder(self._store)
        self._pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self._over.set()
        self._pulse.join()
        # A claim that cannot be released expires.
        with suppress(*_LATER), self._open() as db:
            db.execute(
                "UPDATE items SET status = 'todo', lease = 0 "
                "WHERE worker = ? AND status = 'claimed'",
                (self.token,),
            )
        if self._folder is not None:
            self._folder.remove(f"{WORKERS}/{self.token}")
            self._folder.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # Opening the index would make a folder again that was removed, or whose disk is gone.
        if self._folder is not None:
            self._folder.check()
        with index.open_index(self._store) as db:
            yield db

    def claim(self, folder: str, name: str, digest: str) -> VideoRecord:
        """Claim the video if it is free and return its status: see `has`.

        It is not free either while another worker reads a video of the same content, so that no
        content is read twice. Raises StoreError, and EnvironmentFailed if the folder is gone.
        """
        with self._open() as db:
            if not self.token.startswith(DRIVER):  # its end does not count
                WorkMark(self._store, self.token).set()
            found = _find(db, text(folder))
            _forget_missing(db, text(name))
            if (twin := self._twin(db, text(folder), digest)) is not None:
                return twin
            turn = self._turn(found, (text(folder), text(name), digest), time.time())
            if turn is not None:
                _put(db, turn)
            if found is not None and found.status == "claimed" and turn is not None:
                self._forget_dead(db, found.worker)
        item = turn or found
        assert item is not None
        return item

    def _twin(self, db: sqlite3.Connection, folder: str, digest: str) -> VideoRecord | None:
        """Return a video of the same content that another worker is reading; None if none is."""
        rows = db.execute(
            "SELECT * FROM items WHERE digest = ? AND status = 'claimed' AND folder != ?",
            (digest, folder),
        )
        claimed = (VideoRecord(*row) for row in rows)
        held = (one for one in claimed if _held(one, time.time()) and not self.has(one))
        return next(held, None)

    def _forget_dead(self, db: sqlite3.Connection, worker: str) -> None:
        """Remove what a killed worker left, once no claim of it is open."""
        query = "SELECT 1 FROM items WHERE worker = ? AND status = 'claimed'"
        if worker and db.execute(query, (worker,)).fetchone() is None:
            WorkMark(self._store, worker).clear()

    def has(self, item: VideoRecord) -> bool:
        """Tell whether this worker holds the claim."""
        return item.status == "claimed" and item.worker == self.token

    def end(self, item: VideoRecord, status: str, reason: str | None) -> bool:
        """Record the end of a claimed video; False if the claim expired and is another worker's.

        Raises StoreError.
        """
        return self._change(replace(item, status=status, reason=reason, lost=0, lease=0.0))

    def lose(self, item: VideoRecord, reason: str) -> VideoRecord:
        """Record an attempt that crashed the decoder; the video is retried or quarantined."""
        lost = _lost(item, item.lost + 1, reason)
        self._change(lost)
        return lost

    def missing(self, folder: str, name: str, reason: str) -> None:
        """Record the failure of a file that cannot be read and so has no digest."""
        with self._open() as db:
            _put(
                db,
                VideoRecord(
                    text(folder),
                    text(name),
                    "",
                    self.run,
                    "failed",
                    0,
                    0.0,
                    self.token,
                    reason,
                    time.time(),
                ),
            )

    def _change(self, item: VideoRecord) -> bool:
        with self._open() as db:
            found = _find(db, item.folder)
            if found is None or not self.has(found):
                return False
            _put(db, replace(item, changed=time.time()))
            return True

    def _turn(
        self, found: VideoRecord | None, video: tuple[str, str, str], now: float
    ) -> VideoRecord | None:
        """Return the new status of the video, or None if it does not change."""
        mine = VideoRecord(*video, self.run, "claimed", 0, now + LEASE_S, self.token, None, now)
        if found is None:
            return mine
        driven = found.worker.startswith(DRIVER)
        begun = driven or WorkMark(self._store, found.worker).is_set()
        if _held(found, now) and begun:
            return None
        if (found.run, found.digest) != (self.run, mine.digest):
            return mine
        if found.status == "quarantined" or (
            found.status == "failed" and found.changed >= self.began
        ):
            return None
        counts = found.status == "claimed" and begun and not driven
        died = _lost(found, found.lost + counts, WORKER_LOST)
        return died if died.status == "quarantined" else replace(mine, lost=died.lost)

    def _beat(self) -> None:
        while not self._over.wait(LEASE_S / BEATS):
            with suppress(*_LATER), self._open() as db:
                db.execute(
                    "UPDATE items SET lease = ? WHERE worker = ? AND status = 'claimed'",
                    (time.time() + LEASE_S, self.token),
                )


def _held(item: VideoRecord, now: float) -> bool:
    """Tell whether a claim is valid; one longer than a lease means the clock was set back."""
    return item.status == "claimed" and now < item.lease <= now + LEASE_S


def _lost(item: VideoRecord, lost: int, reason: str) -> VideoRecord:
    if lost < MAX_ATTEMPTS:
        return replace(item, status="todo", lost=lost, lease=0.0, reason=reason)
    return replace(
        item,
        status="quarantined",
        lost=lost,
        lease=0.0,
        changed=time.time(),
        reason=f"quarantined after {lost} attempts: {reason}",
    )


def text(name: str) -> str:
    """Return a file name as text for SQLite: bytes that are not UTF-8 are written as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _find(db: sqlite3.Connection, folder: str) -> VideoRecord | None:
    row = db.execute("SELECT * FROM items WHERE folder = ?", (folder,)).fetchone()
    return None if row is None else VideoRecord(*row)


def _forget_missing(db: sqlite3.Connection, name: str) -> None:
    """Delete the failure of a file that could not be read, now that it can."""
    db.execute("DELETE FROM items WHERE digest = '' AND name = ?", (name,))


def _put(db: sqlite3.Connection, item: VideoRecord) -> None:
    db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(item))


def put_back(out: Path, folders: Iterable[str] | None = None) -> int:
    """Release failed and quarantined videos of a result folder, so that they are tried again.

    Only those of `folders`, if given. Returns how many were released. Raises StoreError.
    """
    query = (
        "UPDATE items SET status = 'todo', lost = 0, reason = NULL "
        "WHERE status IN ('failed', 'quarantined')"
    )
    with index.open_index(out / ".store") as db:
        if folders is None:
            return db.execute(query).rowcount
        return sum(
            db.execute(f"{query} AND folder = ?", (text(folder),)).rowcount for folder in folders
        )


def run_status(out: Path) -> tuple[list[RunRecord], list[VideoRecord]]:
    """Return the runs of a result folder, newest first, and its videos, updated from the results.

    Raises StoreError.
    """
    there = {text(path.parent.name): path.parent for path in sorted(out.glob(f"*/{results.NAME}"))}
    with index.open_index(out / ".store") as db:
        _follow(db, there)
        rows = db.execute(
            "SELECT * FROM runs WHERE run IN (SELECT run FROM items) ORDER BY began DESC"
        ).fetchall()
        items = [VideoRecord(*row) for row in db.execute("SELECT * FROM items ORDER BY folder")]
    return [RunRecord(row[0], _settings(row[1]), *row[2:]) for row in rows], items


def _settings(words: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(words))
    except (ValueError, TypeError, RecursionError):
        return {}  # a run with damaged settings is still listed


def _follow(db: sqlite3.Connection, there: Mapping[str, Path]) -> None:
    """Add finished results that the index does not know, and delete those whose files are gone."""
    known = {
        row[0] for row in db.execute("SELECT folder FROM items WHERE status IN ('done', 'partial')")
    }
    db.executemany(
        "DELETE FROM items WHERE folder = ?", [(folder,) for folder in known - there.keys()]
    )
    for folder in there.keys() - known:
        found = _find(db, folder)
        if (
            found is None
            or found.status == "todo"
            or (found.status == "claimed" and not _held(found, time.time()))
        ):
            _restore(db, folder, there[folder])


def _restore(db: sqlite3.Connection, folder: str, place: Path) -> None:
    found = results.result_facts(place)
    if found is None:
        return
    run, made = digest_json(found["settings"]), (place / results.NAME).stat().st_mtime
    _put(
        db,
        VideoRecord(
            folder,
            text(found["name"]),
            found["video"],
            run,
            found["status"],
            0,
            0.0,
            "",
            found["reason"],
            made,
        ),
    )
    db.execute(
        "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)",
        (run, json.dumps(found["settings"]), 0, made),
    )
