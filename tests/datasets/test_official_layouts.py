"""The benchmark data sets on small folders in their official layouts.

And on the public annotations, if ../shared exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiprobe import checks, datasets
from hiprobe.errors import LabelError, UsageError
from hiprobe.types import Event


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ones(labels: np.ndarray) -> list[int]:
    return np.flatnonzero(labels).tolist()


# UCF-Crime

UCF_LINES = (
    "Arson001_x264.mp4  Arson  3  6  8  12  \n"
    "Normal_Videos_001_x264.mp4  Normal  -1  -1  -1  -1  \n"
    "Abuse.v2_x264.mp4  Abuse  0  2  -1  -1  \n"
)
UCF_COUNTS = (
    "video,frames,fps\r\nNormal_Videos_001_x264.mp4,5,30\r\nArson001_x264.mp4,10,30\r\n"
    "Abuse.v2_x264.mp4,4,30\r\n"
)


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    """The folders of the download, the annotation two levels down."""
    write(tmp_path / "Temporal" / "Txt_formate" / "Temporal_Anomaly_Annotation.txt", UCF_LINES)
    write(tmp_path / "frame_counts.csv", UCF_COUNTS)
    write(
        tmp_path / "splits" / "Anomaly_Train.txt",
        "Arson/Arson002_x264.mp4\n"
        "Training_Normal_Videos_Anomaly/Normal_Videos002_x264.mp4\nArson/Arson003_x264.mp4\n",
    )
    write(
        tmp_path / "splits" / "Anomaly_Test.txt",
        "Arson/Arson001_x264.mp4\n"
        "Testing_Normal_Videos_Anomaly/Normal_Videos_001_x264.mp4\nAbuse/Abuse.v2_x264.mp4\n",
    )
    for name in (
        "Part-1/Arson/Arson001_x264.mp4",
        "Part-1/Arson/Arson002_x264.mp4",
        "Part-1/Abuse/Abuse.v2_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_001_x264.mp4",
        "Normal_Videos_event/Normal_Videos_001_x264.mp4",
        "Training-Normal/Normal_Videos002_x264.mp4",
    ):
        write(tmp_path / "Videos" / name, "x")
    return tmp_path


def test_ucf_spans_are_half_open_and_cut_at_the_videos_end(ucf: Path) -> None:
    truth = datasets.truth("ucf_crime", ucf)
    assert {name: (len(labels), labels.dtype) for name, labels in truth.items()} == {
        "Arson001_x264": (10, np.uint8),
        "Normal_Videos_001_x264": (5, np.uint8),
        "Abuse.v2_x264": (4, np.uint8),
    }
    assert ones(truth["Arson001_x264"]) == [3, 4, 5, 8, 9]
    assert ones(truth["Abuse.v2_x264"]) == [0, 1]
    assert ones(truth["Normal_Videos_001_x264"]) == []


def test_ucf_inclusive_spans_hold_their_last_frame(ucf: Path) -> None:
    truth = datasets.truth("ucf_crime", ucf, rule="inclusive")
    assert ones(truth["Arson001_x264"]) == [3, 4, 5, 6, 8, 9]
    assert ones(truth["Abuse.v2_x264"]) == [0, 1, 2]


def test_ucf_classes_come_from_the_annotation(ucf: Path) -> None:
    assert datasets.categories("ucf_crime", ucf) == {
        "Arson001_x264": ("Arson",),
        "Normal_Videos_001_x264": ("normal",),
        "Abuse.v2_x264": ("Abuse",),
    }


def test_ucf_videos_are_found_anywhere_below_the_root(ucf: Path) -> None:
    train, test = (
        {Path(v.path).name: v for v in datasets.load("ucf_crime", ucf, part)}
        for part in ("train", "test")
    )
    assert train["Arson002_x264.mp4"].events == (Event(0.0, math.inf, label="Arson"),)
    assert (
        train["Normal_Videos002_x264.mp4"].events == test["Normal_Videos_001_x264.mp4"].events == ()
    )
    assert test["Arson001_x264.mp4"].events is None, "seconds are not known without the video"
    assert test["Abuse.v2_x264.mp4"].categories == ("Abuse",)
    listed = test["Normal_Videos_001_x264.mp4"].path
    assert "Testing_Normal_Videos_Anomaly" in listed, (
        "of two files of one name, the one that is listed"
    )
    assert not Path(train["Arson003_x264.mp4"].path).exists(), (
        "an absent video is kept, to fail by name"
    )
    assert [v.split for v in datasets.load("ucf_crime", ucf)] == ["train"] * 3 + ["test"] * 3


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        (
            "frame_counts.csv",
            UCF_COUNTS.replace("Arson001_x264.mp4,10,30\r\n", ""),
            ["1 video ", "Arson001_x264"],
        ),
        (
            "frame_counts.csv",
            UCF_COUNTS + "Arson009_x264.mp4,7,30\r\n",
            ["1 video ", "Arson009_x264"],
        ),
        (
            "frame_counts.csv",
            UCF_COUNTS + "Arson001_x264.avi,7,30\r\n",
            ["frame_counts.csv:5", "Arson001_x264"],
        ),
        ("frame_counts.csv", UCF_COUNTS.replace(",10,", ",ten,"), ["frame_counts.csv:3", "ten"]),
        ("frame_counts.csv", UCF_COUNTS.replace(",10,", ",0,"), ["frame_counts.csv:3"]),
        (
            "frame_counts.csv",
            UCF_COUNTS.replace(",10,", ",8,"),
            ["Arson001_x264", "frames 8 to 12 is not in a video of 8"],
        ),
        ("frame_counts.csv", "name,length\r\n", ["video,frames"]),
        ("frame_counts.csv", "video,frames\r\n", ["no rows"]),
        ("Temporal_Anomaly_Annotation.txt", "", ["no lines"]),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES.replace("3  6", "6  3"), [":1", "6 3"]),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES.replace("3  6", "3  -1"), [":1"]),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES.replace("3  6", "3"), [":1"]),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES.replace("3  6", "3  6.5"), [":1", "6.5"]),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES.replace("0  2", "-1  -1"), [":3", "Normal"]),
        (
            "Temporal_Anomaly_Annotation.txt",
            UCF_LINES.replace("Normal  -1  -1", "Normal  0  2"),
            [":2", "Normal"],
        ),
        ("Temporal_Anomaly_Annotation.txt", UCF_LINES + UCF_LINES, [":4"]),
    ],
)
def test_ucf_files_that_do_not_fit_are_named(
    ucf: Path, file: str, text: str, words: Sequence[str]
) -> None:
    next(ucf.rglob(file)).write_text(text)
    with pytest.raises(LabelError) as caught:
        datasets.truth("ucf_crime", ucf)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_missing_or_duplicate_annotation_is_named(ucf: Path) -> None:
    write(ucf / "copy" / "Temporal_Anomaly_Annotation.txt", UCF_LINES)
    with pytest.raises(LabelError, match="2 files are called Temporal_Anomaly_Annotation"):
        datasets.truth("ucf_crime", ucf)
    (ucf / "frame_counts.csv").unlink()
    with pytest.raises(LabelError, match=r"no frame_counts.csv; give --videos, so that the f"):
        datasets.truth("ucf_crime", ucf)


def test_a_folder_without_videos_is_an_error(ucf: Path, tmp_path: Path) -> None:
    for path in (ucf / "Videos").rglob("*.mp4"):
        path.unlink()
    with pytest.raises(LabelError, match="no video file"):
        datasets.load("ucf_crime", ucf)


def test_two_files_that_could_be_a_listed_video_are_named(ucf: Path) -> None:
    (ucf / "splits" / "Anomaly_Test.txt").write_text(
        "Elsewhere_Normal/Normal_Videos_001_x264.mp4\n"
    )
    with pytest.raises(LabelError, match="2 files could be Elsewhere_Normal"):
        datasets.load("ucf_crime", ucf, "test")


# XD-Violence

DOTTED = "A.Film.2001__#00-25-20_00-29-20"


@pytest.fixture
def xd(tmp_path: Path) -> Path:
    """Names with dots, one annotated with its suffix, a double space, several classes in a name."""
    write(
        tmp_path / "annotations.txt",
        f"{DOTTED}_label_B1-G-0.mp4 2 5  30 45\nv=x__#1_label_G-0-0 1 3\n\n",
    )
    write(
        tmp_path / "frame_counts.csv",
        f"video,frames\n{DOTTED}_label_B1-G-0.mp4,40\nv=x__#1_label_G-0-0.mp4,17\n{DOTTED}_label_A.mp4,32\n",
    )
    for name in (
        f"videos/{DOTTED}_label_B1-G-0",
        f"videos/{DOTTED}_label_A",
        "videos/v=x__#1_label_G-0-0",
        "1-1004/Other.Film__#1_label_B2-B6-0",
        "1-1004/Other.Film__#2_label_A",
    ):
        write(tmp_path / f"{name}.mp4", "x")
    return tmp_path


def test_xd_names_keep_their_dots_and_lose_their_suffix(xd: Path) -> None:
    truth = datasets.truth("xd_violence", xd)
    assert ones(truth[f"{DOTTED}_label_B1-G-0"]) == [2, 3, 4, *range(30, 40)]
    assert ones(truth["v=x__#1_label_G-0-0"]) == [1, 2]
    assert [len(labels) for labels in truth.values()] == [40, 17, 32]
    assert not truth[f"{DOTTED}_label_A"].any()


def test_xd_by_i3d_is_cut_to_whole_snippets(xd: Path) -> None:
    """40 -> 39 - 39 % 16 = 32, 17 -> 16, 32 -> 31 - 31 % 16 = 16: the last frame never counts."""
    truth = datasets.truth("xd_violence", xd, rule="i3d")
    assert [len(labels) for labels in truth.values()] == [32, 16, 16]
    assert ones(truth[f"{DOTTED}_label_B1-G-0"]) == [2, 3, 4, 30, 31]


def test_xd_reads_several_classes_from_a_name(xd: Path) -> None:
    assert datasets.categories("xd_violence", xd) == {
        f"{DOTTED}_label_B1-G-0": ("fighting", "explosion"),
        "v=x__#1_label_G-0-0": ("explosion",),
        f"{DOTTED}_label_A": ("normal",),
    }


def test_xd_splits_follow_the_frame_counts(xd: Path) -> None:
    train, test = (list(datasets.load("xd_violence", xd, split)) for split in ("train", "test"))
    assert [(Path(v.path).parent.name, v.categories, v.events) for v in train] == [
        (
            "1-1004",
            ("shooting", "car accident"),
            (Event(0.0, math.inf, label="shooting, car accident"),),
        ),
        ("1-1004", ("normal",), ()),
    ]
    assert [(v.events, Path(v.path).exists()) for v in test] == [
        (None, True),
        (None, True),
        ((), True),
    ]
    with pytest.raises(UsageError, match="no split 'val'"):
        datasets.load("xd_violence", xd, "val")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("annotations.txt", "v=x__#1_label_G-0-0 1 3", "", ["1 video of", "v=x__#1_label_G-0-0"]),
        (
            "annotations.txt",
            "v=x__#1_label_G-0-0 1 3",
            "v=y__#1_label_G-0-0 1 3",
            ["v=x__#1", "v=y__#1"],
        ),
        (
            "annotations.txt",
            "v=x__#1_label_G-0-0 1 3",
            f"{DOTTED}_label_A 1 3",
            [f"{DOTTED}_label_A"],
        ),
        ("annotations.txt", "1 3", "1", [":2"]),
        ("annotations.txt", "1 3", "", [":2"]),
        ("frame_counts.csv", "_label_A", "", ["label_A", DOTTED]),
        ("frame_counts.csv", "_label_A", "_label_B3-0-0", ["label_B3"]),
    ],
)
def test_xd_files_that_do_not_fit_are_named(
    xd: Path, file: str, old: str, new: str, words: Sequence[str]
) -> None:
    text = (xd / file).read_text()
    assert old in text
    (xd / file).write_text(text.replace(old, new))
    with pytest.raises(LabelError) as caught:
        datasets.truth("xd_violence", xd)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_video_too_short_for_a_snippet_is_not_dropped_silently(xd: Path) -> None:
    (xd / "frame_counts.csv").write_text(
        (xd / "frame_counts.csv").read_text().replace(",17", ",16")
    )
    with pytest.raises(LabelError, match="16 frames are too few for an I3D feature"):
        datasets.truth("xd_violence", xd, rule="i3d")


# ShanghaiTech


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    masks = tmp_path / "testing" / "test_frame_mask"
    masks.mkdir(parents=True)
    np.save(masks / "01_0014.npy", np.array([0, 1, 1, 0], np.uint8))
    np.save(masks / "02_0001.npy", np.array([False, False]))
    for name in ("01_0014", "02_0001"):
        write(tmp_path / "testing" / "frames" / name / "000.jpg")
    write(tmp_path / "training" / "videos" / "01_001.avi")
    return tmp_path


def test_shanghaitech_truth_is_its_masks(campus: Path) -> None:
    truth = datasets.truth("shanghaitech", campus)
    assert {name: labels.tolist() for name, labels in truth.items()} == {
        "01_0014": [0, 1, 1, 0],
        "02_0001": [0, 0],
    }
    assert {labels.dtype for labels in truth.values()} == {np.dtype(np.uint8)}
    assert datasets.categories("shanghaitech", campus) == {}


def test_shanghaitech_clips(campus: Path) -> None:
    found = [
        (v.split, Path(v.path).name, v.events, v.categories)
        for v in datasets.load("shanghaitech", campus)
    ]
    assert found == [
        ("train", "01_001.avi", (), ("normal",)),
        ("test", "01_0014@24fps", None, ("abnormal",)),
        ("test", "02_0001@24fps", (), ("normal",)),
    ]
    write(campus / "testing" / "frames" / "03_0001" / "000.jpg")
    with pytest.raises(LabelError, match="1 video of the frame folders not in the masks: 03_0001"):
        datasets.load("shanghaitech", campus, "test")


@pytest.mark.parametrize(
    "mask",
    [
        np.array([0, 2]),
        np.zeros((2, 2)),
        np.zeros(0),
        np.array([0.5]),
        np.array([None, 1], dtype=object),
    ],
)
def test_a_mask_is_one_0_or_1_a_frame(campus: Path, mask: np.ndarray) -> None:
    np.save(campus / "testing" / "test_frame_mask" / "02_0001.npy", mask, allow_pickle=True)
    with pytest.raises(LabelError, match=r"02_0001\.npy"):
        datasets.truth("shanghaitech", campus)


# UCSD pedestrians

RANGES = (
    "% gt_frame = [9:9] in a comment\nTestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [2:3];\n"
    "TestVideoFile{end+1}.gt_frame = [1, 4:9];\n"
)


@pytest.fixture
def ped(tmp_path: Path) -> Path:
    """Two test clips of four frames and their masks, with the stray files of the archive."""
    part = tmp_path / "UCSDped2"
    write(part / "Test" / "UCSDped2.m", RANGES)
    for clip, positive in (("Test001", (1, 2)), ("Test002", (0, 3))):
        for i in range(4):
            write(part / "Test" / clip / f"{i + 1:03d}.tif")
            pixels = np.zeros((6, 8), np.uint8)
            pixels[5, 7] = 255 * (i in positive)
            (part / "Test" / f"{clip}_gt").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(part / "Test" / f"{clip}_gt" / f"{i + 1:03d}.bmp")
        write(part / "Test" / clip / "._001.tif")
        write(part / "Test" / f"{clip}_gt" / "._001.bmp")
    write(part / "Train" / "Train001" / "001.tif")
    return tmp_path


@pytest.mark.parametrize("rule", [None, "ranges", "masks"])
def test_ucsd_ranges_and_masks_say_the_same(ped: Path, rule: str | None) -> None:
    truth = datasets.truth("ucsd_ped", ped / "UCSDped2", rule=rule)
    assert {name: labels.tolist() for name, labels in truth.items()} == {
        "Test001": [0, 1, 1, 0],
        "Test002": [1, 0, 0, 1],
    }


def test_ucsd_is_one_of_two_data_sets(ped: Path) -> None:
    assert list(datasets.truth("ucsd_ped", ped)) == ["Test001", "Test002"]
    (ped / "UCSDped1" / "Test").mkdir(parents=True)
    with pytest.raises(LabelError, match="UCSDped1, UCSDped2"):
        datasets.truth("ucsd_ped", ped)


def test_ucsd_clips(ped: Path) -> None:
    found = [(v.split, Path(v.path).name, v.events) for v in datasets.load("ucsd_ped", ped)]
    assert found == [
        ("train", "Train001@10fps", ()),
        ("test", "Test001@10fps", None),
        ("test", "Test002@10fps", None),
    ]
    assert (
        Path(next(iter(datasets.load("ucsd_ped", ped, "test", fps=5))).path).name == "Test001@5fps"
    )


def test_ucsd_clips_without_masks_are_counted(ped: Path) -> None:
    for path in (ped / "UCSDped2" / "Test" / "Test002_gt").iterdir():
        path.unlink()
    with pytest.raises(LabelError, match="no masks for 1 of 2 clips: Test002; use the rule ranges"):
        datasets.truth("ucsd_ped", ped, rule="masks")


def test_ucsd_numbers_that_differ_are_both_named(ped: Path) -> None:
    (ped / "UCSDped2" / "Test" / "Test002_gt" / "004.bmp").unlink()
    with pytest.raises(LabelError, match=r"Test002 \(3 masks, 4 frames\)"):
        datasets.truth("ucsd_ped", ped, rule="masks")
    write(ped / "UCSDped2" / "Test" / "Test003" / "001.tif")
    with pytest.raises(LabelError, match="2 gt_frame lines for 3 clips"):
        datasets.truth("ucsd_ped", ped)


@pytest.mark.parametrize("ranges", ["[3:2]", "[0:2]", "[a:b]", "[7:9]", "[2-3]"])
def test_malformed_ucsd_ranges_are_named(ped: Path, ranges: str) -> None:
    write(ped / "UCSDped2" / "Test" / "UCSDped2.m", RANGES.replace("[2:3]", ranges))
    with pytest.raises(LabelError):
        datasets.truth("ucsd_ped", ped)


# Frame folders and videos elsewhere


@pytest.mark.parametrize(
    ("name", "layout"),
    [("ucf_crime", "ucf"), ("xd_violence", "xd"), ("shanghaitech", "campus"), ("ucsd_ped", "ped")],
)
def test_every_data_set_keeps_every_promise(
    name: str, layout: str, request: pytest.FixtureRequest
) -> None:
    assert len(checks.check_dataset(name, request.getfixturevalue(layout))) >= 13


def test_ucf_frame_folders_may_replace_videos(ucf: Path, tmp_path: Path) -> None:
    """They are found by the listed name, at the data set's own rate unless one is given."""
    elsewhere = tmp_path / "elsewhere"
    for name in (
        "Arson/Arson001_x264/1.jpg",
        "Abuse/Abuse.v2_x264/1.jpg",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_001_x264.mp4",
    ):
        write(elsewhere / name, "x")
    found = [
        str(Path(v.path).relative_to(elsewhere))
        for v in datasets.load("ucf_crime", ucf / "splits", "test", videos=elsewhere)
    ]
    assert found == [
        "Arson/Arson001_x264@30fps",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_001_x264.mp4",
        "Abuse/Abuse.v2_x264@30fps",
    ]
    other = datasets.load("ucf_crime", ucf / "splits", "test", videos=elsewhere, fps=25)
    assert next(other).path.endswith("Arson001_x264@25fps")
    write(elsewhere / "Arson" / "Arson001_x264.mp4", "x")
    with pytest.raises(LabelError, match="2 files could be Arson/Arson001_x264"):
        datasets.load("ucf_crime", ucf / "splits", "test", videos=elsewhere)


