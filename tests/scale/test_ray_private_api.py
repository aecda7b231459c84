"""The private part of Ray that scale/cluster.py relies on: a test fails when it changes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import hiprobe

ray = pytest.importorskip("ray")
HOUSE = Path(hiprobe.__file__).parent


def test_it_is_used_in_one_file() -> None:
    files = [path for path in HOUSE.rglob("*.py") if "print_to_stdstream" in path.read_text()]
    assert [path.relative_to(HOUSE).as_posix() for path in files] == ["scale/cluster.py"]
    users = [path.name for path in HOUSE.rglob("*.py") if "ray._private" in path.read_text()]
    assert users == ["cluster.py"]


def test_ray_still_prints_what_workers_say_through_one_function() -> None:
    worker: Any = ray._private.worker
    first = next(iter(inspect.signature(worker.print_to_stdstream).parameters))
    assert first == "data"
    source = inspect.getsource(worker.print_to_stdstream)
    assert 'data["is_err"]' in source, "the key that sends a line to standard error"
    callers = inspect.getsource(worker).count("print_to_stdstream(")
    assert callers > 1, "called through the module, so that it can be replaced"
