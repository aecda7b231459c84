"""Frigate's API on loopback, as LIVE.md and its repository describe it: manual events and a login."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEYS = {"sub_label", "score", "duration", "include_recording", "pre_capture", "draw"}


@dataclass
class FakeFrigate:
    """A server with cameras; `login` (user, password) is asked for where it is set."""

    cameras: tuple[str, ...] = ("back_yard",)
    login: tuple[str, str] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> FakeFrigate:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, body: dict[str, Any], cookie: str) -> tuple[int, dict[str, Any]]:
        self.requests.append(path)
        if path == "/api/login":
            given = (body.get("user"), body.get("password"))
            return (200 if given == self.login else 401), {}
        if self.login is not None and "frigate_token=right" not in cookie:
            return 401, {"message": "Unauthorized"}
        found = re.fullmatch(r"/api/events/([^/]+)/([^/]+)/create", path)
        camera, label = map(unquote, found.groups()) if found else ("", "")
        if camera not in self.cameras:
            return 404, {"success": False, "message": f"{camera} is not a valid camera."}
        if wrong := _wrong(body):
            return 422, {"detail": wrong}
        return 200, {"success": True, "event_id": self._created(camera, label, body)}

    def _created(self, camera: str, label: str, body: dict[str, Any]) -> str:
        now = time.time()
        event = {"id": f"{now}-abc", "camera": camera, "label": label, **body}
        event["start_time"], event["end_time"] = now - body["pre_capture"], now + body["duration"]
        self.events.append(event)
        return str(event["id"])


def _wrong(body: dict[str, Any]) -> str:
    """What Frigate's own types would refuse."""
    if set(body) - KEYS:
        return f"unknown {set(body) - KEYS}"
    whole = all(type(body[key]) is int for key in ("duration", "pre_capture"))
    return "" if whole and len(body["sub_label"]) <= 100 and 0 <= body["score"] <= 1 else "value"


def _handler(frigate: FakeFrigate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = frigate.answer(self.path, body, self.headers.get("Cookie", ""))
            data = json.dumps(answer).encode()
            self.send_response(status)
            if self.path == "/api/login" and status == 200:
                self.send_header("Set-Cookie", "frigate_token=right; HttpOnly; Path=/")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
