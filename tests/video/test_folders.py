"""Folders are searched by one rule: links are followed once, and nothing fails without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiprobe import datasets, video
from hiprobe.datasets import _frames
from hiprobe.errors import MissingVideo
from hiprobe.video import pictures
from hiprobe.video.files import videos_below


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in videos_below(folder)]


def test_a_linked_camera_folder_is_entered(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "deep" / "b.mp4")
    touch(tmp_path / "cams" / "one" / "a.mp4")
    (tmp_path / "cams" / "two").symlink_to(tmp_path / "elsewhere")
    assert below(tmp_path / "cams") == ["one/a.mp4", "two/deep/b.mp4"]
    assert len(video.find([str(tmp_path / "cams")])) == 2
    assert set(_frames.index(tmp_path / "cams")) == {"a", "b"}


def test_a_linked_class_folder_is_entered(tmp_path: Path) -> None:
    touch(tmp_path / "clips" / "normal" / "a.mp4")
    touch(tmp_path / "other" / "deep" / "b.mp4")
    (tmp_path / "clips" / "abnormal").mkdir()
    (tmp_path / "clips" / "abnormal" / "more").symlink_to(tmp_path / "other")
    found = datasets.load("folder", tmp_path / "clips")
    assert [(Path(one.path).name, len(one.events)) for one in found] == [("a.mp4", 0), ("b.mp4", 1)]


def test_a_linked_folder_of_pictures_is_entered(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "0001.png")
    (tmp_path / "cams").mkdir()
    (tmp_path / "cams" / "two").symlink_to(tmp_path / "elsewhere")
    assert [path.name for path in pictures.below(f"{tmp_path / 'cams'}@10fps")] == ["two@10fps"]


def test_a_loop_of_links_ends_and_each_folder_is_entered_once(tmp_path: Path) -> None:
    touch(tmp_path / "z" / "a.mp4")
    (tmp_path / "z" / "loop").symlink_to(tmp_path)
    (tmp_path / "z" / "here").symlink_to(".")
    (tmp_path / "again").symlink_to(tmp_path / "z")
    noted: dict[str, str] = {}
    found = videos_below(tmp_path, lambda path, why: noted.update({path.name: str(why)}))
    assert found == [tmp_path / "z" / "a.mp4"], "by its own path, not through the link before it"
    assert noted == dict.fromkeys(("loop", "here", "again"), "link to a folder already read")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """Such as a camera folder on a drive that is not mounted."""
    touch(tmp_path / "a.mp4")
    (tmp_path / "nas").symlink_to(tmp_path / "absent")
    with pytest.raises(MissingVideo, match="nas: cannot be reached"):
        video.find([str(tmp_path)])
    (tmp_path / "nas").unlink()
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(MissingVideo, match="self: cannot be reached"):
        video.find([str(tmp_path)])


def test_hidden_files_and_others_are_passed_over_with_a_reason(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    for name in (".b.mp4", ".cache/c.mp4", "notes.txt"):
        touch(tmp_path / name)
    (tmp_path / ".gone").symlink_to("absent")
    os.mkfifo(tmp_path / "pipe.mp4")
    noted: dict[str, str] = {}
    video.find([str(tmp_path)], lambda path, why: noted.update({path.name: str(why)}))
    assert noted == {
        ".b.mp4": "hidden",
        ".cache": "hidden",
        ".gone": "hidden",
        "notes.txt": "unknown suffix",
        "pipe.mp4": "not a regular file",
    }


AS_NOBODY = """
import os, sys
from pathlib import Path
from hiprobe import datasets, formats, video
from hiprobe.cli import _passed, _terminal, _videos
from hiprobe import pipeline  # before the other user, who may not read all libraries
formats.has_labels(Path("clips"))
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    os.listdir("cams/shut")
    sys.exit("not denied")
except PermissionError:
    pass
for search in (
    lambda: video.find(["cams"]),
    lambda: video.find(["cams@10fps"]),
    lambda: list(datasets.load("folder", Path("clips"))),
):
    try:
        print(search())
    except Exception as error:
        print(type(error).__name__, error)
found = _videos.find_videos(["cams", "cams/shut"], _passed.PassedOver())
print([one.path for one in found.videos], [(one.path, one.status) for one in found.failed])
"""


def test_a_folder_that_may_not_be_entered_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    touch(tmp_path / "cams" / "open" / "a.mp4")
    touch(tmp_path / "clips" / "normal" / "a.mp4")
    for shut in (tmp_path / "cams" / "shut", tmp_path / "clips" / "abnormal" / "shut"):
        touch(shut / "b.mp4")
        shut.chmod(0)
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)  # for the other user
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], cwd=tmp_path, capture_output=True, text=True
    )
    for shut in (tmp_path / "cams" / "shut", tmp_path / "clips" / "abnormal" / "shut"):
        shut.chmod(0o755)
    if "not denied" in done.stderr:
        pytest.skip("a folder cannot be shut for any user here")
    *searched, went_on = done.stdout.splitlines()
    named = "MissingVideo {}: cannot be entered: Permission denied; give read permission"
    assert [
        line[: len(named.format(where))] for line, where in zip(searched, WHERE, strict=True)
    ] == [named.format(where) for where in WHERE], done.stderr
    assert went_on == "['cams/open/a.mp4'] [('cams/shut', 'failed'), ('cams/shut', 'failed')]"
    assert done.stderr.count("cams/shut: cannot be entered: Permission denied") == 2


WHERE = ("cams/shut", "cams/shut", "clips/abnormal/shut")
