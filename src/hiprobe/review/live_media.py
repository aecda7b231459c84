"""Clips and snapshots of alerts for the page: files that the watcher names, in its own folder only.

Knows no score and no judgement.
"""

from __future__ import annotations

from pathlib import Path

from hiprobe.errors import MissingVideo
from hiprobe.live.alert import Alert
from hiprobe.live.alert_archive import footage_id
from hiprobe.review.live_session import LiveSession


def snapshot(session: LiveSession, alert: Alert) -> Path:
    """Return the snapshot of an alert; raises MissingVideo if there is none."""
    return _file(session, alert, alert.snapshot, "snapshot")


def clip(session: LiveSession, alert: Alert) -> Path | None:
    """Return a file that browsers play: the clip or its copy; None while the copy is made.

    Raises MissingVideo if there is no clip yet, and VideoError for one that cannot be played.
    """
    source = _file(session, alert, alert.clip, "clip")
    return session.media.copies.playable(footage_id(alert.id), source)


def _file(session: LiveSession, alert: Alert, name: str | None, what: str) -> Path:
    folder = session.watcher.folder
    path = None if name is None else folder / name
    if path is None or not path.is_file() or not _is_inside(path, folder):
        raise MissingVideo(f"there is no {what} of this alert", where=alert.id)
    return path


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
