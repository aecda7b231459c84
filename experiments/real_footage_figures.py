"""Compute how well scores rank fights above normal clips, by source, with intervals.

Arrays and labels only: no videos and no models. A curve is the AUC of all clips, then that of each
bootstrap draw of sources (1 + 1000,). All curves have the same draws, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.measure import Interval, Truth, interval
from hiprobe import methods
from hiprobe.methods import _logistic_regression as logistic
from hiprobe.probe.folds import make_folds
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Chosen = NDArray[np.bool_]
Scorer = Callable[[Chosen], Array]  # from the segments (n,) to fit on to scores of all clips

SEED, DRAWS = 0, 1000
FOLDS, REPEATS = 5, 5
LABELLED, TRIES = 8, 10  # labelled clips of each class, and how often they are drawn
LAYERS = ("layer chosen as `hiprobe fit` does", "last layer", "mean of all layers")


@dataclass(frozen=True)
class Sample:
    """Labels (clips,) of 1 and 0, source numbers (clips,), and the clip of each segment (n,)."""

    labels: Numbers
    source: Numbers
    clip: Numbers

    @property
    def of_segments(self) -> LabelArray:
        """The label (n,) of each segment, which is that of its clip."""
        return self.labels[self.clip].astype(np.int8)

    @cached_property
    def truth(self) -> Truth:
        """The truth of all clips."""
        return self.truth_of(np.ones(len(self.labels), bool))

    def truth_of(self, tested: Chosen) -> Truth:
        """Return the truth of some of the clips (clips,), with the same draws of sources."""
        positive, negative = (tested & (self.labels == one) for one in (1, 0))
        return Truth(positive.astype(float), negative.astype(float), self.source, DRAWS, SEED)

    def by_clip(self, scores: Array) -> Array:
        """Return the mean score (clips,) of the segments (n,) of each clip."""
        counts = np.bincount(self.clip, minlength=len(self.labels))
        return np.bincount(self.clip, scores, len(self.labels)) / counts


def as_interval(curve: Array) -> Interval:
    """Return the AUC of all clips and the central 95 % of the draws of sources."""
    low, high = np.nanquantile(curve[1:], [0.025, 0.975])
    return Interval(float(curve[0]), float(low), float(high))


def zero_shot(sample: Sample, odds: Mapping[str, Array], views: Sequence[str]) -> dict[str, Array]:
    """Return the curve of the model's own log-odds (n,) in some views: their mean and maximum."""
    table = np.stack([odds[view] for view in views])
    joined = {"mean": table.mean(0), "max": table.max(0)} if len(views) > 1 else {"": table[0]}
    return {how: sample.truth.aucs(sample.by_clip(one)) for how, one in joined.items()}


def cross_validated(sample: Sample, values: Array, repeats: int = REPEATS) -> Array:
    """Return the mean curve of logistic regression on `values` (n, D), out of fold by source.

    The score of a clip is the mean probability of its segments; each repeat has other folds.
    """
    labels, groups = sample.of_segments, sample.source[sample.clip]
    curves = []
    for seed in range(repeats):
        split = make_folds(labels, groups, (1, 0), FOLDS, seed, named=True)
        scores = np.full(len(labels), np.nan)
        for fold in range(split.number):
            out = split.of == fold
            scores[out] = _probabilities(values, labels, ~out)[out]
        curves.append(sample.truth.aucs(sample.by_clip(scores)))
    return np.asarray(np.mean(curves, 0))


def few_labels(
    sample: Sample, scorers: Mapping[str, Scorer], tries: int = TRIES
) -> dict[str, list[Array]]:
    """Return a curve for each draw of 8 + 8 labelled clips, by scorer.

    The test clips are all clips of the sources that no labelled clip is from.
    """
    found: dict[str, list[Array]] = {name: [] for name in scorers}
    for number in range(tries):
        labelled = draw_labelled(sample, number)
        truth = sample.truth_of(other_sources(sample, labelled))
        for name, scorer in scorers.items():
            found[name].append(truth.aucs(sample.by_clip(scorer(labelled[sample.clip]))))
    return found


def draw_labelled(sample: Sample, number: int) -> Chosen:
    """Return which clips (clips,) are labelled in a draw: 8 of each class, any source."""
    rng, chosen = np.random.default_rng([SEED, number]), np.zeros(len(sample.labels), bool)
    for label in (1, 0):
        there = np.flatnonzero(sample.labels == label)
        chosen[rng.permutation(there)[:LABELLED]] = True
    return chosen


def other_sources(sample: Sample, labelled: Chosen) -> Chosen:
    """Return which clips (clips,) are of a source that no labelled clip is from."""
    return np.asarray(~np.isin(sample.source, sample.source[labelled]))


def few_interval(curves: Sequence[Array]) -> Interval:
    """Return the mean over draws of labels, with an interval over draws and sources together."""
    return interval(curves, SEED)


def of_layers(
    sample: Sample, states: NDArray[np.float32], *, every: bool = True
) -> dict[str, Scorer]:
    """Return the scorers `LAYERS` on hidden states (n, layers, width), the last one if `every`.

    The mean of all layers is that of the log-odds of a probe on each.
    """
    layers, labels = states.shape[1], sample.of_segments
    values = [states[:, layer].astype(np.float64) for layer in range(layers)]

    def chosen(used: Chosen) -> Array:
        return _probabilities(values[dlsp_layer(states, labels, used)], labels, used)

    def last(used: Chosen) -> Array:
        return _probabilities(values[-1], labels, used)

    def mean(used: Chosen) -> Array:
        return np.asarray(np.mean([_log_odds(one, labels, used) for one in values], 0))

    return dict(zip(LAYERS, (chosen, last, mean) if every else (chosen, last), strict=False))


def dlsp_layer(states: NDArray[np.float32], labels: LabelArray, used: Chosen) -> int:
    """Return the layer that `hiprobe fit` chooses on some segments (n,)."""
    found = methods.load("hiprobe").select(states[used], labels[used])
    return found.indices[0]


def of_values(sample: Sample, values: Array) -> Scorer:
    """Return the scorer on `values` (n, D)."""
    return lambda used: _probabilities(values, sample.of_segments, used)


def _probabilities(values: Array, labels: LabelArray, used: Chosen) -> Array:
    return 1 / (1 + np.exp(-_log_odds(values, labels, used)))


def _log_odds(values: Array, labels: LabelArray, used: Chosen) -> Array:
    """Fit the product's scorer on some segments; return the log-odds (n,) of all."""
    tensors = logistic.fit(values[used][:, None], labels[used])
    return logistic.log_odds(values[:, None], tensors)
