"""HiProbe: the layer by saliency, then logistic regression on its residual state. Knows arrays and labels only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.saliency import Baseline, SiteArray, permutation_baseline, saliency
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """The residual stream after every block (HiProbe-VAD)."""
    return tuple(Site("residual", layer) for layer in range(layers))


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """The site with the highest saliency (Dynamic Layer Saliency Probing); raises LabelError for one class."""
    found = saliency(values, labels)
    return Selection((found.best,), found.curves())


def baseline(values: SiteArray, labels: LabelArray, permutations: int, seed: int) -> Baseline:
    """The curves of `select` under shuffled labels."""
    return permutation_baseline(values, labels, permutations, seed)


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Standardises each dimension, then L2 logistic regression: liblinear, C = 1, 2000 iterations (HeadHunt-VAD).

    `values` (n, chosen, D), `labels` (n,) of 0 and 1. Classes are weighted to count alike, our own: nothing
    changes on a balanced set, as in the paper; interval labels make few positives. Tensors, float64: `mean`,
    `scale`, `weight` (chosen * D,), `bias` (1,).
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = standard(flat(values))
    model = LogisticRegression(solver="liblinear", C=1.0, max_iter=2000, class_weight="balanced")
    model.fit((flat(values) - mean) / scale, labels)
    return {"mean": mean, "scale": scale, "weight": model.coef_[0], "bias": model.intercept_}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """sigmoid(w . z + b) (n,), z the standardised `values` (n, chosen, D)."""
    z = (flat(values) - tensors["mean"]) / tensors["scale"]
    logit = z @ tensors["weight"] + tensors["bias"]
    return np.asarray(np.exp(-np.logaddexp(0.0, -logit)), dtype=np.float64)


def flat(values: FloatArray) -> NDArray[np.float64]:
    """(n, chosen, D) as float64 (n, chosen * D)."""
    n, chosen, width = values.shape
    return values.astype(np.float64).reshape(n, chosen * width)


def standard(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of `x` (n, d); the deviation of a constant column is taken as 1."""
    mean, std = x.mean(0), x.std(0)
    constant = std <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, std)
