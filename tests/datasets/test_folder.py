"""Folders and CSVs of clips are read as written; an unclear row is named by its line."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import pytest

from hiprobe import checks, datasets
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.types import Event, Video
from hiprobe.video.files import VIDEO_SUFFIXES

HEAD = "path,label,start,end,split\n"
NAMES = ("a.mp4", "b.mp4", "a, b.mp4", "sub/c.mp4", "日本.mp4")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with some (empty) files: the data set opens none."""
    (tmp_path / "sub").mkdir()
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


def load(root: Path, text: str | bytes, split: str | None = None) -> list[Video]:
    path = root / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(datasets.load("folder", path, split))


def spans(video: Video) -> list[tuple[float, float, str | None]]:
    assert video.events is not None
    return [(event.start, event.end, event.label) for event in video.events]


def test_rows_become_videos(root: Path) -> None:
    a, b, c = load(
        root,
        HEAD + "a.mp4,fight,5,6.5,train\nb.mp4,normal,,,test\na.mp4,fall,1,2,train\n"
        "sub/c.mp4,fire,,,\n",
    )
    assert a == Video(
        str(root / "a.mp4"),
        (Event(1, 2, label="fall"), Event(5, 6.5, label="fight")),
        "train",
        ("fall", "fight"),
    )
    assert b == Video(str(root / "b.mp4"), (), "test", ("normal",))
    assert c == Video(
        str(root / "sub/c.mp4"),
        (Event(0, math.inf, label="fire"),),
        None,
        ("fire",),
        name="sub/c.mp4",
    )


def test_it_keeps_every_promise_of_a_data_set(root: Path) -> None:
    (root / "labels.csv").write_text(
        HEAD + "a.mp4,fight,5,6.5,train\nb.mp4,normal,,,test\na.mp4,fall,1,2,train\n"
    )
    assert len(checks.check_dataset("folder", root)) == 9


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("2", "", (2, math.inf)),
        ("", "3", (0, 3)),
        ("", "", (0, math.inf)),
        (" 1 ", " 2e1 ", (1, 20)),
        ("0", "inf", (0, math.inf)),
    ],
)
def test_a_blank_time_is_the_start_or_the_end_of_the_video(
    root: Path, start: str, end: str, span: tuple[float, float]
) -> None:
    assert spans(load(root, f"{HEAD}a.mp4,fight,{start},{end},\n")[0]) == [(*span, "fight")]


@pytest.mark.parametrize("label", ["normal", "Normal", " NORMAL ", "0"])
def test_normal_may_be_written_in_several_ways(root: Path, label: str) -> None:
    assert load(root, f"path,label\na.mp4,{label}\n")[0].events == ()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD + "a.mp4,fight,1,2,\n",
        HEAD.replace("\n", "\r\n") + "a.mp4,fight,1,2,\r\n",
        HEAD.replace("\n", "\r") + "a.mp4,fight,1,2,\r",
        HEAD + "\n\na.mp4,fight,1,2,\n\n\n",
        HEAD + ",,,,\na.mp4,fight,1,2,\n,,,,\n",
        HEAD + "a.mp4,fight,1,2,",
        HEAD + "a.mp4,fight,1,2\n",
        HEAD + '"a.mp4","fight","1","2",""\n',
        HEAD + " a.mp4 , fight , 1 , 2 , \n",
        "end,start,split,label,path\n2,1,,fight,a.mp4\n",
        "path,label,start,end\na.mp4,fight,1,2\n",
        HEAD + "./a.mp4,fight,1,2,\n",
        HEAD + "sub/../a.mp4,fight,1,2,\n",
        "path;label;start;end\na.mp4;fight;1,0;2,0\n",
        "path\tlabel\tstart\tend\na.mp4\tfight\t1\t2\n",
        HEAD + "a.mp4,fight,0:01,0:00:02.0,\n",
    ],
    ids=range(16),
)
def test_every_way_a_spreadsheet_writes_a_row_is_read(root: Path, text: str) -> None:
    (video,) = load(root, text)
    assert spans(video) == [(1, 2, "fight")]
    assert spans(load(root, text.lstrip("\ufeff").encode("utf-16"))[0]) == [(1, 2, "fight")]
    assert os.path.samefile(video.path, root / "a.mp4")


