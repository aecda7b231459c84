"""One alert as it was last told, and when to tell what is new about it. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hiprobe.live.alert import Alert, AlertType
from hiprobe.live.cameras import Camera
from hiprobe.probe import Probe
from hiprobe.types import Event, Severity

PATIENCE_S = 2.0  # for a check and a snapshot, so that an update brings both


@dataclass(frozen=True)
class Author:
    """Who speaks: the probe and the name of the model, and the threshold of an alert's score."""

    probe: Probe
    model: str
    threshold: float | None


@dataclass(eq=False)
class OpenAlert:
    """An alert of `camera` that was told as new at `told_at`, in seconds of the monotonic clock.

    The times of its `event` are those of the camera's clock; `walls` are the Unix times of start,
    end and peak. `checks` and `pictures` say whether a check and a snapshot are to come. `over` is
    the monotonic time at which it ended, None while it goes on; the end is then told with the clip,
    or without it after `clip_within_s` seconds.
    """

    id: str
    camera: Camera
    author: Author
    event: Event
    walls: tuple[float, float, float]
    told_at: float
    provisional: bool = True
    checks: bool = False
    pictures: bool = False
    clip: str | None = None
    snapshot: str | None = None
    changed: bool = False
    over: float | None = None
    clip_within_s: float = 0.0

    @property
    def severity(self) -> Severity:
        """Low if the model rejected it, else what the camera's rule says."""
        if self.event.demoted:
            return "low"
        return self.camera.severity.severity(self.event.score or 0.0, self.walls[0])

    def message(self, kind: AlertType) -> Alert:
        """Return what is known of the alert as a message."""
        start, end, peak = self.walls
        event = self.event
        return Alert(
            self.id,
            kind,
            self.camera.name,
            start,
            max(start, end),
            min(max(peak, start), max(start, end)),
            event.score,
            self.author.threshold,
            self.severity,
            event.verification,
            event.label,
            event.explanation,
            event.box,
            self.clip,
            self.snapshot,
            self.author.probe.digest,
            self.author.model,
            self.provisional,
        )

    def describe(self, event: Event) -> None:
        """Take over what was found out about the alert; its times stay."""
        found = {
            name: getattr(event, name)
            for name in ("severity", "verification", "explanation", "box", "heat")
        }
        told = (self.event.verification.result, self.event.explanation, self.event.box)
        new = (event.verification.result, event.explanation, event.box)
        self.changed = self.changed or new != told
        self.event = replace(self.event, **found)

    def is_due(self, now: float) -> bool:
        """Tell whether there is something to tell at the monotonic time `now`."""
        if self.over is not None:
            return (
                not self.pictures or self.clip is not None or now >= self.over + self.clip_within_s
            )
        checked = not self.checks or self.event.verification.result != "not_checked"
        pictured = not self.pictures or self.snapshot is not None
        return self.changed and ((checked and pictured) or now >= self.told_at + PATIENCE_S)
