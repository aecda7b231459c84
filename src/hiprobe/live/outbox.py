"""Alerts on their way to sinks, in one SQLite file (WAL, synced). Knows no sink and no thread.

An alert is on disk before it goes anywhere, and a message stays until its receiver has it: each is
delivered at least once, always under the same id and sequence, in order per alert and sink.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.disk.atomic import disk_errors
from hiprobe.disk.regular import refuse_odd_database
from hiprobe.errors import StoreError
from hiprobe.live.alert import Alert
from hiprobe.live.routing import LAST, Decision, Knows, Line, decide, release
from hiprobe.sinks import SinkSettings
from hiprobe.store import index

NAME = "outbox.sqlite"
SCHEMA = 1
BUSY_S = 2.0  # the watcher waits for this, so that it must be short
KEEP_DAYS = 14.0  # delivered messages
LOSE_DAYS = 30.0  # messages that no receiver took
MOST_WAIT_S = 300.0  # until a message is tried again
LATE_S = 60.0  # how much older the time of a question may be than what was stored meanwhile
TABLES = (
    "CREATE TABLE alert (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, over INTEGER NOT NULL, "
    "line TEXT NOT NULL, at REAL NOT NULL) STRICT",
    "CREATE TABLE delivery (number INTEGER PRIMARY KEY AUTOINCREMENT, route TEXT NOT NULL, "
    "alert TEXT NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL "
    "CHECK (state IN ('held', 'due', 'delivered')), at REAL NOT NULL, put REAL NOT NULL, "
    "attempts INTEGER NOT NULL, line TEXT NOT NULL, UNIQUE (route, alert, sequence)) STRICT",
    "CREATE INDEX waiting ON delivery (route, state, number)",
)

# The message of each alert that a route has to deal with first.
_HEADS = (
    "SELECT number, state, at, attempts, line, min(number) FROM delivery "
    "WHERE route = ? AND state IN ('held', 'due') GROUP BY alert"
)


@dataclass(frozen=True)
class Sending:
    """A message that one route has to deliver; `attempts` is how often that has failed."""

    number: int
    route: str
    line: Line
    attempts: int


@dataclass(frozen=True)
class Waiting:
    """How many messages of a route are not delivered yet; `oldest` is when the first was put."""

    messages: int = 0
    oldest: float | None = None


class Outbox:
    """The outbox of one watcher, made if it does not exist. Several threads may use it.

    `routes` are the settings of each sink by its name; a message is kept for the sinks that are
    named when it is put. Times are Unix times in seconds. Every call may raise StoreError: a full
    disk, a file that another program holds, or a damaged one.

    >>> import tempfile
    >>> outbox = Outbox(Path(tempfile.mkdtemp()) / NAME, {"log": SinkSettings()})
    >>> stored = outbox.put(Alert("a1", "new", "yard", 10.0, 11.6))
    >>> sending = outbox.due("log", time.time())
    >>> sending.line["id"], sending.line["sequence"]
    ('a1', 1)
    >>> outbox.delivered(sending)
    >>> outbox.due("log", time.time()) is None
    True
    """

    def __init__(self, path: Path, routes: Mapping[str, SinkSettings]) -> None:
        self.path, self.routes = path, dict(routes)
        self._lock = threading.RLock()
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        refuse_odd_database(path)
        with self._named_errors():
            self._db = _connect(path)
            _prepare(self._db)

    def put(self, alert: Alert) -> Alert:
        """Store a message for every sink that gets it; return it with its sequence.

        It is on disk when this returns.
        """
        now = time.time()
        with self._transaction(synced=True) as db:
            sequence, over = _last(db, alert.id)
            stored = replace(alert, sequence=sequence + 1)
            line = stored.line()
            db.execute(
                "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)",
                (stored.id, stored.sequence, over or stored.type in LAST, json.dumps(line), now),
            )
            for route, settings in self.routes.items():
                knows, held = _known(db, route, stored.id)
                decision = decide(settings, knows, line, held)
                _enter(db, (route, stored.id), decision, now)
        return stored

    def due(self, route: str, now: float) -> Sending | None:
        """Return the message that a route has to send next, None if there is none now.

        Of each alert the oldest one; a message that waits to be tried again does not hold up those
        of other alerts.
        """
        with self._transaction() as db:
            self._release(db, route, now)
            row = db.execute(
                f"SELECT number, line, attempts FROM ({_HEADS}) WHERE state = 'due' AND "
                "(at <= ? OR at > ?) ORDER BY number LIMIT 1",
                (route, now, now + MOST_WAIT_S),  # further off: the clock was set back
            ).fetchone()
            return None if row is None else Sending(row[0], route, json.loads(row[1]), row[2])

    def _release(self, db: sqlite3.Connection, route: str, now: float) -> None:
        settings = self.routes[route]
        rows = db.execute(
            "SELECT alert, line FROM delivery WHERE route = ? AND state = 'held' AND "
            "(at <= ? OR at > ?)",
            (
                route,
                now,
                now + max(settings.wait_s, settings.explain_s) + LATE_S,
            ),  # further off: the clock was set back
        ).fetchall()
        for alert, line in rows:
            _enter(db, (route, alert), release(settings, json.loads(line)), now)

    def next_at(self, route: str) -> float | None:
        """Return when a route has to do something next; None if nothing waits."""
        with self._transaction() as db:
            found = db.execute(f"SELECT min(at) FROM ({_HEADS})", (route,)).fetchone()[0]
        return None if found is None else float(found)

    def delivered(self, sending: Sending) -> None:
        """Store that the receiver has the message."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET state = 'delivered', at = ? WHERE number = ?",
                (time.time(), sending.number),
            )

    def failed(self, sending: Sending, again_at: float) -> None:
        """Store that the message was not delivered, and is to be tried again at `again_at`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET at = ?, attempts = attempts + 1 WHERE number = ?",
                (again_at, sending.number),
            )

    def waiting(self, route: str) -> Waiting:
        """Count the messages of a route that are not delivered yet."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT count(*), min(put) FROM delivery "
                "WHERE route = ? AND state IN ('held', 'due')",
                (route,),
            ).fetchone()
        return Waiting(row[0], row[1])

    def open_alerts(self) -> list[Alert]:
        """Return the last message of each alert that has neither ended nor been withdrawn.

        After a crash the next watcher ends them.
        """
        with self._transaction() as db:
            rows = db.execute("SELECT line FROM alert WHERE NOT over ORDER BY at").fetchall()
            return [Alert.of(json.loads(line)) for (line,) in rows]

    def forget(self, alert: str) -> None:
        """Delete all that is kept of an alert, also what was not delivered."""
        with self._transaction() as db:
            db.execute("DELETE FROM delivery WHERE alert = ?", (alert,))
            db.execute("DELETE FROM alert WHERE id = ?", (alert,))

    def prune(self, now: float, keep_days: float = KEEP_DAYS) -> int:
        """Delete messages delivered `keep_days` ago; return how many were never delivered.

        Those are given up after 30 days, also the ones of sinks that are not named any more.
        """
        with self._transaction() as db:
            db.execute(
                "DELETE FROM delivery WHERE state = 'delivered' AND at < ?",
                (now - keep_days * 86400,),
            )
            lost = db.execute(
                "DELETE FROM delivery WHERE state <> 'delivered' AND put < ?",
                (now - LOSE_DAYS * 86400,),
            ).rowcount
            db.execute(
                "DELETE FROM alert WHERE over AND at < ? AND NOT EXISTS "
                "(SELECT 1 FROM delivery WHERE delivery.alert = alert.id)",
                (now - keep_days * 86400,),
            )
        return int(lost)

    def close(self) -> None:
        """Close the file; no call may follow."""
        with self._lock, self._named_errors():
            self._db.close()

    @contextmanager
    def _transaction(self, synced: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one transaction; if `synced`, a power cut does not undo it.

        A message that is marked as delivered need not be: it would be delivered twice.
        """
        with self._lock, self._named_errors():
            self._db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:  # a line may be damaged
            raise _store_error(self.path, error) from error


def _store_error(path: Path, error: Exception) -> StoreError:
    if isinstance(error, sqlite3.Error) and index.is_refusal(error):
        cure = index.refusal_cure(error, path).replace(" or choose -o", "")
        return StoreError(f"the outbox cannot be written: {error}", where=path, cure=cure)
    cure = "move it away; messages that were not delivered are in it"
    return StoreError(f"the outbox is damaged: {error}", where=path, cure=cure)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA journal_size_limit={8 << 20}")
    return db


def _prepare(db: sqlite3.Connection) -> None:
    """Make the tables in a new file; raise ValueError for a file that is not ours."""
    db.execute("BEGIN IMMEDIATE")
    tables = {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if not tables:
        for table in TABLES:
            db.execute(table)
        db.execute(f"PRAGMA user_version={SCHEMA}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("COMMIT")
    ours = {sql for sql in tables if "sqlite_sequence" not in sql}
    if version != SCHEMA or (tables and ours != set(TABLES)):
        raise ValueError(f"schema {version}, expected {SCHEMA}, or other tables than hiprobe makes")


def _last(db: sqlite3.Connection, alert: str) -> tuple[int, bool]:
    """Return the last sequence of an alert, 0 for a new one, and whether it is over."""
    row = db.execute("SELECT sequence, over FROM alert WHERE id = ?", (alert,)).fetchone()
    return (0, False) if row is None else (int(row[0]), bool(row[1]))


def _known(db: sqlite3.Connection, route: str, alert: str) -> tuple[Knows, Line | None]:
    """Return what a route knows of an alert, and the message that it holds."""
    row = db.execute(
        "SELECT state, line FROM delivery WHERE route = ? AND alert = ? "
        "ORDER BY state = 'held' DESC LIMIT 1",
        (route, alert),
    ).fetchone()
    if row is None:
        return "unseen", None
    return ("held", json.loads(row[1])) if row[0] == "held" else ("told", None)


def _enter(db: sqlite3.Connection, of: tuple[str, str], decision: Decision, now: float) -> None:
    """Store a decision about a message `of` a route and an alert; one is held at most."""
    if decision.hold is not None:
        until = now + decision.within_s
        held = db.execute(
            "UPDATE delivery SET line = ?, at = min(at, ?) "
            "WHERE route = ? AND alert = ? AND state = 'held'",
            (json.dumps(decision.hold), until, *of),
        ).rowcount
        if not held:
            _insert(db, of, decision.hold, ("held", until, now))
        return
    db.execute("DELETE FROM delivery WHERE route = ? AND alert = ? AND state = 'held'", of)
    for line in decision.send:
        _insert(db, of, line, ("due", now, now))


def _insert(
    db: sqlite3.Connection, of: tuple[str, str], line: Line, state: tuple[str, float, float]
) -> None:
    db.execute(
        "INSERT INTO delivery (route, alert, sequence, state, at, put, attempts, line) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
        (*of, line["sequence"], *state, json.dumps(line)),
    )
