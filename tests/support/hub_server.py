"""A model hub on the loopback interface that speaks enough HTTP for the real client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSALS = {  # what the real hub answers, by the name of the model
    "gated": (403, "GatedRepo", "Access to this model is restricted"),
    "absent": (404, "RepoNotFound", "Repository not found"),
    "private": (401, "RepoNotFound", "Repository not found"),
    "broken": (500, "", "Internal error"),
}


@contextmanager
def serving(models: Mapping[str, Path]) -> Iterator[str]:
    """Serve `models` by their names after the slash, refuse those of `REFUSALS`."""

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            api = parts[0] == "api"
            if len(parts) < 4:
                self.refuse(404, "", "Not found")
                return
            name, rest = (parts[3], parts[4:]) if api else (parts[1], parts[2:])
            if name in REFUSALS:
                self.refuse(*REFUSALS[name])
            elif name not in models:
                self.refuse(*REFUSALS["absent"])
            elif rest[1:2] not in ([], ["main"], [COMMIT]):
                self.refuse(404, "RevisionNotFound", "Revision not found")
            else:
                self.describe(models[name], name, rest) if api else self.give(
                    models[name] / rest[-1]
                )

        def refuse(self, status: int, code: str, message: str) -> None:
            headers = {"X-Error-Code": code, "X-Error-Message": message}
            self.answer(status, json.dumps({"error": message}).encode(), headers)

        def describe(self, folder: Path, name: str, rest: list[str]) -> None:
            files = sorted(path.name for path in folder.iterdir())
            sizes = {file: (folder / file).stat().st_size for file in files}
            tree = [
                {"type": "file", "path": file, "size": size, "oid": "0" * 40}
                for file, size in sizes.items()
            ]
            about = {
                "id": f"org/{name}",
                "sha": COMMIT,
                "siblings": [{"rfilename": file} for file in files],
            }
            self.answer(200, json.dumps(tree if rest[:1] == ["tree"] else about).encode())

        def give(self, path: Path) -> None:
            if not path.is_file():
                self.refuse(404, "EntryNotFound", "Entry not found")
                return
            content = path.read_bytes()
            self.answer(
                200,
                content,
                {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT},
            )

        def answer(
            self, status: int, body: bytes, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
