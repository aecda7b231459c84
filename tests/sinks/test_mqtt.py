"""Alerts through a real broker: topics, Home Assistant's discovery, acknowledgements, failures."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sinks.test_sinks import a_result, lines_of
from tests.support.alert_lines import line
from tests.support.broker import Broker, Subscriber, eventually, needs_mosquitto

from hiprobe import sinks
from hiprobe.errors import SinkFailed, UsageError
from hiprobe.live.alert import CameraState, score_line
from hiprobe.sinks import Live, _mqtt_connection
from hiprobe.sinks.mqtt import Mqtt

pytestmark = needs_mosquitto
YARD = "hiprobe/back_yard-30622e"
JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as one:
        yield one


@pytest.fixture
def heard(broker: Broker) -> Iterator[Subscriber]:
    with Subscriber(broker) as one:
        yield one


def opened(target: str, live: Live | None = None, **options: Any) -> Mqtt:
    sink = sinks.load("mqtt").open(target, options, live)
    assert isinstance(sink, Mqtt)
    return sink


@pytest.fixture
def live(tmp_path: Path) -> Live:
    (tmp_path / "a1.jpg").write_bytes(JPEG)
    return Live(tmp_path)


def state(kind: Any = "online", **more: Any) -> dict[str, Any]:
    return CameraState("back yard", kind, 0.0, **more).line()


def test_an_alert_is_published_and_acknowledged(broker: Broker, heard: Subscriber) -> None:
    with opened(broker.url) as sink:
        sink.write(line())
        sink.write(lines_of(a_result())[0])
    eventually(lambda: heard.of(f"{YARD}/alerts"))
    assert json.loads(heard.of(f"{YARD}/alerts")[0]) == line()
    assert json.loads(eventually(lambda: heard.of("hiprobe/events"))[0])["schema"] == (
        "hiprobe.event/2"
    )
    # a command is no watcher: it says nothing about being there
    assert heard.of("hiprobe/available") == []


def test_home_assistant_finds_four_entities_of_a_camera(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state(place="garden"))
        found = eventually(
            lambda: (
                (
                    one := {
                        topic: json.loads(payload)
                        for topic, payload, _ in list(heard.messages)
                        if topic.startswith("homeassistant/")
                    }
                )
                and len(one) == 4
                and one
            )
        )
    kinds = {topic.split("/")[1]: entity for topic, entity in found.items()}
    assert sorted(kinds) == ["binary_sensor", "image", "sensor", "switch"]
    assert {topic.split("/")[2] for topic in found} == {"hiprobe_back_yard-30622e"}
    assert kinds["binary_sensor"]["state_topic"] == f"{YARD}/alarm"
    assert kinds["sensor"]["state_topic"] == f"{YARD}/score"
    assert kinds["image"]["image_topic"] == f"{YARD}/snapshot"
    assert kinds["switch"]["command_topic"] == f"{YARD}/watching/set"
    assert len({one["unique_id"] for one in kinds.values()}) == 4
    for kind, one in kinds.items():
        assert one["device"]["name"] == "back yard"
        assert one["device"]["suggested_area"] == "garden"
        topics = [entry["topic"] for entry in one["availability"]]
        assert topics == ["hiprobe/available"] + [f"{YARD}/availability"] * (kind != "switch")


def test_the_alarm_is_on_while_a_checked_alert_lasts_and_its_picture_comes_first(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state())
        assert eventually(lambda: heard.last(f"{YARD}/alarm")) == b"OFF"
        sink.write_part("alarm", line("new", "confirmed", snapshot="a1.jpg"))
        eventually(lambda: heard.last(f"{YARD}/alarm") == b"ON")
        order = [topic for topic, _, _ in heard.messages]
        assert order.index(f"{YARD}/snapshot") < len(order) - 1 - order[::-1].index(f"{YARD}/alarm")
        assert heard.last(f"{YARD}/snapshot") == JPEG
        attributes = json.loads(heard.last(f"{YARD}/alarm/attributes") or b"")
        assert attributes["explanation"] == "a person falls"
        sink.write_part("alarm", line("new", "confirmed", id="a2"))
        sink.write_part("alarm", line("end", "confirmed"))
        time.sleep(0.2)
        assert heard.last(f"{YARD}/alarm") == b"ON"  # the other one lasts
        sink.write_part("alarm", line("update", "rejected", id="a2", severity="low"))
        eventually(lambda: heard.last(f"{YARD}/alarm") == b"OFF")


def test_the_home_assistant_sensor_waits_for_the_check_by_default() -> None:
    plugin = sinks.load("mqtt")
    assert sinks.settings_of(plugin).wait == "none"
    alarm = sinks.settings_of(plugin, "alarm")
    assert (alarm.wait, alarm.min_severity) == ("verified", "medium")


def test_a_snapshot_that_is_gone_or_outside_is_left_out(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    secret = live.folder.parent / "secret.jpg"
    secret.write_bytes(b"secret")
    (live.folder / "link.jpg").symlink_to(secret)
    with opened(broker.url, live) as sink:
        for name in ("gone.jpg", "link.jpg"):
            sink.write_part("alarm", line("new", "confirmed", snapshot=name))
        eventually(lambda: heard.last(f"{YARD}/alarm") == b"ON")
    assert heard.of(f"{YARD}/snapshot") == []


def test_the_last_will_says_that_the_watcher_is_gone(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    sink = opened(broker.url, live)
    sink.write(state())
    assert eventually(lambda: heard.last("hiprobe/available")) == b"online"
    sink._connection._client.socket().close()  # type: ignore[union-attr] # as a killed process
    eventually(lambda: b"offline" in heard.of("hiprobe/available"))
    eventually(lambda: heard.last("hiprobe/available") == b"online")  # it comes back by itself
    sink.close()
    eventually(lambda: heard.last("hiprobe/available") == b"offline")
    assert heard.last(f"{YARD}/availability") == b"offline"


def test_a_camera_is_offline_by_itself(broker: Broker, heard: Subscriber, live: Live) -> None:
    with opened(broker.url, live) as sink:
        for kind, shown in (("online", b"online"), ("offline", b"offline"), ("frozen", b"online")):
            sink.write(state(kind))
            eventually(lambda shown=shown: heard.last(f"{YARD}/availability") == shown)
        assert json.loads(heard.last(f"{YARD}/state") or b"")["state"] == "frozen"


def test_retained_states_are_there_for_whoever_comes_later(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state())
        sink.write(line())
        with Subscriber(broker, f"{YARD}/#", "comes later") as late:
            eventually(lambda: late.last(f"{YARD}/availability"))
            assert all(retained for _, _, retained in late.messages)
            assert late.of(f"{YARD}/alerts") == []  # an old alert is not news


def test_a_switch_pauses_a_camera(broker: Broker, heard: Subscriber, tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []
    live = Live(tmp_path, switch=lambda camera, on: told.append((camera, on)))
    heard.publish(f"{YARD}/watching/set", "OFF", retain=True)  # an old command
    with opened(broker.url, live) as sink:
        sink.write(state())
        for payload in ("OFF", "maybe", "ON"):
            heard.publish(f"{YARD}/watching/set", payload)
        heard.publish("hiprobe/other/watching/set", "OFF")
        eventually(lambda: told == [("back yard", False), ("back yard", True)])
        sink.write(state(watching=False))
        eventually(lambda: heard.last(f"{YARD}/watching") == b"OFF")


def test_home_assistant_gets_all_again_when_it_starts(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state())
        eventually(lambda: heard.last(f"{YARD}/availability"))
        before = len(heard.of(f"{YARD}/availability"))
        heard.publish("homeassistant/status", "online")
        eventually(lambda: len(heard.of(f"{YARD}/availability")) > before)


def test_discovery_and_prefix_can_be_chosen(broker: Broker, heard: Subscriber, live: Live) -> None:
    with opened(f"{broker.url}/home/cams", live, discovery=False) as sink:
        sink.write(state())
        eventually(lambda: heard.last("home/cams/back_yard-30622e/availability"))
    assert not [topic for topic, _, _ in heard.messages if topic.startswith("homeassistant")]


def test_a_score_is_told_every_few_seconds_and_when_it_crosses_the_threshold(
    broker: Broker, heard: Subscriber, live: Live
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state())
        for score in (0.1, 0.2, 0.3, 0.6, 0.7, 0.2):
            sink.write(score_line("back yard", 0.0, score, 0.5))
        eventually(lambda: len(heard.of(f"{YARD}/score")) == 3)
        scores = [json.loads(one)["score"] for one in heard.of(f"{YARD}/score")]
    assert scores == [0.1, 0.6, 0.2]


# -- failures


def test_a_broker_that_is_away_is_a_failure_and_a_score_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_connection, "CONNECT_S", 0.3)
    gone = Broker(tmp_path / "gone")
    with opened(gone.url, Live(tmp_path)) as sink:
        with pytest.raises(SinkFailed, match=f"mqtt {gone.url}: cannot be reached"):
            sink.write(line())
        sink.write(score_line("back yard", 0.0, 0.5, 0.5))
        with gone, Subscriber(gone) as late:
            eventually(lambda: sink._connection._up.is_set())
            sink.write(line())
            eventually(lambda: late.of(f"{YARD}/alerts"))


def test_a_broker_that_hangs_is_a_failure_and_gets_the_message_later(
    broker: Broker, heard: Subscriber, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_connection, "ACKNOWLEDGE_S", 0.5)
    with opened(broker.url, live) as sink:
        sink.write(line(sequence=1))
        broker.pause(True)
        began = time.monotonic()
        with pytest.raises(SinkFailed, match="did not acknowledge"):
            sink.write(line(sequence=2))
        assert time.monotonic() - began < 8
        broker.pause(False)
        sink.write(line(sequence=2))
        sink.write(line(sequence=3))

        def numbers() -> list[int]:  # the second one may come twice
            heard_so_far = heard.of(f"{YARD}/alerts")
            return list(dict.fromkeys(json.loads(one)["sequence"] for one in heard_so_far))

        eventually(lambda: 3 in numbers())
        assert numbers() == [1, 2, 3]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_states_are_said_again_to_a_broker_that_comes_back(
    broker: Broker, live: Live, how: int
) -> None:
    with opened(broker.url, live) as sink:
        sink.write(state())
        broker.stop(how)
        for path in broker.folder.glob("mosquitto.db"):
            path.unlink()  # it remembers nothing
        eventually(lambda: not sink._connection._up.is_set())
        with pytest.raises(SinkFailed, match="the connection was lost"):
            sink.write(line())
        broker.start()
        with Subscriber(broker, name="comes later") as late:
            eventually(lambda: late.last("hiprobe/available") == b"online")
            eventually(lambda: late.last(f"{YARD}/availability") == b"online")


def test_a_wrong_password_is_named_and_no_password_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_connection, "CONNECT_S", 1.0)
    with Broker(tmp_path / "closed", password="right-7") as broker:
        host = broker.url.removeprefix("mqtt://")
        with opened(f"mqtt://watcher:wrong-7@{host}") as sink:
            with pytest.raises(SinkFailed) as caught:
                sink.write(line())
            assert "the broker refuses the connection: Not authorized" in str(caught.value)
            assert "wrong-7" not in f"{caught.value!r}"
        with opened(f"mqtt://watcher:right-7@{host}") as sink:
            sink.write(line())
        monkeypatch.setenv("HIPROBE_MQTT_USER", "watcher")
        monkeypatch.setenv("HIPROBE_MQTT_PASSWORD", "right-7")
        with opened(broker.url) as sink:
            sink.write(line())


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("http://broker", {}, "must begin with mqtt://HOST or mqtts://HOST"),
        ("mqtt://broker/a+b", {}, "topics cannot be below 'a"),
        ("mqtt://broker/homeassistant/x", {}, "topics cannot be below 'homeassistant/x'"),
        ("mqtt://broker", {"qos": 2}, "a sink has no option 'qos'; use discovery"),
        ("mqtts://broker", {"ca_file": "/no/such"}, "the certificates in /no/such cannot be used"),
    ],
)
def test_a_wrong_target_or_option_is_named(target: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sinks.load("mqtt").open(target, options)
