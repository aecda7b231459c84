"""What the live page shows: a tile per camera and a row per alert. Knows no HTML."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hiprobe.live.alert import Alert
from hiprobe.live.alert_archive import footage_id
from hiprobe.report.curves import thin, value_range
from hiprobe.report.heat import HeatMap, heat_map
from hiprobe.report.texts import says_normal
from hiprobe.review.judgements import Judgement
from hiprobe.review.live_session import LiveSession
from hiprobe.review.live_watcher import SCORE_S, ScorePoint, ShownCamera
from hiprobe.review.seen_alerts import SeenAlert
from hiprobe.types import Event

WIDTH, HEIGHT = 600, 64  # units of a tile's curve, one for each second
POINTS = 150  # of a tile's curve
BREAK_S = 8.0  # without a score break the curve
SLOW_S = 10.0  # a camera whose scores come later than this is marked
OVER = ("end", "withdrawn")


@dataclass(frozen=True)
class Tile:
    """A camera with its curve: `curves` and `limits` are points of SVG polylines.

    `words` say the same for those who do not see it. `alarm` tells whether an alert is open there.
    """

    camera: ShownCamera
    curves: tuple[str, ...]
    limits: tuple[str, ...]
    words: str
    alarm: bool

    @property
    def slow(self) -> bool:
        """Whether scores come so late that alerts do too."""
        return self.camera.lag_s is not None and self.camera.lag_s > SLOW_S

    @property
    def stamp(self) -> int | None:
        """When the newest picture was taken, in Unix milliseconds; None if there is none."""
        return None if self.camera.pictured is None else round(self.camera.pictured * 1000)


@dataclass(frozen=True)
class AlertRow:
    """An alert with the judgement that counts, and who has seen it first, if anybody has."""

    alert: Alert
    judgement: Judgement | None = None
    seen: SeenAlert | None = None

    @property
    def running(self) -> bool:
        """Whether the alert goes on."""
        return self.alert.type not in OVER

    @property
    def low(self) -> bool:
        """Whether it is shown on demand only: rejected or withdrawn, and not judged."""
        weak = self.alert.severity == "low" or self.alert.type == "withdrawn"
        return weak and self.judgement is None

    @property
    def open(self) -> bool:
        """Whether somebody should look at it."""
        return not self.low and self.judgement is None and self.seen is None

    @property
    def says_normal(self) -> bool:
        """Whether the model's own words say that nothing abnormal happens."""
        return says_normal(self.alert.label, self.alert.explanation)

    @property
    def heat(self) -> HeatMap | None:
        """The drawing of its box, if it has one."""
        return heat_map(Event(0.0, 1.0, box=self.alert.box))

    @property
    def lasts(self) -> float:
        """How long it lasts so far, in seconds."""
        return self.alert.end - self.alert.start


def alert_row(session: LiveSession, alert: Alert) -> AlertRow:
    """Return the row of one alert; raises StoreError."""
    return alert_rows(session, [alert])[0]


def alert_rows(session: LiveSession, alerts: Sequence[Alert]) -> list[AlertRow]:
    """Return the rows of alerts, in their order; raises StoreError."""
    latest = {one.video: one for one in session.judgements.standing()}
    seen = session.seen.all()
    videos = [footage_id(alert.id) for alert in alerts]
    return [
        AlertRow(alert, latest.get(video), seen.get(video))
        for alert, video in zip(alerts, videos, strict=True)
    ]


def tiles(session: LiveSession) -> list[Tile]:
    """Return a tile for each camera, with the curve up to now."""
    going = {one.camera for one in session.watcher.alerts(most=50) if one.type not in OVER}
    now = time.time()
    cameras = session.watcher.status().cameras
    return [_tile(camera, now, alarm=camera.name in going) for camera in cameras]


def _tile(camera: ShownCamera, now: float, *, alarm: bool) -> Tile:
    recent = [one for one in camera.scores if now - SCORE_S <= one.time <= now + 1]
    known = [one for one in recent if np.isfinite(one.score)]
    low, high = value_range(np.array([(one.score, one.threshold) for one in known]).ravel())
    scale = (now, low, high)
    return Tile(
        camera,
        tuple(_points(run, scale, "score") for run in _runs(known)),
        tuple(_points(run, scale, "threshold") for run in _runs(known)),
        _words(known),
        alarm,
    )


def _runs(scores: Sequence[ScorePoint]) -> list[list[ScorePoint]]:
    """Cut scores where some are missing."""
    breaks = [
        place for place, (a, b) in enumerate(pairwise(scores), 1) if b.time - a.time > BREAK_S
    ]
    edges = [0, *breaks, len(scores)]
    return [list(scores[a:b]) for a, b in pairwise(edges) if b > a]


def _points(run: Sequence[ScorePoint], scale: tuple[float, float, float], what: str) -> str:
    """Return the points of a polyline, thinned so that its lowest and highest stay."""
    now, low, high = scale
    values = np.array([getattr(one, what) for one in run])
    keep = [int(k) for k in thin(values, POINTS) if np.isfinite(values[k])]
    times = np.array([run[k].time for k in keep])
    x = np.clip(WIDTH - (now - times), 0, WIDTH)
    y = HEIGHT - 1 - (values[keep] - low) / (high - low) * (HEIGHT - 2)
    return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _words(scores: Sequence[ScorePoint]) -> str:
    if not scores:
        return "no score in the last ten minutes"
    highest = max(one.score for one in scores)
    newest = scores[-1]
    return (
        f"score of the last ten minutes: {newest.score:.2f} now, {highest:.2f} at most, "
        f"threshold {newest.threshold:.2f}"
    )
