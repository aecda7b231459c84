"""Drive Debian's Firefox over Marionette, its own protocol of lengths and JSON over a socket.

Playwright cannot: it needs a Firefox of its own, or a command that the long-term release lacks.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
# No request but those of the test, and no first-run page.
PREFERENCES = {
    "marionette.port": 0,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "startup.homepage_welcome_url": "about:blank",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "ui.prefersReducedMotion": 1,
}
# As WebDriver writes the keys that are not characters.
KEYS = {"Tab": "\ue004", "Escape": "\ue00c", "Enter": "\ue007", "Shift": "\ue008"}


class Firefox:
    """One window. Scripts run in the page; `wait` runs one until it returns something true."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.number, self.rest = 0, b""
        assert self._read()["marionetteProtocol"] == 3
        self.ask("WebDriver:NewSession", {"strictFileInteractability": False})

    def _read(self) -> Any:
        while b":" not in self.rest:
            self.rest += self._received()
        length, _, self.rest = self.rest.partition(b":")
        while len(self.rest) < int(length):
            self.rest += self._received()
        text, self.rest = self.rest[: int(length)], self.rest[int(length) :]
        return json.loads(text)

    def _received(self) -> bytes:
        data = self.socket.recv(1 << 16)
        assert data, "Firefox has closed the connection"
        return data

    def ask(self, command: str, values: dict[str, Any]) -> Any:
        """Send one command and return its answer; an error of Firefox fails the test."""
        self.number += 1
        text = json.dumps([0, self.number, command, values])
        self.socket.sendall(f"{len(text.encode())}:{text}".encode())
        _, number, error, answer = self._read()
        assert number == self.number
        assert error is None, f"{command}: {error['error']}: {error['message']}"
        return answer["value"] if isinstance(answer, dict) and "value" in answer else answer

    def open(self, address: str) -> None:
        self.ask("WebDriver:Navigate", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return the value of an expression in the page; `arguments[0]` is the first argument."""
        values = {"script": f"return ({script})", "args": list(arguments), "sandbox": None}
        return self.ask("WebDriver:ExecuteScript", values)

    def wait(self, script: str, *arguments: Any, seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = self.run(script, *arguments)
            if found:
                return found
            assert time.monotonic() < end, (script, arguments, self.run("document.body.innerText"))
            time.sleep(0.03)

    def press(self, *keys: str) -> None:
        """Press and release keys one after the other, as a keyboard does."""
        strokes = [
            {"type": kind, "value": KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
        self.ask("WebDriver:PerformActions", {"actions": actions})

    def resize(self, width: int, height: int) -> None:
        """Give the page a size; a window has a smallest one, so the page in it is made narrow."""
        self.ask("WebDriver:SetWindowRect", {"width": max(width, 800), "height": height + 200})
        self.ask("Marionette:SetContext", {"value": "chrome"})
        size = "const s = gBrowser.selectedBrowser.style; s.width = s.maxWidth = s.minWidth = "
        size += "arguments[0] + 'px'; s.height = s.maxHeight = s.minHeight = arguments[1] + 'px';"
        self.ask("WebDriver:ExecuteScript", {"script": size, "args": [width, height]})
        self.ask("Marionette:SetContext", {"value": "content"})
        self.wait(f"innerWidth === {width} && innerHeight === {height}")

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("WebDriver:TakeScreenshot", {"full": False})))


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox without a screen and with a new profile, and end it."""
    assert PROGRAM is not None
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    options = ["--marionette", "--remote-allow-system-access", "--headless", "--no-remote"]
    with (profile / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, *options, "--profile", str(profile), "about:blank"], stdout=log, stderr=log
        )
    try:
        yield Firefox(_port(profile, process))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """Return the port that Firefox has chosen and written down."""
    end, written = time.monotonic() + 60, profile / "MarionetteActivePort"
    while not (written.exists() and written.read_text().strip()):
        assert process.poll() is None, (profile / "log.txt").read_text()
        assert time.monotonic() < end, (profile / "log.txt").read_text()
        time.sleep(0.05)
    return int(written.read_text())
