"""Folds hold whole videos where they can, and each class is on both sides of every fold."""

from __future__ import annotations

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.probe.folds import make_folds

RNG = np.random.default_rng


@pytest.mark.parametrize("seed", range(40))
def test_folds_of_videos_leave_both_classes_on_both_sides(seed: int) -> None:
    rng = RNG(seed)
    least = ([1, 1], [0, 1, 2], [0, 0, 2, 2])[
        seed % 3
    ]  # of anomalous, mixed, normal, unlabelled videos
    kinds = rng.permutation(np.r_[least, rng.integers(0, 4, rng.integers(0, 10))])
    options = ([1, 1, -1], [0, 1, 1, 0], [0, 0, 0], [-1, -1])
    labels = np.concatenate([options[k] for k in kinds]).astype(np.int8)
    groups = np.repeat(np.arange(len(kinds)), [len(options[k]) for k in kinds])
    holders = [len(np.unique(groups[labels == c])) for c in (1, 0)]
    folds = make_folds(labels, groups, (1, 0), 5, seed)
    assert (folds.by, folds.number, folds.warnings) == ("video", min(5, *holders), ())
    assert all(len(np.unique(folds.of[groups == g])) == 1 for g in np.unique(groups))
    for fold in range(folds.number):
        for side in (folds.of == fold, folds.of != fold):
            assert {0, 1} <= set(labels[side].tolist())


def test_folds_of_segments_are_announced() -> None:
    labels = np.repeat([0, 1, -1, 0], 4).astype(np.int8)
    folds = make_folds(labels, np.zeros(16, np.int64), (1, 0), 5, 0)
    assert (folds.by, folds.number) == ("segment", 4)
    assert "one video only" in folds.warnings[0]
    for fold in range(4):
        assert {0, 1} <= set(labels[folds.of == fold].tolist())
        assert {0, 1} <= set(labels[folds.of != fold].tolist())
    with pytest.raises(UsageError):
        make_folds(labels, np.zeros(16, np.int64), (1, 0), 1, 0)
