"""Head vote: the heads that classify best by the nearest class centroid vote on a segment.

Arrays and labels only. Source: Sparse Attention Vectors (ICCV 2025). Nothing is trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()
BEST = 20  # heads
Array = NDArray[np.float64]


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return every head's part of the `o_proj` input.

    >>> len(sites(layers=28, heads=16))
    448
    """
    return tuple(Site("head", layer, head) for layer in range(layers) for head in range(heads))


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select the 20 heads that classify the labelled segments best, best first.

    `values` (n, sites, D), `labels` (n,). A segment gets the class whose centroid has the higher
    cosine. Both classes count alike, and ties go to the head with the larger mean margin (our own:
    anomalous segments are rare). Raises LabelError if a class has no segment.
    """
    found = [
        _judged(np.asarray(values[:, site])[labels >= 0], labels[labels >= 0])
        for site in range(values.shape[1])
    ]
    accuracy, margin = np.array(found, dtype=np.float64).T
    order = np.lexsort((-margin, -accuracy))[:BEST]
    return Selection(tuple(int(one) for one in order), {"accuracy": accuracy, "margin": margin})


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Return the mean of each class at each head: float64 `anomalous`, `normal` (chosen, D).

    `values` (n, chosen, D), `labels` (n,) of 0 and 1.

    >>> values = np.array([[[2.0, 1.0]], [[1.0, 2.0]]])
    >>> score(values, fit(values, np.array([0, 1], np.int8))).round(2).tolist()
    [0.22, 0.78]
    """
    x = values.astype(np.float64)
    return {"anomalous": x[labels == 1].mean(0), "normal": x[labels == 0].mean(0)}


def score(values: FloatArray, tensors: Tensors) -> Array:
    """Compute about the share (n,) of the heads of `values` (n, chosen, D) that vote anomalous.

    A head votes anomalous if its margin, the cosine to the anomalous centroid less that to the
    normal one, is above 0. The mean margin, mapped to 0..1, counts as one vote more: it orders
    segments with equally many votes, and changes no other order (our own).
    """
    margin = _margin(values.astype(np.float64), tensors["anomalous"], tensors["normal"])
    votes = (margin > 0).sum(1) + (margin.mean(1) + 2.0) / 4.0
    return np.asarray(votes / (margin.shape[1] + 1), dtype=np.float64)


def _judged(x: FloatArray, labels: LabelArray) -> tuple[float, float]:
    """Return the accuracy of a head, the mean of both classes, and the mean margin of truth."""
    if min((labels == 1).sum(), (labels == 0).sum()) < 1:
        raise LabelError(
            "both classes need a labelled segment to compare heads", cure="label more videos"
        )
    tensors = fit(x[:, None], labels)
    margin = _margin(x[:, None].astype(np.float64), tensors["anomalous"], tensors["normal"])[:, 0]
    signed = np.where(labels == 1, margin, -margin)
    parts = [signed[labels == one] for one in (0, 1)]
    return (
        float(np.mean([(part > 0).mean() for part in parts])),
        float(np.mean([part.mean() for part in parts])),
    )


def _margin(x: Array, anomalous: Array, normal: Array) -> Array:
    """Return by how much (n, chosen) the cosine to `anomalous` (chosen, D) exceeds the other."""
    lengths = np.linalg.norm(x, axis=-1)
    cosines = [
        np.einsum("ncd,cd->nc", x, one) / _above_zero(lengths * np.linalg.norm(one, axis=-1))
        for one in (anomalous, normal)
    ]
    return np.asarray(cosines[0] - cosines[1], dtype=np.float64)


def _above_zero(x: Array) -> Array:
    return np.asarray(np.where(x > 0, x, 1.0), dtype=np.float64)
