"""States of single windows are found again exactly, merged, and refused by name when damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe import store
from hiprobe.errors import StoreError
from hiprobe.store import WindowsKey
from hiprobe.types import FloatArray, Recipe, Site

KEY = WindowsKey("ab" * 32, Recipe("org/model", ("why?",)), (Site("residual", 2),), "float32")
RNG = np.random.default_rng(0)
ONE, TWO, THREE = (0.1 + 0.2, 1.9), (0.4, 2.0), (7.0, 8.6)


def values(*windows: store.Window) -> dict[store.Window, FloatArray]:
    return {window: RNG.normal(size=(1, 5)).astype(np.float32) for window in windows}


def same(one: dict[store.Window, FloatArray], other: dict[store.Window, FloatArray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[w], other[w]) for w in one)


def test_windows_are_found_again_exactly_and_merged(tmp_path: Path) -> None:
    assert store.find_windows(tmp_path, KEY) == {}
    first, second = values(TWO, ONE), values(THREE)
    store.save_windows(tmp_path, KEY, first)
    assert same(store.find_windows(tmp_path, KEY), first)
    path = store.save_windows(tmp_path, KEY, second)
    assert same(store.find_windows(tmp_path, KEY), {**first, **second})
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "change",
    [
        {"video_id": "cd" * 32},
        {"recipe": Recipe("org/model", ("where?",))},
        {"sites": (Site("residual", 3),)},
        {"dtype": "bfloat16"},
    ],
)
def test_other_settings_are_a_miss(tmp_path: Path, change: dict[str, object]) -> None:
    store.save_windows(tmp_path, KEY, values(ONE))
    assert store.find_windows(tmp_path, replace(KEY, **change)) == {}  # type: ignore[arg-type]


def test_they_are_not_taken_for_states_of_a_whole_video(tmp_path: Path) -> None:
    store.save_windows(tmp_path, KEY, values(ONE))
    assert store.find_states(tmp_path, KEY.video_id, KEY.recipe, KEY.sites, KEY.dtype) is None
    assert store.kept_states(tmp_path, KEY.video_id, KEY.recipe) == []
    assert store.state_files(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "other header", "not finite", "backwards"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = store.save_windows(tmp_path, KEY, values(ONE, THREE))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    if damage == "other header":
        other = replace(KEY, video_id="cd" * 32)
        path.write_bytes(store.save_windows(tmp_path, other, values(ONE)).read_bytes())
    if damage == "not finite":
        store.save_windows(tmp_path, KEY, {ONE: np.full((1, 5), np.nan, np.float32)})
    if damage == "backwards":
        store.save_windows(tmp_path, KEY, values((3.0, 2.0)))
    with pytest.raises(StoreError, match=r"float32-.*\.windows: not valid states of windows"):
        store.find_windows(tmp_path, KEY)
    with pytest.raises(StoreError, match="delete it and run again"):
        store.save_windows(tmp_path, KEY, values(TWO))
