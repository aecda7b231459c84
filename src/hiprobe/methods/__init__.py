"""Methods: how hidden states become a score. One file is one method, found by its name; knows no video and no model."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from hiprobe import plugins
from hiprobe.errors import UsageError
from hiprobe.saliency import SiteArray
from hiprobe.types import FloatArray, LabelArray, Site

Labels = Literal["both", "normal", "none"]
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Selection:
    """The chosen sites, as `indices` into those offered, and the `curves` (sites,) they were chosen by, by name."""

    indices: tuple[int, ...]
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Method(Protocol):
    """What a method offers, as a module or an object. Labels are 1 anomalous, 0 normal, -1 left out.

    `LABELS`: the classes it fits on. `PROMPTS`: the questions it asks, which `Site.prompt` counts; () for the model's
    own one. It may also offer `baseline(values, labels, permutations, seed) -> saliency.Baseline`, of its curves under
    shuffled labels, and `THRESHOLD`, of its scores, for where no label tells a better one.
    """

    LABELS: Labels
    PROMPTS: tuple[str, ...]

    def sites(self, layers: int, heads: int) -> tuple[Site, ...]:
        """The sites to read of a model with so many decoder layers and heads a layer."""
        ...

    def select(self, values: SiteArray, labels: LabelArray) -> Selection:
        """Chooses among the sites of `values` (n, sites, D), in the order of `sites`, by the rows it may use."""
        ...

    def fit(self, values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
        """The tensors of a scorer from `values` (n, chosen, D) and `labels` (n,), all of which it may use."""
        ...

    def score(self, values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
        """Raw scores (n,) of `values` (n, chosen, D): higher is more anomalous."""
        ...


def names() -> tuple[str, ...]:
    """The methods of this folder, sorted."""
    return plugins.names(__path__, __name__)


def load(name: str) -> Method:
    """The method called `name`: a file of this folder, or `module:attribute`; raises UsageError if there is none."""
    needs = ("LABELS", "PROMPTS", "sites", "select", "fit", "score")
    found = plugins.load(sys.modules[__name__], "method", name, needs)
    if found.LABELS not in ("both", "normal", "none"):
        raise UsageError(f"{name!r}: LABELS is {found.LABELS!r}, none of both, normal, none")
    if not isinstance(found.PROMPTS, tuple) or not all(
        isinstance(text, str) and text for text in found.PROMPTS
    ):
        raise UsageError(f"{name!r}: PROMPTS is {found.PROMPTS!r}, no tuple of questions")
    return cast(Method, found)


def candidates(
    how: Method,
    layers: int,
    heads: int,
    head_layers: Collection[int],
    wanted: Sequence[Site] | None = None,
) -> tuple[Site, ...]:
    """The sites to choose among in a model of that shape: `wanted`, or the method's; heads only in `head_layers`.

    Raises UsageError for `wanted` sites of a kind that the method does not read.
    """
    own = how.sites(layers, heads)
    if not all(isinstance(site, Site) for site in own):
        raise UsageError(f"the method's sites are {str(own)[:80]}, not a tuple of Site")
    kinds = {site.kind for site in own}
    strange = [site for site in wanted or () if site.kind not in kinds]
    if strange:
        raise UsageError(
            f"the method reads {' and '.join(sorted(kinds))} sites, not {strange[0]}",
            cure="leave the layer to the method",
        )
    return tuple(
        wanted or (site for site in own if site.kind != "head" or site.layer in head_layers)
    )
