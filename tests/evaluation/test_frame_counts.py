"""`hiprobe evaluate` counts the frames of test videos where a data set lacks the counts.

Real videos of known numbers of frames, in the layouts of the downloads.
"""

from __future__ import annotations

import csv
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.numbered_videos import steady, write

from hiprobe import cli, datasets
from hiprobe.evaluation import centre_prior, write_scores

Run = Callable[..., tuple[int, str, str]]
LONG = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"
FRAMES = {"Arson001_x264": 45, "Normal_Videos_001_x264": 30}
XD_FRAMES = {"Film__#1_label_B1-0-0": 40, "Film__#2_label_A": 33}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line here: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGINT)

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), *capsys.readouterr()

    yield call
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    """The annotation under its name in circulation, the lists, and the test videos; no counts."""
    (tmp_path / "Anomaly_Train.txt").write_text("Arson/Arson002_x264.mp4\n")
    listed = "Arson/Arson001_x264.mp4\nTesting_Normal_Videos_Anomaly/Normal_Videos_001_x264.mp4\n"
    (tmp_path / "Anomaly_Test.txt").write_text(listed)
    lines = "Arson001_x264.mp4 Arson 10 46 -1 -1\nNormal_Videos_001_x264.mp4 Normal -1 -1 -1 -1\n"
    (tmp_path / LONG).write_text(lines)
    for name in listed.split():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True)
        write(path, steady(FRAMES[path.stem], 30), rate=30)
    return tmp_path


@pytest.fixture
def xd(tmp_path: Path) -> Path:
    """The annotation of the violent test video, and a folder of two test videos; no counts."""
    (tmp_path / "annotations.txt").write_text("Film__#1_label_B1-0-0 8 20\n")
    (tmp_path / "videos").mkdir()
    for name, count in XD_FRAMES.items():
        write(tmp_path / "videos" / f"{name}.mp4", steady(count, 24), rate=24)
    return tmp_path


def evaluated(run: Run, name: str, root: Path, frames: dict[str, int]) -> tuple[int, str, str]:
    """Evaluate the centre prior of these videos."""
    prior = root / "prior.npz"
    write_scores(prior, {name: centre_prior(count) for name, count in frames.items()})
    given = ("--dataset", name, "--root", root, "--scores", prior, "--bootstrap", "0", "--json")
    return run("evaluate", *given, "--videos", root / "videos", "--store", root / "kept")


@pytest.mark.parametrize(("name", "frames"), [("ucf_crime", FRAMES), ("xd_violence", XD_FRAMES)])
def test_counts_are_made_once_from_the_videos(
    name: str, frames: dict[str, int], run: Run, request: pytest.FixtureRequest
) -> None:
    root: Path = request.getfixturevalue(name[: name.index("_")])
    code, out, err = evaluated(run, name, root, frames)
    assert code == 0, err
    assert "there is no frame_counts.csv: counting the frames of 2 test videos" in err
    with (root / "frame_counts.csv").open() as file:
        assert {row["video"]: int(row["frames"]) for row in csv.DictReader(file)} == frames
    assert json.loads(out)["frames"] == sum(frames.values())
    code, again, err = evaluated(run, name, root, frames)
    assert (code, again, err) == (0, out, "")  # neither counted nor said a second time
    assert {key: len(labels) for key, labels in datasets.truth(name, root).items()} == frames


def test_a_missing_video_or_another_frame_rate_is_named_and_nothing_is_written(
    run: Run, ucf: Path
) -> None:
    arson = ucf / "videos" / "Arson" / "Arson001_x264.mp4"
    write(arson, steady(45, 15), rate=15)
    code, _, err = evaluated(run, "ucf_crime", ucf, FRAMES)
    assert code == 3
    assert "1 of 2 videos cannot be counted: Arson001_x264 (LabelError: 15.00 frames per sec" in err
    arson.write_bytes(b"no video")
    code, _, err = evaluated(run, "ucf_crime", ucf, FRAMES)
    assert (code, "Arson001_x264 (CorruptVideo: " in err) == (3, True), err
    arson.unlink()
    code, _, err = evaluated(run, "ucf_crime", ucf, FRAMES)
    assert code == 3
    assert "to make one 1 of 2 test videos are missing: Arson001_x264; give --videos" in err
    assert not (ucf / "frame_counts.csv").exists()


def test_training_videos_among_the_test_videos_of_xd_violence_are_refused(
    run: Run, xd: Path
) -> None:
    write(xd / "videos" / "Other__#1_label_B2-0-0.mp4", steady(10, 24), rate=24)
    code, _, err = evaluated(run, "xd_violence", xd, XD_FRAMES)
    assert code == 3
    assert "1 violent videos are not in annotations.txt: Other__#1_label_B2-0-0; give --vi" in err
    assert not (xd / "frame_counts.csv").exists()


def test_the_annotation_of_ucf_crime_has_two_names_but_may_be_there_once_only(
    run: Run, ucf: Path
) -> None:
    assert datasets.categories("ucf_crime", ucf)["Arson001_x264"] == ("Arson",)
    text = (ucf / LONG).read_text()
    (ucf / "Temporal_Anomaly_Annotation.txt").write_text(text)
    code, _, err = evaluated(run, "ucf_crime", ucf, FRAMES)
    assert (code, "the annotation is there under two names" in err) == (3, True), err
