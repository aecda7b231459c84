"""Receivers with a certificate of their own: refused unless it is named, or any is accepted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.alert_lines import line
from tests.support.broker import Broker, needs_mosquitto

from hiprobe import sinks
from hiprobe.errors import SinkFailed
from hiprobe.sinks import _mqtt_connection

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not here: no certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody else has signed, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    file, key = folder / "cert.pem", folder / "key.pem"
    command = f"{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    subprocess.run([*command.split(), *more], check=True, capture_output=True)
    return file, key


@pytest.fixture
def hook(certificate: tuple[Path, Path]) -> Iterator[tuple[str, list[bytes]]]:
    """The address of an https receiver, and the bodies that it got."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


def test_a_webhook_trusts_what_it_is_told_to(
    hook: tuple[str, list[bytes]], certificate: tuple[Path, Path]
) -> None:
    url, got = hook
    with (
        sinks.load("webhook").open(url) as sink,
        pytest.raises(SinkFailed, match="its certificate is not trusted: self-signed"),
    ):
        sink.write(line())
    for options in ({"ca_file": str(certificate[0])}, {"check_certificate": False}):
        with sinks.load("webhook").open(url, options) as sink:
            sink.write(line())
    assert len(got) == 2


@needs_mosquitto
def test_a_broker_with_its_own_certificate_is_trusted_if_told_to(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mqtt_connection, "CONNECT_S", 2.0)
    broker = Broker(tmp_path / "broker")
    settings = broker.folder / "mosquitto.conf"
    tls = f"\ncertfile {certificate[0]}\nkeyfile {certificate[1]}\n"
    first, rest = settings.read_text().split("\n", 1)
    settings.write_text(first + tls + rest)
    with broker:
        url = broker.url.replace("mqtt", "mqtts")
        with sinks.load("mqtt").open(url) as sink, pytest.raises(SinkFailed, match="reached"):
            sink.write(line())
        for options in ({"ca_file": str(certificate[0])}, {"check_certificate": False}):
            with sinks.load("mqtt").open(url, options) as sink:
                sink.write(line())
