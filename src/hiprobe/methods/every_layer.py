"""No layer is chosen: a probe of every layer, their log-odds averaged; our own. Knows arrays and labels only.

Offered beside `hiprobe` because a layer chosen on few labels is often not the best one: figures in docs/results.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.methods import hiprobe as one_layer
from hiprobe.methods.hiprobe import baseline, sites
from hiprobe.saliency import SiteArray, saliency
from hiprobe.types import FloatArray, LabelArray

__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """All the sites of `values` (n, sites, D), with the curves that `hiprobe` would choose by; LabelError as there."""
    return Selection(tuple(range(values.shape[1])), saliency(values, labels).curves())


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """The scorer of `hiprobe` for each layer of `values` (n, layers, D) on its own, with `labels` (n,) of 0 and 1.

    Tensors, float64: `mean`, `scale`, `weight` (layers, D), `bias` (layers,).
    """
    parts = [one_layer.fit(values[:, [layer]], labels) for layer in range(values.shape[1])]
    stacked = {name: np.stack([part[name] for part in parts]) for name in ("mean", "scale", "weight")}
    return {**stacked, "bias": np.concatenate([part["bias"] for part in parts])}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """sigmoid of the mean over layers of w . z + b (n,), z the standardised `values` (n, layers, D)."""
    z = (values.astype(np.float64) - tensors["mean"]) / tensors["scale"]
    odds = ((z * tensors["weight"]).sum(2) + tensors["bias"]).mean(1)
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)), dtype=np.float64)
