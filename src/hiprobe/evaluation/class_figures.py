"""Compute the figures of the videos of each class. Opens no file and knows no data set by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hiprobe.evaluation.tables import ClassRow
from hiprobe.metrics import Pair, Watched, overlaps, roc_auc


def is_mixed(pair: Pair) -> bool:
    """Return whether the labels of a (labels, scores) pair hold both classes."""
    return bool(pair[0].any() and not pair[0].all())


def class_rows(
    pairs: Mapping[str, Pair],
    categories: Mapping[str, Sequence[str]],
    watched: Mapping[str, Watched] | None,
) -> tuple[ClassRow, ...]:
    """Return a row for each class except "normal", in alphabetical order.

    `pairs` holds labels and scores (frames,) by video name, `categories` the classes of each video
    and `watched` its true and predicted events. A video of several classes counts in each of them.
    """
    kinds = sorted({kind for name in categories for kind in categories[name]} - {"normal"})
    of = {
        kind: [name for name in pairs if kind in categories.get(name, ())]
        for kind in [*kinds, "normal"]
    }
    return tuple(_class(kind, of[kind], of["normal"], pairs, watched) for kind in kinds if of[kind])


def _class(
    kind: str,
    names: Sequence[str],
    normal: Sequence[str],
    pairs: Mapping[str, Pair],
    watched: Mapping[str, Watched] | None,
) -> ClassRow:
    own, others = [pairs[name] for name in names], [pairs[name] for name in normal]
    true = (
        [(event, watched[name]) for name in names for event in watched[name].true]
        if watched
        else []
    )
    detected = sum(
        any(overlaps(event, alarm) for alarm in video.predicted) for event, video in true
    )
    return ClassRow(
        kind,
        len(own),
        sum(len(labels) for labels, _ in own),
        sum(int(labels.sum()) for labels, _ in own),
        _auc(own),
        _auc(own + others),
        *((len(true), detected) if watched else ()),
    )


def _auc(pairs: Sequence[Pair]) -> float | None:
    labels, scores = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return roc_auc(labels, scores) if is_mixed((labels, scores)) else None
