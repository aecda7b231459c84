"""A watched file ends with the events of `detect`, and a running watcher takes what happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.watching import WALL, FileCamera, camera, watch_files, watchable_probe

from hiprobe import detect, embedded
from hiprobe.backbones import Backbone
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.source import Source
from hiprobe.live.watcher_options import WatcherOptions
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Event, Recipe

CLIPS = ("abnormal_00", "abnormal_02", "abnormal_05", "normal_03")
# So low that ordinary life gives events too, which the model rejects.
LOW = Localization(sigma=0.0, rule="fixed", threshold=0.1, merge_s=0.0, min_s=0.0)


@pytest.fixture(scope="module")
def probe() -> Probe:
    return watchable_probe()


def options(**how: Any) -> WatcherOptions:
    looks = LookOptions(max_tokens=4, **how.pop("looks", {}))
    return WatcherOptions(looks=looks, record=False, open_source=FileCamera, **how)


def same(alerts: Sequence[Alert], events: Sequence[Event]) -> None:
    """The alerts are the events; scores differ by the composition of batches only."""
    found = [one for one in alerts if one.type == "end"]
    assert len(found) == len(events)
    for alert, event in zip(found, events, strict=True):
        assert alert.start - WALL == pytest.approx(event.start, abs=1e-3)
        assert alert.end - WALL == pytest.approx(event.end, abs=1e-3)
        assert alert.peak is not None
        assert alert.peak - WALL == pytest.approx(event.peak, abs=1e-3)
        assert alert.score == pytest.approx(event.score, abs=1e-5)
        assert alert.severity == event.severity
        assert alert.verification.result == event.verification.result
        assert alert.verification.log_odds == pytest.approx(event.verification.log_odds, abs=1e-4)
        assert (alert.explanation, alert.box) == (event.explanation, event.box)


def test_the_demo_ends_with_the_events_of_detect(
    shipped: Backbone, probe: Probe, tmp_path: Path
) -> None:
    heard, _ = watch_files([camera(embedded.VIDEO)], tmp_path, shipped, probe, options())
    found = detect(embedded.VIDEO, shipped, probe, where=True, max_tokens=4)
    assert found.events
    same(heard.alerts, found.events)


def test_events_that_the_model_rejects_are_the_same_too(
    shipped: Backbone, probe: Probe, tmp_path: Path
) -> None:
    path = embedded.CLIPS / "abnormal_05.mp4"
    assert probe.verification is not None
    probe = replace(probe, verification=replace(probe.verification, threshold=1e6))
    how = {"localization": LOW}
    heard, _ = watch_files([camera(path)], tmp_path, shipped, probe, options(**how))
    found = detect(path, shipped, probe, where=True, max_tokens=4, **how)  # type: ignore[arg-type]
    assert found.events
    assert all(event.demoted for event in found.events)
    same(heard.alerts, found.events)


def test_a_file_that_is_played_by_a_real_source_has_clips_and_the_same_events(
    shipped: Backbone, probe: Probe, tmp_path: Path
) -> None:
    path = embedded.CLIPS / "abnormal_00.mp4"

    def patient(camera: Camera, recipe: Recipe, record: Any) -> Source:
        return Source(camera, recipe, record=record, waiting=64)

    how = replace(options(), record=True, open_source=patient)
    heard, _ = watch_files([camera(path, speed=20.0)], tmp_path, shipped, probe, how)
    found = detect(path, shipped, probe, explain=False)
    ends = [one for one in heard.alerts if one.type == "end"]
    assert len(ends) == len(found.events) == 1
    (end,), (event,) = ends, found.events
    assert (end.end - end.start) * 20.0 == pytest.approx(event.end - event.start, abs=0.05)
    assert end.score == pytest.approx(event.score, abs=1e-5)
    for name in (end.clip, end.snapshot):
        assert name is not None
        assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.soak
def test_clips_watched_together_end_with_the_events_of_detect(
    shipped: Backbone, probe: Probe, tmp_path: Path
) -> None:
    cameras = [camera(embedded.CLIPS / f"{name}.mp4") for name in CLIPS]
    heard, watcher = watch_files(cameras, tmp_path, shipped, probe, options())
    for name in CLIPS:
        path = embedded.CLIPS / f"{name}.mp4"
        found = detect(path, shipped, probe, where=True, max_tokens=4)
        same(heard.of(name, "end"), found.events)
    lives = set(map(tuple, heard.lives.values()))
    assert all(one[0] == "new" and one[-1] in ("end", "withdrawn") for one in lives)
    assert all(set(one[1:-1]) <= {"update"} for one in lives)
    report = watcher.last  # type: ignore[attr-defined]
    assert [one.segments for one in report.cameras] == [8] * 4
    assert report.passes < 32  # several cameras share a batch
