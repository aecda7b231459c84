"""Output layer: the probe of HiProbe on the last layer, the baseline that it claims to beat.

Arrays and labels only. It reads the residual stream; `output_heads` reads the heads.
"""

from __future__ import annotations

from hiprobe.methods import Labels
from hiprobe.methods._logistic_regression import fit, score
from hiprobe.methods.hiprobe import baseline, select
from hiprobe.types import Site

__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return the residual stream after the last block, before the final norm: a single site."""
    return (Site("residual", layers - 1),)
