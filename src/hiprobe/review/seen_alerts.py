"""Which alerts people have seen, in the review file: judgements know them by a digest only.

Knows no page and no watcher.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hiprobe.live.alert_archive import footage_id
from hiprobe.review.judgements import reviewer, utc_now
from hiprobe.review.review_file import make_review_file, open_review_file


@dataclass(frozen=True)
class SeenAlert:
    """An alert that `who` has seen, and when it was first seen; `at` is in UTC, ISO 8601."""

    alert: str
    camera: str
    at: str
    who: str


class SeenAlerts:
    """The seen alerts of one review file. Calls that write may raise StoreError.

    >>> import tempfile
    >>> seen = SeenAlerts(Path(tempfile.mkdtemp()))
    >>> seen.note("a1", "yard", "ann")
    >>> "a1" in seen, "a2" in seen
    (True, False)
    """

    def __init__(self, folder: Path) -> None:
        self.path = make_review_file(folder)
        # What is in the file, as a refit asks about every video; one watcher writes to it.
        self._known = self._read()

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_review_file(self.path)

    def _read(self) -> dict[str, SeenAlert]:
        with self._open() as db:
            rows = db.execute("SELECT video, alert, camera, at, who FROM seen ORDER BY rowid")
            return {str(video): SeenAlert(*map(str, values)) for video, *values in rows}

    def note(self, alert: str, camera: str, who: str) -> None:
        """Save that `who` has seen an alert; the first one to see it stays."""
        video = footage_id(alert)
        if video in self._known:
            return
        seen = SeenAlert(alert, camera, utc_now(), reviewer(who))
        row = (video, seen.alert, seen.camera, seen.at, seen.who)
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?)", row)
        self._known = {**self._known, video: seen}

    def forget(self, alert: str) -> None:
        """Delete what is saved of an alert."""
        video = footage_id(alert)
        with self._open() as db:
            db.execute("DELETE FROM seen WHERE video = ?", (video,))
        self._known = {name: one for name, one in self._known.items() if name != video}

    def all(self) -> dict[str, SeenAlert]:
        """Return the seen alerts by the id of their footage, the first to be seen first."""
        return self._known

    def find(self, video: str) -> SeenAlert | None:
        """Return the alert with this footage, None if it is no alert or nobody has seen it."""
        return self._known.get(video)

    def __contains__(self, alert: str) -> bool:
        return footage_id(alert) in self._known
