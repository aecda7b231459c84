"""A connection to an MQTT broker that waits for each message to be acknowledged.

Knows topics and payloads, no message of ours. A library thread keeps the connection up.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks._http import INSTALL

if TYPE_CHECKING:
    from ssl import SSLContext

    from paho.mqtt.client import Client

    from hiprobe.sinks._targets import Address

KEEP_ALIVE_S = 30
CONNECT_S = 5.0
ACKNOWLEDGE_S = 10.0
FAREWELL_S = 1.0
MOST_PAUSE_S = 10  # between two attempts to connect
Payload = str | bytes
Topic = tuple[str, Payload]


@dataclass(frozen=True)
class Greeting:
    """What a connection says and asks for whenever it is made.

    `will` is the topic that says "offline" once the connection is lost; `says` makes the retained
    messages, and `heard` gets the topic and payload of what arrives on the topics `asks`.
    """

    will: str
    says: Callable[[], Iterable[Topic]]
    asks: tuple[str, ...]
    heard: Callable[[str, bytes], None]


class Connection:
    """A connection to the broker at `address`, made in the background and again when it is lost.

    `where` names the broker in errors, and `tls` says which certificates are trusted, for mqtts.
    Raises UsageError where the MQTT library is not installed.
    """

    def __init__(
        self, address: Address, where: str, greeting: Greeting | None, tls: SSLContext | None
    ) -> None:
        self._address, self.where, self._greeting, self._tls = address, where, greeting, tls
        self._up, self._down, self._why = Event(), Event(), "cannot be reached"
        self._patient_until = time.monotonic() + CONNECT_S  # a first connection takes a moment
        self._client = self._started()

    def send(self, topic: str, payload: Payload, *, retain: bool = False) -> None:
        """Publish with QoS 1; return once the broker has acknowledged it. Raises SinkFailed."""
        self.reach()
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        with suppress(RuntimeError, ValueError):  # the connection was lost in between
            sent.wait_for_publish(ACKNOWLEDGE_S)
            if sent.is_published():
                return
        self._renew()
        raise SinkFailed("the broker did not acknowledge a message", where=self.where)

    def reach(self) -> None:
        """Raise SinkFailed unless there is a connection; a first one is waited for."""
        if not self._up.wait(max(0.0, self._patient_until - time.monotonic())):
            raise SinkFailed(self._why, where=self.where, cure="check the address, and the broker")

    def tell(self, topic: str, payload: Payload) -> None:
        """Publish with QoS 0 if there is a connection: for what the next message replaces."""
        if self._up.is_set():
            self._client.publish(topic, payload, qos=0)

    def greet(self) -> None:
        """Say again what a connection says when it is made."""
        self._greet(self._client)

    def close(self, farewell: Iterable[Topic] = ()) -> None:
        """Publish a retained farewell if there is a connection, and end it."""
        if self._up.is_set():
            sent = [self._client.publish(*one, qos=1, retain=True) for one in farewell]
            with suppress(RuntimeError, ValueError):
                for one in sent:
                    one.wait_for_publish(FAREWELL_S)
        self._stop(FAREWELL_S if self._up.is_set() else 0.0)

    def _started(self) -> Client:
        client = _client(self._address, self._tls)
        if self._greeting is not None:
            client.will_set(self._greeting.will, "offline", qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._connected, self._lost
        client.on_message = self._heard
        client.connect_async(self._address.host, _port(self._address), keepalive=KEEP_ALIVE_S)
        client.loop_start()
        return client

    def _renew(self) -> None:
        """Replace the client, which would send what was not acknowledged again by itself."""
        self._stop()
        self._patient_until = time.monotonic() + CONNECT_S
        self._client = self._started()

    def _stop(self, wait_s: float = 0.0) -> None:
        """End the connection; a broker that does not hang up in `wait_s` is cut off."""
        self._up.clear()
        self._down.clear()
        self._client.disconnect()
        self._down.wait(wait_s)
        with suppress(OSError, AttributeError):  # there may be no socket
            self._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        self._client.loop_stop()

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            self._why = f"the broker refuses the connection: {reason}"
            return
        self._greet(client)
        self._patient_until = 0.0
        self._up.set()

    def _greet(self, client: Client) -> None:
        if self._greeting is None:
            return
        for topic in self._greeting.asks:
            client.subscribe(topic, qos=1)
        for topic, payload in self._greeting.says():
            client.publish(topic, payload, qos=1, retain=True)

    def _lost(self, _client: Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if self._up.is_set():
            self._why = f"the connection was lost: {reason}"
        self._up.clear()
        self._down.set()

    def _heard(self, _client: Client, _data: Any, message: Any) -> None:
        # A retained command is an old one.
        if self._greeting is not None and not message.retain:
            self._greeting.heard(message.topic, message.payload)


def check_library() -> None:
    """Raise UsageError where the MQTT library is not installed."""
    try:
        import paho.mqtt.client  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"this sink needs {error.name}", cure=INSTALL) from error


def _client(address: Address, tls: SSLContext | None) -> Client:
    check_library()
    from paho.mqtt import client
    from paho.mqtt.enums import CallbackAPIVersion

    made = client.Client(CallbackAPIVersion.VERSION2, client_id=f"hiprobe-{secrets.token_hex(6)}")
    made.connect_timeout = CONNECT_S
    made.reconnect_delay_set(1, MOST_PAUSE_S)
    if address.user is not None:
        made.username_pw_set(address.user, address.password)
    if tls is not None:
        made.tls_set_context(tls)
    return made


def _port(address: Address) -> int:
    return address.port or (8883 if address.scheme == "mqtts" else 1883)
