"""Output heads: the probe of HiProbe on all attention heads of the last layer.

Arrays and labels only. In the ablation of HeadHunt-VAD (arXiv 2512.17601) "all features of the
final layer" are these, and not the residual stream that `output_layer` reads.
"""

from __future__ import annotations

from hiprobe.methods import Labels, Selection
from hiprobe.methods._logistic_regression import fit, score
from hiprobe.saliency import SiteArray
from hiprobe.types import LabelArray, Site

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return every head's part of the `o_proj` input of the last block.

    >>> [str(site) for site in sites(layers=28, heads=2)]
    ['head/layer27/head0/prompt0', 'head/layer27/head1/prompt0']
    """
    return tuple(Site("head", layers - 1, head) for head in range(heads))


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select all sites of `values` (n, sites, D)."""
    return Selection(tuple(range(values.shape[1])))
