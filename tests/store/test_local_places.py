"""`.local.json`: for its owner, its folder and its machine alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from hiprobe.errors import StoreError
from hiprobe.store.local_places import NAME, FittedOn, LocalPlaces, add_places, load_places

FIT = FittedOn("/data/clips", "train", ("ok",), ("no helmet",), "/data/store", "/models/own")
PLACES = LocalPlaces((("/videos/cams", "cams", True),), {"ab" * 32: FIT})


def test_places_are_read_back_and_added(tmp_path: Path) -> None:
    assert load_places(tmp_path / "none") == LocalPlaces()
    add_places(tmp_path / "out", PLACES)
    assert load_places(tmp_path / "out") == PLACES
    before = (tmp_path / "out" / NAME).stat()
    add_places(tmp_path / "out", PLACES)  # nothing new: not written again
    assert (tmp_path / "out" / NAME).stat().st_ino == before.st_ino
    add_places(tmp_path / "out", LocalPlaces((("/more", "", False),), {"cd" * 32: FittedOn()}))
    found = load_places(tmp_path / "out")
    assert found.videos == (("/videos/cams", "cams", True), ("/more", "", False))
    assert found.fits == {"ab" * 32: FIT, "cd" * 32: FittedOn()}
    assert found.of_probe("ab" * 32) == LocalPlaces((), {"ab" * 32: FIT})


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_it(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        add_places(tmp_path / "out", PLACES)
        add_places(tmp_path / "out", LocalPlaces((("/more", "", False),)))
    finally:
        os.umask(before)
    assert (tmp_path / "out" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["folder", "file", "link", "machine", "user"])
def test_a_copy_counts_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A folder that came from somebody else could point anywhere."""
    add_places(tmp_path / "out", PLACES)
    other = tmp_path / "other"
    if how == "folder":
        shutil.copytree(tmp_path / "out", other)
    else:
        other.mkdir()
    if how == "file":
        shutil.copy2(tmp_path / "out" / NAME, other)
    if how == "link":
        (other / NAME).symlink_to(tmp_path / "out" / NAME)
    if how in ("machine", "user"):
        other.rmdir()
        shutil.move(tmp_path / "out", other)  # it may be moved on its own machine
        assert load_places(other) == PLACES
        values = json.loads((other / NAME).read_text())
        values["here"][0 if how == "machine" else 1] = "other"
        (other / NAME).write_text(json.dumps(values))
    assert load_places(other) == LocalPlaces()


DAMAGE = {
    "cut": b'{"schema": "hiprobe.local/1"',
    "list": b"[]",
    "deep": b"[" * 100_000,
    "text": b"\xff",
    "types": b'{"schema": "hiprobe.local/1", "here": null, "videos": 3, "fits": []}',
}


@pytest.mark.parametrize("kind", [*DAMAGE, "fifo", "folder", "large"])
def test_a_damaged_file_holds_no_places(tmp_path: Path, kind: str) -> None:
    path = tmp_path / NAME
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.write_bytes(DAMAGE[kind])
    assert load_places(tmp_path) == LocalPlaces()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=str(tmp_path / "file")):
        add_places(tmp_path / "file", PLACES)
    (tmp_path / NAME).mkdir()
    with pytest.raises(StoreError, match=r"\.local\.json"):
        add_places(tmp_path, PLACES)
