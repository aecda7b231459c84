"""Dynamic layer saliency: how far apart, how separable and how concentrated two classes are at every site.

Knows arrays and labels only: no file, no video, no classifier. Takes one site at a time: `values` may be a memmap.
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
VARIANCE_FLOOR = 1e-3  # of the dimension's pooled variance: the same for a dimension in any unit
EPS = 1e-8  # the eps of the discriminant ratio
_DIMENSIONS = 128  # worked on at once: 23,000 segments in float64 are 24 MB


class SiteArray(Protocol):
    """Anything with `.shape` (n, sites, D) and `[:, site]` -> (n, D): an array, a memmap, or videos end to end."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class Saliency:
    """Curves over sites, each (sites,): `kl` and `entropy` in nats, `ldr` and `score` without unit; `best` = argmax."""

    kl: Array
    ldr: Array
    entropy: Array
    score: Array
    best: int
    n_anomalous: int
    n_normal: int

    def curves(self) -> dict[str, Array]:
        """The four curves by name."""
        return {"kl": self.kl, "ldr": self.ldr, "entropy": self.entropy, "score": self.score}


@dataclass(frozen=True)
class Baseline:
    """Mean and standard deviation (sites,) of each curve over `permutations` shuffles of the labels."""

    mean: Mapping[str, Array]
    std: Mapping[str, Array]
    permutations: int


class _Moments(NamedTuple):
    """Of P labellings: means and variances (P, d) of both classes, and the pooled variance (d,)."""

    mean_a: Array
    var_a: Array
    mean_n: Array
    var_n: Array
    pooled: Array


def kl(anomalous: SiteArray, normal: SiteArray, *, form: Form = "jeffreys") -> Array:
    """Sensitivity (sites,), in nats: mean over dimensions of the KL between two Gaussians per dimension.

    `anomalous` (n_a, sites, D), `normal` (n_n, sites, D). `forward` is KL(anomalous || normal), `backward` the
    reverse, `jeffreys` their sum. HiProbe-VAD names the metric (Dynamic Layer Saliency Probing); the Gaussian per
    dimension, the symmetric default and the variance floor (0.001 of the pooled variance) are our own.
    """
    return _of_pair(anomalous, normal, lambda moments: _kl(moments, form))


def ldr(anomalous: SiteArray, normal: SiteArray) -> Array:
    """Local Discriminant Ratio (sites,): mean over dimensions of (mu_a - mu_n)^2 / (var_a + var_n + 1e-8).

    `anomalous` (n_a, sites, D), `normal` (n_n, sites, D). Named by HiProbe-VAD; the formula is second-hand.
    """
    return _of_pair(anomalous, normal, _ldr)


def entropy(values: SiteArray, *, bins: int = BINS) -> Array:
    """Concentration (sites,), in nats: mean over dimensions of the histogram entropy of `values` (n, sites, D).

    Equal bins between each dimension's least and greatest value; a constant dimension has entropy 0. Second-hand
    account of HiProbe-VAD; low means concentrated.
    """
    keep = np.ones(values.shape[0], dtype=bool)
    return np.array(
        [
            _mean([_entropy(x, bins) for x in _blocks(values, site, keep)])
            for site in range(values.shape[1])
        ]
    )


def saliency(values: SiteArray, labels: LabelArray) -> Saliency:
    """All curves over sites of `values` (n, sites, D), with `labels` (n,): 1 anomalous, 0 normal, -1 left out.

    score = z(kl) + z(ldr) - z(entropy), z over sites: equal weights and the sign of the entropy are our own. Small
    samples and many dimensions inflate all three: compare with `permutation_baseline`. Raises LabelError if a
    class has no segment.
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
    """What the curves are worth with no signal: their mean and standard deviation under shuffled labels; our own.

    Segments are shuffled one by one; those of one video resemble each other, so the true null lies higher. The
    entropy ignores labels, so its standard deviation is 0. Raises LabelError if a class has no segment.
    """
    if permutations < 1:
        raise ValueError(f"permutations={permutations}: at least one is needed")
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
    """Which rows have a label, and among those which are anomalous, as one labelling (1, kept)."""
    if labels.shape != values.shape[:1]:
        raise ValueError(f"{labels.shape} labels for values of shape {values.shape}")
    keep = labels >= 0
    masks = (labels[keep] == 1)[None]
    if not masks.any() or masks.all():
        raise LabelError(
            f"saliency needs both classes: {masks.sum()} anomalous, {(~masks).sum()} normal segments"
        )
    return keep, masks


def _curves(
    values: SiteArray, keep: NDArray[np.bool_], masks: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """KL and LDR (sites, P) for P labellings `masks` (P, kept), and the entropy (sites,), in one pass over the data."""
    sites = values.shape[1]
    kls, ldrs, entropies = (
        np.empty((sites, len(masks))),
        np.empty((sites, len(masks))),
        np.empty(sites),
    )
    for site in range(sites):
        parts = [(_moments(x, masks), _entropy(x, BINS)) for x in _blocks(values, site, keep)]
        kls[site] = _mean([_kl(m, "jeffreys") for m, _ in parts])
        ldrs[site] = _mean([_ldr(m) for m, _ in parts])
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
    """The kept rows of one site in float64, a hundred dimensions at a time."""
    column = np.asarray(values[:, site])
    for first in range(0, column.shape[1], _DIMENSIONS):
        yield column[keep, first : first + _DIMENSIONS].astype(np.float64)


def _moments(x: Array, masks: NDArray[np.bool_]) -> _Moments:
    """Moments of both classes of `x` (n, d) under each of the labellings `masks` (P, n)."""
    x = x - x.mean(0)  # centred first, so that mean(x^2) - mean(x)^2 does not cancel
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


def _ldr(m: _Moments) -> Array:
    return (m.mean_a - m.mean_n) ** 2 / (m.var_a + m.var_n + EPS)


def _entropy(x: Array, bins: int) -> Array:
    """Histogram entropy (d,) of each column of `x` (n, d)."""
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
    """Mean over dimensions (the last axis) of blocks of unequal width."""
    return np.asarray(np.concatenate(parts, axis=-1).mean(-1), dtype=np.float64)


def _score(kl: Array, ldr: Array, entropy: Array) -> Array:
    return _z(kl) + _z(ldr) - _z(entropy)


def _z(curve: Array) -> Array:
    """Standard scores over sites; a constant curve, which tells no site apart, gives 0."""
    std = curve.std()
    return (
        (curve - curve.mean()) / std
        if std > 1e-12 * max(np.abs(curve).max(), 1e-300)
        else np.zeros_like(curve)
    )
