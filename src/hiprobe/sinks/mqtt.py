"""Publish to an MQTT broker, for Home Assistant and any other subscriber.

Topics below `hiprobe`: `CAMERA/alerts` has every message, `CAMERA/alarm` is ON while a checked
alert lasts, with `CAMERA/alarm/attributes` and `CAMERA/snapshot`; `CAMERA/score`,
`CAMERA/availability`, `CAMERA/watching` and, for the watcher itself, `available` with a last will.
`events` has those of `hiprobe detect`.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import Any, Self

from hiprobe.errors import UsageError
from hiprobe.sinks import (
    ALERT_SCHEMA,
    CAMERA_SCHEMA,
    NO_OPTIONS,
    SCHEMA,
    SCORE_SCHEMA,
    Line,
    Live,
    SinkSettings,
    Target,
)
from hiprobe.sinks._home_assistant import BIRTH, DISCOVERY, Topics
from hiprobe.sinks._http import trusted
from hiprobe.sinks._mqtt_connection import Connection, Greeting, Payload, Topic, check_library
from hiprobe.sinks._settings import check_names
from hiprobe.sinks._snapshots import snapshot_bytes
from hiprobe.sinks._targets import Address, address_of

schemas = (SCHEMA, ALERT_SCHEMA, SCORE_SCHEMA, CAMERA_SCHEMA)
network = True
settings = SinkSettings()
# What Home Assistant shows as the alert waits for the model's check.
parts = {"alarm": SinkSettings(min_severity="medium", wait="verified")}
OPTIONS = ("discovery", "ca_file", "check_certificate")
paths = ("ca_file",)  # options that name a file
PREFIX = "hiprobe"
SCORE_EVERY_S = 5.0  # a database of a smart home keeps every value
USER, PASSWORD = "HIPROBE_MQTT_USER", "HIPROBE_MQTT_PASSWORD"
ON, OFF = "ON", "OFF"


class Mqtt:
    """Publishes messages to one broker; see `open`."""

    def __init__(self, address: Address, options: Mapping[str, Any], live: Live | None) -> None:
        self._live, self._discovery = live, bool(options.get("discovery", True))
        self._prefix = address.path.strip("/") or PREFIX
        self._topics: dict[str, Topics] = {}
        self._retained: dict[str, Payload] = {}
        self._lock = Lock()  # of what is retained, which the connection's thread says again
        self._open: dict[str, set[str]] = {}  # the alerts that last, by camera
        self._scored: dict[str, tuple[float, bool]] = {}
        greeting = None if live is None else self._greeting()
        where = f"mqtt {address.shown}"
        tls = trusted(options, where) if address.scheme == "mqtts" else None
        self._connection = Connection(address, where, greeting, tls)

    def _greeting(self) -> Greeting:
        asks = (f"{self._prefix}/+/watching/set", *((BIRTH,) if self._discovery else ()))
        return Greeting(f"{self._prefix}/available", self._says, asks, self._heard)

    def write(self, line: Line) -> None:
        """Publish one message; raises SinkFailed until the broker has acknowledged it."""
        if line["schema"] == SCHEMA:
            self._connection.send(f"{self._prefix}/events", json.dumps(line))
            return
        topics = self._topics.setdefault(line["camera"], Topics(self._prefix, line["camera"]))
        if line["schema"] == ALERT_SCHEMA:
            self._connection.send(topics.of("alerts"), json.dumps(line))
        elif line["schema"] == SCORE_SCHEMA:
            self._tell_score(topics, line)
        else:
            self._tell_camera(topics, line)

    def write_part(self, part: str, line: Line) -> None:
        """Publish what Home Assistant shows of an alert; `part` is "alarm".

        The picture comes first, so that an automation that starts with ON finds it.
        """
        topics = self._topics.setdefault(line["camera"], Topics(self._prefix, line["camera"]))
        lasting = self._open.setdefault(line["camera"], set())
        over = line["type"] in ("end", "withdrawn") or line["severity"] == "low"
        (lasting.discard if over else lasting.add)(line["id"])
        picture = snapshot_bytes(line, self._live.folder if self._live else None)
        if picture is not None:
            self._keep(topics.of("snapshot"), picture)
        self._keep(topics.of("alarm/attributes"), json.dumps(line))
        self._keep(topics.of("alarm"), ON if lasting else OFF)

    def _tell_camera(self, topics: Topics, line: Line) -> None:
        self._retained.setdefault(topics.of("alarm"), OFF)
        told = dict(topics.discovery(line["place"])) if self._discovery else {}
        told[topics.of("state")] = json.dumps(line)
        told[topics.of("watching")] = ON if line["watching"] else OFF
        told[topics.of("alarm")] = str(self._retained[topics.of("alarm")])
        gone = line["state"] in ("offline", "ended")
        told[topics.of("availability")] = "offline" if gone else "online"
        for topic, payload in told.items():
            self._keep(topic, payload)

    def _tell_score(self, topics: Topics, line: Line) -> None:
        """Publish the score: every five seconds, and at once when it crosses the threshold."""
        now, above = time.monotonic(), (line["score"] or 0.0) >= (line["threshold"] or math.inf)
        last = self._scored.get(topics.camera)
        if last is None or above != last[1] or now - last[0] >= SCORE_EVERY_S:
            self._scored[topics.camera] = (now, above)
            self._connection.tell(topics.of("score"), json.dumps(line))

    def _keep(self, topic: str, payload: Payload) -> None:
        """Publish a retained message, which is said again on each new connection."""
        with self._lock:
            self._retained[topic] = payload
        self._connection.send(topic, payload, retain=True)

    def _says(self) -> Iterable[Topic]:
        with self._lock:
            return [*self._retained.items(), (f"{self._prefix}/available", "online")]

    def _heard(self, topic: str, payload: bytes) -> None:
        """Take a command of a switch, or the birth of Home Assistant, which wants all again."""
        if topic == BIRTH:
            if payload == b"online":
                self._connection.greet()
            return
        switch = self._live.switch if self._live else None
        for camera in [*self._topics.values()]:
            if switch and camera.of("watching/set") == topic and payload in (b"ON", b"OFF"):
                switch(camera.camera, payload == b"ON")

    def reach(self) -> None:
        """Raise SinkFailed if there is no connection to the broker."""
        self._connection.reach()

    def close(self) -> None:
        """Say that the watcher and its cameras are offline, and end the connection."""
        gone = [(one.of("availability"), "offline") for one in self._topics.values()]
        last = [*gone, (f"{self._prefix}/available", "offline")] if self._live else []
        self._connection.close(last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def open(target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None) -> Mqtt:
    """Open a sink for the broker at `target`: mqtt or mqtts://user:password@host:port/prefix.

    User and password may come from the environment: HIPROBE_MQTT_USER and HIPROBE_MQTT_PASSWORD.
    The topics are below `prefix`, by default hiprobe. Options: `discovery` = false keeps the
    entities from Home Assistant; for mqtts `ca_file`, the certificates to trust, and
    `check_certificate` = false, which trusts any. Raises UsageError for what cannot be used.
    """
    return Mqtt(_address(target, options), options, live)


def check_target(target: Target, options: Mapping[str, Any] = NO_OPTIONS) -> None:
    """Raise UsageError for a target or options that can never be used; nothing is sent."""
    address = _address(target, options)
    check_library()
    if address.scheme == "mqtts":
        trusted(options, f"mqtt {address.shown}")


def _address(target: Target, options: Mapping[str, Any]) -> Address:
    check_names("option", options, OPTIONS)
    address = address_of(target, ("mqtt", "mqtts"))
    if address.user is None and USER in os.environ:
        user, password = os.environ[USER], os.environ.get(PASSWORD)
        address = replace(address, user=user, password=password)
    prefix = address.path.strip("/")
    if set("+#$\0") & set(prefix) or prefix.split("/")[0] == DISCOVERY:
        raise UsageError(f"topics cannot be below {prefix!r}", cure="name another prefix")
    return address
