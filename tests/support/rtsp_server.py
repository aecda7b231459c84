"""An RTSP server on loopback by GStreamer, run by the system's Python: `python3 rtsp_server.py`.

The first line of standard input holds its settings as JSON: `port`, `media` (a GStreamer pipeline
for each path), and `login` (`[kind, user, password]`, kind "basic" or "digest") or null. It prints
its port. Each further line is a change, `[element, property, value]`, of every pipeline that runs,
or `"times"`, which prints the Unix time at which each of them was at its second 0. It ends when
standard input does.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

RUNNING: dict[str, Any] = {}


def factory(path: str, pipeline: str, *, login: bool) -> Any:
    """Make what a path of the server plays; all clients share one pipeline."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {pipeline} )")
    made.set_shared(True)

    def keep(_: Any, media: Any) -> None:
        RUNNING[path] = media.get_element()

    made.connect("media-configure", keep)
    if login:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        made.set_permissions(permissions)
    return made


def demand(server: Any, kind: str, user: str, password: str) -> None:
    """Let in only this user."""
    login, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if kind == "digest":
        login.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        login.add_digest(user, password, token)
    else:
        login.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(login)


def change(line: str) -> None:
    """Set a property of an element in every pipeline; caps are given as text."""
    name, prop, value = json.loads(line)
    for pipeline in RUNNING.values():
        element = pipeline.get_by_name(name)
        if element is not None:
            given = Gst.Caps.from_string(value) if prop == "caps" else value
            element.set_property(prop, given)


def times() -> None:
    """Print when each pipeline that plays was at its second 0, in Unix time."""
    found = {}
    for path, pipeline in [*RUNNING.items()]:
        clock = pipeline.get_clock()
        if clock is not None:
            since = clock.get_time() - pipeline.get_base_time()
            found[path] = time.time() - since / 1e9
    print(json.dumps(found), flush=True)


def listen(loop: Any) -> None:
    """Take changes until standard input ends."""
    for line in sys.stdin:
        if json.loads(line) == "times":
            GLib.idle_add(times)
        else:
            GLib.idle_add(change, line)
    GLib.idle_add(loop.quit)


def main() -> None:
    """Serve until standard input ends."""
    Gst.init(None)
    settings = json.loads(sys.stdin.readline())
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    if settings["login"]:
        demand(server, *settings["login"])
    for path, pipeline in settings["media"].items():
        server.get_mount_points().add_factory(
            path, factory(path, pipeline, login=bool(settings["login"]))
        )
    if not server.attach(None):
        raise SystemExit("the port is taken")
    loop = GLib.MainLoop()
    threading.Thread(target=listen, args=(loop,), daemon=True).start()
    print(server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
