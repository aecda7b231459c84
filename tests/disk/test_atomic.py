"""A file is written whole or not at all, and never in place of something that is not a file."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from hiprobe.disk.atomic import replacing, write_atomic
from hiprobe.errors import StoreError


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"old")
    with suppress(ZeroDivisionError), replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_a_regular_file_is_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(StoreError, match="not a regular file; choose another file"):
        write_atomic(path, b"new")
    assert stat.S_IFMT(path.stat().st_mode) != stat.S_IFREG
