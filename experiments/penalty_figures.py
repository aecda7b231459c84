"""Measure rules for the penalty on draws of labelled clips: AUC by layer, thresholds, layers.

Arrays and labels only. A curve is that of `experiments.real_footage_figures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments import penalty_rules as rules
from experiments.measure import Truth
from experiments.penalty_rules import BY_LABELS, RULES, UNTIL_NOW, Labelled, Line
from experiments.penalty_samples import Clips, Draw, Set
from experiments.real_footage_figures import FOLDS
from hiprobe.localize import Localization, contiguous_runs, smooth
from hiprobe.metrics import roc_auc
from hiprobe.probe.folds import make_folds
from hiprobe.probe.threshold import calibrate
from hiprobe.saliency import saliency

Array = NDArray[np.float64]
DLSP = rules.DLSP
Where = int | str  # a layer, or the rule that chooses it
RESAMPLES = 400
EXTEND = Localization().extend
CALIBRATED = (UNTIL_NOW, "C = 0.01", "C = 0.001", "C = 0.0001", BY_LABELS)
SCALES = ("as it is", "Platt, out of fold", "rescaled (`hiprobe`)")


@dataclass
class Curves:
    """The curves of each draw, by rule for the penalty and layer (or rule for the layer)."""

    aucs: dict[tuple[str, Where], list[Array]] = field(default_factory=dict)
    layers: dict[str, list[int]] = field(default_factory=dict)

    def add(self, rule: str, where: Where, curve: Array) -> None:
        """Keep the curve of one more draw."""
        self.aucs.setdefault((rule, where), []).append(curve)


class Tested(NamedTuple):
    """The test side of a draw: its clips, and the truth with the bootstrap draws of sources."""

    clips: Clips
    truth: Truth

    def auc(self, data: Set, odds: Array) -> Array:
        """Return the curve of the mean probability of each clip, from log-odds (n,)."""
        return self.truth.aucs(data.sample.by_clip(probability(odds))[self.clips])


def probability(odds: Array) -> Array:
    """Return the probabilities of log-odds."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))


def tested(data: Set, clips: Clips) -> Tested:
    """Return the test side that consists of some clips (clips,)."""
    sample, here = data.sample, np.flatnonzero(clips)
    _, source = np.unique(sample.source[here], return_inverse=True)
    positive = sample.labels[here].astype(float)
    return Tested(clips, Truth(positive, 1.0 - positive, source, RESAMPLES))


def labelled(data: Set, rows: NDArray[np.bool_], layer: int) -> Labelled:
    """Return some segments (n,) of a set, at one layer."""
    states = data.states[rows, layer].astype(np.float64)
    return Labelled(states, data.sample.of_segments[rows], data.groups[rows])


def fitted(rule: str, some: Labelled) -> Line:
    """Return the line of a rule as the product would use it; that of C = 1 is not rescaled."""
    line = RULES[rule](some)
    return line if rule == UNTIL_NOW else rules.rescaled(line, some)


def of_draws(data: Set, draws: Iterable[Draw], names: Sequence[str] = tuple(RULES)) -> Curves:
    """Measure every rule on every layer, and every rule for the layer with the product's."""
    found = Curves()
    for draw in draws:
        rows, side = draw.labelled[data.sample.clip], tested(data, draw.tested)
        values = [data.states[:, i].astype(np.float64) for i in range(data.states.shape[1])]
        odds = {
            (rule, layer): fitted(rule, some).at(values[layer])
            for layer in range(len(values))
            for some in [labelled(data, rows, layer)]
            for rule in names
        }
        _add(found, data, side, rows, odds)
    return found


def _add(
    found: Curves,
    data: Set,
    side: Tested,
    rows: NDArray[np.bool_],
    odds: Mapping[tuple[str, int], Array],
) -> None:
    curves = {key: side.auc(data, one) for key, one in odds.items()}
    chosen = choices(data, rows)
    for (rule, layer), curve in curves.items():
        found.add(rule, layer, curve)
        if layer == chosen[DLSP]:
            found.add(rule, DLSP, curve)
    of_product = [odds[BY_LABELS, layer] for layer in range(data.states.shape[1])]
    for name, layer in chosen.items():
        found.layers.setdefault(name, []).append(layer)
        found.add("layers", name, curves[BY_LABELS, layer])
    found.add("layers", rules.MEAN, side.auc(data, np.mean(of_product, 0)))
    every = [curves[BY_LABELS, layer] for layer in range(data.states.shape[1])]
    found.add("layers", rules.BEST, max(every, key=lambda one: float(one[0])))


def choices(data: Set, rows: NDArray[np.bool_]) -> dict[str, int]:
    """Return the layer that each rule for the layer chooses on some segments (n,)."""
    curves = rules.layer_curves(data.states[rows], data.sample.of_segments[rows], data.groups[rows])
    return {name: rule(curves) for name, rule in rules.LAYER_RULES.items()}


