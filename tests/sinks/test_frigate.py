"""An alert as a manual event of Frigate, at a server that answers as Frigate does."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.alert_lines import line
from tests.support.fake_frigate import FakeFrigate
from tests.support.http_receiver import free_port

from hiprobe import sinks
from hiprobe.errors import SinkFailed, UsageError

CAMERAS = {"cameras": {"back yard": "back_yard"}}


def send(target: str, message: dict[str, Any], **options: Any) -> None:
    with sinks.load("frigate").open(target, CAMERAS | options) as sink:
        sink.write(message)


def test_an_alert_that_lasts_becomes_an_event_from_its_start() -> None:
    began = time.time() - 4
    with FakeFrigate() as frigate:
        send(f"http://{frigate.host}", line("new", "confirmed", start=began, end=began + 3))
    (event,) = frigate.events
    assert (event["camera"], event["label"]) == ("back_yard", "anomaly")
    assert event["sub_label"] == "confirmed: a person falls"
    assert (event["score"], event["include_recording"]) == (0.93, True)
    assert began - 2 < event["start_time"] <= began
    assert 28 < event["end_time"] - time.time() <= 30


def test_an_alert_that_is_over_covers_its_span() -> None:
    began = time.time() - 60
    message = line("new", "confirmed", start=began, end=began + 30, provisional=False)
    with FakeFrigate() as frigate:
        send(f"http://{frigate.host}/", message, label="fall", duration_s=10)
    (event,) = frigate.events
    assert event["label"] == "fall"
    assert event["start_time"] <= began
    assert event["end_time"] >= began + 30
    assert event["duration"] == 1


def test_long_text_and_odd_scores_fit_what_frigate_takes() -> None:
    message = line("new", "unsure", score=1.7, explanation="a person\n" + "falls " * 40)
    with FakeFrigate() as frigate:
        send(f"http://{frigate.host}", message)
        send(f"http://{frigate.host}", message | {"score": None})
    assert len(frigate.events[0]["sub_label"]) <= 100
    assert [event["score"] for event in frigate.events] == [1.0, 0.0]


def test_it_logs_in_where_that_is_asked_for_and_again_when_the_session_is_over() -> None:
    with FakeFrigate(login=("me", "p@ss")) as frigate:
        opened = sinks.load("frigate").open(f"http://me:p%40ss@{frigate.host}", CAMERAS)
        with opened as sink:
            sink.write(line())
            sink.write(line())
            sink._client._client.cookies.clear()  # type: ignore[attr-defined] # the session is over
            sink.write(line())
        assert len(frigate.events) == 3
        assert frigate.requests.count("/api/login") == 2
        for target in (f"http://{frigate.host}", f"http://me:wrong-7@{frigate.host}"):
            with pytest.raises(
                SinkFailed, match=r"answered 401.*check user and password"
            ) as caught:
                send(target, line())
            assert "wrong-7" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_camera_that_frigate_does_not_have_concerns_its_own_alerts_only() -> None:
    with FakeFrigate() as frigate:
        with pytest.raises(UsageError, match="answered 404 Not Found: it refuses this message"):
            send(f"http://{frigate.host}", line(camera="door"))
        assert frigate.events == []


def test_a_frigate_that_is_away_is_a_failure() -> None:
    with pytest.raises(SinkFailed, match=r"frigate http://127.0.0.1:.*cannot be reached"):
        send(f"http://127.0.0.1:{free_port()}", line())


def test_it_waits_for_the_check_by_default_and_takes_alerts_only() -> None:
    plugin = sinks.load("frigate")
    assert sinks.settings_of(plugin).wait == "verified"
    assert plugin.schemas == (sinks.ALERT_SCHEMA,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cameras": ["a"]}, "cameras of the frigate sink must be a table"),
        ({"cameras": {"a": 1}}, "cameras of the frigate sink must be a table"),
        ({"duration_s": 0}, "duration_s must be a whole number from 1 to 9999, got 0"),
        ({"duration_s": 1.5}, "duration_s must be a whole number"),
        ({"camera": "x"}, "a sink has no option 'camera'; use cameras, label"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sinks.load("frigate").open("http://127.0.0.1:5000", options)
