"""Contrast: is a hazard likelier than an innocent explanation of the same scene? Needs no labels.

Logits only: no hidden states. Sources: CEAVAD (arXiv 2608.09908) takes the margin of hypotheses,
ASK-HINT (WACV 2026) asks questions by group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Tensors
from hiprobe.methods.likelihood import fit, select
from hiprobe.types import FloatArray, Site

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

LABELS: Labels = "none"
# Our own wordings, in words that the shipped model knows. Each innocent one looks like its hazard.
HAZARDS = (
    "Do people fight? Answer yes or no.",
    "Does someone grab another person? Answer yes or no.",
    "Does a person fall to the ground? Answer yes or no.",
    "Is something burning? Answer yes or no.",
    "Is this an explosion? Answer yes or no.",
    "Did cars collide? Answer yes or no.",
    "Does someone break something? Answer yes or no.",
    "Does someone climb a barrier? Answer yes or no.",
)
INNOCENT = (
    "Do people dance or play? Answer yes or no.",
    "Do people hug? Answer yes or no.",
    "Does someone bend down? Answer yes or no.",
    "Is there steam? Answer yes or no.",
    "Is there a bright flash? Answer yes or no.",
    "Does a car move? Answer yes or no.",
    "Does someone walk? Answer yes or no.",
    "Does someone climb the stairs? Answer yes or no.",
)
PROMPTS = (*HAZARDS, *INNOCENT)
BENIGN = tuple(range(len(HAZARDS), len(PROMPTS)))
AUTO = False  # to ask so much takes long, and labels serve better
THRESHOLD = 0.5  # a hazard and an innocent explanation are equally likely


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the answer logits (yes, no) of every question, for which the whole model runs."""
    return tuple(Site("logit", layers - 1, prompt=prompt) for prompt in range(len(PROMPTS)))


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute sigmoid(max hazard - max innocent) (n,) of `values` (n, questions, 2).

    Both are log-odds of yes against no; the first half of the questions are hazards.

    >>> odds = np.array([[1.0, 3.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    >>> score(np.stack([odds, 0 * odds], -1), {}).round(3).tolist()
    [0.731, 0.5]
    """
    odds = values[..., 0].astype(np.float64) - values[..., 1]
    half = odds.shape[1] // 2
    gap = odds[:, :half].max(1) - odds[:, half:].max(1)
    return np.asarray(np.exp(-np.logaddexp(0.0, -gap)), dtype=np.float64)