def test_xd_frame_folders_have_no_rate_of_their_own(xd: Path, tmp_path: Path) -> None:
    """Its videos are not all of one rate: a folder without one is refused when it is read."""
    name = f"{DOTTED}_label_B1-G-0"
    write(tmp_path / "e" / name / "1.png")
    one = next(datasets.load("xd_violence", xd, "test", videos=tmp_path / "e"))
    assert one.path == str(tmp_path / "e" / name)
    assert next(
        datasets.load("xd_violence", xd, "test", videos=tmp_path / "e", fps=24)
    ).path.endswith("@24fps")


def test_an_absent_test_clip_keeps_its_place(campus: Path) -> None:
    (campus / "testing" / "frames" / "01_0014" / "000.jpg").unlink()
    (campus / "testing" / "frames" / "01_0014").rmdir()
    found = [Path(v.path).name for v in datasets.load("shanghaitech", campus, "test")]
    assert found == ["01_0014@24fps", "02_0001@24fps"]


def test_own_clips_may_be_frame_folders(tmp_path: Path) -> None:
    for name in ("normal/a/1.png", "normal/b.mp4", "abnormal/c/1.png"):
        write(tmp_path / name)
    found = {Path(v.path).name: bool(v.events) for v in datasets.load("folder", tmp_path, fps=25)}
    assert found == {"b.mp4": False, "a@25fps": False, "c@25fps": True}
    table = write(tmp_path / "labels.csv", "path,label\nnormal/a@12fps,normal\nabnormal/c,fire\n")
    assert [Path(v.path).name for v in datasets.load("folder", table, fps=25)] == [
        "a@12fps",
        "c@25fps",
    ]
    with pytest.raises(LabelError, match=r"labels\.csv:3: there is no file"):
        datasets.load("folder", table)


