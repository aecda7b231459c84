"""The files in `examples/` and the camera files in the documentation are valid as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("pydantic", reason="the extra hiprobe[live] is not installed")

from hiprobe.live.cameras import Watch, load
from hiprobe.live.destinations import Destination, check_sink_names

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLES = REPOSITORY / "examples"
CAMERA_FILES = sorted(EXAMPLES.rglob("*.toml"))
PAGES = [REPOSITORY / "docs" / name for name in ("live.md", "live_sinks.md")]
VARIABLE = re.compile(r"\$\{(\w+)\}|env:(\w+)")
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
CAMERA = '[[camera]]\nname = "one"\nurl = "rtsp://127.0.0.1/live"\n'
VALUES = {"PHONE": "ntfy://topic", "CAMERA": "rtsp://me:pw@127.0.0.1/live"}


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Load a camera file with every variable that it names, and check its sinks."""
    for groups in VARIABLE.findall(path.read_text()):
        name = "".join(groups)
        monkeypatch.setenv(name, VALUES.get(name, "http://127.0.0.1/x"))
    watch = load(path)
    check_sink_names([Destination(**vars(one)) for one in watch.sinks])
    return watch


@pytest.mark.parametrize("path", CAMERA_FILES, ids=named)
def test_an_example_of_a_camera_file_can_be_loaded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = loaded(path, monkeypatch)
    assert watch.sinks
    for sink in watch.sinks:
        template = sink.options.get("template")
        assert template is None or (path.parent / template).is_file()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_camera_files_in_the_documentation_can_be_loaded(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = TOML.findall(page.read_text())
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block if "[[camera]]" in block else f"{block}\n{CAMERA}")
        loaded(path, monkeypatch)


def test_every_example_of_a_camera_file_is_in_the_guide() -> None:
    guide = (REPOSITORY / "docs" / "live.md").read_text()
    assert [named(path) for path in CAMERA_FILES if f"(../{named(path)})" not in guide] == []


def test_the_unit_is_valid_for_systemd(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze: the unit is not verified")
    unit = (EXAMPLES / "systemd" / "hiprobe-watch.service").read_text()
    path = tmp_path / "hiprobe-watch.service"
    path.write_text(unit.replace("/opt/hiprobe/bin/hiprobe", "/bin/true"))
    done = subprocess.run([tool, "verify", path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
