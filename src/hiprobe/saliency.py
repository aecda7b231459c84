"""Dynamic Layer Saliency Probing: how well each site separates two classes, without a classifier.

Arrays and labels only: no files, no videos, no models. One site is read at a time, so that `values`
may be memory-mapped. HiProbe-VAD (arXiv 2507.17394) names the three measures; the docstrings say
what is our own reading of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Form = Literal["jeffreys", "forward", "backward"]

BINS = 10
# The least variance of a class, as a share of the pooled variance of the dimension: independent of
# its unit.
VARIANCE_FLOOR = 1e-3
EPS = 1e-8  # added to the denominator of the discriminant ratio
_DIMENSIONS = 128  # per block: 23,000 segments in float64 take 24 MB


class SiteArray(Protocol):
    """Anything with `.shape` (n, sites, D) whose `[:, site]` is an array (n, D).

    An array, a memory-mapped one, or the states of several videos one after the other.

    >>> np.zeros((4, 2, 8))[:, 1].shape
    (4, 8)
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of segments, of sites, and of dimensions."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class Saliency:
    """Curves over sites, each (sites,): `kl` and `entropy` in nats, `ldr` and `score` without unit.

    `best` is the index of the highest score.
    """

    kl: Array
    ldr: Array
    entropy: Array
    score: Array
    best: int
    n_anomalous: int
    n_normal: int

    def curves(self) -> dict[str, Array]:
        """Return the four curves by name."""
        return {"kl": self.kl, "ldr": self.ldr, "entropy": self.entropy, "score": self.score}


@dataclass(frozen=True)
class Baseline:
    """The mean and standard deviation (sites,) of each curve over shuffles of the labels."""

    mean: Mapping[str, Array]
    std: Mapping[str, Array]
    permutations: int


class _Moments(NamedTuple):
    """Means and variances (P, d) of both classes for P labellings, and the pooled variance (d,)."""

    mean_a: Array
    var_a: Array
    mean_n: Array
    var_n: Array
    pooled: Array


def kl(anomalous: SiteArray, normal: SiteArray, *, form: Form = "jeffreys") -> Array:
    """Compute the sensitivity (sites,) in nats: the mean KL divergence over dimensions.

    `anomalous` is (n_a, sites, D), `normal` (n_n, sites, D). Each dimension is one Gaussian per
    class. `forward` is KL(anomalous || normal), `backward` the reverse, `jeffreys` their sum.
    HiProbe-VAD names the measure; the Gaussian per dimension, the symmetric default and the
    variance floor (0.001 of the pooled variance) are our own.

    >>> x = np.random.default_rng(0).normal(size=(50, 1, 4))
    >>> kl(x, x).tolist()
    [0.0]
    """
    return _of_pair(anomalous, normal, lambda moments: _kl(moments, form))


def ldr(anomalous: SiteArray, normal: SiteArray, *, eps: float = EPS) -> Array:
    """Compute the Local Discriminant Ratio (sites,), without unit.

    The mean over dimensions of (mu_a - mu_n)^2 / (var_a + var_n + eps), for `anomalous`
    (n_a, sites, D) and `normal` (n_n, sites, D). HiProbe-VAD names the measure; the formula is from
    second-hand summaries of it. A third party's re-implementation has an `eps` of 1e-3.

    >>> a, n = np.array([1.0, 3.0]), np.array([-3.0, -1.0])
    >>> ldr(a.reshape(2, 1, 1), n.reshape(2, 1, 1)).round(6).tolist()
    [8.0]
    """
    return _of_pair(anomalous, normal, lambda moments: _ldr(moments, eps))


def entropy(values: SiteArray, *, bins: int = BINS) -> Array:
    """Compute the mean histogram entropy (sites,) in nats; low means concentrated information.

    `values` is (n, sites, D). Each dimension has `bins` equal bins between its least and its
    greatest value; a constant dimension has entropy 0. From second-hand summaries of HiProbe-VAD.

    >>> entropy(np.array([0.0, 0.0, 1.0, 1.0]).reshape(4, 1, 1)).round(4).tolist()
    [0.6931]
    """
    keep = np.ones(values.shape[0], dtype=bool)
    return np.array(
        [
            _mean([_entropy(x, bins) for x in _blocks(values, site, keep)])
            for site in range(values.shape[1])
        ]
    )