def test_absent_videos_of_a_table_are_kept_on_request(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "path,label\nhere.mp4,normal\ngone.mp4,fire\n")
    write(tmp_path / "v" / "here.mp4")
    found = [
        Path(v.path).exists()
        for v in datasets.load("folder", table, videos=tmp_path / "v", absent=True)
    ]
    assert found == [True, False]
    with pytest.raises(LabelError, match=r"gone\.mp4"):
        datasets.load("folder", table, videos=tmp_path / "v")


class Plain:
    """A data set from outside the package, with the two arguments that the contract asks for."""

    @staticmethod
    def load(root: Path, split: str | None) -> list[str]:
        return [f"{root}:{split}"]


def test_a_data_set_without_an_option_refuses_it() -> None:
    assert list(datasets.load(f"{__name__}:Plain", "here", "test", absent=True)) == ["here:test"]
    with pytest.raises(UsageError, match="has no option fps, videos"):
        datasets.load(f"{__name__}:Plain", "here", fps=10, videos="there")


# All of them


def test_names_and_rules() -> None:
    assert set(datasets.names()) >= {
        "folder",
        "shanghaitech",
        "ucf_crime",
        "ucsd_ped",
        "xd_violence",
    }
    assert datasets.rules("ucf_crime")[0] == "half_open"
    assert datasets.rules("xd_violence")[0] == "frames"


