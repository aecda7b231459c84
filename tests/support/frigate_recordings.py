"""A Frigate on loopback that has recordings and reviews, and takes notes on its events."""

from __future__ import annotations

import json
import re
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import av
from tests.support.fake_frigate import FakeFrigate, _handler

CLIP = re.compile(r"/api/([^/]+)/start/([\d.]+)/end/([\d.]+)/clip\.mp4")
NOTE = re.compile(r"/api/events/([^/]+)/(description|sub_label)")


@dataclass
class RecordingFrigate(FakeFrigate):
    """`recordings` are the files of cameras from the Unix time `begins` on.

    A clip is cut out of them as Frigate does, at keyframes; what is after `until` is not recorded
    yet. `notes` are the bodies of what was written, by event and kind.
    """

    recordings: dict[str, Path] = field(default_factory=dict)
    begins: float = 0.0
    until: float = float("inf")
    reviews: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def __enter__(self) -> RecordingFrigate:
        frigate = self

        class Handler(_handler(self)):  # type: ignore[misc]
            def do_GET(self) -> None:
                cookie = self.headers.get("Cookie", "")
                status, kind, data = frigate.read(unquote(self.path), cookie)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def read(self, path: str, cookie: str) -> tuple[int, str, bytes]:
        """Answer a GET request."""
        self.requests.append(path)
        if self.login is not None and "frigate_token=right" not in cookie:
            return 401, "application/json", b'{"message": "Unauthorized"}'
        if path.startswith("/api/review?"):
            after = float(parse_qs(urlsplit(path).query)["after"][0])
            listed = [one for one in self.reviews if one["start_time"] > after]
            return 200, "application/json", json.dumps(listed).encode()
        found = CLIP.fullmatch(path)
        if not found or found[1] not in self.recordings:
            return 404, "application/json", b'{"message": "Camera not found"}'
        start, end = (float(one) - self.begins for one in found.groups()[1:])
        data = cut(self.recordings[found[1]], start, min(end, self.until - self.begins))
        if not data:
            message = b'{"message": "No recordings found for the specified time range"}'
            return 400, "application/json", message
        return 200, "video/mp4", data

    def answer(self, path: str, body: dict[str, Any], cookie: str) -> tuple[int, dict[str, Any]]:
        found = NOTE.fullmatch(unquote(path))
        if found is None:
            return super().answer(path, body, cookie)
        self.requests.append(path)
        if self.login is not None and "frigate_token=right" not in cookie:
            return 401, {"message": "Unauthorized"}
        score = body.get("subLabelScore", 1.0)
        if len(body.get("subLabel", "")) > 100 or not 0 < score <= 1:
            return 422, {"detail": "value"}
        self.notes[found[1], found[2]] = body
        return 200, {"success": True}


def cut(path: Path, start: float, end: float) -> bytes:
    """Remux a part of a file, from the keyframe before `start` on, as a fragmented MP4."""
    if end <= max(start, 0.0):
        return b""
    folder = tempfile.TemporaryDirectory()
    out = Path(folder.name) / "clip.mp4"
    with (
        av.open(str(path)) as source,
        av.open(str(out), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target,
    ):
        given = source.streams.video[0]
        if start * av.time_base >= (source.duration or 0):
            return b""
        stream = target.add_stream_from_template(given)
        source.seek(int(max(start, 0.0) / given.time_base), stream=given)
        first = None
        for packet in source.demux(given):
            if packet.pts is None:
                continue
            at = float(packet.pts * packet.time_base)
            if at >= end:
                break
            first = packet.dts if first is None else first
            packet.pts, packet.dts = packet.pts - first, packet.dts - first
            packet.stream = stream
            target.mux(packet)
    with folder:
        return out.read_bytes()
