"""Mark an alert in Frigate as a manual event, so that its recording is kept and reviewed.

API: `POST /api/events/{camera}/{label}/create` of Frigate 0.18; the event lasts from `pre_capture`
seconds before the request to `duration` seconds after it. One request per alert, after the model's
check; a repeated request makes a second event, as Frigate has no id for it.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from hiprobe.errors import UsageError
from hiprobe.sinks import ALERT_SCHEMA, NO_OPTIONS, Line, Live, SinkSettings, Target
from hiprobe.sinks._http import OPTIONS as HTTP_OPTIONS
from hiprobe.sinks._http import HttpClient, NotAllowed
from hiprobe.sinks._settings import check_names
from hiprobe.sinks._targets import Address, address_of

schemas = (ALERT_SCHEMA,)
network = True
settings = SinkSettings(types=("new",), min_severity="medium", wait="verified")
OPTIONS = ("cameras", "label", "duration_s", *HTTP_OPTIONS)
paths = ("ca_file",)  # options that name a file
SUB_LABEL = 100  # characters that Frigate takes
NO_SUCH_CAMERA = frozenset({404})
JSON = {"Content-Type": "application/json"}


class Frigate:
    """Creates one event per alert; see `open`."""

    def __init__(self, address: Address, options: Mapping[str, Any]) -> None:
        self._base = address.url.rstrip("/")
        self._login = _login(address)
        self._cameras = _names(options)
        self._label = str(options.get("label", "anomaly"))
        self._duration = _duration(options)
        nobody = replace(address, user=None, password=None)
        where = f"frigate {address.shown}"
        self._client = HttpClient(nobody, where, options, refused=NO_SUCH_CAMERA)

    def write(self, line: Line) -> None:
        """Create the event; raises SinkFailed, or UsageError if Frigate refuses it."""
        camera = self._cameras.get(line["camera"], line["camera"])
        path = f"/api/events/{quote(camera, safe='')}/{quote(self._label, safe='')}/create"
        body = json.dumps(self._event(line, time.time())).encode()
        try:
            self._client.send("POST", self._base + path, body, JSON)
        except NotAllowed:
            if self._login is None:
                raise
            self._client.send("POST", f"{self._base}/api/login", self._login, JSON)
            self._client.send("POST", self._base + path, body, JSON)

    def _event(self, line: Line, now: float) -> dict[str, Any]:
        """Make the body: `now` is the Unix time that Frigate counts from."""
        start, end = (datetime.fromisoformat(line[key]).timestamp() for key in ("start", "end"))
        lasts = self._duration if line["provisional"] else max(1, math.ceil(end - now))
        return {
            "sub_label": sub_label(line),
            "score": min(1.0, max(0.0, line["score"] or 0.0)),
            "duration": lasts,
            "include_recording": True,
            "pre_capture": max(0, math.ceil(now - start)),
        }

    def reach(self) -> None:
        """Raise SinkFailed if nobody answers at the address; nothing is sent."""
        self._client.reach()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def open(
    target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
) -> Frigate:
    """Open a sink for Frigate at `target`, such as http://frigate:5000.

    With user:password in the address it logs in first, as port 8971 wants. Options: `cameras`, a
    table of Frigate's names by those of the watcher; `label` (anomaly); `duration_s` (30), how long
    an event lasts that is not over; `ca_file` and `check_certificate`. Raises UsageError.
    """
    check_names("option", options, OPTIONS)
    return Frigate(address_of(target, ("http", "https")), options)


def check_target(target: Target, options: Mapping[str, Any] = NO_OPTIONS) -> None:
    """Raise UsageError for a target or options that can never be used; nothing is sent."""
    check_names("option", options, OPTIONS)
    Frigate(address_of(target, ("http", "https")), options).close()


def sub_label(line: Line) -> str:
    """Return the model's check and what it saw, in at most 100 characters.

    >>> sub_label({"verification": {"result": "confirmed"}, "explanation": "a fall", "label": None})
    'confirmed: a fall'
    """
    what = line["explanation"] or line["label"] or "hiprobe"
    text = f"{line['verification']['result'].replace('_', ' ')}: {' '.join(what.split())}"
    return text if len(text) <= SUB_LABEL else text[: SUB_LABEL - 1].rstrip() + "…"


def _login(address: Address) -> bytes | None:
    if address.user is None:
        return None
    return json.dumps({"user": address.user, "password": address.password or ""}).encode()


def _names(options: Mapping[str, Any]) -> Mapping[str, str]:
    given = options.get("cameras", {})
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given.values()):
        raise UsageError(
            "cameras of the frigate sink must be a table of names",
            cure='write cameras = { yard = "back_yard" }',
        )
    return given


def _duration(options: Mapping[str, Any]) -> int:
    given = options.get("duration_s", 30)
    if not re.fullmatch(r"[1-9]\d{0,3}", str(given)):
        raise UsageError(f"duration_s must be a whole number from 1 to 9999, got {given!r}")
    return int(given)
