"""Recall at a fixed false-positive rate: against scikit-learn's curve, by hand, and in draws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from hiprobe.errors import LabelError
from hiprobe.metrics import FALSE_POSITIVE_RATE, Ranking, recall_at_fpr


def of_curve(labels: np.ndarray, scores: np.ndarray, rate: float) -> float:
    """The highest recall of scikit-learn's curve at points of at most `rate`."""
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    return float(true[false <= rate].max())


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("decimals", [1, 8])  # with many ties, and with none
def test_it_is_the_best_point_of_the_curve(rate: float, decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    for _ in range(20):
        labels = rng.permutation(np.arange(200) < rng.integers(1, 100)).astype(int)
        scores = (rng.normal(size=200) + labels).round(decimals)
        assert recall_at_fpr(labels, scores, rate) == pytest.approx(of_curve(labels, scores, rate))


def test_by_hand() -> None:
    labels, scores = np.array([0, 0, 1, 1, 1, 1]), np.array([0.5, 0.1, 0.5, 0.9, 0.4, 0.3])
    assert recall_at_fpr(labels, scores, 0.0) == 0.25  # a tie with a normal frame is an alarm
    assert recall_at_fpr(labels, scores, 0.49) == 0.25
    assert recall_at_fpr(labels, scores, 0.5) == 1.0
    assert recall_at_fpr(labels, -scores, 0.0) == 0.0


def test_a_tenth_of_ten_is_one() -> None:
    """0.1 x 3 x 10 is more than 3 in floating point, and 0.29 x 100 is less than 29."""
    labels = np.append(np.zeros(100, int), 1)
    scores = np.append(np.arange(100.0), 70.5)
    assert recall_at_fpr(labels, scores, 0.29) == 1.0
    assert recall_at_fpr(labels, scores, 0.28) == 0.0


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(LabelError, match="0 to 1"):
        recall_at_fpr(np.array([0, 1]), np.array([0.1, 0.2]), rate)


def test_draws_of_videos_are_those_of_copied_frames() -> None:
    rng = np.random.default_rng(0)
    videos = []
    for seed in range(6):
        labels = (rng.random(150) < 0.3).astype(int) * (seed % 2)
        videos.append((labels, (rng.normal(size=150) + 2 * labels).round(1)))
    draws = np.array([[1] * 6, [2, 0, 0, 3, 1, 0], [0, 1, 4, 0, 0, 1], [1, 0, 1, 0, 1, 0]])
    found = Ranking(videos).drawn(draws)[3]
    for counts, value in zip(draws, found, strict=True):
        labels, scores = (
            np.concatenate(
                [np.tile(video[part], n) for video, n in zip(videos, counts, strict=True)]
            )
            for part in (0, 1)
        )
        if labels.any():
            expected = of_curve(labels, scores, FALSE_POSITIVE_RATE)
            assert value == pytest.approx(expected)
            assert value == pytest.approx(recall_at_fpr(labels, scores))
        else:
            assert np.isnan(value)
    assert Ranking(videos).pooled().recall_at_fpr == pytest.approx(found[0])
