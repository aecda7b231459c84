"""A real HTTP receiver in a child process: it can answer anything, hang, be killed and come back.

Each request is on disk before it is answered, so what was acknowledged is what `received` lists.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANG_S = 60.0


@dataclass(frozen=True)
class Request:
    """What the receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = 0.0  # Unix time of its arrival

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Receiver:
    """The receiver's process on a port of its own, and its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.behave(200)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> Receiver:
        code = "from tests.support.http_receiver import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.port), str(self.folder)]
        )
        wait_for_port(self.port)
        return self

    def behave(self, status: int | str, **headers: str) -> None:
        """Answer with this status from now on; "hang" never answers."""
        path = self.folder / ".behave"
        path.write_text(json.dumps([status, headers]))
        path.replace(self.folder / "behave")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def received(self) -> list[Request]:
        path = self.folder / "requests"
        lines = path.read_text().splitlines() if path.exists() else []
        whole = [line for line in lines if line.endswith("]")]  # the last may be torn by a kill
        rows = [json.loads(line) for line in whole]
        return [Request(m, p, h, base64.b64decode(body), at) for m, p, h, body, at in rows]

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def wait_for_port(port: int, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


class _Handler(BaseHTTPRequestHandler):
    folder = Path()

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = dict(self.headers.items())
        row = [self.command, self.path, sent, base64.b64encode(body).decode(), time.time()]
        status, headers = json.loads((self.folder / "behave").read_text())
        if status == "hang":
            time.sleep(HANG_S)
        if 200 <= status < 300:
            data = (json.dumps(row) + "\n").encode()
            number = os.open(self.folder / "requests", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(number, data)
            os.fsync(number)
            os.close(number)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_PUT = do_GET = _take

    def log_message(self, *_: Any) -> None:
        pass


def serve() -> None:
    _Handler.folder = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
