"""The calibrated threshold: the best F1 of all, and named errors where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hiprobe.errors import LabelError
from hiprobe.probe.threshold import calibrate

RNG = np.random.default_rng


def test_the_calibrated_threshold_has_the_best_f1_of_all() -> None:
    rng = RNG(3)
    for _ in range(50):
        labels = np.r_[0, 1, rng.integers(0, 2, 18)].astype(np.int8)
        scores = np.round(rng.random(20) + 0.3 * labels, 1)  # with ties

        def f1(threshold: float, labels: np.ndarray = labels, scores: np.ndarray = scores) -> float:
            alarm = scores >= threshold
            return float(2 * (alarm & (labels == 1)).sum() / (alarm.sum() + (labels == 1).sum()))

        found, grid = calibrate(scores, labels), np.arange(-0.125, 1.5, 0.05)
        assert f1(found) == pytest.approx(max(f1(t) for t in grid))
        assert all(
            f1(t) < f1(found)
            for t in grid
            if t > found and (scores >= t).sum() < (scores >= found).sum()
        )
        assert not np.isin(found, scores)


def test_a_calibrated_threshold_is_midway_and_ignores_what_is_left_out() -> None:
    scores, labels = np.array([0.1, 0.2, 0.6, 0.9, 5.0]), np.array([0, 0, 1, 1, -1], dtype=np.int8)
    assert calibrate(scores, labels) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("scores", "labels"), [([0.1, 0.2], [1, 1]), ([0.1, 0.2], [0, -1]), ([0.1, math.nan], [0, 1])]
)
def test_calibrating_on_one_class_or_nan_is_a_named_error(
    scores: list[float], labels: list[int]
) -> None:
    with pytest.raises(LabelError):
        calibrate(np.array(scores), np.array(labels, dtype=np.int8))
