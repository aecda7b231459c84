"""The threshold of a probe: from labelled scores, by the rule that fits the labels.

Arrays only: no states, no videos, no files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.localize import Localization
from hiprobe.localize.settings import RULES
from hiprobe.methods import Method
from hiprobe.types import LabelArray

Array = NDArray[np.float64]

NORMAL_QUANTILE = 0.99  # of normal scores: the threshold of a method that knows no anomalies
OF_NORMAL = f"{NORMAL_QUANTILE} quantile of out-of-fold scores of normal segments"
OF_METHOD = "the method's own, as no labels of both classes were given"
OF_LABELS, OF_FOLDS = "best F1 on the labelled segments", "best F1 of out-of-fold scores"
GIVEN = "given with --threshold"
# Every text that says where a threshold comes from, but for those of a false-alarm rate.
SOURCES = (OF_NORMAL, OF_METHOD, OF_LABELS, OF_FOLDS, GIVEN, *(f"the {one} rule" for one in RULES))


def with_threshold(
    how: Method,
    labels: LabelArray,
    scores: Array,
    settings: Localization,
) -> tuple[Localization, str]:
    """Return `settings` with the threshold they ask for, and a text that says how it was found.

    `scores` (n,) are out of fold and smoothed, `labels` (n,) are 1, 0 or -1. The threshold has the
    best F1. For a method of normal videos it is the 0.99 quantile of their scores (our own); a
    method without labels uses its own threshold unless there are labels of both classes. Raises
    LabelError as `calibrate` does.
    """
    if settings.rule != "calibrated":
        return settings, f"the {settings.rule} rule"
    if how.LABELS == "normal":
        limit = float(np.quantile(scores[labels == 0], NORMAL_QUANTILE))
        return settings.with_threshold(limit), OF_NORMAL
    own = getattr(how, "THRESHOLD", None)
    if how.LABELS == "none" and own is not None and not {0, 1} <= set(labels.tolist()):
        return settings.with_threshold(float(own)), OF_METHOD
    source = OF_LABELS if how.LABELS == "none" else OF_FOLDS
    return settings.with_threshold(calibrate(scores, labels)), source


def calibrate(scores: Array, labels: LabelArray) -> float:
    """Find the threshold with the best F1 of `scores` (n,) >= threshold against `labels` (n,).

    Labels of -1 are left out. The threshold is midway between two neighbouring scores; among equal
    F1 the highest threshold is taken, which raises the fewest alarms. Best F1 is the rule of
    HeadHunt-VAD, on a grid of thresholds and of sigma; the rest is our own. Raises LabelError for
    labels of one class or a score that is not finite.

    >>> round(calibrate(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 0, 1, 1], np.int8)), 6)
    0.4
    """
    scores, labels = scores[labels >= 0], labels[labels >= 0]
    if len(np.unique(labels)) < 2 or not np.isfinite(scores).all():
        raise LabelError(
            "the threshold needs finite scores of both classes, got "
            f"{(labels == 1).sum()} anomalous and {(labels == 0).sum()} normal segments, "
            f"{(~np.isfinite(scores)).sum()} of them not finite",
            cure="label segments of both classes",
        )
    levels, where = np.unique(scores, return_inverse=True)
    hits, alarms = (
        np.bincount(where, weights, len(levels))[::-1].cumsum()[::-1]
        for weights in ((labels == 1).astype(float), np.ones(len(labels)))
    )
    f1 = 2 * hits / (alarms + hits[0])
    return float(_cuts(levels)[np.flatnonzero(f1 == f1.max())[-1]])


def _cuts(levels: Array) -> Array:
    """Return a threshold below each of the rising `levels`.

    It is midway between a level and the one before. The first level has none before it: its
    threshold is as far below it as the second threshold is above it.
    """
    if len(levels) == 1:
        return levels - 1e-6
    between = (levels[1:] + levels[:-1]) / 2
    # Neighbouring floating-point numbers have no midpoint.
    between = np.where(between > levels[:-1], between, levels[1:])
    return np.concatenate([2 * levels[:1] - between[:1], between])
