"""Methods: how hidden states become a score. One file is one method, found by its name.

Knows no videos and no models. A method from outside the package is named `module:attribute`.
"""

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
    """The sites that a method selected, as `indices` into those that were offered.

    `curves` are the values (sites,) that decided, by name: one number for each offered site.

    >>> Selection((1,), {"score": np.array([0.2, 0.9])}).indices
    (1,)
    """

    indices: tuple[int, ...]
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


class Method(Protocol):
    """What a method must offer, as a module or an object.

    Labels are 1 anomalous, 0 normal and -1 left out. `LABELS` names the classes that it fits on
    ("both", "normal" or "none"). `PROMPTS` are the questions that it asks, numbered by
    `Site.prompt`; () means the question of the model. Optional are `baseline(values, labels,
    permutations, seed) -> saliency.Baseline`, its curves under shuffled labels; `THRESHOLD`, the
    threshold of its scores where there are no labels to find a better one; `BENIGN`, the numbers of
    the prompts to which yes means normal; and `AUTO`, False to keep it out of `fit --method auto`.

    >>> class Mean:
    ...     LABELS, PROMPTS = "none", ()
    ...     def sites(self, layers, heads):
    ...         return (Site("residual", layers - 1),)
    ...     def select(self, values, labels):
    ...         return Selection((0,))
    ...     def fit(self, values, labels):
    ...         return {}
    ...     def score(self, values, tensors):
    ...         return values.mean((1, 2), dtype=np.float64)
    >>> method: Method = Mean()
    >>> method.score(np.ones((3, 1, 8)), {})
    array([1., 1., 1.])
    """

    LABELS: Labels
    PROMPTS: tuple[str, ...]

    def sites(self, layers: int, heads: int) -> tuple[Site, ...]:
        """Return the sites to read in a model of `layers` decoder blocks with `heads` heads."""
        ...

    def select(self, values: SiteArray, labels: LabelArray) -> Selection:
        """Select among the sites of `values` (n, sites, D), which are in the order of `sites`.

        `labels` (n,) may contain -1: these rows must not be used.
        """
        ...

    def fit(self, values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
        """Fit a scorer to `values` (n, chosen, D) and `labels` (n,), none of them left out.

        Returns its parameters by name, as float32 or float64 arrays.
        """
        ...

    def score(self, values: FloatArray, tensors: Tensors) -> NDArray[np.float64]:
        """Compute raw scores (n,) of `values` (n, chosen, D); higher is more anomalous."""
        ...


def names() -> tuple[str, ...]:
    """List the methods of this folder, sorted.

    >>> "hiprobe" in names()
    True
    """
    return plugins.names(__path__, __name__)


def load(name: str) -> Method:
    """Load the method called `name`: a file of this folder, or `module:attribute`.

    Raises UsageError if there is no such method, or a part of it is missing or of the wrong type.

    >>> load("hiprobe").LABELS
    'both'
    """
    needs = ("LABELS", "PROMPTS", "sites", "select", "fit", "score")
    found = plugins.load(sys.modules[__name__], "method", name, needs)
    if found.LABELS not in ("both", "normal", "none"):
        raise UsageError(
            f"{name!r}: LABELS is {found.LABELS!r}, and must be 'both', 'normal' or 'none'"
        )
    if not isinstance(found.PROMPTS, tuple) or not all(
        isinstance(text, str) and text for text in found.PROMPTS
    ):
        raise UsageError(
            f"{name!r}: PROMPTS is {found.PROMPTS!r}, and must be a tuple of non-empty texts"
        )
    return cast(Method, found)


def candidates(
    how: Method,
    layers: int,
    heads: int,
    head_layers: Collection[int],
    wanted: Sequence[Site] | None = None,
) -> tuple[Site, ...]:
    """Return the sites to select from in a model: `wanted`, or those of the method.

    Heads only in `head_layers`. Raises UsageError for `wanted` sites of a kind that the method does
    not read.
    """
    own = how.sites(layers, heads)
    if not all(isinstance(site, Site) for site in own):
        raise UsageError(f"the method's sites must return a tuple of Site, got {str(own)[:80]}")
    kinds = {site.kind for site in own}
    strange = [site for site in wanted or () if site.kind not in kinds]
    if strange:
        raise UsageError(
            f"the method reads {' and '.join(sorted(kinds))} sites, not {strange[0]}",
            cure="let the method select the layer",
        )
    return tuple(
        wanted or (site for site in own if site.kind != "head" or site.layer in head_layers)
    )