def dlsp(data: Set, rows: NDArray[np.bool_]) -> int:
    """Return the layer that the product chooses on some segments (n,)."""
    return saliency(data.states[rows], data.sample.of_segments[rows]).best


def cross_validated(data: Set, repeats: int, names: Sequence[str] = tuple(RULES)) -> Curves:
    """Measure every rule out of fold by source, with all clips labelled but those of the fold."""
    found, sample = Curves(), data.sample
    side = tested(data, np.ones(len(sample.labels), bool))
    layers = range(data.states.shape[1])
    for seed in range(repeats):
        split = make_folds(sample.of_segments, data.groups, (1, 0), FOLDS, seed, named=True)
        odds: dict[tuple[str, Where], Array] = {}
        for fold in range(split.number):
            out = split.of == fold
            best = dlsp(data, ~out)
            for layer in layers:
                some, states = labelled(data, ~out, layer), data.states[out, layer]
                for rule in names:
                    here = fitted(rule, some).at(states.astype(np.float64))
                    odds.setdefault((rule, layer), np.empty(len(out)))[out] = here
                    if layer == best:
                        odds.setdefault((rule, DLSP), np.empty(len(out)))[out] = here
        for (rule, where), one in odds.items():
            found.add(rule, where, side.auc(data, one))
    return found


# -- thresholds


class Alarms(NamedTuple):
    """What a calibrated threshold does on test clips; each is a number of one draw."""

    auc: float
    threshold: float
    normal: float  # the share of normal clips with a segment above it
    found: float  # the share of clips with a fight, or another event
    f1: float  # of clips
    extended: float  # the share of normal segments that extension would add
    brier: float  # of segments, both classes alike


def alarms(data: Set, draw: Draw) -> dict[tuple[str, str], Alarms]:
    """Calibrate thresholds as `fit` does, at the layer that DLSP chooses, and test them.

    The keys are the rule for the penalty and the scale.
    """
    rows = draw.labelled[data.sample.clip]
    where, labels = np.flatnonzero(rows), data.sample.of_segments[rows]
    split = rules.folds_of(labels, data.groups[rows])
    held: dict[tuple[str, str], Array] = {}
    for fold in range(split.number):
        rest, out = rows.copy(), where[split.of == fold]
        rest[out] = False
        for key, odds in _odds(data, rest).items():
            held.setdefault(key, np.full(len(rows), np.nan))[out] = odds[out]
    found = {}
    for (rule, scale), odds in _odds(data, rows).items():
        known = held[rule, scale]
        if scale == SCALES[1]:
            gain, offset = rules.platt(known[rows], labels)
            odds, known = gain * odds + offset, gain * known + offset
        known[rows] = probability(known[rows])
        limit = calibrate(_smoothed(data, known, rows)[rows], labels)
        found[rule, scale] = _judged(data, draw.tested, probability(odds), limit)
    return found


def _odds(data: Set, rows: NDArray[np.bool_]) -> dict[tuple[str, str], Array]:
    """Return the log-odds of all segments, by fits on some of them; Platt's are not scaled yet."""
    layer = dlsp(data, rows)
    some, states = labelled(data, rows, layer), data.states[:, layer].astype(np.float64)
    found = {}
    for rule in CALIBRATED:
        line = RULES[rule](some)
        for scale, one in zip(SCALES, (line, line, rules.rescaled(line, some)), strict=True):
            found[rule, scale] = one.at(states)
    return found


def _smoothed(data: Set, scores: Array, rows: NDArray[np.bool_]) -> Array:
    """Smooth the scores of each clip among some segments as the product does."""
    done, clip = scores.copy(), data.sample.clip
    for number in np.unique(clip[rows]):
        here = clip == number
        if here.sum() > 1:
            ends = np.arange(1.0, here.sum() + 1)
            runs = contiguous_runs(ends - 1, ends, ())
            done[here] = smooth(scores[here], Localization(), runs)
    return done


def _judged(data: Set, clips: Clips, scores: Array, limit: float) -> Alarms:
    sample = data.sample
    rows = clips[sample.clip]
    level = _smoothed(data, scores, rows)
    alarm = np.zeros(len(clips), bool)
    alarm[sample.clip[rows & (level >= limit)]] = True
    one, none = (clips & (sample.labels == c) for c in (1, 0))
    hits = int((alarm & one).sum())
    normal = rows & (sample.of_segments == 0)
    error = (scores - sample.of_segments) ** 2
    return Alarms(
        roc_auc(sample.labels[clips].astype(np.int8), sample.by_clip(scores)[clips]),
        limit,
        float(alarm[none].mean()),
        float(alarm[one].mean()),
        2 * hits / float((alarm & clips).sum() + one.sum()),
        float(((level >= EXTEND * limit) & (level < limit))[normal].mean()),
        float((error[normal].mean() + error[rows & ~normal].mean()) / 2),
    )
