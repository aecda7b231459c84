"""The curves of the assembled model: what was read is kept, and tables say what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments.assembled import curves
from experiments.real_footage_clips import load_clips
from experiments.real_footage_figures import Sample
from tests.experiments.test_real_footage import RECIPE, table

from hiprobe.types import Site

__all__ = ["table"]


class Reads:
    """A model whose state is the mean of the frames, times the number of the block."""

    layers, recipe = 3, RECIPE

    def __init__(self, stop_after: int | None = None) -> None:
        self.provenance = {"dtype": "float32"}
        self.reads, self.stop_after = 0, stop_after

    def read(self, segments: Any, sites: list[Site]) -> np.ndarray:
        if self.reads == self.stop_after:
            raise KeyboardInterrupt
        self.reads += 1
        means = np.array([one.frames.mean() for one in segments], np.float32)
        return means[:, None, None] * np.array([site.layer for site in sites])[:, None]


def test_reading_continues_where_it_was_stopped(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "CHUNK", 4)
    clips = load_clips(table, RECIPE, tmp_path)
    whole = curves.read_states(Reads(), clips, tmp_path / "whole")  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        curves.read_states(Reads(2), clips, tmp_path / "parts")  # type: ignore[arg-type]
    rest = Reads()
    again = curves.read_states(rest, clips, tmp_path / "parts")  # type: ignore[arg-type]
    assert rest.reads == 1
    assert np.array_equal(again, whole)
    assert whole.shape == (9, 3, 1)


def test_tables_compare_each_layer_with_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block 1 of four knows the label, the last one does not."""
    monkeypatch.setattr(curves, "TRIES", 2)
    monkeypatch.setattr(curves.figures, "DRAWS", 50)
    monkeypatch.setattr(curves.figures, "REPEATS", 1)
    labels = np.arange(80) % 2
    sample = Sample(labels, np.arange(80) // 2, np.arange(80))
    states = np.random.default_rng(0).normal(size=(80, 4, 3)).astype(np.float32)
    states[:, 1] += 3 * labels[:, None]
    names = ("frame difference, mean", "brightness")
    values = {name: np.random.default_rng(1).normal(size=(80, 1)) for name in names}
    monkeypatch.setattr(curves, "trivial_features", lambda clips: values)
    layers, found = curves.table_of_layers(sample, states, {"noise": states[:, :1].repeat(4, 1)})
    assert [row[0] for row in layers.rows] == ["0", "1 (DLSP)", "2", "3"]
    assert layers.columns[-1] == "noise"
    assert found[1][0] > 0.95
    assert layers.rows[3][-2] == "+0.000 [+0.000, +0.000]"
    draws = curves.table_of_draws(sample, states, None)  # type: ignore[arg-type]
    assert "DLSP chose the layers\n1, 1." in draws.note
    answers = {claim.text: claim.answer for claim in draws.claims}
    assert answers[f"with few labels, {curves.CHOSEN} beats {curves.LAST}"] == "yes"
    assert answers[f"with few labels, {curves.LAST} beats frame difference, mean"] == "undecided"
