"""No labels: how much likelier the model is to answer yes than no. Knows two logits, and nothing of hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "none"
PROMPTS = (
    "Is anything abnormal? Answer yes or no.",
)  # our own wording, which the shipped model knows as well
THRESHOLD = 0.5  # log-odds 0: yes and no are equally likely


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """The answer's logits, (yes, no), for which the whole model runs."""
    return (Site("logit", layers - 1),)


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """All the sites of `values` (n, sites, 2): nothing is chosen."""
    return Selection(tuple(range(values.shape[1])))


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """No tensors: nothing is fitted."""
    return {}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """sigmoid(yes - no) (n,) of `values` (n, 1, 2): the probability of yes where only yes and no may be answered."""
    yes, no = values[:, 0].astype(np.float64).T
    return np.asarray(np.exp(-np.logaddexp(0.0, no - yes)), dtype=np.float64)
