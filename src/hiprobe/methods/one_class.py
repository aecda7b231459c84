"""One class: how far a state is from those of normal videos.

Arrays only. Uses no anomalous ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.methods._logistic_regression import flat, standard, standardised
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "normal"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return one residual layer at five eighths of the depth (our own).

    Without anomalies no layer can be selected. HiProbe-VAD's peak is near layer 20 (second-hand);
    that its model has 32 blocks is our inference.
    """
    return (Site("residual", min(5 * layers // 8, layers - 1)),)


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select all sites of `values` (n, sites, D)."""
    return Selection(tuple(range(values.shape[1])))


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Fit mean and Ledoit-Wolf covariance of the standardised `values` (n, chosen, D).

    `labels` are not used. Standardising first is our own: shrinkage assumes one variance for all
    dimensions, but a residual stream has a few huge ones. The covariance (1 - s) S + s m I is
    stored as the directions that S spans, not as a matrix. Returns float64 `mean`, `scale` (d,),
    `directions` (r, d), `gain` (r,) and `rest` (1,); the squared distance is rest * |z|^2 + sum_i
    gain_i (directions_i . z)^2. Raises LabelError if all values are equal.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    z = flat(values)
    mean, scale = standard(z)
    z -= mean
    z /= scale
    if not z.any():
        raise LabelError(
            "all normal hidden states are equal, so there is no distance to measure",
            cure="give more normal videos",
        )
    # A shrinkage of 0 would divide by zero below.
    shrink = max(float(ledoit_wolf_shrinkage(z, assume_centered=True)), 1e-6)
    rest = 1.0 / (shrink * float((z * z).mean()))
    _, singular, directions = np.linalg.svd(z, full_matrices=False)
    gain = 1.0 / ((1.0 - shrink) * singular**2 / len(z) + 1.0 / rest) - rest
    return {
        "mean": mean,
        "scale": scale,
        "directions": directions,
        "gain": gain,
        "rest": np.array([rest]),
    }


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute d2 / (d2 + D) (n,), with d2 the squared Mahalanobis distance.

    `values` are (n, chosen, D). Scores are from 0 to below 1 (our own). Normal states are near one
    half, as their d2 is about D. A chi-square probability would be 1.0 for nearly all new states
    with so many dimensions.
    """
    z = standardised(values, tensors)
    squared = (
        tensors["rest"] * (z * z).sum(1) + (z @ tensors["directions"].T) ** 2 @ tensors["gain"]
    )
    squared = np.maximum(squared, 0.0)
    return np.asarray(squared / (squared + z.shape[1]), dtype=np.float64)
