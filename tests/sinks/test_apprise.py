"""A notification through Apprise, to a receiver of its own JSON format on loopback."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sinks.test_sinks import a_result, lines_of
from tests.support.alert_lines import line
from tests.support.http_receiver import Receiver, free_port

from hiprobe import sinks
from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks import Live

pytest.importorskip("apprise")
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////"
    "////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "phone") as receiver:
        yield receiver


def send(target: str, message: dict[str, Any], live: Live | None = None, **options: Any) -> None:
    with sinks.load("apprise").open(target, options, live) as sink:
        sink.write(message)


def json_url(phone: Receiver, login: str = "") -> str:
    return f"json://{login}127.0.0.1:{phone.port}/hook"


def test_one_line_and_the_snapshot_reach_the_service(phone: Receiver, tmp_path: Path) -> None:
    (tmp_path / "a1.jpg").write_bytes(JPEG)
    send(json_url(phone), line("new", "confirmed", snapshot="a1.jpg"), Live(tmp_path))
    (request,) = phone.received()
    assert request.json["title"] == "hiprobe: back yard"
    text = request.json["message"]
    begin = "back yard: a person falls (score 0.93, threshold 0.50, confirmed by the model), 2025-1"
    assert text.startswith(begin)
    assert "\n" not in text
    (attached,) = request.json["attachments"]
    assert base64.b64decode(attached["base64"]) == JPEG


def test_a_snapshot_that_is_gone_or_not_wanted_is_left_out(phone: Receiver, tmp_path: Path) -> None:
    (tmp_path / "a1.jpg").write_bytes(JPEG)
    send(json_url(phone), line(snapshot="gone.jpg"), Live(tmp_path))
    send(json_url(phone), line(snapshot="a1.jpg"), Live(tmp_path), snapshot=False)
    send(json_url(phone), line(snapshot="a1.jpg"))
    assert [one.json.get("attachments") for one in phone.received()] == [[], [], []]


def test_an_event_of_detect_is_one_line_too(phone: Receiver) -> None:
    send(json_url(phone), lines_of(a_result())[0])
    assert phone.received()[0].json["message"] == (
        "shop.mp4 from 1.6 to 4.8 s: a person falls (score 0.70, threshold 0.60, not checked)"
    )


def test_hostile_text_is_one_line(phone: Receiver) -> None:
    send(json_url(phone), line(explanation="one\r\ntwo \x1b[31m\u202ethree", camera="a\nb"))
    (request,) = phone.received()
    assert request.json["message"].isprintable()
    assert request.json["title"].isprintable()


def test_a_service_that_fails_is_a_failure_without_a_password(
    phone: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    phone.behave(500)
    for port in (phone.port, free_port()):
        with pytest.raises(SinkFailed, match="apprise json://: the service did not take") as caught:
            send(f"json://me:secret-5@127.0.0.1:{port}/secret-5", line())
        assert "secret-5" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert "secret-5" not in caplog.text


@pytest.mark.parametrize("target", ["telegraph://secret-5", "secret-5", "", "json://a, json://b"])
def test_what_is_not_one_address_is_refused_when_it_is_opened(target: str) -> None:
    with pytest.raises(UsageError, match="not one address of a service") as caught:
        sinks.load("apprise").open(target)
    assert "secret-5" not in str(caught.value) or target == "secret-5"


def test_one_message_after_the_check_is_the_default() -> None:
    settings = sinks.settings_of(sinks.load("apprise"))
    assert (settings.types, settings.wait) == (("new",), "verified")
    assert settings.min_severity == "medium"


def test_an_unknown_option_is_named(phone: Receiver) -> None:
    with pytest.raises(UsageError, match="a sink has no option 'title'; use snapshot"):
        send(json_url(phone), line(), title="x")
