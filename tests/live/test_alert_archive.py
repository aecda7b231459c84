"""Alerts that are kept for people: over restarts, with their states, until they are deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import full_disk

from hiprobe.errors import StoreError
from hiprobe.live import alert_archive
from hiprobe.live.alert import Alert
from hiprobe.live.alert_archive import AlertArchive, AlertStates, footage_id
from hiprobe.store import kept_states
from hiprobe.types import HiddenStates, Recipe, Site

RECIPE = Recipe("made-by-hand", ("Is anything abnormal?",))


def alert(number: int, kind: str = "end", **more: object) -> Alert:
    start = 1000.0 + 10 * number
    return Alert(f"a{number}", kind, "yard", start, start + 3.2, **more)  # type: ignore[arg-type]


def states(seed: int = 0) -> AlertStates:
    starts = np.arange(6) * 1.6
    values = np.random.default_rng(seed).normal(size=(6, 1, 8)).astype(np.float32)
    sites = (Site("residual", 3),)
    found = HiddenStates("", RECIPE, sites, starts, starts + 1.6, values, 9.6)
    return AlertStates(found, 3.2, 6.4)


def test_the_newest_message_is_kept_over_a_restart(tmp_path: Path) -> None:
    archive = AlertArchive(tmp_path)
    for number in range(3):
        archive.put(alert(number, "new"))
    archive.put(alert(1, "end", explanation="a fall", clip="clips/yard/a1.mp4"))
    archive.see("a2")
    again = AlertArchive(tmp_path)
    assert [one.id for one in again.alerts()] == ["a2", "a1", "a0"]
    assert [one.id for one in again.alerts(before=1020.0, most=1)] == ["a1"]
    kept = again.alert("a1")
    assert kept is not None
    assert (kept.type, kept.explanation, kept.clip) == ("end", "a fall", "clips/yard/a1.mp4")
    assert (again.is_seen("a2"), again.is_seen("a1"), again.is_seen("none")) == (True, False, False)


def test_states_are_kept_as_those_of_a_video_and_survive_later_messages(tmp_path: Path) -> None:
    archive, found = AlertArchive(tmp_path), states()
    archive.put(alert(0, "new"), found)
    archive.put(alert(0, "end"))
    again = AlertArchive(tmp_path).states("a0", RECIPE)
    assert again is not None
    assert (again.start, again.end) == (3.2, 6.4)
    assert np.array_equal(again.states.values, found.states.values)
    (kept,) = kept_states(tmp_path / ".store", footage_id("a0"), RECIPE)
    assert kept.video_id == footage_id("a0")
    assert archive.states("a0", replace(RECIPE, frames=4)) is None
    assert archive.states("a1", RECIPE) is None


def test_states_are_kept_whatever_their_arrays_look_like_in_memory(tmp_path: Path) -> None:
    archive, found = AlertArchive(tmp_path), states()
    starts, ends = np.stack([found.states.starts, found.states.ends], axis=1).T
    archive.put(alert(0), replace(found, states=replace(found.states, starts=starts, ends=ends)))
    again = archive.states("a0", RECIPE)
    assert again is not None
    assert again.states.starts.tolist() == found.states.starts.tolist()


def test_nothing_is_left_of_a_deleted_alert(tmp_path: Path) -> None:
    archive = AlertArchive(tmp_path)
    for number in range(2):
        archive.put(alert(number), states(number))
    archive.delete("a0")
    archive.delete("a0")
    left = [str(path) for path in tmp_path.rglob("*")]
    assert not [path for path in left if "/a0." in path or footage_id("a0")[:32] in path]
    assert [path for path in left if footage_id("a1")[:32] in path]
    assert [one.id for one in AlertArchive(tmp_path).alerts()] == ["a1"]
    assert archive.states("a1", RECIPE) is not None


def test_the_oldest_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_archive, "MOST", 3)
    archive = AlertArchive(tmp_path)
    for number in range(5):
        archive.put(alert(number), states())
    assert [one.id for one in archive.alerts()] == ["a4", "a3", "a2"]
    assert len(list((tmp_path / "alerts").iterdir())) == 3
    assert archive.states("a0", RECIPE) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "other"}', '{"schema": 1, "alert": 2}']
)
def test_a_damaged_file_is_passed_over(tmp_path: Path, text: str) -> None:
    archive = AlertArchive(tmp_path)
    archive.put(alert(0))
    archive.put(alert(1))
    (tmp_path / "alerts" / "a0.json").write_text(text)
    again = AlertArchive(tmp_path)
    assert [one.id for one in again.alerts()] == ["a1"]
    assert again.damaged == 1


def test_a_full_disk_is_a_named_error(tmp_path: Path) -> None:
    archive = AlertArchive(tmp_path)
    with full_disk(64), pytest.raises(StoreError):
        archive.put(alert(0))
    assert archive.alerts() == []
    archive.put(alert(0))
    assert [one.id for one in archive.alerts()] == ["a0"]
