"""Graded: the expected value of a digit from 0 to 9 with which the model would answer. No labels.

Ten logits only: no hidden states. Source: graded answers (arXiv 2608.21244). A longer scale has
hardly more distinct scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Tensors
from hiprobe.methods.likelihood import fit, select
from hiprobe.types import FloatArray, Site

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

LABELS: Labels = "none"
# Our own wording.
PROMPTS = (
    "How abnormal or dangerous is what happens in this video? "
    "Answer with one digit from 0 for normal to 9 for extremely abnormal.",
)
ANSWERS = tuple("0123456789")
AUTO = False  # labels serve better
THRESHOLD = 0.5


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the logits of the ten digits, for which the whole model runs."""
    return (Site("logit", layers - 1, answers=ANSWERS),)


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute the expected digit / 9 (n,) of `values` (n, 1, 10), logits in the order of ANSWERS.

    The probabilities are those of the digits alone.

    >>> score(np.zeros((1, 1, 10)), {}).round(3).tolist()
    [0.5]
    """
    logits = values[:, 0].astype(np.float64)
    weight = np.exp(logits - logits.max(1, keepdims=True))
    digits = np.arange(weight.shape[1])
    expected = weight @ digits / weight.sum(1)
    return np.asarray(expected / digits[-1], dtype=np.float64)
