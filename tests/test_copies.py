"""Videos with the same content under two names: contradictions are refused, copies stay together.

Real files, through the functions and through the command line.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Fitted

import hiprobe
from hiprobe import cli, embedded
from hiprobe.backbones import Backbone
from hiprobe.errors import LabelError
from hiprobe.pipeline import check_copies
from hiprobe.types import Event, Video

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line here without a model: exit code, standard output, standard error."""
    from hiprobe.cli import _run

    def no_model(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(_run, "load_backbone", no_model)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return call


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Folders normal/ and abnormal/ with four clips each, one of them in both."""
    for name in ("normal", "abnormal"):
        (tmp_path / name).mkdir()
        for number in range(4):
            shutil.copy(embedded.CLIPS / f"{name}_{number:02d}.mp4", tmp_path / name)
    shutil.copy(embedded.CLIPS / "normal_02.mp4", tmp_path / "abnormal" / "fight.mp4")
    return tmp_path


@pytest.mark.parametrize("command", [("fit",), ("fit", "--check"), ("layers",)])
def test_one_content_under_normal_and_abnormal_is_refused_before_a_model_is_loaded(
    command: tuple[str, ...], both: Path, run: Run
) -> None:
    code, _, err = run(*command, both)
    assert code == 3
    assert f"{both}/abnormal/fight.mp4: the same content as {both}/normal/normal_02.mp4" in err
    assert "but label abnormal here and normal there; leave one of the two out" in err


def test_extract_refuses_it_too(both: Path, shipped: Backbone) -> None:
    pairs = hiprobe.extract(hiprobe.datasets.load("folder", both), shipped)
    with pytest.raises(LabelError, match=r"the same content as .* but label abnormal here and nor"):
        hiprobe.fit("hiprobe", pairs)


def labels(folder: Path, *rows: str) -> Path:
    """A table of labels."""
    header = "path,label,start,end,split,group"
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "labels.csv"


def test_a_table_with_two_labels_or_groups_for_one_content_is_refused(
    tmp_path: Path, run: Run
) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(embedded.CLIPS / "abnormal_00.mp4", tmp_path / name)
    shutil.copy(embedded.CLIPS / "normal_00.mp4", tmp_path / "c.mp4")
    for first, second, said in (
        ("fight,3,9,,", "fall,3,9,,", "label fall 3-9 s here and fight 3-9 s there"),
        ("fight,3,9,,", "fight,3,8,,", "label fight 3-8 s here and fight 3-9 s there"),
        ("fight,,,,", "normal,,,,", "label normal here and fight there"),
        ("fight,,,,door", "fight,,,,yard", "group yard here and door there"),
    ):
        table = labels(tmp_path, f"a.mp4,{first}", f"b.mp4,{second}", "c.mp4,normal,,,,")
        code, _, err = run("fit", table, "--check")
        assert (code, said in err) == (3, True), err
        assert f"{tmp_path}/b.mp4: the same content as {tmp_path}/a.mp4" in err


def test_evaluate_and_review_refuse_it_too(tmp_path: Path, run: Run) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(embedded.CLIPS / "abnormal_00.mp4", tmp_path / name)
    table = labels(tmp_path, "a.mp4,fight,,,,", "b.mp4,normal,,,,")
    (tmp_path / "scores.csv").write_text("video,start_frame,end_frame,score\na,0,128,1\n")
    given = ("--dataset", "folder", "--root", table, "--scores", tmp_path / "scores.csv")
    code, _, err = run("evaluate", *given)
    assert (code, "b.mp4: the same content as" in err) == (3, True), err
    (tmp_path / "out").mkdir()
    code, _, err = run("review", tmp_path / "out", "--labels", table, "--port", "8899")
    assert (code, "b.mp4: the same content as" in err) == (3, True), err


def test_copies_with_one_label_are_named_and_stay_in_one_fold(
    clips: Path, tmp_path: Path, run: Run, shipped: Backbone, fitted: Fitted
) -> None:
    folder = Path(shutil.copytree(clips, tmp_path / "clips"))
    shutil.copy(folder / "normal_00.mp4", folder / "again.mp4")
    with (folder / "labels.csv").open("a") as file:
        file.write("again.mp4,normal,,\n")
    code, _, err = run("fit", folder, "--check")
    assert code == 0
    assert f"which stays in one fold: {folder}/again.mp4, {folder}/normal_00.mp4" in err
    videos = hiprobe.datasets.load("folder", folder)
    pairs = list(hiprobe.extract(videos, shipped, store=fitted.store))
    probe = hiprobe.fit("hiprobe", pairs, permutations=0, layer_curve=False)
    assert (len(pairs), len(probe.provenance["videos"])) == (9, 8)


def test_only_files_of_equal_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hiprobe import video

    for name, content in (("a", b"one"), ("b", b"two"), ("c", b"other"), ("d", b""), ("e", b"")):
        (tmp_path / name).write_bytes(content)
    read = list[str]()
    digest = video.digest
    monkeypatch.setattr(
        video, "digest", lambda path: (read.append(Path(path).name), digest(path))[1]
    )
    made = [Video(str(tmp_path / name), ()) for name in "abcde"]
    assert check_copies([*made, Video(str(tmp_path / "missing"), (Event(0, 1),))]) == []
    assert read == ["a", "b"]
