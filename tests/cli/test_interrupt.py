"""Ctrl-C at any moment, also while libraries are loaded: one line and exit code 130."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Sends the signal when the module named by the first argument is about to be loaded.
PROGRAM = """
import os, signal, sys
name = sys.argv.pop(1)
class Sender:
    def find_spec(self, module, path=None, target=None):
        if module == name:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Sender())
from hiprobe.cli import main
main()
"""
# A new line is one of those that `hiprobe` itself would print, so the model's notice is not one.
MOMENTS = ("typer", "hiprobe.cli.demo", "numpy", "torch.functional", "hiprobe.store.index")


@pytest.mark.parametrize("module", MOMENTS)
def test_an_interruption_while_libraries_are_loaded_is_one_line(
    module: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, "demo", "-o", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("The embedded model")]
    assert [line.partition(":")[0] for line in said] == ["interrupted"]
    assert done.returncode == 130


def test_what_is_open_is_closed_first(tmp_path: Path) -> None:
    """An import inside a `with` block may end, so that the block can end too."""
    program = (
        "import os, signal, sys\n"
        "from hiprobe.cli._interrupt import Interruption\n"
        "Interruption().listen()\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    import slow_module\n    import time\n    time.sleep(30)\nfinally:\n    print('closed')\n"
    )
    (tmp_path / "slow_module.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(0.1)\nexcept BaseException:\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (130, "closed\n")
    assert len(done.stderr.splitlines()) == 1
