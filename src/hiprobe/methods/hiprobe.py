"""HiProbe: select the layer by saliency, then fit logistic regression to its residual state.

Arrays and labels only. Source: HiProbe-VAD (arXiv 2507.17394).
"""

from __future__ import annotations

from hiprobe.methods import Labels, Selection
from hiprobe.methods._logistic_regression import fit, score
from hiprobe.saliency import Baseline, SiteArray, permutation_baseline, saliency
from hiprobe.types import LabelArray, Site

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()
__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the residual stream after every block (HiProbe-VAD).

    >>> len(sites(layers=32, heads=16))
    32
    """
    return tuple(Site("residual", layer) for layer in range(layers))


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select the site with the highest saliency (Dynamic Layer Saliency Probing, HiProbe-VAD).

    `values` (n, sites, D), `labels` (n,). Raises LabelError if a class has no segment.
    """
    found = saliency(values, labels)
    return Selection((found.best,), found.curves())


def baseline(values: SiteArray, labels: LabelArray, permutations: int, seed: int) -> Baseline:
    """Compute the curves of `select` under shuffled labels (our own)."""
    return permutation_baseline(values, labels, permutations, seed)
