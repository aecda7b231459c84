"""`hiprobe --version` and `python -m hiprobe`: the version of the running code, quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hiprobe

SCRIPT = Path(sys.executable).with_name("hiprobe")
HEAVY = {
    "av",
    "matplotlib",
    "numpy",
    "PIL",
    "ray",
    "rich",
    "scipy",
    "sklearn",
    "torch",
    "transformers",
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command], capture_output=True, text=True, check=False)


def test_the_script_prints_its_version() -> None:
    done = run(SCRIPT, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"hiprobe {hiprobe.__version__}\n",
        "",
    )


def test_python_m_hiprobe_is_the_same_program() -> None:
    done = run(sys.executable, "-m", "hiprobe", "--version")
    assert (done.returncode, done.stdout) == (0, f"hiprobe {hiprobe.__version__}\n")
    done = run(sys.executable, "-m", "hiprobe", "nonsense")
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr


def test_a_named_error_becomes_its_exit_code_under_python_m_too(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "hiprobe", "runs", tmp_path / "absent")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_version_is_printed_before_any_library_is_loaded() -> None:
    done = run(sys.executable, "-X", "importtime", "-m", "hiprobe", "--version")
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "hiprobe.cli" in loaded
    assert not HEAVY & loaded
