"""Sphere: how much nearer a state is to anomalous than to normal prototypes, by angle.

Arrays only. Source: SphereVAD (arXiv 2605.08003), its code. It takes the centre from all test clips
and mixes each of them with its 200 nearest; here no other clip changes a score.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Tensors
from hiprobe.methods._logistic_regression import flat
from hiprobe.methods.hiprobe import baseline, select, sites
from hiprobe.types import FloatArray, LabelArray

__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()
AUTO = False  # worse than `hiprobe` wherever it was measured: docs/results.md
NORMAL, ANOMALOUS = 3, 25  # the most prototypes of a class (SphereVAD)
EACH = 4  # segments for each prototype at least (our own)
TEMPERATURE = 0.3  # radians (SphereVAD)
STEPS = 5  # towards the centre (SphereVAD)
_ROUNDS = 100
Array = NDArray[np.float64]


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Find the centre of all states on the sphere, and the prototypes of each class around it.

    `values` (n, chosen, D), `labels` (n,) of 0 and 1. The layer is selected by saliency; SphereVAD
    reads the middle one. States have length 1; their Frechet mean is subtracted, and they get
    length 1 again. Prototypes are the centres of spherical k-means. Returns float64 `centre` (d,),
    `normal` (k, d) and `anomalous` (k, d).

    >>> values = np.array([[3.0, 1.0], [2.0, 1.0], [1.0, 3.0], [1.0, 2.0]])[:, None]
    >>> tensors = fit(values, np.array([0, 0, 1, 1], np.int8))
    >>> (score(values, tensors) > 0.5).tolist()
    [False, False, True, True]
    """
    x = unit(flat(values))
    centre = frechet_mean(x)
    z = unit(x - centre)
    normal, anomalous = z[labels == 0], z[labels == 1]
    return {
        "centre": centre,
        "normal": prototypes(normal, min(NORMAL, max(len(normal) // EACH, 1))),
        "anomalous": prototypes(anomalous, min(ANOMALOUS, max(len(anomalous) // EACH, 1))),
    }


def score(values: FloatArray, tensors: Tensors) -> Array:
    """Compute sigmoid((d_n - d_a) / 0.3) (n,) of `values` (n, chosen, D).

    `d_n` and `d_a` are the angles, in radians, to the nearest prototype of each class.
    """
    z = unit(unit(flat(values)) - tensors["centre"])
    gap = _angle(z, tensors["normal"]) - _angle(z, tensors["anomalous"])
    return np.asarray(np.exp(-np.logaddexp(0.0, -gap / TEMPERATURE)), dtype=np.float64)


def unit(x: Array) -> Array:
    """Scale the rows of `x` (n, d) to length 1; a row of zeros stays as it is."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0), dtype=np.float64)


def frechet_mean(x: Array) -> Array:
    """Return the mean (d,) on the sphere of unit rows `x` (n, d), after 5 steps.

    Each step goes to the mean of the log map, from the direction of the plain mean on.

    >>> frechet_mean(np.eye(2)).round(3).tolist()
    [0.707, 0.707]
    """
    centre = unit(x.mean(0))
    for _ in range(STEPS):
        cosine = np.clip(x @ centre, -1.0, 1.0)
        across = unit(x - cosine[:, None] * centre)
        step = (np.arccos(cosine)[:, None] * across).mean(0)
        length = float(np.linalg.norm(step))
        centre = unit(np.cos(length) * centre + np.sinc(length / np.pi) * step)
    return centre


def prototypes(z: Array, count: int) -> Array:
    """Return `count` directions (count, d) of unit rows `z` (n, d) by spherical k-means.

    The first is the row nearest to the mean, and each next one the row farthest from those before,
    so that the same states give the same prototypes (our own).

    >>> prototypes(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, -1.0]]), 2).round(3).tolist()
    [[0.949, 0.316], [0.0, -1.0]]
    """
    chosen = [int(np.argmax(z @ z.mean(0)))]
    while len(chosen) < count:
        chosen.append(int(np.argmin((z @ z[chosen].T).max(1))))
    found, before = z[chosen], np.full(len(z), -1)
    for _ in range(_ROUNDS):
        nearest = np.argmax(z @ found.T, axis=1)
        if (nearest == before).all():
            break
        before = nearest
        sums = np.zeros_like(found)
        np.add.at(sums, nearest, z)
        found = np.where(sums.any(1, keepdims=True), unit(sums), found)
    return found


def _angle(z: Array, towards: Array) -> Array:
    """Return the angle (n,) of each row to the nearest of `towards` (k, d)."""
    return np.asarray(np.arccos(np.clip((z @ towards.T).max(1), -1.0, 1.0)), dtype=np.float64)
