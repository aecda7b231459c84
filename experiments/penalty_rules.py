"""Rules for the penalty of the scorer, ways to rescale its log-odds, and rules for the layer.

Hidden states and labels only: no clips and no tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.selection import shrunk_divergence
from hiprobe.errors import LabelError
from hiprobe.methods import _logistic_regression as logistic
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.saliency import saliency
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)
FOLDS, SEED = 5, 0
LEAST_SLOPE = 0.05  # of Platt scaling: it must not turn the order of the scores round
UNTIL_NOW = "C = 1 (`hiprobe_c1`)"
BY_LABELS = "C by labels (`hiprobe`)"


class Line(NamedTuple):
    """Log-odds of states (n, D): `states @ weight + bias`."""

    weight: Array
    bias: float

    def at(self, states: Array) -> Array:
        """Return the log-odds (n,) of states (n, D)."""
        return np.asarray(states @ self.weight + self.bias)

    def scaled(self, gain: float, offset: float) -> Line:
        """Return the line with its log-odds times `gain` plus `offset`."""
        return Line(gain * self.weight, gain * self.bias + offset)


@dataclass(frozen=True)
class Labelled:
    """States (n, D), labels (n,) of 1 and 0, and the group (n,) of each segment."""

    states: Array
    labels: LabelArray
    groups: Numbers

    def part(self, rows: NDArray[np.bool_]) -> Labelled:
        """Return some of the segments."""
        return Labelled(self.states[rows], self.labels[rows], self.groups[rows])

    @cached_property
    def out_of_fold(self) -> Array:
        """The log-odds (2, strengths, n) of each C, as they are and rescaled, out of fold."""
        split = folds_of(self.labels, self.groups)
        odds = np.empty((2, len(STRENGTHS), len(self.labels)))
        for fold in range(split.number):
            out = split.of == fold
            train = self.part(~out)
            for row, c in enumerate(STRENGTHS):
                line = regression(train, c)
                odds[0, row, out] = line.at(self.states[out])
                odds[1, row, out] = rescaled(line, train).at(self.states[out])
        return odds


Rule = Callable[[Labelled], Line]


def folds_of(labels: LabelArray, groups: Numbers) -> Folds:
    """Return folds of whole groups; of single segments if a class is in one group only."""
    try:
        return make_folds(labels, groups, (1, 0), FOLDS, SEED, named=True)
    except LabelError:
        return make_folds(labels, np.arange(len(labels)), (1, 0), FOLDS, SEED)


def regression(data: Labelled, c: float) -> Line:
    """Fit balanced L2 logistic regression to standardised states, as the product does."""
    mean, scale = logistic.standard(data.states)
    weight, bias = logistic.regression((data.states - mean) / scale, data.labels, c)
    weight = weight / scale
    return Line(weight, float(bias[0] - mean @ weight))


def fixed(c: float) -> Rule:
    """Return the rule of one C."""
    return lambda data: regression(data, c)


def by_labels(data: Labelled) -> Line:
    """Fit with the C of the product."""
    return regression(data, logistic.strength(data.labels, data.states.shape[1]))


def by_number(data: Labelled, power: float, one: float) -> Line:
    """Fit with C = (n / one)^power, at most 1."""
    return regression(data, min(1.0, (len(data.labels) / one) ** power))


def by_likelihood(data: Labelled, *, rescale: bool = True, cautious: bool = False) -> Line:
    """Fit with the C that has the highest out-of-fold log-likelihood, both classes alike.

    With `cautious` it is the smallest C that is worse by at most one standard error over groups.
    """
    odds = data.out_of_fold[int(rescale)]
    fits = np.array([log_likelihoods(data.labels, row) for row in odds])
    best = int(np.argmax(fits.sum(1)))
    if cautious:
        _, group = np.unique(data.groups, return_inverse=True)
        worse = np.array([np.bincount(group, fits[best] - one) for one in fits])
        best = int(np.flatnonzero(worse.sum(1) <= len(worse[0]) ** 0.5 * worse.std(1))[-1])
    return regression(data, STRENGTHS[best])


def log_likelihoods(labels: LabelArray, odds: Array) -> Array:
    """Return the log-likelihood (n,) of each label by log-odds (n,), both classes alike."""
    share = np.where(labels == 1, (labels == 1).sum(), (labels == 0).sum())
    return np.asarray(-np.logaddexp(0, np.where(labels == 1, -odds, odds)) / share)


def class_means(data: Labelled) -> Line:
    """Take the difference of the class means of standardised states: the limit of C to 0."""
    mean, scale = logistic.standard(data.states)
    one, none = (data.states[data.labels == c].mean(0) for c in (1, 0))
    weight = (one - none) / scale**2 / len(mean)
    return Line(weight, float(-(one + none) @ weight / 2))


def shrinkage_lda(data: Labelled) -> Line:
    """Fit linear discriminant analysis with Ledoit-Wolf shrinkage to standardised states."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    mean, scale = logistic.standard(data.states)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    model.fit((data.states - mean) / scale, data.labels)
    weight = model.coef_[0] / scale
    return Line(weight, float(model.intercept_[0] - mean @ weight))


