"""The messages of a watcher: alerts, and the newest score and state of a camera.

Knows no sink, no store and no video.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal

from hiprobe.sinks import ALERT_SCHEMA, CAMERA_SCHEMA, SCORE_SCHEMA, TYPES, number
from hiprobe.types import Event, Verification, unicode
from hiprobe.types.events import SEVERITIES, Box, Severity, check

AlertType = Literal["new", "update", "end", "withdrawn"]
State = Literal["online", "offline", "frozen", "changed", "ended"]
STATES = ("online", "offline", "frozen", "changed", "ended")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_YEAR_9999 = 253_402_300_800.0


@dataclass(frozen=True)
class Alert:
    """One message about an alert: `hiprobe.alert/1`.

    All messages of an alert have one `id` (letters, digits, `_` and `-`); `sequence` counts them
    and is set by the outbox, so that a receiver knows a repeated message by both. `start`, `end`
    and `peak` are Unix times in seconds; `end` is the end so far until `type` is "end". `score` is
    the highest smoothed score and `threshold` the one that applied at the peak. `clip` and
    `snapshot` are paths relative to the watcher's folder. `provisional` is true while only the
    causal rule has spoken. Raises ValueError for a value that is not valid.

    >>> alert = Alert("a1", "new", "yard", start=1764460800.0, end=1764460801.6, score=0.9)
    >>> alert.line()["start"], alert.line()["severity"]
    ('2025-11-30T00:00:00.000Z', 'medium')
    """

    id: str
    type: AlertType
    camera: str
    start: float
    end: float
    peak: float | None = None
    score: float | None = None
    threshold: float | None = None
    severity: Severity = "medium"
    verification: Verification = field(default_factory=Verification)
    label: str | None = None
    explanation: str | None = None
    box: Box | None = None
    clip: str | None = None
    snapshot: str | None = None
    probe: str = ""
    model: str = ""
    provisional: bool = True
    sequence: int = 0

    def __post_init__(self) -> None:
        _check_words(self)
        check(
            _is_time(self.start) and _is_time(self.end) and self.end >= self.start,
            f"an alert must not end before its start, got {self.start} to {self.end}",
        )
        numbers = {"peak": self.peak, "score": self.score, "threshold": self.threshold}
        for name, value in numbers.items():
            check(value is None or math.isfinite(value), f"{name} must be finite, got {value}")
        check(self.peak is None or _is_time(self.peak), f"peak must be a time, got {self.peak}")
        Event(0.0, 1.0, box=self.box)  # raises for a box that is none
        for path in (self.clip, self.snapshot):
            check(path is None or _is_inside(path), f"a file must be a relative path, got {path}")

    def line(self) -> dict[str, Any]:
        """Make the published form: JSON values in a fixed order, times in RFC 3339, UTC."""
        return {
            "schema": ALERT_SCHEMA,
            "id": self.id,
            "sequence": self.sequence,
            "type": self.type,
            "camera": unicode(self.camera),
            "start": timestamp_utc(self.start),
            "end": timestamp_utc(self.end),
            "peak": None if self.peak is None else timestamp_utc(self.peak),
            "score": number(self.score),
            "threshold": number(self.threshold),
            "severity": self.severity,
            "verification": {
                "result": self.verification.result,
                "log_odds": number(self.verification.log_odds),
            },
            "label": self.label and unicode(self.label),
            "explanation": self.explanation and unicode(self.explanation),
            "box": None if self.box is None else [number(value) for value in self.box],
            "clip": self.clip,
            "snapshot": self.snapshot,
            "probe": self.probe,
            "model": self.model,
            "provisional": self.provisional,
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Alert:
        """Read the published form again, times to the millisecond; raises ValueError.

        >>> alert = Alert("a1", "end", "yard", 10.0, 12.5, provisional=False)
        >>> Alert.of(alert.line()) == alert
        True
        """
        given = dict(line)
        check(given.pop("schema", None) == ALERT_SCHEMA, f"a line must be of {ALERT_SCHEMA}")
        try:
            for name in ("start", "end", "peak"):
                given[name] = None if given[name] is None else unix_time(given[name])
            given["verification"] = Verification(**given["verification"])
            given["box"] = None if given["box"] is None else tuple(given["box"])
            return cls(**given)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an alert: {error}") from error


def _check_words(alert: Alert) -> None:
    check(bool(_ID.fullmatch(alert.id)), f"an alert's id must be short and plain, got {alert.id!r}")
    check(alert.type in TYPES, f"the type must be one of {TYPES}, got {alert.type!r}")
    check(bool(alert.camera.strip()), "an alert needs the name of its camera")
    severity = f"the severity must be one of {SEVERITIES}, got {alert.severity!r}"
    check(alert.severity in SEVERITIES, severity)
    check(alert.sequence >= 0, f"the sequence must be 0 or more, got {alert.sequence}")


def _is_time(value: float) -> bool:
    return math.isfinite(value) and 0 <= value < _YEAR_9999


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path)
    return bool(path) and not parts.is_absolute() and ".." not in parts.parts and "\0" not in path


def timestamp_utc(seconds: float) -> str:
    """Format a Unix time by RFC 3339 in UTC, to the millisecond.

    >>> timestamp_utc(0.0625)
    '1970-01-01T00:00:00.062Z'
    """
    whole = round(seconds * 1000)
    moment = datetime.fromtimestamp(whole // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{whole % 1000:03d}Z"


def unix_time(text: str) -> float:
    """Return the Unix time in seconds of an RFC 3339 time; raises ValueError.

    >>> unix_time("1970-01-01T00:00:01.500Z")
    1.5
    """
    moment = datetime.fromisoformat(text)
    check(moment.tzinfo is not None, f"a time needs its offset from UTC, got {text[:40]!r}")
    return moment.timestamp()


def score_line(camera: str, wall: float, score: float, threshold: float) -> dict[str, Any]:
    """Make the message with the newest score of a camera, by the rule that raises its alerts.

    `wall` is the Unix time in seconds of the end of the segment.

    >>> score_line("yard", 0.0, 0.25, 0.5)["score"]
    0.25
    """
    return {
        "schema": SCORE_SCHEMA,
        "camera": unicode(camera),
        "time": timestamp_utc(wall),
        "score": number(score),
        "threshold": number(threshold),
    }


@dataclass(frozen=True)
class CameraState:
    """The state of a camera as sinks are told: `hiprobe.camera/1`.

    `watching` is false while it is paused by its switch. `detail` says why, without an address.
    `wall` is the Unix time in seconds since when. Raises ValueError for an unknown state.

    >>> CameraState("yard", "offline", 0.0, detail="no packets for 15 s").line()["state"]
    'offline'
    """

    camera: str
    state: State
    wall: float
    place: str | None = None
    detail: str = ""
    watching: bool = True

    def __post_init__(self) -> None:
        check(self.state in STATES, f"the state must be one of {STATES}, got {self.state!r}")

    def line(self) -> dict[str, Any]:
        """Make the published form: JSON values in a fixed order."""
        return {
            "schema": CAMERA_SCHEMA,
            "camera": unicode(self.camera),
            "place": self.place and unicode(self.place),
            "state": self.state,
            "detail": unicode(self.detail),
            "watching": self.watching,
            "time": timestamp_utc(self.wall),
        }
