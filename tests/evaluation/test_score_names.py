"""Names in score files keep their folder, and still meet those of other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.test_commands import Ran, run
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write

from hiprobe.datasets import bare_name
from hiprobe.evaluation import read_scores, write_scores
from hiprobe.evaluation.score_files import match_names

__all__ = ["run"]  # a fixture

FAKE = "tests.support.fake_backbone:load"


def matched(scores: list[str], known: list[str]) -> list[str]:
    return list(match_names({name: np.zeros(1) for name in scores}, known))


@pytest.mark.parametrize(
    ("scores", "known", "expected"),
    [
        (["front/a", "back/a"], ["front/a", "back/a"], ["front/a", "back/a"]),
        (["Abuse/Abuse001"], ["Abuse001"], ["Abuse001"]),  # they add a folder
        (["Abuse001"], ["Abuse/Abuse001"], ["Abuse/Abuse001"]),  # they leave it out
        (["x/front/a", "x/b"], ["front/a", "b"], ["front/a", "b"]),
        (["a"], ["front/a", "back/a"], ["a"]),  # it could be either: it stays unknown
        (["x/a", "y/a"], ["a"], ["x/a", "y/a"]),  # nor are two given ones taken for one
        (["a", "x/a"], ["a"], ["a", "x/a"]),
        (["b"], ["a"], ["b"]),
    ],
)
def test_a_folder_more_or_less_means_the_same_video_if_only_one_is_meant(
    scores: list[str], known: list[str], expected: list[str]
) -> None:
    assert matched(scores, known) == expected


NAMES = st.lists(st.sampled_from("ab").map(str) | st.sampled_from(["x/a", "y/a", "x/b"]), unique=True)  # fmt: skip


@given(NAMES, NAMES)
def test_no_scores_are_lost_by_matching(scores: list[str], known: list[str]) -> None:
    found = match_names({name: np.full(1, k) for k, name in enumerate(scores)}, known)
    assert [int(values[0]) for values in found.values()] == list(range(len(scores)))
    assert all(name in known for name in set(scores) & set(known))


@pytest.mark.parametrize("kind", ["json", "npz", "csv"])
def test_two_videos_of_one_file_name_are_kept_apart_in_a_file(tmp_path: Path, kind: str) -> None:
    scores = {"front/0900": np.array([0.1, 0.2]), "back/0900": np.array([0.3])}
    write_scores(tmp_path / f"s.{kind}", scores)
    found = read_scores(tmp_path / f"s.{kind}")
    assert {name: list(values) for name, values in found.items()} == {
        "front/0900": [0.1, 0.2],
        "back/0900": [0.3],
    }


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("front/0900.mp4", "front/0900"),
        ("front\\0900.MKV", "front/0900"),
        ("front.mp4/0900.mp4", "front.mp4/0900"),
        ("in/Test001@10fps", "in/Test001"),
        (".mp4", ".mp4"),
    ],
)
def test_only_the_file_loses_its_suffix(name: str, bare: str) -> None:
    assert bare_name(name) == bare


@pytest.mark.parametrize("same", [False, True])
def test_export_of_two_videos_of_one_file_name(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: Any, same: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("front", "back")):
        (tmp_path / "cams" / name).mkdir(parents=True)
        frames = 20 if same else 20 + number
        write(tmp_path / f"cams/{name}/0900.mp4", steady(frames, 10), rate=10, pictures=noisy)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    assert run("detect", "cams", "-p", "p.safetensors", "-m", FAKE, "-o", "out").code == 0
    ran = run("export", "out/.store", "--probe", "p.safetensors", "--videos", "cams", "-o", "s.json")  # fmt: skip
    assert (ran.code, ran.errors) == (0, [])
    found = json.loads((tmp_path / "s.json").read_text())
    assert {name: len(values) for name, values in found.items()} == {
        "front/0900": 20,
        "back/0900": 20 if same else 21,
    }
    assert str(tmp_path) not in (tmp_path / "s.json").read_text()
    ran = run("export", "out/.store", "-o", "states.npz")
    assert ran.code == 0
    assert str(tmp_path).encode() not in (tmp_path / "states.npz").read_bytes()