RULES: Mapping[str, Rule] = {
    UNTIL_NOW: fixed(1.0),
    **{f"C = {c:g}": fixed(c) for c in STRENGTHS[1:]},
    "C = n / 32,000": lambda data: by_number(data, 1.0, 32000),
    "C = (n / 630)^2": lambda data: by_number(data, 2.0, 630),
    BY_LABELS: by_labels,
    "C by out-of-fold log-likelihood": lambda data: by_likelihood(data, rescale=False),
    "the same, of rescaled log-odds": by_likelihood,
    "the smallest C within one standard error": lambda data: by_likelihood(data, cautious=True),
    "difference of the class means": class_means,
    "shrinkage LDA": shrinkage_lda,
}


def rescaled(line: Line, data: Labelled) -> Line:
    """Fit the labels again, by the regression with C = 1 on the log-odds alone, as the product."""
    odds = line.at(data.states)[:, None]
    centre, spread = logistic.standard(odds)
    gain, bias = logistic.regression((odds - centre) / spread, data.labels, 1.0)
    slope = float(gain[0] / spread[0])
    return line.scaled(slope, float(bias[0] - slope * centre[0]))


def platt(odds: Array, labels: LabelArray) -> tuple[float, float]:
    """Return the gain and offset of Platt scaling (1999, with his targets) of log-odds (n,).

    Both classes count alike; `odds` are out of fold.
    """
    centre, spread = float(odds.mean()), float(odds.std()) or 1.0
    counts = {c: int((labels == c).sum()) for c in (1, 0)}
    goal = np.where(labels == 1, (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2))
    weight = np.where(labels == 1, 1 / counts[1], 1 / counts[0])
    x = np.stack([(odds - centre) / spread, np.ones(len(odds))], 1)
    found = np.zeros(2)
    for _ in range(50):  # Newton steps
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weight * (p - goal))
        found -= np.linalg.solve((x.T * (weight * p * (1 - p))) @ x + 1e-9 * np.eye(2), slope)
    gain = max(float(found[0]), LEAST_SLOPE)
    offset = float(found[1]) if gain == found[0] else 0.0
    return gain / spread, offset - gain * centre / spread


# -- layers

LayerCurves = Mapping[str, Array]  # (layers,) each


def _z(curve: Array) -> Array:
    return np.asarray((curve - curve.mean()) / max(float(curve.std()), 1e-12))


def _sum(*names: str) -> Callable[[LayerCurves], int]:
    """Return the rule that adds up some curves, each standardised over layers; -name subtracts."""

    def choose(curves: LayerCurves) -> int:
        signed = [_z(curves[n.lstrip("-")]) * (-1 if n.startswith("-") else 1) for n in names]
        return int(np.argmax(np.sum(signed, 0)))

    return choose


DLSP, MEAN, BEST = "DLSP (`hiprobe`)", "mean of all layers", "the best on the test clips: no method"
LAYER_RULES: Mapping[str, Callable[[LayerCurves], int]] = {
    DLSP: _sum("kl", "ldr", "-entropy"),
    "KL + LDR, no entropy": _sum("kl", "ldr"),
    "LDR alone": _sum("ldr"),
    "DLSP, variances of KL shrunk": _sum("shrunk", "ldr", "-entropy"),
    "the same, no entropy": _sum("shrunk", "ldr"),
    "DLSP, joint LDR": _sum("kl", "joint", "-entropy"),
    "KL + joint LDR, no entropy": _sum("kl", "joint"),
    "joint LDR alone": _sum("joint"),
    "five eighths of the depth": lambda curves: 5 * len(curves["kl"]) // 8,
    "last layer": lambda curves: len(curves["kl"]) - 1,
}


def layer_curves(states: NDArray[np.float32], labels: LabelArray, groups: Numbers) -> LayerCurves:
    """Compute the curves that the rules for the layer need, for states (n, layers, D)."""
    layers = [states[:, i].astype(np.float64) for i in range(states.shape[1])]
    return {
        **saliency(states, labels).curves(),
        "shrunk": np.array([shrunk_divergence(one, labels) for one in layers]),
        "joint": np.array([joint_ratio(one, labels, groups) for one in layers]),
    }


def joint_ratio(states: Array, labels: LabelArray, groups: Numbers) -> float:
    """Return the discriminant ratio along the difference of the class means, out of sample.

    Each group is projected on the means of the other groups. A group without which a class would
    be empty is left out.
    """
    mean, scale = logistic.standard(states)
    z, found = (states - mean) / scale, np.full(len(labels), np.nan)
    for group in np.unique(groups):
        out = groups == group
        if len(set(labels[~out].tolist())) == 2:
            one, none = (z[~out & (labels == c)].mean(0) for c in (1, 0))
            found[out] = (z[out] - (one + none) / 2) @ (one - none)
    one, none = (found[(labels == c) & ~np.isnan(found)] for c in (1, 0))
    if not len(one) or not len(none):
        return 0.0
    gap = one.mean() - none.mean()
    return float(np.sign(gap) * gap**2 / (one.var() + none.var() + 1e-12))
