"""The message about an alert: its published form, and what is not a message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hiprobe.live.alert import Alert, CameraState, score_line
from hiprobe.types import Verification

ALERT = Alert(
    "a1-b_2",
    "update",
    "back yard",
    start=1764460800.0,
    end=1764460803.2,
    peak=1764460801.75,
    score=1 / 3,
    threshold=0.25,
    severity="high",
    verification=Verification("confirmed", 2.5),
    label="fall",
    explanation="a person falls",
    box=(0.25, 0.5, 0.25, 0.25),
    clip="clips/a1.mp4",
    snapshot="snapshots/a1.jpg",
    probe="5f" * 32,
    model="embedded",
    sequence=3,
)


def test_the_line_is_the_published_schema_in_order() -> None:
    assert json.dumps(ALERT.line()) == json.dumps(
        {
            "schema": "hiprobe.alert/1",
            "id": "a1-b_2",
            "sequence": 3,
            "type": "update",
            "camera": "back yard",
            "start": "2025-11-30T00:00:00.000Z",
            "end": "2025-11-30T00:00:03.200Z",
            "peak": "2025-11-30T00:00:01.750Z",
            "score": 0.333333,
            "threshold": 0.25,
            "severity": "high",
            "verification": {"result": "confirmed", "log_odds": 2.5},
            "label": "fall",
            "explanation": "a person falls",
            "box": [0.25, 0.5, 0.25, 0.25],
            "clip": "clips/a1.mp4",
            "snapshot": "snapshots/a1.jpg",
            "probe": "5f" * 32,
            "model": "embedded",
            "provisional": True,
        }
    )


def test_a_line_is_read_as_the_message_it_was() -> None:
    alert = replace(ALERT, score=0.5)
    assert Alert.of(json.loads(json.dumps(alert.line()))) == alert
    bare = Alert("a", "new", "yard", 0.0, 0.0)
    assert Alert.of(bare.line()) == bare


WRONG: dict[str, dict[str, Any]] = {
    "id": {"id": "../a"},
    "must be short": {"id": "a" * 65},
    "type": {"type": "changed"},
    "camera": {"camera": " "},
    "must not end before": {"end": ALERT.start - 1},
    "finite": {"score": float("nan")},
    "must be a time": {"peak": -1.0},
    "severity": {"severity": "urgent"},
    "relative path": {"snapshot": "/etc/passwd"},
    "got a/../../b": {"clip": "a/../../b"},
    "sequence": {"sequence": -1},
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_no_alert_is_refused(says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ALERT, **WRONG[says])


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "hiprobe.event/2"},
        {"start": "yesterday"},
        {"start": "2025-11-30T00:00:00"},
        {"verification": {"result": "maybe", "log_odds": None}},
        {"colour": "red"},
        {"box": [0, 0, 2, 2, 2]},
    ],
)
def test_a_line_that_is_not_ours_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Alert.of(ALERT.line() | change)


def test_lone_surrogates_of_a_name_do_not_break_the_json() -> None:
    line = replace(ALERT, camera="yard\udcff", explanation="\udcff").line()
    assert (line["camera"], line["explanation"]) == ("yard\ufffd", "\ufffd")


def test_a_score_and_a_state_are_lines_too() -> None:
    assert score_line("yard", 1.6, 0.25, float("inf")) == {
        "schema": "hiprobe.score/1",
        "camera": "yard",
        "time": "1970-01-01T00:00:01.600Z",
        "score": 0.25,
        "threshold": None,
    }
    state = CameraState("yard", "frozen", 0.0, place="garden", detail="identical pictures")
    assert state.line() == {
        "schema": "hiprobe.camera/1",
        "camera": "yard",
        "place": "garden",
        "state": "frozen",
        "detail": "identical pictures",
        "watching": True,
        "time": "1970-01-01T00:00:00.000Z",
    }
    with pytest.raises(ValueError, match="state"):
        CameraState("yard", "broken", 0.0)  # type: ignore[arg-type]
