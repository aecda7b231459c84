"""What a watcher says of itself: status, metrics for Prometheus, and whether it is well.

Values only: no thread, no server. Nothing in them holds an address of a camera.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hiprobe.live.live_items import State

LATE_S = 30.0  # a camera whose scores are later than this is not well
IDLE_S = 60.0  # no score for this long although a camera is online: something hangs


@dataclass(frozen=True)
class CameraReport:
    """One camera; times are Unix seconds.

    `segments` were scored, `repeated` and `carried` of them without being read again; `dropped`
    came too fast for the model, `unwatched` came while it was not watched, `lost` could not be
    read. `lag_s` is the time from the last picture of a segment to its score, `scored_at` when that
    was, and `unwatched_at` when the last one came that was not to be scored. `score` is that of the
    causal rule and `threshold` the one it is compared with.
    """

    name: str
    place: str | None = None
    state: State = "offline"
    detail: str = ""
    since: float = 0.0
    watching: bool = True
    segments: int = 0
    repeated: int = 0
    carried: int = 0
    dropped: int = 0
    unwatched: int = 0
    lost: int = 0
    lag_s: float | None = None
    scored_at: float | None = None
    unwatched_at: float | None = None
    score: float | None = None
    threshold: float | None = None
    open_alerts: int = 0
    rested: int = 0
    frames_bytes: int = 0
    connections: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class SinkReport:
    """One sink: what was delivered, what failed, and what waits; `reason` while it fails."""

    name: str
    delivered: int = 0
    failures: int = 0
    waiting: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class WatcherReport:
    """A watcher at the Unix time `at`, which began at `since`.

    `model_s` are the seconds that the model read segments in `passes`, `asked` the passes about
    alerts, `failed` the alerts on which the model failed, and `skipped` those that it was not asked
    about for want of time. `told` counts messages by type, `swaps` the probes gone over to.
    `failure` is the error that has ended it.
    """

    at: float
    since: float
    cameras: tuple[CameraReport, ...]
    sinks: tuple[SinkReport, ...] = ()
    model: str = ""
    probe: str = ""
    model_s: float = 0.0
    passes: int = 0
    asked: int = 0
    failed: int = 0
    skipped: int = 0
    swaps: int = 0
    told: Mapping[str, int] = field(default_factory=dict)
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def troubles(report: WatcherReport) -> list[str]:
    """Say in one sentence each what keeps the watcher from its work; nothing if it is well.

    A camera that is offline is no trouble of the watcher: it is reported as the camera's state.

    >>> camera = CameraReport("yard", state="online", scored_at=100.0, lag_s=1.0, since=0.0)
    >>> troubles(WatcherReport(at=101.0, since=0.0, cameras=(camera,)))
    []
    >>> troubles(WatcherReport(at=300.0, since=0.0, cameras=(camera,)))
    ['camera yard is online, but nothing was scored for 200 s']
    """
    found = [f"the watcher has stopped: {report.failure}"] if report.failure else []
    for one in report.cameras:
        if one.state not in ("online", "changed") or not one.watching:
            continue
        idle = report.at - max(one.scored_at or 0.0, one.unwatched_at or 0.0, one.since)
        if idle > IDLE_S:
            found.append(f"camera {one.name} is online, but nothing was scored for {idle:.0f} s")
        elif one.lag_s is not None and one.lag_s > LATE_S:
            found.append(f"camera {one.name} is scored {one.lag_s:.0f} s late")
    return found


@dataclass(frozen=True)
class _Metric:
    """A metric by camera or sink: its name without `hiprobe_`, its kind, and what it says."""

    name: str
    kind: str
    help: str
    value: str  # the attribute


_CAMERA = (
    _Metric("segments_total", "counter", "Segments scored.", "segments"),
    _Metric("repeated_segments_total", "counter", "Scored without a new picture.", "repeated"),
    _Metric("carried_segments_total", "counter", "Not read, as the scene was still.", "carried"),
    _Metric("dropped_segments_total", "counter", "Dropped, as the model was slower.", "dropped"),
    _Metric("lost_segments_total", "counter", "Segments that could not be read.", "lost"),
    _Metric("lag_seconds", "gauge", "From the last picture of a segment to its score.", "lag_s"),
    _Metric("score", "gauge", "The newest score by the causal rule.", "score"),
    _Metric("threshold", "gauge", "The threshold of that score.", "threshold"),
    _Metric("open_alerts", "gauge", "Alerts that have not ended.", "open_alerts"),
    _Metric("kept_frame_bytes", "gauge", "Memory of the frames kept for alerts.", "frames_bytes"),
    _Metric("connections_total", "counter", "Connections made to the camera.", "connections"),
    _Metric("damaged_packets_total", "counter", "Packets that came damaged.", "damaged"),
)
_SINK = (
    _Metric("sink_delivered_total", "counter", "Messages delivered.", "delivered"),
    _Metric("sink_failures_total", "counter", "Attempts that failed.", "failures"),
    _Metric("sink_waiting", "gauge", "Messages that wait to be delivered.", "waiting"),
)
_WATCHER = (
    _Metric("model_seconds_total", "counter", "Seconds in which the model read.", "model_s"),
    _Metric("model_passes_total", "counter", "Passes over segments of cameras.", "passes"),
    _Metric("alert_passes_total", "counter", "Passes of the model about alerts.", "asked"),
    _Metric("failed_looks_total", "counter", "Alerts on which the model failed.", "failed"),
    _Metric("skipped_looks_total", "counter", "Alerts it was not asked about.", "skipped"),
    _Metric("probe_swaps_total", "counter", "Probes gone over to.", "swaps"),
)


def metrics(report: WatcherReport) -> str:
    """Return the report as Prometheus reads it (text format 0.0.4).

    >>> camera = CameraReport("yard", state="online", segments=7)
    >>> text = metrics(WatcherReport(at=1.0, since=0.0, cameras=(camera,)))
    >>> 'hiprobe_segments_total{camera="yard"} 7' in text.splitlines()
    True
    """
    lines = list(_table(_WATCHER, [("", report)]))
    lines += _table(_CAMERA, [(_label("camera", one.name), one) for one in report.cameras])
    lines += _table(_SINK, [(_label("sink", one.name), one) for one in report.sinks])
    online = [(one.name, int(one.state in ("online", "changed"))) for one in report.cameras]
    lines += _head("camera_online", "gauge", "Whether pictures come from the camera.")
    lines += [f"hiprobe_camera_online{_label('camera', name)} {value}" for name, value in online]
    lines += _head("alerts_total", "counter", "Messages about alerts, by type.")
    lines += [
        f"hiprobe_alerts_total{_label('type', kind)} {count}"
        for kind, count in sorted(report.told.items())
    ]
    return "\n".join(lines) + "\n"


def _table(some: Sequence[_Metric], rows: Sequence[tuple[str, object]]) -> Iterable[str]:
    for metric in some:
        yield from _head(metric.name, metric.kind, metric.help)
        for label, one in rows:
            value = getattr(one, metric.value)
            if value is not None:
                yield f"hiprobe_{metric.name}{label} {float(value):.10g}"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP hiprobe_{name} {text}", f"# TYPE hiprobe_{name} {kind}"]


def _label(key: str, value: str) -> str:
    quoted = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{{{key}="{quoted}"}}'
