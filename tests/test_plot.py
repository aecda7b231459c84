"""The figures of an evaluation: they show something, of the right videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiprobe import plot
from hiprobe.errors import LabelError


def test_the_figures_show_something(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = {f"v{i}": (np.arange(60) // 20 == 1).astype(np.uint8) * (i < 8) for i in range(11)}
    scores = {
        name: labels * 0.5 + rng.random(60) / (i + 1)
        for i, (name, labels) in enumerate(truth.items())
    }
    scores["v0"][5:9] = np.nan
    made = plot.write_plots(tmp_path, truth, scores, raw=scores)
    assert [path.name for path in made] == ["roc.png", "pr.png", "histogram.png", "timelines.png"]
    for path in made:
        with Image.open(path) as image:
            assert min(image.size) > 300
            assert len(np.unique(np.asarray(image.convert("L")))) > 20
    before = made[-1].read_bytes()
    plot.write_plots(tmp_path, truth, scores | {"v7": 1 - scores["v7"]})
    assert made[-1].read_bytes() != before


def test_the_best_and_the_worst_cases_are_shown() -> None:
    labels = np.array([0, 0, 1, 1], np.uint8)
    truth = dict.fromkeys("abcdefg", labels) | {
        "n": np.zeros(4, np.uint8),
        "m": np.zeros(4, np.uint8),
    }
    order = [
        [0, 1, 2, 3],
        [0, 2, 1, 3],
        [2, 3, 0, 1],
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [1, 0, 2, 3],
        [0, 3, 1, 2],
    ]
    scores = {name: np.array(values, float) for name, values in zip("abcdefg", order, strict=True)}
    found = plot.typical_videos(truth, scores | {"n": np.zeros(4), "m": np.ones(4)}, each=2)
    assert [name for _, name in found] == ["a", "d", "c", "e", "m", "n"]
    assert [
        name for _, name in plot.typical_videos({"n": np.zeros(4, np.uint8)}, {"n": np.zeros(4)})
    ] == ["n"]


def test_labels_of_one_class_have_no_curve() -> None:
    pair = np.zeros(4, np.uint8), np.arange(4.0)
    for draw in (plot.roc, plot.precision_recall):
        with pytest.raises(LabelError, match="'scores' hold one class only"):
            draw({"scores": pair})


def test_scores_under_other_names_are_told_apart_by_colour() -> None:
    pair = np.array([0, 1, 0, 1]), np.arange(4.0)
    lines = plot.roc({"ours": pair, "theirs": pair}).axes[0].lines[:2]
    assert lines[0].get_color() != lines[1].get_color()