def saliency(values: SiteArray, labels: LabelArray) -> Saliency:
    """Compute all curves over the sites of `values` (n, sites, D), and the best site.

    `labels` (n,) are 1 anomalous, 0 normal and -1 left out. score = z(kl) + z(ldr) - z(entropy),
    with z over sites; equal weights and the sign of the entropy are our own. Few samples and many
    dimensions bias all three: compare with `permutation_baseline`. Raises LabelError if a class has
    no segment, ValueError if the lengths differ.

    >>> rng, labels = np.random.default_rng(0), np.repeat([0, 1], 20).astype(np.int8)
    >>> values = rng.normal(size=(40, 6, 8))
    >>> values[:, 4] += 2.0 * labels[:, None]
    >>> saliency(values, labels).best
    4
    """
    keep, masks = _known(values, labels)
    kls, ldrs, entropies = _curves(values, keep, masks)
    score = _score(kls[:, 0], ldrs[:, 0], entropies)
    positive = int(masks[0].sum())
    return Saliency(
        kls[:, 0],
        ldrs[:, 0],
        entropies,
        score,
        int(np.argmax(score)),
        positive,
        len(masks[0]) - positive,
    )


def permutation_baseline(
    values: SiteArray, labels: LabelArray, permutations: int = 20, seed: int = 0
) -> Baseline:
    """Compute the curves for shuffled labels, where there is no signal (our own).

    `values` and `labels` as for `saliency`. Segments are shuffled one by one. As segments of one
    video resemble each other, the true baseline is higher. The entropy does not use labels, so its
    standard deviation is 0. Raises LabelError if a class has no segment, ValueError if
    `permutations` is below 1.

    >>> values = np.random.default_rng(0).normal(size=(40, 6, 8))
    >>> labels = np.repeat([0, 1], 20).astype(np.int8)
    >>> permutation_baseline(values, labels, permutations=5).mean["kl"].shape
    (6,)
    """
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    keep, masks = _known(values, labels)
    rng = np.random.default_rng(seed)
    kls, ldrs, entropies = _curves(
        values, keep, np.stack([rng.permutation(masks[0]) for _ in range(permutations)])
    )
    pooled = np.repeat(entropies[:, None], permutations, axis=1)
    score = np.stack(
        [_score(kls[:, p], ldrs[:, p], entropies) for p in range(permutations)], axis=1
    )
    curves = {"kl": kls, "ldr": ldrs, "entropy": pooled, "score": score}
    return Baseline(
        {k: v.mean(1) for k, v in curves.items()},
        {k: v.std(1) for k, v in curves.items()},
        permutations,
    )


