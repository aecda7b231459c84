"""A command that is refused at once, run in this process, which is faster than a new one."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from hiprobe import cli


def refused(folder: Path, *words: object) -> tuple[int, str]:
    """Return the exit code and standard error of `hiprobe` with these words in a folder."""
    said, before = io.StringIO(), (os.getcwd(), list(sys.argv), signal.getsignal(signal.SIGINT))
    os.chdir(folder)
    sys.argv = ["hiprobe", *map(str, words)]
    try:
        with redirect_stderr(said), pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
        signal.signal(signal.SIGINT, before[2])
    return int(left.value.code or 0), said.getvalue().strip()
