"""A real mosquitto on loopback that can be stopped, killed and started again, and a subscriber."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_receiver import free_port, wait_for_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed: nothing is published to a real broker"
)


class Broker:
    """A broker that keeps its sessions and retained messages in `folder`."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            f"allow_anonymous {'true' if password is None else 'false'}",
        ]
        if os.getuid() == 0:
            lines.append("user root")
        if password is not None:
            lines.append(f"password_file {self._passwords(password)}")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def _passwords(self, password: str) -> Path:
        path = self.folder / "passwords"
        path.touch()
        path.chmod(0o600)
        tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([tool, "-b", str(path), "watcher", password], check=True)
        return path

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )
        wait_for_port(self.port)
        return self

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: on SIGTERM it writes its sessions down, on SIGKILL it cannot."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def pause(self, stop: bool) -> None:
        """Let it hang, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if stop else signal.SIGCONT)

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.stop()


class Subscriber:
    """Hears every message below a topic, with a session that the broker keeps."""

    def __init__(self, broker: Broker, topic: str = "#", name: str = "listens") -> None:
        from paho.mqtt import client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, bytes, bool]] = []
        self._there = threading.Event()
        self._client = client.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=False
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._heard
        self._client.on_connect = lambda one, *_: one.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.on_disconnect = lambda *_: self._there.clear()
        self._client.connect_async("127.0.0.1", broker.port)
        self._client.loop_start()
        self.wait_until_there()

    def _heard(self, _client: Any, _data: Any, message: Any) -> None:
        self.messages.append((message.topic, bytes(message.payload), bool(message.retain)))

    def wait_until_there(self) -> None:
        assert self._there.wait(60)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def of(self, topic: str) -> list[bytes]:
        return [payload for one, payload, _ in list(self.messages) if one == topic]

    def last(self, topic: str) -> bytes | None:
        return next(iter(self.of(topic)[-1:]), None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def eventually(true: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Wait until `true` returns something true, and return it."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
