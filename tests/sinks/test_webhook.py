"""A webhook as its receiver sees it: a CloudEvent, signed; and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.sinks.test_sinks import a_result, lines_of
from tests.support.alert_lines import line
from tests.support.http_receiver import Receiver, free_port

from hiprobe import sinks
from hiprobe.errors import SinkFailed, UsageError

PASSWORD = "secret-5"


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "hook") as receiver:
        yield receiver


def send(target: str, message: dict[str, Any], **options: Any) -> None:
    with sinks.load("webhook").open(target, options) as sink:
        sink.write(message)


def test_an_alert_is_a_cloud_event_in_structured_mode(hook: Receiver) -> None:
    message = line("update", "confirmed", sequence=2)
    send(hook.url, message)
    (request,) = hook.received()
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert request.json == {
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "data": message,
        "id": "a1.2",
        "source": "/hiprobe/cameras/back%20yard",
        "type": "hiprobe.alert.update",
        "subject": "a1",
        "time": "2025-11-30T00:00:00.000Z",
    }
    assert "X-Hiprobe-Signature-256" not in request.headers


def test_the_reference_library_reads_it(hook: Receiver) -> None:
    http = pytest.importorskip("cloudevents.core.bindings.http")
    send(hook.url, line())
    send(hook.url, lines_of(a_result())[0])
    alert, event = (
        http.from_http_event(http.HTTPMessage(one.headers, one.body)) for one in hook.received()
    )
    assert (alert.get_id(), alert.get_type()) == ("a1.1", "hiprobe.alert.new")
    assert (event.get_source(), event.get_type()) == ("/hiprobe/videos/shop.mp4", "hiprobe.event")
    assert event.get_id() == event.get_data()["id"]


@pytest.mark.parametrize("how", ["environment", "file in environment", "option file", "option env"])
def test_the_body_is_signed_with_a_secret_from_the_environment_or_a_file(
    hook: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file, options = tmp_path / "secret", {}
    file.write_text(PASSWORD + "\n")
    if how == "environment":
        monkeypatch.setenv("HIPROBE_WEBHOOK_SECRET", PASSWORD)
    elif how == "file in environment":
        monkeypatch.setenv("HIPROBE_WEBHOOK_SECRET_FILE", str(file))
    elif how == "option file":
        options = {"secret_file": str(file)}
    else:
        monkeypatch.setenv("MINE", PASSWORD)
        options = {"secret_env": "MINE"}
    send(hook.url, line(), **options)
    (request,) = hook.received()
    expected = hmac.new(PASSWORD.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Hiprobe-Signature-256"] == f"sha256={expected}"


def test_user_and_password_of_the_address_go_into_a_header_only(hook: Receiver) -> None:
    send(f"http://me:p%40ss@127.0.0.1:{hook.port}/a/b?token=t", line())
    (request,) = hook.received()
    assert request.headers["Authorization"] == "Basic bWU6cEBzcw=="
    assert request.path == "/a/b?token=t"


def test_an_address_may_come_from_the_environment(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_HOOK", hook.url)
    send("env:MY_HOOK", line())
    assert len(hook.received()) == 1
    with pytest.raises(UsageError, match="environment variable 'NOT_SET' is not set"):
        send("env:NOT_SET", line())


# -- templates


def test_a_template_makes_the_body_and_headers_keep_the_identity(
    hook: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "slack.j2"
    file.write_text('{"text": {{ (message.camera ~ ": " ~ message.explanation) | tojson }}}')
    send(hook.url, line(explanation='one"\ntwo'), template=str(file))
    (request,) = hook.received()
    assert request.json == {"text": 'back yard: one"\ntwo'}
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert (headers["ce-id"], headers["ce-type"]) == ("a1.1", "hiprobe.alert.new")
    assert headers["content-type"] == "application/json"


BAD_TEMPLATES = {
    "{{ message.camera": "the template cannot be used",
    "{{ message.no_such_field }}": "the template fails on this message",
    "{{ message.__class__.__mro__ }}": "the template fails on this message",
    "{{ ''.__class__.__subclasses__() }}": "the template fails on this message",
    "{{ message.update({'camera': 1}) }}": "the template fails on this message",
    "{{ 1 / 0 }}": "the template fails on this message",
}


@pytest.mark.parametrize("source", BAD_TEMPLATES)
def test_a_template_that_fails_or_reaches_out_is_a_named_error(
    hook: Receiver, tmp_path: Path, source: str
) -> None:
    (tmp_path / "t.j2").write_text(source)
    with pytest.raises(UsageError, match=BAD_TEMPLATES[source]):
        send(hook.url, line(), template=str(tmp_path / "t.j2"))
    assert hook.received() == []


# -- answers

TRY_AGAIN = (301, 307, 401, 403, 404, 408, 410, 425, 429, 500, 502, 503)
REFUSED = (400, 405, 409, 413, 415, 422)


@pytest.mark.parametrize("status", TRY_AGAIN)
def test_an_answer_that_may_change_is_a_failure(hook: Receiver, status: int) -> None:
    hook.behave(status, Location=f"http://127.0.0.1:{hook.port}/elsewhere")
    with pytest.raises(
        SinkFailed, match=f"webhook http://127.0.0.1:{hook.port}: answered {status}"
    ):
        send(hook.url, line())


@pytest.mark.parametrize("status", REFUSED)
def test_an_answer_that_will_not_change_is_about_the_message(hook: Receiver, status: int) -> None:
    hook.behave(status)
    with pytest.raises(UsageError, match=f"answered {status}.*refuses this message"):
        send(hook.url, line())


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("99999", 300.0), ("Mon", None)])
def test_a_receiver_may_ask_for_a_pause(hook: Receiver, header: str, seconds: float | None) -> None:
    hook.behave(429, **{"Retry-After": header})
    with pytest.raises(SinkFailed) as caught:
        send(hook.url, line())
    assert caught.value.retry_after_s == seconds


def test_a_receiver_that_answers_byte_by_byte_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hiprobe.sinks._http.WHOLE_S", 0.5)

    def drip(server: socket.socket) -> None:
        with suppress(OSError), server.accept()[0] as one:
            one.recv(65536)
            one.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(200):
                one.sendall(b"x")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        url, began = f"http://127.0.0.1:{server.getsockname()[1]}/", time.monotonic()
        with sinks.load("webhook").open(url) as sink:
            with pytest.raises(SinkFailed, match="its answer took longer than"):
                sink.write(line())
            assert time.monotonic() - began < 3
            threading.Thread(target=drip, args=(server,), daemon=True).start()
            with pytest.raises(SinkFailed, match="its answer took longer than"):
                sink.write(line())  # by a new connection


def test_a_receiver_that_is_away_or_hangs_is_a_failure_soon(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.sinks._http.ANSWER_S", 0.3)
    with pytest.raises(SinkFailed, match="cannot be reached"):
        send(f"http://127.0.0.1:{free_port()}/", line())
    hook.behave("hang")
    began = time.monotonic()
    with pytest.raises(SinkFailed, match="no answer in time"):
        send(hook.url, line())
    assert time.monotonic() - began < 5
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with pytest.raises(SinkFailed, match=r"its answer is not HTTP|the connection was lost"):
            send(f"http://127.0.0.1:{server.getsockname()[1]}/", line())


def test_no_secret_is_in_an_error_a_log_or_a_text(
    hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    for port in (hook.port, free_port()):
        target = f"http://u:{PASSWORD}@127.0.0.1:{port}/{PASSWORD}?key={PASSWORD}"
        hook.behave(500)
        with pytest.raises(SinkFailed) as caught:
            send(target, line())
        error: BaseException | None = caught.value
        while error is not None:
            shown.append(f"{error!r}")
            error = error.__cause__
    for wrong in (f"ftp://u:{PASSWORD}@h/x", f"http://u:{PASSWORD}@h:99999/", PASSWORD, "http://"):
        with pytest.raises(UsageError) as refused:
            send(wrong, line())
        shown.append(str(refused.value))
    assert PASSWORD not in " ".join(shown)
    assert PASSWORD not in caplog.text


WRONG_OPTIONS: dict[str, dict[str, Any]] = {
    "a sink has no option 'secret'; use template, content_type, secret_file": {"secret": "x"},
    "the secret cannot be read": {"secret_file": "/no/such/file"},
    "the environment variable 'NOT_SET' is not set": {"secret_env": "NOT_SET"},
    "the template cannot be used": {"template": "/no/such/file"},
    "the certificates in /no/such/file cannot be used": {"ca_file": "/no/such/file"},
}


@pytest.mark.parametrize("says", WRONG_OPTIONS)
def test_a_wrong_option_is_named_when_the_sink_is_opened(says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sinks.load("webhook").open("https://127.0.0.1:1/", WRONG_OPTIONS[says])


def test_an_empty_secret_file_is_refused(hook: Receiver, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\n")
    with pytest.raises(UsageError, match="the secret is empty"):
        sinks.load("webhook").open(hook.url, {"secret_file": str(tmp_path / "s")})


def test_hostile_text_stays_inside_its_field(hook: Receiver) -> None:
    text = '"}\r\n\r\n</script>\x00\u2028\udcff'
    message = line(explanation=text.replace("\udcff", "\ufffd"), camera='a"/../b')
    send(hook.url, message)
    (request,) = hook.received()
    assert json.loads(request.body)["data"] == message
    assert request.json["source"] == "/hiprobe/cameras/a%22%2F..%2Fb"
