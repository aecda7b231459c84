"""Private parts of fsspec that store/remote.py relies on: a test fails when they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

import hiprobe
from hiprobe.store import remote

HOUSE = Path(hiprobe.__file__).parent


@pytest.mark.parametrize("name", ["_get_kwargs_from_urls", "_strip_protocol"])
def test_each_is_used_in_one_file(name: str) -> None:
    files = [path for path in HOUSE.rglob("*.py") if name in path.read_text("utf-8")]
    assert [path.relative_to(HOUSE).as_posix() for path in files] == ["store/remote.py"]


@pytest.mark.parametrize("name", ["_get_kwargs_from_urls", "_strip_protocol"])
def test_every_file_system_still_has_them(name: str) -> None:
    for protocol in ("memory", "file"):
        assert callable(getattr(fsspec.get_filesystem_class(protocol), name))


def test_an_address_is_still_parted_into_options_and_a_path() -> None:
    kind: Any = fsspec.get_filesystem_class("memory")
    assert kind._get_kwargs_from_urls("memory://run/a.mp4") == {}
    assert kind._strip_protocol("memory://run/a.mp4").strip("/") == "run/a.mp4"


def test_an_object_name_with_two_colons_is_one_name() -> None:
    """Why private parts are used: fsspec's public function sees a chain of addresses here."""
    fs, path = remote._opened("memory://run/a::b.mp4")
    assert path.strip("/") == "run/a::b.mp4"
    fs.pipe_file(path, b"x")
    assert fs.cat_file(path) == b"x"
    fs.rm_file(path)
    assert fsspec.core.url_to_fs("memory://run/a::b.mp4")[1].strip("/") == "run/a"
