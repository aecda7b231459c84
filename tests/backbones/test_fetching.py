"""Fetch from a hub over real HTTP to a small disk: each failure is named with its cure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import hub_server

import hiprobe

PROGRAM = """
import sys
from hiprobe.backbones import _folder
from hiprobe.errors import HiProbeError
try:
    found = _folder.find_checkpoint(sys.argv[1], sys.argv[2] or None)
    print(found.model, found.revision, found.folder)
except HiProbeError as error:
    sys.exit(f"{type(error).__name__} {error.exit_code} {error}")
"""


@pytest.fixture(scope="module")
def address(
    folders: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A hub with a whole model, and with one that has pickled weights only."""
    pickled = tmp_path_factory.mktemp("pickled")
    for path in folders("qwen2_5_vl").iterdir():
        (pickled / path.name.replace("model.safetensors", "pytorch_model.bin")).write_bytes(
            path.read_bytes()
        )
    with hub_server.serving({"tiny": folders("qwen2_5_vl"), "pickled": pickled}) as address:
        yield address


def fetch(address: str, home: Path, name: str, revision: str = "") -> tuple[str, str]:
    """Look for a model in another process that uses this hub: its output and last error."""
    settings = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": str(Path(hiprobe.__file__).parents[1]),
    }
    command = [sys.executable, "-c", PROGRAM, name, revision]
    done = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("revision", ["", "main", hub_server.COMMIT])
def test_a_model_is_fetched_and_pinned_to_its_commit(
    address: str, tmp_path: Path, folders: Callable[[str], Path], revision: str
) -> None:
    said, wrong = fetch(address, tmp_path, "org/tiny", revision)
    assert wrong == ""
    name, commit, folder = said.split()
    assert (name, commit) == ("org/tiny", hub_server.COMMIT)
    weights = folders("qwen2_5_vl") / "model.safetensors"
    assert (Path(folder) / "model.safetensors").read_bytes() == weights.read_bytes()


@pytest.mark.parametrize(
    ("name", "revision", "reason", "cure"),
    [
        ("org/gated", "", "access is gated", "accept its licence"),
        ("org/absent", "", "is not on the hub, or is private", "check the name"),
        ("org/private", "", "is not on the hub, or is private", "log in"),
        ("org/tiny", "v9", "has no such revision", "that exists"),
        ("org/broken", "", "cannot be fetched from the hub", "a local folder"),
        (
            "org/pickled",
            "",
            "has no .safetensors weights; pickled weights are never loaded",
            "as safetensors",
        ),
    ],
)
def test_a_refusal_is_one_line(
    address: str, tmp_path: Path, name: str, revision: str, reason: str, cure: str
) -> None:
    said, wrong = fetch(address, tmp_path, name, revision)
    assert said == ""
    assert wrong.startswith("ModelError 4 ")
    assert wrong.count("\n") == 1
    assert reason in wrong
    assert cure in wrong


def test_an_unreachable_hub_is_named(tmp_path: Path) -> None:
    _, wrong = fetch("http://127.0.0.1:9", tmp_path, "org/tiny")
    assert wrong.startswith("ModelError 4 org/tiny: cannot be fetched from the hub")
    assert wrong.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 300 kB, less than the model; skipped where none may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted only as root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_the_same_command_resumes(address: str, small_disk: Path) -> None:
    said, wrong = fetch(address, small_disk, "org/tiny")
    assert said == ""
    reason = f"cannot be written to {small_disk / 'hub'}: No space left on device"
    assert wrong.startswith(f"ModelError 4 org/tiny: {reason}")
    assert "HF_HOME" in wrong
    assert wrong.count("\n") == 1
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    said, wrong = fetch(address, small_disk, "org/tiny")
    assert said.startswith(f"org/tiny {hub_server.COMMIT}")
