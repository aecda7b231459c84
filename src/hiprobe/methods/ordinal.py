"""Ordinal: at least how abnormal is it, by ten yes-or-no questions? Needs no labels.

Logits only: no hidden states. Source: Probe-VAD (arXiv 2609.17211).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Tensors
from hiprobe.methods.likelihood import fit, select
from hiprobe.types import FloatArray, Site

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

LABELS: Labels = "none"
# Our own wordings, from the least degree to the highest.
DEGREES = (
    "barely",
    "slightly",
    "mildly",
    "somewhat",
    "moderately",
    "noticeably",
    "clearly",
    "highly",
    "severely",
    "extremely",
)
REVERSED = "Is everything in this video normal? Answer yes or no."
PROMPTS = (
    *(
        f"Is what happens in this video at least {degree} abnormal? Answer yes or no."
        for degree in DEGREES
    ),
    REVERSED,
)
BENIGN = (len(DEGREES),)
AUTO = False  # to ask so much takes long, and labels serve better
THRESHOLD = 0.5
Array = NDArray[np.float64]


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the answer logits (yes, no) of every question, for which the whole model runs."""
    return tuple(Site("logit", layers - 1, prompt=prompt) for prompt in range(len(PROMPTS)))


def score(values: FloatArray, tensors: Tensors) -> Array:
    """Compute the mean probability of yes (n,) over the degrees, of `values` (n, questions, 2).

    The last question asks the reverse. Half the sum of its log-odds and the mean of the others is
    the inclination to say yes, and is subtracted from each (our own reading of one reversal). Then
    the log-odds are made to fall with the degree by isotonic regression.

    >>> odds = np.array([[2.0, 0.0, -2.0, 0.0], [3.0, 1.0, -1.0, 1.0]])
    >>> score(np.stack([odds, 0 * odds], -1), {}).round(3).tolist()
    [0.5, 0.5]
    """
    odds = values[..., 0].astype(np.float64) - values[..., 1]
    graded, reverse = odds[:, :-1], odds[:, -1]
    inclined = (graded.mean(1) + reverse) / 2.0
    fallen = falling(graded - inclined[:, None])
    return np.asarray(np.exp(-np.logaddexp(0.0, -fallen)).mean(1), dtype=np.float64)


def falling(rows: Array) -> Array:
    """Return the nearest rows that never rise to `rows` (n, k), by least squares.

    Element i is the least, over a <= i, of the largest mean of elements a to b, over b >= i: what
    pooling adjacent violators finds (Robertson, Wright and Dykstra 1988, theorem 1.4.4).

    >>> falling(np.array([[1.0, 3.0, 0.0]])).tolist()
    [[2.0, 2.0, 0.0]]
    """
    count = rows.shape[1]
    sums = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
    found = np.full(rows.shape, np.inf)
    for a in range(count):
        means = (sums[:, a + 1 :] - sums[:, [a]]) / np.arange(1, count - a + 1)
        above = np.maximum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        found[:, a:] = np.minimum(found[:, a:], above)
    return found
