"""The figures of an evaluation: they show something, of the right videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiprobe import Event, Result, Scores, plot, report
from hiprobe.errors import LabelError
from hiprobe.report.picture import save_png


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


def test_the_timeline_of_a_result_is_the_picture_that_detect_writes(tmp_path: Path) -> None:
    starts, values = np.arange(3) * 1.6, np.array([0.1, 0.9, 0.2])
    scores = Scores(starts, starts + 1.6, values, values, np.full(3, 0.5))
    result = Result("a.mp4", "0" * 64, "done", 4.8, scores, (Event(1.6, 3.2, 2.4, 0.9),))
    frame = np.full((60, 80, 3), 90, np.uint8)
    report.timeline_png(result, tmp_path / "a.png", thumbnails=[(2.4, frame)])
    save_png(plot.timeline(result, [(2.4, frame)]), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_heat_is_drawn_where_it_is() -> None:
    """The strongest of 2 x 2 cells is the lower left one: the box is there, in pixels."""
    event = Event(0.0, 1.6, heat=((0.0, 0.2), (1.0, -1.0)))
    axes = plot.heat(event, np.zeros((90, 160, 3), np.uint8)).axes[0]
    corners = [(patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches]
    assert corners == [((80, 0), 80, 45), ((0, 45), 80, 45), ((0, 45), 80, 45)]
    assert not axes.patches[-1].get_fill()


def test_an_event_without_heat_is_refused() -> None:
    with pytest.raises(ValueError, match="give where=True to detect"):
        plot.heat(Event(0.0, 1.6), np.zeros((9, 16, 3), np.uint8))
