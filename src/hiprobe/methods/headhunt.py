"""HeadHunt: read the attention heads that separate the classes under every wording of a question.

Arrays and labels only. Source: HeadHunt-VAD (arXiv 2512.17601), paper and code. That the scorer
standardises and weights classes is our own, and so is fitting on segments: HeadHunt-VAD fits on one
vector of each video (`fit --unit video`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import LabelError, UsageError
from hiprobe.methods import Labels, Selection
from hiprobe.methods._criteria import CRITERIA
from hiprobe.methods._logistic_regression import fit_c1 as fit
from hiprobe.methods._logistic_regression import score
from hiprobe.saliency import SiteArray
from hiprobe.types import LabelArray, Site

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

LABELS: Labels = "both"
# Our own wordings, in words that the shipped model knows; `headhunt_published` has the others.
PROMPTS = (
    "Report any abnormal events or safety hazards in this video.",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
    "Is anything abnormal? Answer yes or no.",
)
BEST = 5  # heads
PENALTY = 0.5  # weight of the standard deviation over prompts


def sites(layers: int, heads: int) -> tuple[Site, ...]:
    """Return every head's part of the `o_proj` input: all heads, prompt by prompt."""
    return tuple(
        Site("head", layer, head, prompt)
        for prompt in range(len(PROMPTS))
        for layer in range(layers)
        for head in range(heads)
    )


def select(values: SiteArray, labels: LabelArray) -> Selection:
    """Select the 5 heads with the highest mean - 0.5 std over prompts, best first.

    `values` are (n, prompts * heads, D) in the order of `sites`; of 5 sites or fewer all are
    selected. For each prompt, the score of a head is the mean of four criteria, each scaled to 0..1
    over the heads. The selected heads are read for the first prompt only, as in the published code,
    so that detection asks one question. Raises LabelError for fewer than two segments of a class,
    UsageError for sites that are not the same heads for every prompt.
    """
    offered, number = values.shape[1], len(PROMPTS)
    if offered <= BEST:
        return Selection(tuple(range(offered)))
    if offered % number:
        raise UsageError(
            f"the sites must be the same heads for each of {number} prompts, got {offered} sites",
            cure="let the method select its sites",
        )
    table = _table(values, labels)
    separation = _scaled(table.reshape(number, offered // number, len(CRITERIA))).mean(2)
    robust = separation.mean(0) - PENALTY * separation.std(0)
    best = np.argsort(-robust, kind="stable")[:BEST]
    curves = {name: table[:, index] for index, name in enumerate(CRITERIA)}
    return Selection(
        tuple(int(head) for head in best), {**curves, "score": np.tile(robust, number)}
    )


def _table(values: SiteArray, labels: LabelArray) -> NDArray[np.float64]:
    """Compute every criterion of every site, (sites, criteria)."""
    from sklearn import config_context

    anomalous, normal = labels == 1, labels == 0
    if min(anomalous.sum(), normal.sum()) < 2:
        raise LabelError(
            f"at least 2 segments of each class are needed to compare heads, "
            f"got {anomalous.sum()} anomalous and {normal.sum()} normal",
            cure="label more videos",
        )
    rows = []
    # Validation would dominate thousands of small calls.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for site in range(values.shape[1]):
            column = np.asarray(values[:, site])
            pair = column[anomalous].astype(np.float64), column[normal].astype(np.float64)
            rows.append([criterion(*pair) for criterion in CRITERIA.values()])
    return np.array(rows, dtype=np.float64)


def _scaled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale (prompts, heads, criteria) to 0..1 over heads; 0 where all heads are equal."""
    low, span = table.min(1, keepdims=True), np.ptp(table, axis=1, keepdims=True)
    return np.asarray((table - low) / np.where(span > 0, span, 1.0), dtype=np.float64)
