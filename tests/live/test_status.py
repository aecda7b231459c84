"""Metrics as Prometheus reads them, and what a watcher says of its health."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from tests.support.fake_backbone import RECIPE
from tests.support.staged_cameras import bright_probe
from tests.support.watching import camera

from hiprobe.live.live_items import LiveSegment
from hiprobe.live.scoring import Read
from hiprobe.live.status import CameraReport, SinkReport, WatcherReport, metrics, troubles
from hiprobe.live.watched_camera import WatchedCamera, rules_of
from hiprobe.types import Segment

YARD = CameraReport("yard", state="online", since=0.0, segments=7, lag_s=1.25, scored_at=95.0)
NAMED = CameraReport('a "door"\\', state="offline", dropped=3)
SINK = SinkReport("phone", delivered=2, failures=1, waiting=4)
REPORT = WatcherReport(
    at=100.0, since=0.0, cameras=(YARD, NAMED), sinks=(SINK,), told={"new": 2, "end": 1}, swaps=1
)
LINE = re.compile(r'hiprobe_\w+(\{\w+="(\\.|[^"\\\n])*"\})? -?\d+(\.\d+)?(e[+-]\d+)?')


def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    lines = metrics(REPORT).splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in values)
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert {re.split(r"[ {]", line)[0] for line in values} <= set(names)
    for line in (
        'hiprobe_segments_total{camera="yard"} 7',
        'hiprobe_lag_seconds{camera="yard"} 1.25',
        'hiprobe_dropped_segments_total{camera="a \\"door\\"\\\\"} 3',
        'hiprobe_camera_online{camera="yard"} 1',
        'hiprobe_sink_waiting{sink="phone"} 4',
        'hiprobe_alerts_total{type="new"} 2',
        "hiprobe_probe_swaps_total 1",
    ):
        assert line in lines
    # What is not known has no line.
    assert not any(line.startswith('hiprobe_lag_seconds{camera="a') for line in lines)


def test_the_library_of_prometheus_reads_them() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    found = {one.name: one for one in parser.text_string_to_metric_families(metrics(REPORT))}
    assert found["hiprobe_segments"].type == "counter"
    labels = [one.labels["camera"] for one in found["hiprobe_segments"].samples]
    assert labels == ["yard", 'a "door"\\']


def test_health_is_about_the_watcher_and_not_about_a_camera_that_is_offline() -> None:
    assert troubles(REPORT) == []
    hanging = WatcherReport(at=200.0, since=0.0, cameras=(YARD, NAMED))
    assert troubles(hanging) == ["camera yard is online, but nothing was scored for 105 s"]
    late = CameraReport("yard", state="online", lag_s=45.0, scored_at=99.0)
    assert troubles(WatcherReport(100.0, 0.0, (late,))) == ["camera yard is scored 45 s late"]
    paused = CameraReport("yard", state="online", watching=False)
    assert troubles(WatcherReport(1e6, 0.0, (paused,))) == []
    by_schedule = CameraReport("yard", state="online", scored_at=95.0, unwatched_at=199.0)
    assert troubles(WatcherReport(200.0, 0.0, (by_schedule,))) == []
    ended = WatcherReport(100.0, 0.0, (YARD,), failure="out of memory")
    assert troubles(ended) == ["the watcher has stopped: out of memory"]


def test_a_report_is_json() -> None:
    assert REPORT.to_json()["cameras"][0]["name"] == "yard"


def lag_of(seen_s: float, speed: float = 1.0) -> float:
    """Score a segment whose last picture was taken so many seconds ago; return its lag."""
    yard, probe = camera("x.mp4", "yard", speed=speed), bright_probe()
    watched = WatchedCamera(yard, rules_of(yard, probe, None, {}), RECIPE.segment_s)
    times = (np.arange(RECIPE.frames) + 0.5) * RECIPE.segment_s / RECIPE.frames
    frames = np.zeros((RECIPE.frames, 16, 16, 3), np.uint8)
    segment = Segment(frames, times, 0.0, RECIPE.segment_s, 0)
    wall = time.time() - seen_s - float(times[-1]) / speed
    watched.push(
        LiveSegment("yard", segment, wall), Read(np.zeros((1, 3), np.float32), "read"), 0.1
    )
    lag = watched.report(None).lag_s
    assert type(lag) is float
    return lag


def test_the_lag_counts_from_the_last_picture_that_the_model_gets() -> None:
    # The segment itself ends a quarter of its length later, when its score may be long known.
    assert 0.3 <= lag_of(0.3) < 5.0
    assert 0.3 <= lag_of(0.3, speed=10.0) < 5.0


def test_the_lag_is_never_below_0() -> None:
    assert lag_of(-60.0) == 0.0
