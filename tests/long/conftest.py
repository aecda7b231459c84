"""What `make check-long` says at its end: when, where, what was run and what was left out."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from datetime import UTC, datetime

import pytest
from tests.support.documents import REASONS, REPOSITORY, blocks, pages

RUN = pytest.StashKey[Counter[str]]()


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Counter[str]:
    """What was run so far, by kind."""
    return request.config.stash.setdefault(RUN, Counter())


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print lines that can be copied into a note."""
    left = Counter(
        block.left_out for page in pages() for block in blocks(page) if block.left_out is not None
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True
    )
    line = terminalreporter.write_line
    terminalreporter.section("for the note")
    line(f"make check-long, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}")
    line(f"Python {platform.python_version()}, {os.cpu_count()} processors, {platform.machine()}")
    for kind, number in sorted(config.stash.get(RUN, Counter()).items()):
        line(f"{number} {kind}")
    line(f"{left.total()} blocks of the documentation left out by a mark:")
    for reason in REASONS.values():
        line(f"  {left[reason]} {reason}")
