"""A path in the command that does not exist is wrong usage: exit code 2, one line that names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hiprobe import cli, embedded

VIDEO, CLIPS = str(embedded.VIDEO), str(embedded.CLIPS)
COMMANDS = (
    ("detect", VIDEO, "-p", "absent"),
    ("export", "run", "-o", "x.csv", "-p", "absent", "--videos", VIDEO),
    ("export", "absent", "-o", "x.npz"),
    ("fit", "absent"),
    ("fit", "--states", "absent"),
    ("probe", "show", "absent"),
    ("probe", "push", "absent", "org/name", "--dry-run", "run"),
    ("layers", "absent"),
    ("review", "absent"),
    ("review", "run", "-p", "absent"),
    ("review", "run", "--videos", "absent"),
    ("review", "run", "--labels", "absent"),
    ("runs", "absent"),
    ("evaluate", "--dataset", "folder", "--root", CLIPS, "-p", "absent"),
    ("evaluate", "--dataset", "folder", "--root", CLIPS, "--scores", "absent"),
    ("evaluate", "--dataset", "folder", "--root", "absent", "-p", "absent"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_path_that_does_not_exist_is_wrong_usage(
    command: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(sys, "argv", ["hiprobe", *command])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = [
        line for line in capsys.readouterr().err.splitlines() if not line.startswith("The embedded")
    ]
    assert end.value.code == 2
    assert len(said) == 1
    assert said[0].partition(": ")[2].startswith("absent: ")
