"""A camera over HTTP on loopback: MPEG-TS and MJPEG in real time, in a child process.

Run as `python -m tests.support.http_camera TS_FILE SECONDS [USER:PASSWORD]` it prints its port.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
FPS = 25
TS_PACKET = 188


@contextmanager
def http_camera(ts: Path, seconds: float, login: str = "") -> Iterator[str]:
    """Serve in a child process; yield the address without its scheme."""
    command = [sys.executable, "-m", "tests.support.http_camera", str(ts), str(seconds), login]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as server:
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


class Camera(BaseHTTPRequestHandler):
    """What the camera answers, by path."""

    ts, seconds, login = b"", 1.0, ""

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer, with a stream that ends when the client goes or the file is over."""
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.login and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        try:
            self.answer(self.path.split("?")[0])
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self, path: str) -> None:
        """Send what is at `path`."""
        match path:
            case "/ts":
                self.begin("video/mp2t")
                self.play_ts()
            case "/mjpeg":
                self.begin("multipart/x-mixed-replace; boundary=frame")
                self.play_mjpeg()
            case "/silent":
                self.begin("video/mp2t")
                self.wfile.write(self.ts[: len(self.ts) // 3])
                time.sleep(60)
            case "/text":
                self.begin("text/html")
                self.wfile.write(b"<html><body>camera: log in</body></html>" * 100)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            case "/file":
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.send_header("Content-Length", str(len(self.ts)))
                self.send_header("Accept-Ranges", "bytes")
                self.end_headers()
                self.wfile.write(self.ts)
            case _:
                self.send_error(503 if path == "/busy" else 404)

    def begin(self, kind: str) -> None:
        """Begin an answer that has no end."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def play_ts(self) -> None:
        """Send the file as fast as it plays."""
        begun, step = time.monotonic(), TS_PACKET * 16
        for place in range(0, len(self.ts), step):
            due = begun + place / len(self.ts) * self.seconds
            time.sleep(max(0.0, due - time.monotonic()))
            self.wfile.write(self.ts[place : place + step])

    def play_mjpeg(self) -> None:
        """Send pictures of a moving bar, 25 a second."""
        begun = time.monotonic()
        for index in range(60 * FPS):
            time.sleep(max(0.0, begun + index / FPS - time.monotonic()))
            pixels = np.zeros((120, 160, 3), np.uint8)
            pixels[:, index * 2 % 160 :][:, :8] = 200
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "JPEG")
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {data.tell()}\r\n\r\n"
            self.wfile.write(head.encode() + data.getvalue() + b"\r\n")


def main() -> None:
    """Serve until standard input ends or this process is killed."""
    Camera.ts, Camera.seconds = Path(sys.argv[1]).read_bytes(), float(sys.argv[2])
    Camera.login = sys.argv[3]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
