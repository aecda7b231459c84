"""The folds of a cross-validation: which segments are held out together.

Labels and groups only: no states, no videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, UsageError
from hiprobe.types import LabelArray

SEGMENT_FOLDS = (
    "a class lies in one video only: folds are of segments, not of videos, so the cross-validated "
    "figures and the threshold are too good; label a second video of it"
)


class Folds(NamedTuple):
    """The fold `of` (n,) that holds each segment out, and the `number` of folds.

    `by` says what folds are made of ("video", "group" or "segment"), `warnings` what is wrong with
    them.
    """

    of: NDArray[np.int64]
    number: int
    by: str
    warnings: tuple[str, ...] = ()


def make_folds(
    labels: LabelArray,
    groups: NDArray[np.int64],
    classes: Sequence[int],
    folds: int,
    seed: int,
    *,
    named: bool = False,
) -> Folds:
    """Make up to `folds` folds of whole videos with each of `classes` on both sides (our own).

    `labels` (n,) are 1, 0 or -1, `groups` (n,) number the videos, or groups of them. Where a class
    is in one video only, folds are blocks of segments, with a warning; where groups are `named`,
    that is an error, since folds would cut a group. Without `classes` nothing is fitted, and there
    is one fold. Raises UsageError for fewer than two folds, LabelError for a class in one group.

    >>> labels, groups = np.array([0, 0, 1, 1], np.int8), np.arange(4)
    >>> folds = make_folds(labels, groups, classes=(1, 0), folds=5, seed=0)
    >>> folds.number, folds.by
    (2, 'video')
    """
    if folds < 2:
        raise UsageError(f"folds must be at least 2, got {folds}")
    if not classes:
        return Folds(np.zeros(len(labels), np.int64), 1, "none: nothing is fitted")
    videos = [len(np.unique(groups[labels == c])) for c in classes]
    if min(videos) >= 2:
        number = min(folds, *videos)
        by = "group" if named else "video"
        return Folds(_by_video(labels, groups, number, seed), number, by)
    if named:
        raise _too_few_groups(classes, videos)
    number = int(min(folds, *((labels == c).sum() for c in classes)))
    return Folds(
        _by_segment(labels, number),
        number,
        "segment",
        (SEGMENT_FOLDS,),
    )


def _too_few_groups(classes: Sequence[int], groups: Sequence[int]) -> LabelError:
    few = [f"{('normal', 'anomalous')[c]} {n}" for c, n in zip(classes, groups, strict=True)]
    return LabelError(
        f"each class must be in at least two groups, as folds keep groups whole, got {few[0]}"
        + "".join(f", {one}" for one in few[1:]),
        cure="label videos of another group, or leave the column `group` out",
    )


def _by_video(
    labels: LabelArray, groups: NDArray[np.int64], number: int, seed: int
) -> NDArray[np.int64]:
    """Deal shuffled videos to folds in turn: anomalous only, then mixed, then normal only.

    In this order the videos of each class follow each other, so that both sides of each fold have
    both classes.
    """
    videos = np.unique(groups)
    has = {c: np.isin(videos, groups[labels == c]) for c in (1, 0)}
    kind = np.select([has[1] & ~has[0], has[1] & has[0], has[0]], [0, 1, 2], 3)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(videos)), kind))
    fold = np.empty(int(videos.max()) + 1, np.int64)
    fold[videos[order]] = np.arange(len(videos)) % number
    return fold[groups]


def _by_segment(labels: LabelArray, number: int) -> NDArray[np.int64]:
    """Cut each class into blocks in time order; a segment left out goes with the one before it."""
    fold = np.zeros(len(labels), np.int64)
    for c in (1, 0):
        where = np.flatnonzero(labels == c)
        fold[where] = np.arange(len(where)) * number // max(len(where), 1)
    before = np.maximum.accumulate(np.where(labels >= 0, np.arange(len(labels)), 0))
    return fold[before]
