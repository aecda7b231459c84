"""What a running watcher does with cameras that come, go, dazzle, and are judged. No real model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import full_disk
from tests.support.staged_cameras import BrightBackbone, L, StagedCamera, bright_probe
from tests.support.watching import WALL, Heard, camera, until

from hiprobe.errors import (
    ModelError,
    OutOfMemory,
    ProbeError,
    RecipeMismatch,
    StoreError,
    UsageError,
)
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import SeverityRule, Watch
from hiprobe.live.schedules import Schedule
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import WatcherOptions
from hiprobe.probe import Probe
from hiprobe.types import Segment

DARK, LIGHT = 0.1, 0.95
QUIET = [DARK] * 10


class Stage:
    """A running watcher over staged cameras, and what it has told."""

    def __init__(self, watcher: Watcher, heard: Heard) -> None:
        self.watcher, self.heard = watcher, heard

    def show(self, name: str, *levels: float) -> None:
        """Show pictures, and wait until they are scored."""
        before = self.segments(name)
        StagedCamera.made[name].show(*levels)
        until(lambda: self.segments(name) >= before + len(levels))

    def segments(self, name: str) -> int:
        one = self.of(name)
        return one.segments + one.unwatched + one.lost

    def of(self, name: str) -> Any:
        return next(one for one in self.watcher.status().cameras if one.name == name)

    def kinds(self, name: str = "yard") -> list[str]:
        return [one.type for one in self.heard.alerts if one.camera == name]

    def wait_for(self, *kinds: str, name: str = "yard") -> Alert:
        """Wait until the newest messages about a camera are of these types; return the last one."""
        until(lambda: self.kinds(name)[-len(kinds) :] == list(kinds))
        return [one for one in self.heard.alerts if one.camera == name][-1]


@contextmanager
def staged(
    state: Path,
    *cameras: Any,
    model: Any = None,
    probe: Probe | None = None,
    **how: Any,
) -> Iterator[Stage]:
    heard = Heard()
    watch = Watch(cameras or (camera("x.mp4", "yard"),), state=state)
    options = WatcherOptions(record=False, open_source=StagedCamera, **how)
    used = (model or BrightBackbone(), probe or bright_probe())
    with Watcher(watch, *used, options, heard.outlets) as watcher:
        watcher.start()
        yield Stage(watcher, heard)


def test_an_alert_is_told_at_once_then_what_was_found_out_then_its_end(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, LIGHT, LIGHT)
        stage.wait_for("new", "update", "update")
        stage.show("yard", LIGHT, *QUIET)
        end = stage.wait_for("end")
    new, check, words, _ = stage.heard.alerts
    assert (new.provisional, new.verification.result, new.explanation) == (
        True,
        "not_checked",
        None,
    )
    assert new.start == WALL + 10 * L
    assert (check.verification.result, words.explanation) == ("confirmed", "brightness 243")
    assert words.box == (0.0, 0.0, 0.25, 0.25)
    assert (end.provisional, end.severity, end.verification.result) == (
        False,
        "medium",
        "confirmed",
    )
    assert {one.id for one in stage.heard.alerts} == {new.id}
    assert end.probe == stage.watcher.probe.digest


def test_new_comes_at_most_one_segment_after_the_anomalous_one(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, LIGHT)
        stage.show("yard", LIGHT)
        until(lambda: stage.kinds())
        assert stage.segments("yard") <= 12


def test_a_rejected_alert_is_low_and_is_told_to_its_end(tmp_path: Path) -> None:
    """The model says no to what the probe calls an anomaly, and nothing is asked about it."""
    probe = bright_probe(0.3)
    with staged(tmp_path, probe=probe) as stage:
        stage.show("yard", *QUIET, 0.48, 0.48, 0.48, *QUIET)
        end = stage.wait_for("end")
        assert (end.severity, end.verification.result) == ("low", "rejected")
        assert end.explanation is None
        assert end.box is None


def test_a_rejected_alert_is_asked_about_again_when_it_gets_worse(tmp_path: Path) -> None:
    with staged(tmp_path, probe=bright_probe(0.3)) as stage:
        stage.show("yard", *QUIET, 0.48, 0.48)
        until(lambda: stage.heard.alerts[-1].verification.result == "rejected")
        stage.show("yard", LIGHT, LIGHT)
        until(lambda: stage.heard.alerts[-1].verification.result == "confirmed")
        stage.show("yard", *QUIET)
        assert stage.wait_for("end").severity == "medium"


def test_a_probe_without_a_check_checks_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, probe=bright_probe(check=False)) as stage:
        stage.show("yard", *QUIET, LIGHT, LIGHT, LIGHT, *QUIET)
        end = stage.wait_for("end")
        assert end.verification.result == "not_checked"
        assert end.explanation is not None


def test_severity_threshold_and_cooldown_are_those_of_the_camera(tmp_path: Path) -> None:
    cameras = (
        camera("a.mp4", "door", severity=SeverityRule(above=0.8), cooldown_s=60.0),
        camera("b.mp4", "hall", threshold=0.9999),
    )
    with staged(tmp_path, *cameras) as stage:
        for name in ("door", "hall"):
            stage.show(name, *QUIET, LIGHT, LIGHT, LIGHT, *QUIET, LIGHT, LIGHT, LIGHT, *QUIET)
        assert stage.wait_for("end", name="door").severity == "high"
        assert stage.kinds("door").count("new") == 1
        assert stage.of("door").rested == 1
        assert stage.kinds("hall") == []


def test_a_rejected_alert_starts_no_cooldown(tmp_path: Path) -> None:
    one = camera("a.mp4", "yard", cooldown_s=600.0)
    with staged(tmp_path, one, probe=bright_probe(0.3)) as stage:
        stage.show("yard", *QUIET, 0.48, 0.48, 0.48, *QUIET)
        assert stage.wait_for("end").severity == "low"
        stage.show("yard", LIGHT, LIGHT, LIGHT, *QUIET)
        assert stage.wait_for("end").severity == "medium"
        assert stage.kinds().count("new") == 2


def test_outside_its_schedule_a_camera_is_not_read_and_its_alerts_end(tmp_path: Path) -> None:
    from datetime import UTC

    # It begins at midnight; the schedule ends a minute later.
    one = camera("a.mp4", "yard", schedule=Schedule.parse(["daily 23:00-00:01"], UTC))
    with staged(tmp_path, one) as stage:
        stage.show("yard", *[DARK] * 30, *[LIGHT] * 20)
        stage.wait_for("end")
        assert stage.kinds().count("new") == 1
        found = stage.of("yard")
        assert found.unwatched == 50 - found.segments
        assert found.segments == 38  # the segment that begins at 59.2 s is the last one


def test_a_camera_can_be_paused(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, LIGHT, LIGHT)
        stage.watcher.set_watching("yard", False)
        stage.wait_for("end")
        stage.show("yard", LIGHT, LIGHT, LIGHT)
        assert not stage.of("yard").watching
        assert stage.of("yard").unwatched == 3
        stage.watcher.set_watching("yard", True)
        stage.show("yard", LIGHT, LIGHT)
        assert stage.wait_for("new", "update", "update").type == "update"
        with pytest.raises(UsageError, match="no camera 'garden'"):
            stage.watcher.set_watching("garden", True)


def test_a_camera_that_is_offline_ends_its_alerts_and_begins_anew(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, LIGHT, LIGHT)
        StagedCamera.made["yard"].state("offline", "no packets for 15 s")
        stage.wait_for("end")
        assert (stage.of("yard").state, stage.of("yard").detail) == (
            "offline",
            "no packets for 15 s",
        )
        StagedCamera.made["yard"].miss(40)
        StagedCamera.made["yard"].state("online")
        stage.show("yard", *QUIET, LIGHT, LIGHT)
        until(lambda: stage.kinds().count("new") == 2)


def test_one_dead_camera_does_not_affect_the_others(tmp_path: Path) -> None:
    """One sends nothing, the reader of another fails; the third one raises its alert."""
    names = ("silent", "broken", "yard")
    threading.excepthook, before = lambda _: None, threading.excepthook
    try:
        with staged(tmp_path, *(camera("a.mp4", name) for name in names)) as stage:
            StagedCamera.made["broken"].fail(RuntimeError("a bug"))
            stage.show("yard", *QUIET, LIGHT, LIGHT, LIGHT, *QUIET)
            stage.wait_for("end")
            assert stage.of("silent").segments == 0
            until(lambda: stage.of("broken").state == "ended")
    finally:
        threading.excepthook = before


class Slow(BrightBackbone):
    batch = 1

    def read(self, *given: Any, **named: Any) -> Any:
        time.sleep(0.02)
        return super().read(*given, **named)


def test_a_slow_model_serves_every_camera_alike(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    with staged(tmp_path, *(camera("a.mp4", name) for name in names), model=Slow()) as stage:
        for name in names:
            StagedCamera.made[name].show(*[DARK, 0.12] * 40)

        def counts() -> dict[str, int]:
            return {one.name: one.segments for one in stage.watcher.status().cameras}

        until(lambda: min(counts().values()) >= 1)  # each has begun to send
        first = counts()
        until(lambda: counts()["a"] >= first["a"] + 10)
        served = [count - first[name] for name, count in counts().items()]
        assert max(served) - min(served) <= 2


def test_dropped_segments_do_not_break_an_alert_in_two(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        source = StagedCamera.made["yard"]
        stage.show("yard", *QUIET, LIGHT, LIGHT)
        for _ in range(6):
            source.miss(2)
            stage.show("yard", LIGHT)
        source.miss(1)
        stage.show("yard", *QUIET)
        end = stage.wait_for("end")
        assert stage.kinds().count("new") == 1
        assert (end.start, end.end) == pytest.approx((WALL + 10 * L, WALL + 30 * L), abs=1.5 * L)
        assert stage.of("yard").dropped == 13
        told = [line for line in stage.heard.reports if "not read" in line]
        assert told == [
            "camera yard: 2 segments not read: they come faster than the model reads here"
        ], "at once, and then not before a minute is over"
        source.miss(30)  # that many are a gap
        stage.show("yard", LIGHT, LIGHT)
        until(lambda: stage.kinds().count("new") == 2)


class Failing(BrightBackbone):
    """Cannot read what is brighter than a level."""

    def read(self, segments: Sequence[Segment], *given: Any, **named: Any) -> Any:
        if any(one.frames.mean() > 250 for one in segments):
            raise OutOfMemory("a segment does not fit into memory")
        return super().read(segments, *given, **named)


def test_a_segment_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    cameras = (camera("a.mp4", "a"), camera("b.mp4", "b"))
    with staged(tmp_path, *cameras, model=Failing()) as stage:
        stage.show("a", *QUIET, 1.0)
        stage.show("b", *QUIET, LIGHT, LIGHT)
        until(lambda: stage.kinds("b"))
        assert (stage.of("a").lost, stage.of("a").segments) == (1, 10)
        assert stage.of("b").lost == 0
        assert any("camera a: a segment could not be read" in one for one in stage.heard.reports)


def test_a_bug_in_the_models_thread_ends_the_watcher_by_name(tmp_path: Path) -> None:
    class Broken(BrightBackbone):
        def read(self, *given: Any, **named: Any) -> Any:
            raise RuntimeError("a bug")

    threading.excepthook, before = lambda _: None, threading.excepthook
    try:
        with staged(tmp_path, model=Broken()) as stage:
            StagedCamera.made["yard"].show(DARK)
            with pytest.raises(ModelError, match="the watcher has stopped: an unexpected error"):
                stage.watcher.wait(20.0)
    finally:
        threading.excepthook = before


# -- another probe


def test_a_swap_keeps_every_segment_and_withdraws_what_the_new_probe_does_not_see(
    tmp_path: Path,
) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, 0.7, 0.7, 0.7)
        stage.wait_for("new", "update", "update")
        begun = time.perf_counter()
        stage.watcher.swap(bright_probe(0.9))
        assert time.perf_counter() - begun < 1.0
        stage.show("yard", *[0.7] * 10)
        assert stage.wait_for("withdrawn").id == stage.heard.alerts[0].id
        assert stage.of("yard").segments == 23
        stage.watcher.restore()
        until(lambda: stage.kinds()[-1] != "withdrawn")  # the old probe sees it again
        assert stage.kinds().count("new") == 2
        assert stage.watcher.status().swaps == 2
    folder = stage.watcher.folder
    assert Probe.load(folder.probe).digest == bright_probe().digest
    assert Probe.load(folder.previous).digest == bright_probe(0.9).digest


def test_an_open_alert_goes_on_under_another_probe(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET, LIGHT, LIGHT, LIGHT)
        stage.wait_for("new", "update", "update")
        stage.watcher.swap(bright_probe(0.45))
        stage.show("yard", LIGHT, *QUIET)
        end = stage.wait_for("end")
        assert stage.kinds().count("new") == 1
        assert end.id == stage.heard.alerts[0].id
        assert end.start == pytest.approx(WALL + 10 * L, abs=L)


def test_probes_are_swapped_while_segments_come(tmp_path: Path) -> None:
    names = ("a", "b")
    with staged(tmp_path, *(camera("a.mp4", name) for name in names), model=Slow()) as stage:
        for name in names:
            StagedCamera.made[name].show(*[DARK, 0.12, 0.15] * 20)
        for middle in (0.45, 0.5, 0.55, 0.6) * 5:
            stage.watcher.swap(bright_probe(middle))
            time.sleep(0.01)
        until(lambda: all(stage.of(name).segments == 60 for name in names))
        assert stage.heard.alerts == []


def test_a_probe_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        wrong = replace(bright_probe(), recipe=replace(bright_probe().recipe, frames=4))
        with pytest.raises(RecipeMismatch, match="frames"):
            stage.watcher.swap(wrong)
        with pytest.raises(ProbeError, match="no threshold to raise alerts by"):
            stage.watcher.swap(replace(bright_probe(), causal_threshold=None))
        assert stage.watcher.probe.digest == bright_probe().digest
        assert not stage.watcher.folder.probe.exists()
        with full_disk(100), pytest.raises(StoreError, match="cannot write"):
            stage.watcher.swap(bright_probe(0.9))
        assert stage.watcher.probe.digest == bright_probe().digest
        assert stage.watcher.status().swaps == 0
        with pytest.raises(UsageError, match="no previous probe"):
            stage.watcher.restore()


# -- beginning and ending


def test_a_second_watcher_on_the_same_folder_is_refused_by_name(tmp_path: Path) -> None:
    with staged(tmp_path), pytest.raises(UsageError, match=f"process {os.getpid()}"):
        Watcher(Watch((camera("x.mp4"),), state=tmp_path), BrightBackbone(), bright_probe())
    with staged(tmp_path):
        pass  # it is free again


def test_a_watcher_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; "
        "from hiprobe.live.state_folder import StateFolder; "
        "StateFolder(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {other.pid}.*--state"):
            Watcher(Watch((camera("x.mp4"),), state=tmp_path), BrightBackbone(), bright_probe())
        other.send_signal(signal.SIGKILL)
    with staged(tmp_path):
        pass


def test_nothing_is_begun_with_what_cannot_be_watched(tmp_path: Path) -> None:
    state = tmp_path / "watch"
    old = replace(bright_probe(), causal_threshold=None)
    with pytest.raises(ProbeError, match="fit it again"), staged(state, probe=old):
        pass
    assert not state.exists()


class Hanging(BrightBackbone):
    """Takes very long to explain."""

    def explain(self, *_: Any) -> Any:
        time.sleep(20.0)
        return "", None


@pytest.mark.parametrize("model", [BrightBackbone, Hanging])
def test_open_alerts_end_within_seconds_when_the_watcher_closes(tmp_path: Path, model: Any) -> None:
    with staged(tmp_path, model=model()) as stage:
        StagedCamera.made["yard"].show(*QUIET, LIGHT, LIGHT)
        until(lambda: stage.kinds()[:2] == ["new", "update"])
        time.sleep(0.1)
        begun = time.monotonic()
        stage.watcher.close()
        assert time.monotonic() - begun < 5.0
    last = stage.heard.alerts[-1]
    assert (last.type, last.provisional) == ("end", False)
    assert last.end == pytest.approx(WALL + 12 * L, abs=L + 0.1)


def test_memory_is_bounded_however_long_an_alert_goes_on(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        stage.show("yard", *QUIET)
        for place in range(20):
            stage.show("yard", *[LIGHT - place * 0.001] * 50)
        one = stage.of("yard")
        assert one.open_alerts == 1
        assert one.frames_bytes <= 48 * 2 * 16 * 16 * 3
        kept = stage.watcher.footage(stage.heard.alerts[0].id)
        assert kept is not None
        assert len(kept.states.starts) == 512
        stage.show("yard", *QUIET)
        end = stage.wait_for("end")
        assert (end.start, end.end) == pytest.approx((WALL + 10 * L, WALL + 1010 * L), abs=2 * L)


def test_listeners_get_alerts_scores_and_states(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        lines = stage.watcher.stream()
        stage.show("yard", *QUIET, LIGHT, LIGHT, LIGHT, *QUIET)
        stage.wait_for("end")
        assert len(stage.watcher.scores("yard")) == 23
        assert stage.watcher.picture("yard").shape == (16, 16, 3)
        assert stage.watcher.open_alerts() == []
    found = list(lines)
    assert next(one["type"] for one in found if one["schema"] == "hiprobe.alert/1") == "new"
    assert sum(one["schema"] == "hiprobe.score/1" for one in found) == 23
    assert json.loads(json.dumps(found)) == found
    states = [one["state"] for one in stage.heard.lines if "state" in one]
    assert states[:2] == ["offline", "online"]  # what is so before any camera has answered


def test_the_states_of_an_alert_can_be_asked_for_while_its_end_is_told(tmp_path: Path) -> None:
    found = []
    with staged(tmp_path) as stage:

        def told(alert: Alert) -> None:
            found.append((alert.type, stage.watcher.footage(alert.id)))

        stage.watcher._outlets = replace(stage.watcher._outlets, tell=told)
        stage.show("yard", *QUIET, LIGHT, LIGHT, LIGHT, *QUIET)
        until(lambda: found and found[-1][0] == "end")
        kept = found[-1][1]
        assert kept is not None
        assert (kept.start, kept.end) == pytest.approx((10 * L, 13 * L), abs=0.5)
        around = (kept.states.starts[0], kept.states.ends[-1])
        assert around == pytest.approx((6 * L, 17 * L), abs=L + 0.01)
        assert kept.states.values.shape == (len(kept.states.starts), 1, 3)
    assert stage.watcher.footage("another") is None


def test_a_still_scene_is_not_read_again_if_the_camera_says_so(tmp_path: Path) -> None:
    cameras = (camera("a.mp4", "gated", still="skip"), camera("b.mp4", "read"))
    with staged(tmp_path, *cameras) as stage:
        for name in ("gated", "read"):
            stage.show(name, DARK, DARK, DARK + 0.004, DARK + 0.004, 0.5)
        assert (stage.of("gated").repeated, stage.of("gated").carried) == (2, 1)
        assert (stage.of("read").repeated, stage.of("read").carried) == (2, 0)
