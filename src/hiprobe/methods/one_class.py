"""Normal videos only: how far a state lies from the normal ones. Knows arrays only, and no anomalous one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.methods.hiprobe import flat, standard, standardised
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "normal"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """One residual layer at five eighths of the depth: without labels none can be chosen; our own.

    It is where the saliency peaked in the reported models: layer 20 of 32, and 5 of 8.
    """
    return (Site("residual", min(5 * layers // 8, layers - 1)),)


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """All the sites of `values` (n, sites, D): nothing is chosen."""
    return Selection(tuple(range(values.shape[1])))


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Mean and Ledoit-Wolf covariance of the standardised `values` (n, chosen, D); `labels` are not used.

    Standardising first is our own: the shrinkage target is one variance for all dimensions, and a residual stream
    has a few huge ones. The covariance (1 - s) S + s m I is kept as the directions S spans, not as a matrix.
    Tensors, float64: `mean`, `scale` (d,), `directions` (r, d), `gain` (r,), `rest` (1,), where the squared
    distance is rest * |z|^2 + sum_i gain_i (directions_i . z)^2. Raises LabelError if all values are equal.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    z = flat(values)
    mean, scale = standard(z)
    z -= mean
    z /= scale
    if not z.any():
        raise LabelError(
            "all normal hidden states are equal: there is no spread to measure a distance by"
        )
    shrink = max(
        float(ledoit_wolf_shrinkage(z, assume_centered=True)), 1e-6
    )  # 0 would divide by zero below
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
    """d2 / (d2 + D) (n,), from 0 to below 1, of the squared Mahalanobis distance d2 of `values` (n, chosen, D).

    Bounded and rising, our own: normal states lie near one half, as d2 is about D for them. A chi-square
    probability would be 1.0 for nearly all new states at this many dimensions.
    """
    z = standardised(values, tensors)
    squared = (
        tensors["rest"] * (z * z).sum(1) + (z @ tensors["directions"].T) ** 2 @ tensors["gain"]
    )
    squared = np.maximum(squared, 0.0)
    return np.asarray(squared / (squared + z.shape[1]), dtype=np.float64)
