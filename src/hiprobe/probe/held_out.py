"""Out-of-fold scores of a method: selection and fit are repeated inside each fold.

Knows no files, videos or models. What a method returns is checked here, as it may come from outside
the package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import ProbeError, UsageError
from hiprobe.methods import Method
from hiprobe.metrics import auc_interval, frame_auc
from hiprobe.probe.calibration import Calibration, usable
from hiprobe.probe.folds import Folds
from hiprobe.ranges import require_all
from hiprobe.types import FloatArray, LabelArray


def held_out(
    how: Method,
    data: Calibration,
    split: Folds,
    fixed: tuple[int, ...] | None = None,
) -> tuple[NDArray[np.float64], list[tuple[int, ...]]]:
    """Score each segment of `data` with a method that was fitted on the other folds.

    Returns raw scores (n,) and the sites of each fold: `fixed`, the only one, or selected inside
    the fold. Raises UsageError or ProbeError for a method that breaks its protocol.
    """
    raw, picked = np.full(len(data.labels), np.nan), []
    fixed = (0,) if len(data.sites) == 1 else fixed
    for fold in range(split.number):
        out = split.of == fold
        raw[out], indices = scores_of_rest(how, data, out, f"fold {fold}", fixed)
        picked.append(indices)
    return raw, picked


def scores_of_rest(
    how: Method,
    data: Calibration,
    out: NDArray[np.bool_],
    where: str,
    fixed: tuple[int, ...] | None = None,
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Select and fit without the segments `out` (n,); return their raw scores, and the sites.

    `fixed` are the sites to use instead of selecting; `where` names the fit in an error.
    """
    train = usable(how, np.where(out, -1, data.labels).astype(np.int8))
    indices = selected(how, data, train).indices if fixed is None else fixed
    tensors = fitted_tensors(how, data.at(indices, train >= 0), train[train >= 0])
    return checked_scores(how, data.at(indices, out), tensors, where), indices


def selected(how: Method, data: Calibration, labels: LabelArray) -> methods.Selection:
    """Let the method select among the sites of `data`; raises UsageError if it is invalid."""
    chosen, offered = how.select(data, labels), len(data.sites)
    if (
        not isinstance(chosen, methods.Selection)
        or not chosen.indices
        or not all(
            isinstance(index, int | np.integer) and 0 <= index < offered for index in chosen.indices
        )
    ):
        raise UsageError(
            f"the method's select must return a Selection of some of its {offered} sites, "
            f"got {str(chosen)[:80]}"
        )
    for name, curve in chosen.curves.items():
        if (
            not isinstance(curve, np.ndarray)
            or curve.shape != (offered,)
            or not np.isfinite(curve).all()
        ):
            raise UsageError(
                f"the method's curve {name!r} must hold one finite number for each of its "
                f"{offered} sites"
            )
    return chosen


def fitted_tensors(how: Method, values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Fit the method on `values` (n, chosen, D); raises UsageError unless it returns a dict."""
    found = how.fit(values, labels)
    if not isinstance(found, dict):
        raise UsageError(
            f"the method's fit must return a dict of arrays, got {type(found).__name__}"
        )
    return found


def pooled_auc(
    data: Calibration, scores: NDArray[np.float64], seed: int
) -> dict[str, float | None] | None:
    """Compute the pooled AUC of the labelled segments and its 95 % interval over videos.

    None unless both classes occur; no interval for a single video.
    """
    if not {0, 1} <= set(data.labels.tolist()):
        return None
    videos = videos_of(data, scores)
    low, high = auc_interval(videos, seed=seed) if len(videos) > 1 else (None, None)
    return {"value": frame_auc(videos), "low": low, "high": high}


def videos_of(
    data: Calibration, scores: NDArray[np.float64]
) -> list[tuple[LabelArray, NDArray[np.float64]]]:
    """Return labels and scores of the labelled segments of each video, or group of videos."""
    rows = [(data.groups == group) & (data.labels >= 0) for group in np.unique(data.groups)]
    return [(data.labels[row], scores[row]) for row in rows if row.any()]


def checked_scores(
    how: Method, values: FloatArray, tensors: methods.Tensors, where: str
) -> NDArray[np.float64]:
    """Score `values` (n, chosen, D) with the method; returns finite scores (n,).

    Raises ProbeError for another shape, which numpy might broadcast, and for scores that are not
    finite or out of range.
    """
    scores = np.asarray(how.score(values, tensors))
    if scores.shape != values.shape[:1]:
        raise ProbeError(
            f"the method's score must return one score for each of {len(values)} segments, "
            f"got shape {scores.shape}",
            where=where,
        )
    return _finite(scores, where)


def _finite(scores: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    if not np.isfinite(scores).all():
        raise ProbeError(
            f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite",
            where=where,
        )
    try:
        require_all("score", np.array([scores.min(initial=0.0), scores.max(initial=0.0)]))
    except ValueError as error:
        raise ProbeError(str(error), where=where) from error
    return scores