def _known(values: SiteArray, labels: LabelArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows have a label, and which of those are anomalous as one labelling (1, n)."""
    if labels.shape != values.shape[:1]:
        raise ValueError(
            f"values of shape {values.shape} need one label per segment, "
            f"got labels of shape {labels.shape}"
        )
    keep = labels >= 0
    masks = (labels[keep] == 1)[None]
    if not masks.any() or masks.all():
        raise LabelError(
            f"saliency needs segments of both classes, got {masks.sum()} anomalous and "
            f"{(~masks).sum()} normal",
            cure="label segments of both classes",
        )
    return keep, masks


def _curves(
    values: SiteArray, keep: NDArray[np.bool_], masks: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Compute KL and LDR (sites, P) for P labellings `masks` (P, n), and the entropy (sites,).

    One pass over the data.
    """
    sites = values.shape[1]
    kls, ldrs, entropies = (
        np.empty((sites, len(masks))),
        np.empty((sites, len(masks))),
        np.empty(sites),
    )
    for site in range(sites):
        parts = [(_moments(x, masks), _entropy(x, BINS)) for x in _blocks(values, site, keep)]
        kls[site] = _mean([_kl(m, "jeffreys") for m, _ in parts])
        ldrs[site] = _mean([_ldr(m, EPS) for m, _ in parts])
        entropies[site] = _mean([h for _, h in parts])
    return kls, ldrs, entropies


def _of_pair(anomalous: SiteArray, normal: SiteArray, measure: Any) -> Array:
    mask = np.r_[np.ones(anomalous.shape[0], bool), np.zeros(normal.shape[0], bool)][None]
    out = []
    for site in range(anomalous.shape[1]):
        pair = np.concatenate([anomalous[:, site], normal[:, site]])[:, None]
        keep = np.ones(len(pair), bool)
        out.append(_mean([measure(_moments(x, mask)) for x in _blocks(pair, 0, keep)])[0])
    return np.array(out)


def _blocks(values: SiteArray, site: int, keep: NDArray[np.bool_]) -> Iterator[Array]:
    """Yield the rows `keep` of one site in float64, a block of dimensions at a time."""
    column = np.asarray(values[:, site])
    for first in range(0, column.shape[1], _DIMENSIONS):
        yield column[keep, first : first + _DIMENSIONS].astype(np.float64)


def _moments(x: Array, masks: NDArray[np.bool_]) -> _Moments:
    """Compute the moments of both classes of `x` (n, d) for each labelling of `masks` (P, n)."""
    x = x - x.mean(0)  # centred, so that mean(x^2) - mean(x)^2 does not cancel
    squares, weights = x * x, masks.astype(np.float64)
    out = []
    for w in (weights, 1.0 - weights):
        count = w.sum(1, keepdims=True)
        mean = w @ x / count
        out += [mean, np.maximum(w @ squares / count - mean * mean, 0.0)]
    return _Moments(out[0], out[1], out[2], out[3], squares.mean(0))


def _kl(m: _Moments, form: Form) -> Array:
    floor = np.maximum(VARIANCE_FLOOR * m.pooled, 1e-12)
    var_a, var_n = np.maximum(m.var_a, floor), np.maximum(m.var_n, floor)
    apart, log = (m.mean_a - m.mean_n) ** 2, np.log(var_n / var_a)
    forward = 0.5 * ((var_a + apart) / var_n - 1.0 + log)
    backward = 0.5 * ((var_n + apart) / var_a - 1.0 - log)
    return {"forward": forward, "backward": backward, "jeffreys": forward + backward}[form]


def _ldr(m: _Moments, eps: float) -> Array:
    return (m.mean_a - m.mean_n) ** 2 / (m.var_a + m.var_n + eps)


def _entropy(x: Array, bins: int) -> Array:
    """Compute the histogram entropy (d,) of each column of `x` (n, d)."""
    low = x.min(0)
    place, span = x - low, x.max(0) - low
    place /= np.where(span > 0, span, 1.0)
    place *= bins
    cell = np.minimum(place, bins - 1, out=place).astype(np.intp)
    cell += bins * np.arange(x.shape[1])  # one count for all columns
    share = np.bincount(cell.ravel(), minlength=bins * x.shape[1]).reshape(-1, bins).T / len(x)
    nats: Array = -(share * np.log(np.where(share > 0, share, 1.0))).sum(0)
    return nats


def _mean(parts: list[Array]) -> Array:
    """Average over dimensions (the last axis) of blocks of unequal width."""
    return np.asarray(np.concatenate(parts, axis=-1).mean(-1), dtype=np.float64)


def _score(kl: Array, ldr: Array, entropy: Array) -> Array:
    return _z(kl) + _z(ldr) - _z(entropy)


def _z(curve: Array) -> Array:
    """Compute standard scores over sites; a constant curve, which separates no sites, gives 0."""
    std = curve.std()
    return (
        (curve - curve.mean()) / std
        if std > 1e-12 * max(np.abs(curve).max(), 1e-300)
        else np.zeros_like(curve)
    )