def test_names_with_commas_and_other_scripts(root: Path) -> None:
    found = load(root, HEAD + '"a, b.mp4",fight,,,\n日本.mp4,normal,,,\n')
    assert [Path(video.path).name for video in found] == ["a, b.mp4", "日本.mp4"]


def test_absolute_paths_are_used_unchanged(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("else") / "x.mp4"
    elsewhere.touch()
    assert load(root, f"{HEAD}{elsewhere},normal,,,\n")[0].path == str(elsewhere)


def test_one_file_written_in_two_ways_is_one_video(root: Path) -> None:
    (video,) = load(
        root, f"{HEAD}a.mp4,fight,1,2,\n{root / 'a.mp4'},fall,3,4,\nsub/../a.mp4,fire,5,6,\n"
    )
    assert spans(video) == [(1, 2, "fight"), (3, 4, "fall"), (5, 6, "fire")]


def test_a_split_is_selected(root: Path) -> None:
    text = HEAD + "a.mp4,fight,,,train\nb.mp4,normal,,,test\nmissing.mp4,normal,,,test2\n"
    assert [Path(v.path).name for v in load(root, text, "train")] == ["a.mp4"]
    with pytest.raises(LabelError, match=r"labels\.csv: there is no row of split 'val'"):
        load(root, text, "val")


WRONG_ROWS = {  # the row, the line that is named, what is said of it
    "no number": ("a.mp4,fight,x,2,\n", 2, "start must be a time from 0 on as seconds, mm:ss"),
    "a clock past 59 s": ("a.mp4,fight,1:00,1:60,\n", 2, "mm:ss or h:mm:ss, got '1:60'"),
    "a decimal comma": ('a.mp4,fight,"1,5",2,\n', 2, "got '1,5'; write decimals with a point"),
    "not a number": ("a.mp4,fight,nan,2,\n", 2, "start must be a time from 0 on as seconds"),
    "an end that is not a number": (
        "a.mp4,fight,1,NaN,\n",
        2,
        "end must be a time from 0 on as seconds, mm:ss or h:mm:ss, got 'NaN'",
    ),
    "before the start": ("a.mp4,fight,-1,2,\n", 2, "h:mm:ss, got '-1'"),
    "an infinite start": ("a.mp4,fight,inf,,\n", 2, "the event must end after its start at inf s"),
    "end before start": (
        "b.mp4,normal,,,\n\na.mp4,fight,5,2,\n",
        4,
        "the event must end after its start at 5 s, got end 2 s",
    ),
    "end at the start": (
        "a.mp4,fight,2,2,\n",
        2,
        "the event must end after its start at 2 s, got end 2 s",
    ),
    "a normal span": ("a.mp4,normal,1,2,\n", 2, "a normal row is about the whole video"),
    "no label": ("a.mp4,,1,2,\n", 2, "a row needs a path and a label"),
    "no path": (",fight,1,2,\n", 2, "a row needs a path and a label"),
    "a path alone": ("a.mp4\n", 2, "a row needs a path and a label"),
    "a column too many": ("a.mp4,fight,1,2,train,x\n", 2, "no more columns than the first line"),
    "no such file": ("a.mp4,fight,1,2,\nnone.mp4,fight,1,2,\n", 3, "there is no file"),
    "a folder": ("sub,normal,,,\n", 2, "there is no file"),
    "a name that is too long": (f"{'x' * 300}.mp4,normal,,,\n", 2, "there is no file"),
    "a NUL": ("a\0.mp4,normal,,,\n", 2, "there is no file"),
    "both classes": (
        "a.mp4,fight,1,2,\nb.mp4,normal,,,\na.mp4,normal,,,\n",
        4,
        "has label normal here and fight in",
    ),
    "both classes, otherwise spelt": (
        "a.mp4,normal,,,\n./sub/../a.mp4,fight,1,2,\n",
        3,
        "has label fight here and",
    ),
    "both classes, in two splits": (
        "a.mp4,normal,,,x\na.mp4,fight,1,2,y\n",
        3,
        "has label fight here and normal in",
    ),
    "two splits": (
        "a.mp4,fight,1,2,train\na.mp4,fight,3,4,test\n",
        3,
        "in split test here and train in",
    ),
}


@pytest.mark.parametrize("kind", WRONG_ROWS)
def test_a_wrong_row_is_named_by_file_and_line(root: Path, kind: str) -> None:
    rows, line, said = WRONG_ROWS[kind]
    with pytest.raises(LabelError) as caught:
        load(root, HEAD + rows)
    assert str(caught.value).startswith(f"{root / 'labels.csv'}:{line}: ")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "first",
    [
        "",
        "path\n",
        "label,start\n",
        "Path,Label\n",
        "path;label;strat\n",
        "path|label\n",
        "path,label;start\n",
        "path,label,strat\n",
        "path,label,label\n",
        "path,label,\n",
        "a.mp4,fight\n",
    ],
)
def test_the_columns_must_be_the_ones_described(root: Path, first: str) -> None:
    # A misspelt `start` that is passed over would make the whole video an event.
    with pytest.raises(
        LabelError, match=r"labels\.csv:1: the columns are .*path,label,start,end,split"
    ):
        load(root, first + "a.mp4,fight\n" * bool(first))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD.encode(),
        HEAD.encode() + b"\n,,,,\n",
        HEAD.encode() + b"a\xff.mp4,normal,,,\n",
        (HEAD + "a.mp4,normal,,,\n").encode("utf-16-le"),
        (HEAD + "a.mp4,normal,,,\n").encode("utf-16")[:-1],
        HEAD.encode() + b'"a.mp4,normal,,,\n',
        b"\0" * 100,
        HEAD.encode() + b'"a"x.mp4,normal,,,\n',
        HEAD.encode() + b"x" * 200_000 + b",normal,,,\n",
    ],
    ids=range(10),
)
def test_a_file_that_is_not_a_csv_or_is_empty_is_named(root: Path, data: bytes) -> None:
    with pytest.raises(LabelError, match=r"labels\.csv"):
        load(root, data)


