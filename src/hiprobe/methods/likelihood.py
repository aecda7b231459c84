"""Likelihood: how much likelier the model is to answer yes than no. Needs no labels.

Two logits only: no hidden states. The baseline of asking the model instead of reading it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "none"
# Our own wording, which the shipped model knows as well.
PROMPTS = ("Is anything abnormal? Answer yes or no.",)
THRESHOLD = 0.5  # log-odds 0: yes and no are equally likely


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the answer logits (yes, no), for which the whole model runs."""
    return (Site("logit", layers - 1),)


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select all sites of `values` (n, sites, 2)."""
    return Selection(tuple(range(values.shape[1])))


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Return no parameters: nothing is fitted."""
    return {}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute sigmoid(yes - no) (n,) of `values` (n, 1, 2).

    This is the probability of yes if the answer can only be yes or no.

    >>> score(np.array([[[2.0, 2.0]], [[5.0, 1.0]]]), {}).round(3).tolist()
    [0.5, 0.982]
    """
    yes, no = values[:, 0].astype(np.float64).T
    return np.asarray(np.exp(-np.logaddexp(0.0, no - yes)), dtype=np.float64)
