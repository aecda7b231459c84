"""`hiprobe --version` and `python -m hiprobe`: the version of the running code, quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

import hiprobe
from hiprobe.cli._program import COMMANDS, app

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


def test_the_help_lists_every_command_with_the_first_sentence_of_its_own() -> None:
    group = typer.main.get_group(app)
    assert list(group.commands) == list(COMMANDS)
    own = {name: group.commands[name].help.split("\n\n")[0] for name in COMMANDS}
    assert {name: " ".join(text.split()) for name, text in own.items()} == COMMANDS
    listed = run(sys.executable, "-m", "hiprobe", "--help").stdout
    assert all(f" {name} " in listed for name in COMMANDS)


SHOW_LOADED = """
import sys
from hiprobe.cli._program import COMMANDS, app
try:
    app(sys.argv[1:])
finally:
    print(*(name for name in COMMANDS if f"hiprobe.cli.{name}" in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "loaded"), [(["--help"], []), (["runs", "--help"], ["runs"]), (["nonsense"], [])]
)
def test_the_help_and_a_command_load_no_other_command(words: list[str], loaded: list[str]) -> None:
    done = run(sys.executable, "-c", SHOW_LOADED, *words)
    assert done.stderr.splitlines()[-1].split() == loaded
