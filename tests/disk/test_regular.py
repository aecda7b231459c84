"""Only regular files are opened, and no more is read of them than stated."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from tests.support.hostile_files import NOT_FILES, TERABYTE, limits

from hiprobe.disk import regular
from hiprobe.errors import StoreError


def test_a_file_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to("a")
    assert regular.read_regular(tmp_path / "b", 3) == b"abc"
    with regular.open_regular(str(tmp_path / "b")) as file:
        assert file.read() == b"abc"
        assert not os.get_inheritable(file.fileno())
    with pytest.raises(regular.Refused, match="the file has 3 bytes, more than 2"):
        regular.read_regular(tmp_path / "a", 2)
    with pytest.raises(FileNotFoundError):
        regular.open_regular(tmp_path / "c")


@pytest.mark.parametrize("kind", NOT_FILES)
def test_anything_else_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    NOT_FILES[kind](tmp_path / "a")
    began = time.monotonic()
    with limits(), pytest.raises(OSError, match=r"regular file|bytes, more than|symbolic links"):
        regular.open_regular(tmp_path / "a", TERABYTE - 1)
    assert time.monotonic() - began < 1.0


def test_a_file_that_becomes_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    path, over = tmp_path / "a", threading.Event()

    def swap() -> None:
        while not over.is_set():
            for make in (os.mkfifo, lambda new: Path(new).write_bytes(b"x")):
                make(tmp_path / "new")
                os.replace(tmp_path / "new", path)

    path.write_bytes(b"x")
    thread = threading.Thread(target=swap)
    thread.start()
    read, end = {"x": 0, "refused": 0}, time.monotonic() + 0.5
    try:
        with limits():
            while time.monotonic() < end:
                try:
                    read[regular.read_regular(path, 1).decode()] += 1
                except regular.Refused:
                    read["refused"] += 1
    finally:
        over.set()
        thread.join()
    assert min(read.values()) > 0


def test_memory_is_taken_by_the_size_of_the_file(tmp_path: Path) -> None:
    """Not by the limit: `ulimit -v` may be below it."""
    (tmp_path / "a").write_bytes(b"x" * 1000)
    with limits():
        assert len(regular.read_regular(tmp_path / "a", 2**50)) == 1000


def test_links_below_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "link").symlink_to("base")
    base = tmp_path / "link"  # the folder itself may be one
    (base / "in").symlink_to(tmp_path)
    regular.refuse_links(base, base / "new" / "file")
    for path in (base / "in", base / "in" / "new"):
        with pytest.raises(StoreError, match="in: is a link"):
            regular.refuse_links(base, path)
