"""What the live page asks of a watcher: one protocol, and the values that cross it.

All times are Unix times in seconds. Every method may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from hiprobe.live.alert import Alert, State
from hiprobe.live.alert_archive import AlertStates
from hiprobe.live.destinations import SinkState
from hiprobe.live.status import WatcherReport
from hiprobe.probe import Probe

SCORE_S = 600.0  # seconds of scores on the tile of a camera


class ScorePoint(NamedTuple):
    """The score by which alerts are raised, at the end of a segment, and its threshold then."""

    time: float
    score: float
    threshold: float


@dataclass(frozen=True)
class ShownCamera:
    """The state of one camera; `detail` says why it is in it, without an address.

    `lag_s` is how many seconds after the last picture of a segment its score was known, None before
    the first; `dropped` counts segments that were not read; `scores` are those of the last ten
    minutes, in order; `pictured` is when the newest picture was taken, None before the first.
    """

    name: str
    place: str | None = None
    state: State = "offline"
    detail: str = ""
    watching: bool = True
    lag_s: float | None = None
    dropped: int = 0
    scores: Sequence[ScorePoint] = ()
    pictured: float | None = None


@dataclass(frozen=True)
class WatchStatus:
    """The cameras of a watcher, in the order of their file, and its sinks."""

    cameras: Sequence[ShownCamera]
    sinks: Sequence[SinkState] = ()


class LiveEvent(NamedTuple):
    """Something has changed: an alert, which may also be deleted, or the probe in use.

    `id` rises by every event while the watcher runs. `name` is the id of the alert, or the digest
    of the probe; what it is now is asked for by its name.
    """

    id: int
    kind: Literal["alert", "deleted", "probe"]
    name: str


class LiveWatcher(Protocol):
    """A running watcher."""

    @property
    def folder(self) -> Path:
        """The folder that holds the clips and snapshots that alerts name."""
        ...

    def status(self) -> WatchStatus:
        """Return the state of every camera and sink."""
        ...

    def report(self) -> WatcherReport:
        """Return how the watcher and its sinks are doing, in full."""
        ...

    def alerts(self, before: float | None = None, most: int = 100) -> Sequence[Alert]:
        """List alerts as their newest messages have them, the last to start first.

        They are the `most` last that start before `before`, those of earlier runs of the watcher
        among them as long as they are kept. Raises StoreError.
        """
        ...

    def alert(self, name: str) -> Alert | None:
        """Return one alert by its id, None if it is not kept; raises StoreError."""
        ...

    def stream(self, after: int | None = None) -> Iterator[LiveEvent | None]:
        """Yield what changes from now on; with `after`, first what has changed since that event.

        While nothing changes it yields None about once a second, so that its reader can stop. It
        ends when the watcher is closed.
        """
        ...

    def picture(self, camera: str) -> bytes | None:
        """Return the newest picture of a camera as a JPEG, None if there is none."""
        ...

    def footage(self, alert: str) -> AlertStates | None:
        """Return the hidden states of an alert, as far as known; None if they are not kept.

        Raises StoreError for a damaged file.
        """
        ...

    def swap(self, probe: Probe) -> None:
        """Score every segment from now on with `probe`; none is lost, and open alerts go on.

        Raises RecipeMismatch for a probe of another model or recipe, and then changes nothing.
        """
        ...

    def judge(self, alert: str, kind: str | None, who: str) -> None:
        """Note that `who` has seen an alert, and judged it true_alarm or false_alarm, or neither.

        Footage of an alert that somebody has seen may be deleted before that of others.
        """
        ...

    def check_ended(self, alert: str) -> None:
        """Raise UsageError while the alert goes on: it cannot be deleted yet."""
        ...

    def delete(self, alert: str) -> None:
        """Delete an alert with its clip, its snapshot and its hidden states.

        Returns once they are gone. Raises UsageError while the alert goes on, and StoreError if the
        disk refuses.
        """
        ...
