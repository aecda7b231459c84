"""The folds of a cross-validation: which segments are held out together. Knows labels and groups: no states, no video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.types import LabelArray


class Folds(NamedTuple):
    """The fold `of` (n,) in which each segment is held out, their `number`, and what they are made of."""

    of: NDArray[np.int64]
    number: int
    by: str
    warnings: tuple[str, ...] = ()


def make_folds(
    labels: LabelArray, groups: NDArray[np.int64], classes: Sequence[int], folds: int, seed: int
) -> Folds:
    """Up to `folds` folds of whole videos that leave each of `classes` on both sides; `labels` and `groups` (n,).

    Of blocks of segments, with a warning, where one of the classes lies in a single video; without `classes`
    nothing is fitted and all is one fold. Raises UsageError for fewer than two folds.
    """
    if folds < 2:
        raise UsageError(f"folds={folds}: at least 2 are needed to hold anything out")
    if not classes:
        return Folds(np.zeros(len(labels), np.int64), 1, "none: nothing is fitted")
    videos = [len(np.unique(groups[labels == c])) for c in classes]
    if min(videos) >= 2:
        number = min(folds, *videos)
        return Folds(_by_video(labels, groups, number, seed), number, "video")
    number = int(min(folds, *((labels == c).sum() for c in classes)))
    return Folds(
        _by_segment(labels, number),
        number,
        "segment",
        (
            "a class lies in one video only: folds are of segments, not of videos, so the cross-validated figures and "
            "the threshold are too good; label a second video of it",
        ),
    )


def _by_video(
    labels: LabelArray, groups: NDArray[np.int64], number: int, seed: int
) -> NDArray[np.int64]:
    """Shuffled videos dealt like cards: anomalous only, then mixed, then normal only; our own.

    In that order each class's videos are consecutive, so that each fold, and what is left for it to fit on, has both.
    """
    videos = np.unique(groups)
    has = {c: np.isin(videos, groups[labels == c]) for c in (1, 0)}
    kind = np.select([has[1] & ~has[0], has[1] & has[0], has[0]], [0, 1, 2], 3)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(videos)), kind))
    fold = np.empty(int(videos.max()) + 1, np.int64)
    fold[videos[order]] = np.arange(len(videos)) % number
    return fold[groups]


def _by_segment(labels: LabelArray, number: int) -> NDArray[np.int64]:
    """Each class cut into blocks in time order; a segment left out goes with the labelled one before it."""
    fold = np.zeros(len(labels), np.int64)
    for c in (1, 0):
        where = np.flatnonzero(labels == c)
        fold[where] = np.arange(len(where)) * number // max(len(where), 1)
    before = np.maximum.accumulate(np.where(labels >= 0, np.arange(len(labels)), 0))
    return fold[before]
