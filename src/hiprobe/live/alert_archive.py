"""The alerts of a watcher, kept for people: the newest message of each, and its hidden states.

One small file per alert, and its states in a store as those of a video. Knows no camera, no sink
and no page.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiprobe.disk.atomic import disk_errors, write_atomic
from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.live.alert import Alert
from hiprobe.store import delete_states, kept_states, save_states
from hiprobe.types import HiddenStates, Recipe

FOLDER, STORE = "alerts", ".store"
MOST = 10_000  # alerts; beyond that the oldest one goes
SCHEMA = "hiprobe.kept-alert/1"


@dataclass(frozen=True)
class AlertStates:
    """The hidden states of an alert's segments, and of those around it.

    `start` and `end` are those of the alert on the clock of the states, in seconds.
    """

    states: HiddenStates
    start: float
    end: float


@dataclass(frozen=True)
class _Kept:
    """The newest message of an alert, whether it was seen, and its span on the camera's clock."""

    alert: Alert
    seen: bool = False
    span: tuple[float, float] | None = None

    def to_json(self) -> str:
        values = {"schema": SCHEMA, "seen": self.seen, "span": self.span}
        return json.dumps({**values, "alert": self.alert.line()})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> _Kept:
        span = values["span"]
        found = None if span is None else (float(span[0]), float(span[1]))
        return cls(Alert.of(values["alert"]), bool(values["seen"]), found)


def footage_id(alert: str) -> str:
    """Return the id of an alert's footage, in the form of a video's content digest.

    >>> footage_id("a1")[:8], len(footage_id("a1"))
    ('cefb5ecc', 64)
    """
    return hashlib.sha256(f"hiprobe.alert {alert}".encode()).hexdigest()


class AlertArchive:
    """Keeps alerts in `folder`, those of earlier runs too. Several threads may use it.

    A damaged file is passed over, and counted in `damaged`. Calls that write raise StoreError if
    the disk refuses.

    >>> import tempfile
    >>> archive = AlertArchive(Path(tempfile.mkdtemp()))
    >>> archive.put(Alert("a1", "new", "yard", 10.0, 11.6))
    >>> [one.id for one in AlertArchive(archive.folder).alerts()]
    ['a1']
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.damaged = folder, 0
        self._lock, self._kept = threading.RLock(), dict[str, _Kept]()
        for path in (folder / FOLDER).glob("*.json"):
            self._load(path)

    def put(self, alert: Alert, found: AlertStates | None = None, dtype: str = "float32") -> None:
        """Keep the newest message of an alert, and its states if they are given."""
        span = None if found is None else (found.start, found.end)
        with self._lock:
            known = self._kept.get(alert.id, _Kept(alert))
            if found is not None:
                states = replace(found.states, video_id=footage_id(alert.id))
                save_states(self.folder / STORE, states, dtype)
            self._write(replace(known, alert=alert, span=span or known.span))
            for old in self._oldest():
                self.delete(old)

    def alerts(self, before: float | None = None, most: int = 100) -> list[Alert]:
        """List alerts, the last to start first: the `most` last that start before `before`."""
        with self._lock:
            found = [one.alert for one in self._kept.values()]
        found = [one for one in found if before is None or one.start < before]
        return sorted(found, key=lambda one: (one.start, one.id), reverse=True)[:most]

    def alert(self, name: str) -> Alert | None:
        """Return an alert by its id, None if it is not kept."""
        known = self._kept.get(name)
        return None if known is None else known.alert

    def states(self, name: str, recipe: Recipe) -> AlertStates | None:
        """Return the kept states of an alert; None without states of this recipe.

        Raises StoreError for a damaged file.
        """
        known = self._kept.get(name)
        if known is None or known.span is None:
            return None
        found = kept_states(self.folder / STORE, footage_id(name), recipe)
        return AlertStates(found[0], *known.span) if found else None

    def see(self, name: str) -> None:
        """Note that somebody has seen an alert."""
        with self._lock:
            known = self._kept.get(name)
            if known is not None and not known.seen:
                self._write(replace(known, seen=True))

    def is_seen(self, name: str) -> bool:
        """Tell whether somebody has seen an alert."""
        known = self._kept.get(name)
        return known is not None and known.seen

    def delete(self, name: str) -> None:
        """Delete what is kept of an alert; returns once it is gone."""
        with self._lock, disk_errors(self.folder / FOLDER):
            delete_states(self.folder / STORE, footage_id(name))
            self._path(name).unlink(missing_ok=True)
            self._kept.pop(name, None)

    def _path(self, name: str) -> Path:
        return self.folder / FOLDER / f"{name}.json"

    def _write(self, kept: _Kept) -> None:
        path = self._path(kept.alert.id)
        write_atomic(path, kept.to_json().encode())
        self._kept[kept.alert.id] = kept

    def _load(self, path: Path) -> None:
        try:
            values = json.loads(read_regular(path, JSON_BYTES))
            if values["schema"] != SCHEMA or values["alert"]["id"] != path.stem:
                raise ValueError("another schema, or another alert")
            self._kept[path.stem] = _Kept.of(values)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            self.damaged += 1

    def _oldest(self) -> list[str]:
        """Return the alerts that are too many."""
        if len(self._kept) <= MOST:
            return []
        order = sorted(self._kept.values(), key=lambda one: one.alert.start)
        return [one.alert.id for one in order[: len(order) - MOST]]