@pytest.mark.parametrize("name", ["ucf_crime", "xd_violence", "shanghaitech", "ucsd_ped"])
def test_an_empty_or_absent_folder_is_a_named_error(name: str, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(LabelError):
            datasets.truth(name, root)
        for split in ("train", "test"):
            with pytest.raises(LabelError):
                list(datasets.load(name, root, split))


def test_wrong_names_are_usage_errors(tmp_path: Path) -> None:
    for name in ("folder", "absent", "nothing:here"):
        with pytest.raises(UsageError):
            datasets.truth(name, tmp_path)
    with pytest.raises(UsageError, match="choose half_open, inclusive"):
        datasets.truth("ucf_crime", tmp_path, rule="closed")


def test_frames_become_seconds_by_the_videos_own_times() -> None:
    """An event ends when the next normal frame is shown, the last one at the video's end."""
    times = np.array([0.0, 0.5, 0.6, 1.0, 2.0])
    made = datasets.events_from_frames(np.array([0, 1, 1, 0, 1], np.uint8), times, 2.25, "fire")
    assert made == (Event(0.5, 1.0, label="fire"), Event(2.0, 2.25, label="fire"))
    assert datasets.events_from_frames(np.zeros(5, np.uint8), times, 2.25) == ()
    with pytest.raises(LabelError, match="the truth has 4 frames, the video 5"):
        datasets.events_from_frames(np.zeros(4, np.uint8), times, 2.25)


@pytest.mark.parametrize(
    ("name", "rule", "videos", "frames", "positives"),
    [
        ("ucf_crime", None, 290, 1_111_808, 84_182),
        ("ucf_crime", "inclusive", 290, 1_111_808, 84_331),
        ("xd_violence", None, 800, 2_335_801, 538_324),
        ("xd_violence", "i3d", 800, 2_330_384, 537_805),
        ("shanghaitech", None, 107, 40_791, 17_326),
    ],
)
def test_the_public_annotations_to_the_frame(
    shared_data: Path, name: str, rule: str | None, videos: int, frames: int, positives: int
) -> None:
    truth = datasets.truth(name, shared_data / "annotations" / name, rule=rule)
    assert (
        len(truth),
        sum(map(len, truth.values())),
        sum(int(labels.sum()) for labels in truth.values()),
    ) == (videos, frames, positives)


def test_the_public_classes(shared_data: Path) -> None:
    ucf, xd = (
        datasets.categories(name, shared_data / "annotations" / name)
        for name in ("ucf_crime", "xd_violence")
    )
    counted = {
        kind: sum(kind in kinds for kinds in ucf.values())
        for kind in ("normal", "Abuse", "Shooting")
    }
    assert counted == {"normal": 150, "Abuse": 2, "Shooting": 23}
    assert sum(kinds == ("normal",) for kinds in xd.values()) == 300
    assert sum(len(kinds) for kinds in xd.values() if kinds != ("normal",)) > 500, (
        "several classes in one name"
    )
