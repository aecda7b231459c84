"""HiProbe: the layer by saliency, then logistic regression on its residual state. Knows arrays and labels only."""

from __future__ import annotations

from typing import Any
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import ProbeError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.saliency import Baseline, SiteArray, permutation_baseline, saliency
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()
ITERATIONS = 2000
_DIMENSIONS = 256  # whose deviation is worked on at once: it needs a copy


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
    `scale`, `weight` (chosen * D,), `bias` (1,). Raises ProbeError if the regression does not converge.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    z = flat(values)  # the only copy of ours in float64
    mean, scale = standard(z)
    z -= mean
    z /= scale
    model = LogisticRegression(
        solver="liblinear", C=1.0, max_iter=ITERATIONS, class_weight="balanced"
    )
    with catch_warnings(action="ignore", category=ConvergenceWarning):  # it is an error, below
        model.fit(z, labels)
    if model.n_iter_[0] >= ITERATIONS:
        raise ProbeError(
            f"logistic regression has not converged in {ITERATIONS} iterations on {len(z)} segments",
            cure="choose another layer, or label other videos",
        )
    return {"mean": mean, "scale": scale, "weight": model.coef_[0], "bias": model.intercept_}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """sigmoid(w . z + b) (n,), z the standardised `values` (n, chosen, D)."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds(values, tensors))), dtype=np.float64)


def log_odds(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """w . z + b (n,), z the standardised `values` (n, chosen, D)."""
    return np.asarray(
        standardised(values, tensors) @ tensors["weight"] + tensors["bias"], dtype=np.float64
    )


def standardised(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """`values` (n, chosen, D) less `mean`, over `scale`: a new float64 (n, chosen * D), and no second one."""
    z = flat(values)
    z -= tensors["mean"]
    z /= tensors["scale"]
    return z


def flat(values: FloatArray) -> NDArray[np.float64]:
    """(n, chosen, D) as a new float64 (n, chosen * D)."""
    n, chosen, width = values.shape
    return values.astype(np.float64).reshape(n, chosen * width)


def standard(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (d,) of `x` (n, d); the deviation of a constant column is taken as 1."""
    mean = x.mean(0)
    std = np.concatenate(
        [x[:, first : first + _DIMENSIONS].std(0) for first in range(0, x.shape[1], _DIMENSIONS)]
    )
    constant = std <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, std)
