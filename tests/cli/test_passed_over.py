"""A command that searched folders ends with what it passed over, on standard error only."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_commands import Run, run, shortest
from tests.conftest import Fitted

__all__ = ["run"]

LINE = "passed over 4 in folders: unknown suffix 2, hidden 1, link to a folder already read 1"


def camera(place: Path) -> Path:
    """A folder with one video, and with four entries that are passed over."""
    place.mkdir(parents=True)
    shortest(place / "a.mp4")
    for name in (".b.mp4", "notes.txt", "c.webp"):
        (place / name).write_bytes(b"x")
    (place / "loop").symlink_to(place)
    return place


@pytest.mark.parametrize("name", ["detect", "extract"])
def test_a_command_ends_with_a_count(run: Run, tmp_path: Path, fitted: Fitted, name: str) -> None:
    cam = camera(tmp_path / "cam")
    asked = {
        "detect": ["detect", cam, "-p", fitted.alarm_path, "-o", tmp_path / "out"],
        "extract": ["extract", cam, "--store", tmp_path / "store"],
    }[name]
    ran = run(*asked, "--json")
    assert (ran.code, ran.errors) == (0, [f"{LINE}; --verbose lists them"])
    assert len(ran.objects) == 1
    ran = run(*asked, "--verbose")
    assert "passed over" not in ran.out
    assert ran.errors == [
        f"{cam / '.b.mp4'}: passed over (hidden)",
        f"{cam / 'c.webp'}: passed over (unknown suffix)",
        f"{cam / 'loop'}: passed over (link to a folder already read)",
        f"{cam / 'notes.txt'}: passed over (unknown suffix)",
        LINE,
    ]


def test_nothing_is_said_where_nothing_was_passed_over(
    run: Run, tmp_path: Path, fitted: Fitted
) -> None:
    shortest(tmp_path / "a.mp4")
    ran = run("detect", tmp_path / "a.mp4", "-p", fitted.alarm_path, "-o", tmp_path / "out")
    assert (ran.code, ran.errors) == (0, [])


def test_a_folder_without_a_video_fails_and_still_says_what_is_in_it(
    run: Run, tmp_path: Path, fitted: Fitted
) -> None:
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam" / "a.webp").write_bytes(b"x")
    ran = run("detect", tmp_path / "cam", "-p", fitted.alarm_path, "-o", tmp_path / "out")
    assert ran.code == 3
    assert "no video file found" in ran.errors[0]
    assert ran.errors[-1] == "passed over 1 in folders: unknown suffix 1; --verbose lists them"
    assert not (tmp_path / "out").exists(), "a folder for no results"


@pytest.mark.parametrize("name", ["fit", "layers"])
def test_the_folders_of_labelled_clips_are_counted_too(run: Run, tmp_path: Path, name: str) -> None:
    camera(tmp_path / "clips" / "normal")
    ran = run(name, tmp_path / "clips", "-o", tmp_path / "made", "--store", tmp_path / "store")
    assert ran.code == 3, "one class is too little"
    assert f"{LINE}; --verbose lists them" in ran.errors


def test_a_link_that_leads_nowhere_fails_and_the_other_videos_go_on(
    run: Run, tmp_path: Path, fitted: Fitted
) -> None:
    (tmp_path / "cams").mkdir()
    shortest(tmp_path / "cams" / "a.mp4")
    (tmp_path / "cams" / "nas").symlink_to(tmp_path / "absent")
    ran = run("detect", tmp_path / "cams", "-p", fitted.alarm_path, "-o", tmp_path / "out")
    assert ran.code == 3
    assert "nas: cannot be reached" in ran.errors[0]
    assert (tmp_path / "out" / "manifest.jsonl").read_text().count('"status": "done"') == 1
