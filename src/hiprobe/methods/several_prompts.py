"""Several prompts: ask in five wordings, fit a probe for each, and average them (our own).

A score changes with the wording of the question: see docs/results.md. The frames are encoded only
once. Arrays and labels only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.methods import _logistic_regression as one_prompt
from hiprobe.saliency import SiteArray, saliency
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "both"
# In words that the shipped model knows; the first is the one that `hiprobe` asks.
PROMPTS = (
    "Identify any abnormal events or safety hazards in this video.",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
    "Is anything abnormal? Answer yes or no.",
)


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the residual stream after every block: all layers, prompt by prompt."""
    return tuple(
        Site("residual", layer, prompt=prompt)
        for prompt in range(len(PROMPTS))
        for layer in range(layers)
    )


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select for each prompt the layer with the highest saliency.

    `values` are (n, prompts * layers, D) in the order of `sites`; if there are fewer sites than
    prompts, all are selected. Raises LabelError if a class has no segment, UsageError for sites
    that are not the same layers for every prompt.
    """
    offered, number = values.shape[1], len(PROMPTS)
    if offered < number:
        return Selection(tuple(range(offered)), saliency(values, labels).curves())
    if offered % number:
        raise UsageError(
            f"the sites must be the same layers for each of {number} prompts, got {offered} sites",
            cure="let the method select its sites",
        )
    layers = offered // number
    found = [saliency(_Part(values, prompt * layers, layers), labels) for prompt in range(number)]
    best = tuple(prompt * layers + one.best for prompt, one in enumerate(found))
    curves = [one.curves() for one in found]
    return Selection(
        best, {name: np.concatenate([one[name] for one in curves]) for name in curves[0]}
    )


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """Fit the scorer of `hiprobe` to each site of `values` (n, chosen, D) on its own.

    `labels` (n,) are 0 and 1. Returns float64 `mean`, `scale`, `weight` (chosen, D) and `bias`
    (chosen,).
    """
    parts = [one_prompt.fit(values[:, [site]], labels) for site in range(values.shape[1])]
    stacked = {
        name: np.stack([part[name] for part in parts]) for name in ("mean", "scale", "weight")
    }
    return {**stacked, "bias": np.concatenate([part["bias"] for part in parts])}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """Compute the sigmoid (n,) of the mean over sites of w . z + b.

    z are the standardised `values` (n, chosen, D).
    """
    names = ("mean", "scale", "weight", "bias")
    parts = [
        dict(zip(names, part, strict=True))
        for part in zip(*(tensors[name] for name in names), strict=True)
    ]
    # One site at a time: a copy of all would be many times larger.
    odds = [
        one_prompt.log_odds(values[:, [site]], part)
        for site, part in zip(range(values.shape[1]), parts, strict=True)
    ]
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.mean(odds, axis=0))), dtype=np.float64)


class _Part:
    """`count` sites of `values` from `first` on, as a `SiteArray` that copies nothing."""

    def __init__(self, values: SiteArray, first: int, count: int) -> None:
        self._values, self._first = values, first
        self.shape = (values.shape[0], count, values.shape[2])

    def __getitem__(self, key: tuple[slice, int]) -> FloatArray:
        return np.asarray(self._values[key[0], self._first + key[1]])
