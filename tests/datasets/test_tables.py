"""A table says the same in every way that a spreadsheet writes it."""

from __future__ import annotations

import codecs
import csv
import io
import math
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe import datasets
from hiprobe.datasets import _tables, _times
from hiprobe.errors import LabelError

TIMES = {  # text, decimal comma allowed: seconds
    ("12", False): 12.0,
    ("12.5", False): 12.5,
    (".5", False): 0.5,
    ("1e1", False): 10.0,
    ("inf", False): math.inf,
    ("1:30", False): 90.0,
    ("01:30.25", False): 90.25,
    ("75:00", False): 4500.0,
    ("0:01", False): 1.0,
    ("1:02:03", False): 3723.0,
    ("1:02:03.5", False): 3723.5,
    ("12,5", True): 12.5,
    ("12.5", True): 12.5,
    ("1:30,25", True): 90.25,
    ("1:02:03,5", True): 3723.5,
}
NOT_TIMES = (
    *("x", "nan", "-1", "-0:30", "1:60", "1:75", "1:60:00", "1:2:3:4", "1:", ":30", "1:-1", "1:3e1"),
    *("1,5", "1:02,5", "1.2.3", "1_0", "1e999", "9" * 400, "0:0x", "1h", "12 s", "٣", "1;30"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "comma"), TIMES)
def test_a_time_is_read(text: str, comma: bool) -> None:
    assert _times.read_time(text, comma) == TIMES[text, comma]


@pytest.mark.parametrize("text", NOT_TIMES)
def test_what_is_no_time_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "labels.csv").write_text(f'path,label,start\na.mp4,fall,"{text}"\n')
    with pytest.raises(LabelError) as caught:
        datasets.load("folder", tmp_path)
    said = (
        f"labels.csv:2: start must be a time from 0 on as seconds, mm:ss or h:mm:ss, got {text!r}"
    )
    assert said in str(caught.value)
    assert ("with a point" in str(caught.value)) == ("," in text)


@pytest.mark.parametrize("text", ["1.234,5", "1,234,5", "1,2:03", "1,"])
def test_a_decimal_comma_is_one_comma_between_digits(text: str) -> None:
    assert _times.read_time(text, comma=True) is None


class Dialect(NamedTuple):
    """A way to write a table."""

    encoding: str
    separator: str
    line_end: str
    quoting: int
    columns: tuple[str, ...]


class Said(NamedTuple):
    """An event as a row says it, in milliseconds, and how its times are written."""

    path: str
    label: str
    start: int
    length: int
    clock: str
    comma: bool


NAMES = ("a.mp4", "b, c.mp4", "d; e.mp4", "f\tg.mp4", "日本.mp4", 'h "i".mp4')
MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
dialects = st.builds(
    Dialect,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"]),
    st.sampled_from(_tables.SEPARATORS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.permutations(["path", "label", "start", "end"]).map(tuple),
)
rows = st.builds(
    Said,
    st.sampled_from(NAMES),
    st.sampled_from(["fight", "fall; down", "fire, smoke", "火事"]),
    st.integers(0, 10**8),
    st.integers(1, 10**7),
    st.sampled_from(["seconds", "minutes", "hours"]),
    st.booleans(),
)


def written(ms: int, clock: str, comma: bool) -> str:
    seconds, rest = divmod(ms, 1000)
    if clock == "seconds":
        text = f"{seconds}.{rest:03}"
    elif clock == "minutes":
        text = f"{seconds // 60}:{seconds % 60:02}.{rest:03}"
    else:
        text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
    return text.replace(".", ",") if comma else text


def table(said: list[Said], dialect: Dialect) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text,
        dialect.columns,
        delimiter=dialect.separator,
        lineterminator=dialect.line_end,
        quoting=dialect.quoting,
    )
    writer.writeheader()
    for one in said:
        comma = one.comma and dialect.separator == ";"
        start, end = (written(ms, one.clock, comma) for ms in (one.start, one.start + one.length))
        writer.writerow({"path": one.path, "label": one.label, "start": start, "end": end})
    return MARKS.get(dialect.encoding, b"") + text.getvalue().encode(dialect.encoding)


@settings(deadline=None, max_examples=200)
@given(said=st.lists(rows, min_size=1, max_size=6), dialect=dialects)
def test_a_table_in_any_dialect_gives_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, said: list[Said], dialect: Dialect
) -> None:
    path = tmp_path_factory.getbasetemp() / "dialects.csv"
    path.write_bytes(table(said, dialect))
    found = {
        (Path(video.path).name, event.start, event.end, event.label)
        for video in datasets.load("folder", path, absent=True)
        for event in video.events or ()
    }
    # Divided, not summed, so that the expected bits do not depend on how a time is written.
    assert found == {
        (one.path, one.start / 1000, (one.start + one.length) / 1000, one.label) for one in said
    }


def test_counts_and_annotations_are_read_in_any_dialect(tmp_path: Path) -> None:
    counts = "video;frames\r\nv_label_B1-0-0.mp4;40\r\nw_label_A.mp4;32\r\n"
    (tmp_path / "frame_counts.csv").write_bytes(counts.encode("utf-16"))
    (tmp_path / "annotations.txt").write_bytes("v_label_B1-0-0 2 5\n".encode("utf-16"))
    truth = datasets.truth("xd_violence", tmp_path)
    assert {name: (len(one), int(one.sum())) for name, one in truth.items()} == {
        "v_label_B1-0-0": (40, 3),
        "w_label_A": (32, 0),
    }


def test_the_separator_is_that_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "a;b,c.mp4").touch()
    (tmp_path / "labels.csv").write_text('path,label\n"a;b,c.mp4",fall;;;;down\n')
    (video,) = datasets.load("folder", tmp_path)
    assert video.categories == ("fall;;;;down",)


def test_a_decimal_comma_without_quotes_is_a_cell_too_many(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label,start,end\na.mp4,fall,1,5,2,5\n")
    with pytest.raises(LabelError, match=r"labels\.csv:2: .* no more columns than the first line"):
        datasets.load("folder", tmp_path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(
        LabelError,
        match=r"labels\.csv: cannot be read: the file has .* bytes, more than 67,108,864",
    ):
        datasets.load("folder", tmp_path)
