"""A watcher's alerts as JSON lines: each on disk at once, and no line is ever half there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.conftest import full_disk
from tests.support.alert_lines import line

from hiprobe import sinks
from hiprobe.errors import StoreError
from hiprobe.sinks import Live, Sink


def opened(path: Path) -> Sink:
    return sinks.load("jsonl").open(str(path), {}, Live(path.parent))


def numbers(path: Path) -> list[int]:
    return [json.loads(one)["sequence"] for one in path.read_text().splitlines()]


def test_each_message_is_in_the_file_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "alerts.jsonl"
    with opened(path) as sink:
        for number in range(1, 4):
            sink.write(line(sequence=number))
            assert numbers(path) == list(range(1, number + 1))
    with opened(path) as sink:
        sink.write(line(sequence=4))
    assert numbers(path) == [1, 2, 3, 4]


def test_a_start_and_stop_without_alerts_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    with opened(path) as sink:
        sink.write(line())
    opened(path).close()
    assert numbers(path) == [1]


@pytest.mark.parametrize("cut", [1, 10, 25, 200])
def test_what_a_killed_writer_left_of_a_line_is_removed(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "alerts.jsonl"
    with opened(path) as sink:
        sink.write(line(sequence=1))
        whole = path.read_bytes()
        path.write_bytes(whole + whole[:cut])
        sink.write(line(sequence=2))
    assert numbers(path) == [1, 2]


def test_a_last_line_of_somebody_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("first\nmine, without a line end")
    with opened(path) as sink:
        sink.write(line())
    assert path.read_text().splitlines()[:2] == ["first", "mine, without a line end"]


def test_a_file_that_is_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    with opened(path) as sink:
        sink.write(line(sequence=1))
        path.rename(tmp_path / "alerts.1.jsonl")
        sink.write(line(sequence=2))
    assert numbers(path) == [2]


def test_a_full_disk_leaves_whole_lines_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    with opened(path) as sink:
        sink.write(line(sequence=1))
        room = path.stat().st_size + 100
        with full_disk(room), pytest.raises(StoreError, match="cannot write"):
            sink.write(line(sequence=2))
        assert numbers(path) == [1]
        sink.write(line(sequence=2))
    assert numbers(path) == [1, 2]


def test_a_pipe_or_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with opened(tmp_path / name) as sink, pytest.raises(StoreError):
            sink.write(line())
