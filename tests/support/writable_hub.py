"""A hub on the loopback interface to which the real client can upload, and that keeps every byte."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

Files = Mapping[str, bytes]
TOKEN = "hf_made_up"


@dataclass
class Repository:
    """Its files at each commit, the newest last, and who may read it."""

    private: bool
    commits: dict[str, Files] = field(default_factory=dict)

    def add(self, files: Files) -> str:
        before = list(self.commits.values())[-1] if self.commits else {}
        commit = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[commit] = {**before, **files}
        return commit

    def at(self, revision: str) -> tuple[str, Files] | None:
        if revision == "main" and self.commits:
            revision = list(self.commits)[-1]
        found = self.commits.get(revision)
        return None if found is None else (revision, found)


@dataclass
class WritableHub:
    """Its address, its repositories, and what it was sent: each request's line, headers and body."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    received: list[bytes] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    stated_size: int | None = None  # what it says of the size of a file, if not the truth

    def sent(self) -> bytes:
        """Everything that it was sent, and once more what was packed in base64 there."""
        return b"\n".join(
            [*self.received, *(one for body in self.received for one in _unpacked(body))]
        )

    def upload_of(self, oid: str, data: bytes) -> None:
        assert hashlib.sha256(data).hexdigest() == oid
        self.objects[oid] = data

    def commit(self, name: str, lines: list[dict[str, Any]]) -> str:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
        return self.repositories[name].add(files)


def _unpacked(body: bytes) -> Iterator[bytes]:
    """What a body holds in base64: the sample of a file, or a file."""
    for line in body.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        found = (
            [values.get("value", {}), *values.get("files", [])] if isinstance(values, dict) else []
        )
        for one in found:
            for key in ("content", "sample"):
                if isinstance(one, dict) and key in one:
                    yield base64.b64decode(one[key])


@contextmanager
def serving() -> Iterator[WritableHub]:
    """Serve an empty hub; `TOKEN` may write."""
    hub = WritableHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def body(self) -> bytes:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.received.append(f"{self.requestline}\n{self.headers}".encode() + data)
            return data

        def do_PUT(self) -> None:
            hub.upload_of(self.path.rpartition("/")[2], self.body())
            self.answer(200, {})

        def do_POST(self) -> None:
            data, path = self.body(), self.path.split("?")[0].strip("/")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"error": "Invalid credentials"})
                return
            parts = path.split("/")
            if path == "api/repos/create":
                self.create(json.loads(data))
            elif path == "api/validate-yaml":
                self.answer(200, {"errors": [], "warnings": []})
            elif path.endswith(".git/info/lfs/objects/batch"):
                self.answer(200, self.batch(json.loads(data)))
            elif parts[4] == "preupload":
                self.answer(200, {"files": [mode(one) for one in json.loads(data)["files"]]})
            else:
                name = "/".join(parts[2:4])
                made = hub.commit(name, [json.loads(line) for line in data.splitlines()])
                url = f"{hub.address}/{name}/commit/{made}"
                self.answer(200, {"commitUrl": url, "commitOid": made, "success": True})

        def create(self, asked: dict[str, Any]) -> None:
            name = f"{asked['organization']}/{asked['name']}"
            if name in hub.repositories:
                self.answer(409, {"error": "You already created this repo", "url": f"/{name}"})
                return
            private = asked.get("private") or asked.get("visibility") == "private"
            hub.repositories[name] = Repository(bool(private))
            self.answer(200, {"url": f"{hub.address}/{name}", "name": name})

        def batch(self, asked: dict[str, Any]) -> dict[str, Any]:
            objects = [
                {**one, "actions": {"upload": {"href": f"{hub.address}/objects/{one['oid']}"}}}
                for one in asked["objects"]
            ]
            return {"transfer": "basic", "objects": objects}

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            self.body()
            parts = self.path.split("?")[0].strip("/").split("/")
            name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
            found = hub.repositories.get(name)
            if found is None or (found.private and "Authorization" not in self.headers):
                self.refuse(401, "RepoNotFound")
            elif parts[0] == "api":
                about = {"id": name, "private": found.private, "siblings": []}
                self.answer(200, {**about, "sha": (found.at("main") or ("0" * 40,))[0]})
            else:
                self.give(found, parts[3], parts[4])

        def give(self, found: Repository, revision: str, file: str) -> None:
            at = found.at(revision)
            if at is None:
                self.refuse(404, "RevisionNotFound")
            elif file not in at[1]:
                self.refuse(404, "EntryNotFound")
            else:
                data = at[1][file]
                etag = hashlib.sha256(data).hexdigest()
                self.answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": at[0]})

        def refuse(self, status: int, code: str) -> None:
            self.answer(status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code})

        def answer(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            size = len(data) if hub.stated_size is None else hub.stated_size
            self.send_response(status)
            for key, value in {"Content-Length": str(size), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    def mode(one: dict[str, Any]) -> dict[str, Any]:
        large = one["path"].endswith(".safetensors")  # as the real hub's .gitattributes says
        kind = "lfs" if large else "regular"
        return {"path": one["path"], "uploadMode": kind, "shouldIgnore": False}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def use(hub: WritableHub, patch: pytest.MonkeyPatch, home: Path, token: str = TOKEN) -> None:
    """Let the hub's client of this process talk to `hub`, with `token`, and keep files in `home`.

    In another process HF_ENDPOINT, HF_HOME and HF_HUB_DISABLE_XET do the same: the client reads
    them when it is imported.
    """
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", hub.address)
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_CACHE", str(home))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setenv("HF_TOKEN", token)
    patch.setenv("NO_PROXY", "127.0.0.1")
    patch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
