"""The question asked in five wordings: for each the layer by saliency and its probe, their log-odds averaged; our own.

Offered beside `hiprobe` because a score moves with the wording: figures in docs/results.md. The frames are encoded
once. Knows arrays and labels only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.methods import Labels, Selection, Tensors
from hiprobe.methods import hiprobe as one_prompt
from hiprobe.saliency import SiteArray, saliency
from hiprobe.types import FloatArray, LabelArray, Site

LABELS: Labels = "both"
PROMPTS = (  # in words that the shipped model knows; the first is the one that `hiprobe` asks
    "Identify any abnormal events or safety hazards in this video.",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
    "Is anything abnormal? Answer yes or no.",
)


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """The residual stream after every block: all layers under the first prompt, then under the next."""
    return tuple(
        Site("residual", layer, prompt=prompt)
        for prompt in range(len(PROMPTS))
        for layer in range(layers)
    )


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Under each prompt the layer with the highest saliency, of `values` (n, prompts * layers, D) ordered as `sites`.

    Fewer sites than prompts are all taken. Raises LabelError for one class, UsageError for sites that are not the
    same layers under every prompt.
    """
    offered, number = values.shape[1], len(PROMPTS)
    found = saliency(values, labels)
    if offered < number:
        return Selection(tuple(range(offered)), found.curves())
    if offered % number:
        raise UsageError(f"{offered} sites are not some layers under {number} prompts each")
    layers = offered // number
    best = [
        prompt * layers + saliency(_Part(values, prompt * layers, layers), labels).best
        for prompt in range(number)
    ]
    return Selection(tuple(best), found.curves())


def fit(values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    """The scorer of `hiprobe` for each site of `values` (n, chosen, D) on its own, with `labels` (n,) of 0 and 1.

    Tensors, float64: `mean`, `scale`, `weight` (chosen, D), `bias` (chosen,).
    """
    parts = [one_prompt.fit(values[:, [site]], labels) for site in range(values.shape[1])]
    stacked = {
        name: np.stack([part[name] for part in parts]) for name in ("mean", "scale", "weight")
    }
    return {**stacked, "bias": np.concatenate([part["bias"] for part in parts])}


def score(values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
    """sigmoid of the mean over sites of w . z + b (n,), z the standardised `values` (n, chosen, D)."""
    names = ("mean", "scale", "weight", "bias")
    parts = [
        dict(zip(names, part, strict=True))
        for part in zip(*(tensors[name] for name in names), strict=True)
    ]
    odds = [
        one_prompt.log_odds(
            values[:, [site]], part
        )  # one site at a time: a copy of all would be many times larger
        for site, part in zip(range(values.shape[1]), parts, strict=True)
    ]
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.mean(odds, axis=0))), dtype=np.float64)


class _Part:
    """`count` sites from `first` on of `values`: a `SiteArray` that copies nothing."""

    def __init__(self, values: SiteArray, first: int, count: int) -> None:
        self._values, self._first = values, first
        self.shape = (values.shape[0], count, values.shape[2])

    def __getitem__(self, key: tuple[slice, int]) -> FloatArray:
        return np.asarray(self._values[key[0], self._first + key[1]])
