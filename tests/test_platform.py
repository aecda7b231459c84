"""HiProbe is for Linux and macOS; on Windows it says so, wherever it is imported first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.test_project import PROJECT, ROOT

# As on Windows: the name of the platform, and no POSIX modules.
WINDOWS = """
import sys
sys.platform = "win32"
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
"""
SENTENCE = "HiProbe runs on Linux and macOS, not on Windows"


@pytest.mark.parametrize(
    "code",
    [
        "import hiprobe",
        "import hiprobe.video",
        "from hiprobe.cli import main",
        "from hiprobe.store import write_atomic",
    ],
)
def test_an_import_on_windows_says_where_it_runs(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS + code], capture_output=True, text=True, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert last == f"hiprobe.errors.UnsupportedPlatform: {SENTENCE}; use WSL 2 there"


def test_readme_and_metadata_say_so_too() -> None:
    systems = {
        line for line in PROJECT["project"]["classifiers"] if line.startswith("Operating System")
    }
    assert systems == {"Operating System :: MacOS", "Operating System :: POSIX :: Linux"}
    assert "Linux and macOS" in PROJECT["project"]["description"] + Path(
        ROOT / "README.md"
    ).read_text("utf-8")
