"""The four criteria of HeadHunt-VAD for how far apart two classes are at one site.

Arrays only: no models. `a` (n_a, D) are the anomalous and `n` (n_n, D) the normal segments at one
site, float64. Higher means further apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Share of the mean variance. The published code adds 1e-6 for LDA and 1e-10 for KL, which depend on
# the unit.
RIDGE = 1e-6
_TINY = 1e-12
MOST = 2000  # segments whose distances are compared, or that are clustered


def lda(a: Array, n: Array) -> float:
    """Compute Fisher's criterion d' S^-1 d, with S the within-class scatter (Fisher 1936).

    With fewer segments than dimensions S is singular and the ridge decides: values are then large
    and comparable between heads only.
    """
    apart = a.mean(0) - n.mean(0)
    scatter = _scatter(a) + _scatter(n)
    return float(apart @ np.linalg.solve(_ridged(scatter, scatter.trace() / len(scatter)), apart))


def covariance_kl(a: Array, n: Array) -> float:
    """Compute the mean of both KL divergences between two Gaussians, in nats.

    Covariances are shrunk as in Ledoit and Wolf (2004). The log determinants cancel in the sum.
    """
    apart, width = a.mean(0) - n.mean(0), a.shape[1]
    found = [_shrunk(x) for x in (a, n)]
    level = (found[0].trace() + found[1].trace()) / (2 * width)
    first, second = (_ridged(covariance, level) for covariance in found)
    inverse_a, inverse_n = np.linalg.inv(first), np.linalg.inv(second)
    traces = (inverse_n * first).sum() + (inverse_a * second).sum() - 2 * width
    return float(0.25 * (traces + apart @ (inverse_a + inverse_n) @ apart))


def mmd(a: Array, n: Array) -> float:
    """Compute the squared maximum mean discrepancy, 0 to 2 (Gretton et al. 2012, equation 5).

    The biased estimate. The kernel is exp(-d^2 / (2 m)), with m the median of all squared distances
    above 0. Time and memory grow with the square of the segments, so that of more than 2,000
    segments every k-th of each class is used (our own).
    """
    a, n = _thinned(a, n)
    squared = _squared_distances(np.concatenate([a, n]))
    above = squared[np.tri(len(squared), k=-1, dtype=bool)]
    above = above[above > 0]
    if not len(above):
        return 0.0
    squared *= -0.5 / np.median(above)
    kernel = np.exp(squared, out=squared)
    inside, across = (
        (kernel[: len(a), : len(a)].mean(), kernel[len(a) :, len(a) :].mean()),
        kernel[: len(a), len(a) :].mean(),
    )
    return float(max(sum(inside) - 2 * across, 0.0))


def nmi(a: Array, n: Array) -> float:
    """Compute the normalised mutual information, 0 to 1, of the classes and a 2-means clustering.

    2 (H(class) + H(cluster) - H(both)) / (H(class) + H(cluster)), as in scikit-learn and in the
    published code; the paper has the geometric mean. Scikit-learn's own function takes longer than
    the clustering. One k-means++ start with a fixed seed, as in the published code. Of more than
    2,000 segments every k-th of each class is used (our own). 0 if all segments are equal.
    """
    from sklearn.cluster import KMeans

    a, n = _thinned(a, n)
    both = np.concatenate([a, n])
    if not np.ptp(both, axis=0).any():
        return 0.0
    found = KMeans(2, n_init=1, random_state=0).fit_predict(both)
    table = np.stack(
        [np.bincount(found[: len(a)], minlength=2), np.bincount(found[len(a) :], minlength=2)]
    )
    apart = _entropy(table.sum(0)) + _entropy(table.sum(1))
    return max(2 * (apart - _entropy(table.ravel())) / apart, 0.0)


CRITERIA: Mapping[str, Callable[[Array, Array], float]] = {
    "lda": lda,
    "kl": covariance_kl,
    "mmd": mmd,
    "nmi": nmi,
}


def _thinned(a: Array, n: Array) -> tuple[Array, Array]:
    """Return every k-th segment of each class, so that about `MOST` are left."""
    every = -(-(len(a) + len(n)) // MOST)
    return a[::every], n[::every]


def _scatter(x: Array) -> Array:
    """Compute the sum (d, d) of the outer products of the rows of `x` (n, d) about their mean."""
    centred = x - x.mean(0)
    return np.asarray(centred.T @ centred, dtype=np.float64)


def _shrunk(x: Array) -> Array:
    """Compute the covariance (d, d) of the rows of `x` (n, d), shrunk as in Ledoit and Wolf (2004).

    Scikit-learn's has the same value; it needs three products of that size where this needs one.
    """
    (count, width), norms = x.shape, ((x - x.mean(0)) ** 2).sum(1)
    covariance = _scatter(x) / count
    level = covariance.trace() / width
    spread = (covariance**2).sum()
    apart = spread - width * level**2
    noise = ((norms**2).sum() / count - spread) / count
    share = min(noise, apart) / apart if apart > 0 else 0.0
    made = (1 - share) * covariance
    made.flat[:: width + 1] += share * level
    return np.asarray(made, dtype=np.float64)


def _entropy(counts: NDArray[np.int64]) -> float:
    """Compute the entropy, in nats, of the shares of `counts` (k,)."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _ridged(matrix: Array, level: float) -> Array:
    """Add a little of the variance `level` to the diagonal, so that the matrix is invertible."""
    return np.asarray(matrix + max(RIDGE * level, _TINY) * np.eye(len(matrix)), dtype=np.float64)


def _squared_distances(x: Array) -> Array:
    """Compute the squared Euclidean distances (n, n) between the rows of `x` (n, d)."""
    x = x - x.mean(0)  # a large mean would cancel digits of the products
    norms = (x * x).sum(1)
    squared = x @ x.T
    squared *= -2.0  # in place: new arrays of this size cost more than the arithmetic
    squared += norms
    squared += norms[:, None]
    return np.asarray(np.maximum(squared, 0.0, out=squared), dtype=np.float64)
