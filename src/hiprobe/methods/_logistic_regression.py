"""The scorer of HiProbe-VAD and its siblings: standardise, then L2 logistic regression.

Arrays and labels only. Several methods share it.
"""

from __future__ import annotations

from typing import Any
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import ProbeError, counted
from hiprobe.methods import Tensors
from hiprobe.types import FloatArray, LabelArray

ITERATIONS = 2000
_DIMENSIONS = 256  # per block of the standard deviation, which needs a copy
_INDEPENDENT = 1e-5  # a segment's least part beyond the others, as a share of the largest


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Standardise, fit logistic regression with a penalty that falls with the labels, and rescale.

    `values` (n, chosen, D), `labels` (n,) of 0 and 1; C is that of `strength`. A strong penalty
    finds a better direction from few labels, but draws every score to 0.5. So a second regression,
    with C = 1, fits the labels to the standardised projection on the direction. Both have the class
    weights and the solver of `fit_c1`. All of this is our own. Returns float64 `mean`, `scale`,
    `weight` (chosen * D,) and `bias` (1,). Raises ProbeError if a regression does not converge.

    >>> values = np.array([0.0, 1.0, 4.0, 5.0]).reshape(4, 1, 1)
    >>> tensors = fit(values, np.array([0, 0, 1, 1], np.int8))
    >>> (score(values, tensors) > 0.5).tolist()
    [False, False, True, True]
    """
    z, mean, scale = _standardise(values)
    direction, _ = regression(z, labels, strength(labels, z.shape[1]))
    line = (z @ direction)[:, None]
    centre, spread = standard(line)
    gain, bias = regression((line - centre) / spread, labels, 1.0)
    gain = gain / spread
    return {"mean": mean, "scale": scale, "weight": direction * gain, "bias": bias - gain * centre}


def strength(labels: LabelArray, dimensions: int) -> float:
    """Return the C of a regression on states with so many `dimensions` (our own).

    It is m^1.5 / (2000 dimensions), at most 1, for m = 4 a b / (a + b) segments: both, if there are
    as many anomalous (a) as normal ones (b), and fewer otherwise. docs/decisions.md has what was
    measured.

    >>> [round(strength(np.arange(n) % 2, 160), 5) for n in (32, 320, 3200)]
    [0.00057, 0.01789, 0.56569]
    """
    anomalous = int((labels == 1).sum())
    balanced = 4 * anomalous * (len(labels) - anomalous) / len(labels)
    return float(min(1.0, balanced**1.5 / (2000 * dimensions)))


def fit_c1(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Standardise each dimension, then fit L2 logistic regression with C = 1 (HeadHunt-VAD).

    Arguments, result and errors are those of `fit`. The solver is liblinear with C = 1 and 2000
    iterations, as in HeadHunt-VAD, whose code neither standardises nor weights classes. Both are
    our own: classes count alike, as labels by interval leave few positive segments.

    >>> values = np.array([0.0, 1.0, 4.0, 5.0]).reshape(4, 1, 1)
    >>> tensors = fit_c1(values, np.array([0, 0, 1, 1], np.int8))
    >>> (score(values, tensors) > 0.5).tolist()
    [False, False, True, True]
    """
    z, mean, scale = _standardise(values)
    weight, bias = regression(z, labels, 1.0)
    return {"mean": mean, "scale": scale, "weight": weight, "bias": bias}


def _standardise(
    values: FloatArray,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    z = flat(values)  # the only float64 copy
    mean, scale = standard(z)
    z -= mean
    z /= scale
    return z, mean, scale


def regression(
    z: NDArray[np.float64], labels: LabelArray, c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight (d,) and bias (1,) of balanced L2 logistic regression on `z` (n, d).

    The bias is the weight of one more column of ones, so it is penalised too, as liblinear does.
    With fewer segments than columns the best weights are a sum of segments. The regression then
    runs on the n coordinates of the segments in the space that they span, where liblinear takes the
    same steps; only rounding differs. Raises ProbeError if it does not converge.
    """
    spanned = _coordinates(z)
    if spanned is None:
        model = _converged(z, labels, c, intercept=True)
        return model.coef_[0], model.intercept_
    from scipy.linalg import solve_triangular

    weight = _converged(spanned, labels, c, intercept=False).coef_[0]
    shares = solve_triangular(spanned, weight, lower=True, trans="T", check_finite=False)
    return shares @ z, shares.sum(keepdims=True)


def _coordinates(z: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return coordinates (n, n) of `z` (n, d), with a column of ones, in the space of its rows.

    Distances and angles between segments are the same there. None if that saves no work, or if a
    segment is so nearly a sum of the others that rounding would show.
    """
    if 2 * len(z) > z.shape[1]:
        return None
    from scipy.linalg import LinAlgError, cholesky

    products = z @ z.T
    products += 1.0
    try:  # in place: the transposed upper factor is in the order that liblinear reads
        found: NDArray[np.float64] = cholesky(products.T, overwrite_a=True, check_finite=False).T
    except LinAlgError:
        return None
    own = found.diagonal()
    return found if own.min() > _INDEPENDENT * own.max() else None


def _converged(z: NDArray[np.float64], labels: LabelArray, c: float, *, intercept: bool) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        solver="liblinear",
        C=c,
        max_iter=ITERATIONS,
        class_weight="balanced",
        fit_intercept=intercept,
    )
    with catch_warnings(action="ignore", category=ConvergenceWarning):  # an error, see below
        model.fit(z, labels)
    if model.n_iter_[0] >= ITERATIONS:
        raise ProbeError(
            f"logistic regression has not converged in {ITERATIONS} iterations "
            f"on {counted(len(z), 'segment')}",
            cure="choose another layer, or label other videos",
        )
    return model


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute sigmoid(w . z + b) (n,), with z the standardised `values` (n, chosen, D)."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds(values, tensors))), dtype=np.float64)


def log_odds(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute w . z + b (n,), with z the standardised `values` (n, chosen, D)."""
    return np.asarray(
        standardised(values, tensors) @ tensors["weight"] + tensors["bias"], dtype=np.float64
    )


def standardised(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Standardise `values` (n, chosen, D) to one new float64 array (n, chosen * D)."""
    z = flat(values)
    z -= tensors["mean"]
    z /= tensors["scale"]
    return z


def flat(values: FloatArray) -> NDArray[np.float64]:
    """Copy (n, chosen, D) to float64 (n, chosen * D)."""
    n, chosen, width = values.shape
    return values.astype(np.float64).reshape(n, chosen * width)


def standard(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute mean and standard deviation (d,) of `x` (n, d); 1 for a constant column."""
    mean = x.mean(0)
    std = np.concatenate(
        [x[:, first : first + _DIMENSIONS].std(0) for first in range(0, x.shape[1], _DIMENSIONS)]
    )
    constant = std <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    return mean, np.where(constant, 1.0, std)
