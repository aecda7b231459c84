"""The same probe on the last layer: the baseline that HiProbe claims to beat. Knows arrays and labels only."""

from __future__ import annotations

from hiprobe.methods import Labels
from hiprobe.methods.hiprobe import baseline, fit, score, select
from hiprobe.types import Site

__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
PROMPTS: tuple[str, ...] = ()


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """The residual stream after the last block, before the final norm: one site, so nothing is chosen."""
    return (Site("residual", layers - 1),)