# -- folders


def test_a_folder_of_each_class(tmp_path: Path) -> None:
    for name in (
        "normal/b.mp4",
        "normal/deep/er/a.MKV",
        "abnormal/c.y4m",
        "abnormal/notes.txt",
        "normal/.x/d.mp4",
        "normal/._b.mp4",
        "else/e.mp4",
        "f.mp4",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "normal" / "folder.mp4").mkdir()
    found = {
        os.path.relpath(video.path, tmp_path): video for video in datasets.load("folder", tmp_path)
    }
    assert list(found) == ["normal/b.mp4", "normal/deep/er/a.MKV", "abnormal/c.y4m"]
    assert found["normal/b.mp4"].events == ()
    assert spans(found["abnormal/c.y4m"]) == [(0, math.inf, "abnormal")]
    assert found["abnormal/c.y4m"].categories == ("abnormal",)


def test_a_csv_in_the_folder_is_preferred_to_its_subfolders(root: Path) -> None:
    (root / "normal").mkdir()
    shutil.copy(root / "a.mp4", root / "normal" / "n.mp4")
    (root / "labels.csv").write_text("path,label\nb.mp4,normal\n")
    assert [Path(video.path).name for video in datasets.load("folder", root)] == ["b.mp4"]


def test_every_suffix_counts(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    for suffix in VIDEO_SUFFIXES:
        (tmp_path / "normal" / f"x{suffix}").touch()
    assert len(list(datasets.load("folder", tmp_path))) == len(VIDEO_SUFFIXES)


def test_a_folder_without_clips_or_splits_is_named(tmp_path: Path) -> None:
    for place, said in (
        (tmp_path / "none", "no such folder or CSV"),
        (tmp_path, "no videos in normal/ or abnormal/"),
    ):
        with pytest.raises(HiProbeError, match=said) as caught:
            list(datasets.load("folder", place))
        assert str(place) in str(caught.value)
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.mp4").touch()
    with pytest.raises(HiProbeError, match="no split 'train'"):
        list(datasets.load("folder", tmp_path, "train"))
