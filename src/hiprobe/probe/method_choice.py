"""Choose the method and the smoothing by nested cross-validation over videos.

Hidden states and labels only: no videos and no models. Every fold holds whole videos, or whole
groups of them. In turn one fold is kept for the estimate and the choice is made on the others, by
scores of fits that saw neither. A fit without two folds serves both of them, so K folds need
K (K + 1) / 2 fits of a method. The layer is selected inside each fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import LabelError, ProbeError, UsageError
from hiprobe.localize import Localization
from hiprobe.metrics import balanced_auc, central_interval, draw_videos, pair_wins
from hiprobe.probe.calibration import Calibration, Pair, calibration_set
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.probe.held_out import scores_of_rest
from hiprobe.types import LabelArray

Array = NDArray[np.float64]

AUTO = "auto"  # the name by which `fit` is asked for a choice
FALLBACK = "hiprobe"
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0)
ENOUGH_TO_CHOOSE = 4  # videos of each class; with fewer a fold would be left without a class
CRITERION = (
    "mean of the AUC between videos and the AUC inside videos, each video counted once, "
    "over pairs of segments that one fit scored"
)


@dataclass(frozen=True)
class ChoiceSettings:
    """The settings of `choose_method`; `sigmas` are the widths of smoothing to try.

    >>> ChoiceSettings(sigmas=(0.0, 1.5)).folds
    5
    """

    sigmas: tuple[float, ...] = SIGMAS
    folds: int = 5
    seed: int = 0
    localization: Localization = field(default_factory=Localization)
    resamples: int = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over videos; None where there is no interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Tried:
    """One candidate: its inner score, its outer score, and in how many folds it was chosen."""

    method: str
    sigma: float
    inner: float
    outer: Estimate
    chosen_in: int


@dataclass(frozen=True)
class Choice:
    """The method and smoothing that were chosen, the reason in one sentence, and what was tried.

    `gain` is the outer score of choosing by this rule minus that of the fallback. `left_out` are
    methods that could not be compared, with the reason.

    >>> Choice("hiprobe", 1.5, "hiprobe is the best of what was tried", False).to_json()["sigma"]
    1.5
    """

    method: str
    sigma: float
    reason: str
    decided: bool
    gain: Estimate | None = None
    tried: tuple[Tried, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    folds: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the choice as JSON values, with the criterion in words."""
        return {**asdict(self), "tried": [asdict(one) for one in self.tried], "by": CRITERION}


@dataclass(frozen=True)
class _Trial:
    """Raw scores of one method: `outer` (n,), and `inner` (K, n) without each fold, which is 0."""

    outer: Array
    inner: Array


@dataclass(frozen=True)
class _Compared:
    """Every candidate's inner scores (candidates, K) and its wins (V, V) on the outer folds."""

    candidates: tuple[tuple[str, float], ...]
    inner: Array
    wins: Array


def choose_method(
    readings: Iterable[tuple[str, Sequence[Pair]]],
    settings: ChoiceSettings | None = None,
) -> Choice:
    """Choose among methods, each with the hidden states and labels of the same videos.

    The first of `readings` must be the fallback, `hiprobe`; the others are taken one after the
    other. The score of a candidate is `CRITERION`. The chosen candidate is the best by the mean
    inner score. If the interval of the gain over the fallback contains 0, or fewer than four videos
    have a class, the fallback is returned with the smoothing of `settings`, and `reason` says so.
    A method that fails on labels or states is in `left_out` with its error.

    Raises LabelError and ProbeError as `fit` does for the fallback, UsageError if it does not come
    first or another method has other labels.

    >>> from hiprobe.types import HiddenStates, Recipe, Site
    >>> recipe, times = Recipe("org/model", ("Is anything abnormal?",)), np.arange(7) * 1.6
    >>> pairs, rng = [], np.random.default_rng(0)
    >>> for n in range(6):
    ...     values = rng.normal(size=(6, 1, 4)) + 9.0 * (n % 2)
    ...     site = (Site("residual", 0),)
    ...     states = HiddenStates(f"v{n}", recipe, site, times[:-1], times[1:], values, times[-1])
    ...     pairs.append((states, np.full(6, n % 2, np.int8)))
    >>> choose_method([("hiprobe", pairs)]).reason
    'undecided: fewer than 4 videos of a class (3 anomalous, 3 normal), so hiprobe is used'
    """
    settings, coming = settings or ChoiceSettings(), iter(readings)
    lost: dict[str, str] = {}
    name, pairs = next(coming, ("", ()))
    if name != FALLBACK:
        raise UsageError(f"the first method must be {FALLBACK}, got {name!r}")
    data = _data(FALLBACK, pairs)
    sigma, videos = settings.localization.sigma, _videos_by_class(data)
    if min(videos) < ENOUGH_TO_CHOOSE:
        few = f"({videos[0]} anomalous, {videos[1]} normal)"
        reason = f"undecided: fewer than {ENOUGH_TO_CHOOSE} videos of a class {few}"
        return Choice(FALLBACK, sigma, f"{reason}, so {FALLBACK} is used", False)
    split = make_folds(data.labels, data.groups, (1, 0), settings.folds, settings.seed)
    trials = {FALLBACK: _trial(FALLBACK, data, split)}
    for name, pairs in coming:
        try:
            trials[name] = _trial(name, _with_same_labels(_data(name, pairs), data, name), split)
        except (LabelError, ProbeError) as error:
            lost[name] = error.reason
    return _decide(_compare(trials, data, split, settings), data, split, settings, lost)


def _videos_by_class(data: Calibration) -> tuple[int, int]:
    """Count the videos, or groups, with an anomalous and with a normal segment."""
    anomalous, normal = (len(np.unique(data.groups[data.labels == c])) for c in (1, 0))
    return anomalous, normal


def _data(name: str, pairs: Sequence[Pair]) -> Calibration:
    return calibration_set(methods.load(name), [pair for pair in pairs if len(pair[1])], None)


def _with_same_labels(found: Calibration, data: Calibration, name: str) -> Calibration:
    if not np.array_equal(found.labels, data.labels):
        raise UsageError(f"method {name} was read on other segments than {FALLBACK}")
    return found


def _trial(name: str, data: Calibration, split: Folds) -> _Trial:
    """Fit a method without each fold, and without each two folds."""
    how, n = methods.load(name), len(data.labels)
    outer, inner = np.zeros(n), np.zeros((split.number, n))
    for fold in range(split.number):
        out = split.of == fold
        outer[out], _ = scores_of_rest(how, data, out, f"method {name}, fold {fold}")
    for one, other in combinations(range(split.number), 2):
        out = np.isin(split.of, (one, other))
        raw, _ = scores_of_rest(how, data, out, f"method {name}, folds {one} and {other}")
        inner[one, split.of == other] = raw[split.of[out] == other]
        inner[other, split.of == one] = raw[split.of[out] == one]
    return _Trial(outer, inner)


def _compare(
    trials: Mapping[str, _Trial], data: Calibration, split: Folds, settings: ChoiceSettings
) -> _Compared:
    """Score every method with every smoothing; the fallback comes first, so it wins a tie."""
    first = settings.localization.sigma
    sigmas = (first, *(sigma for sigma in settings.sigmas if sigma != first))
    candidates = tuple((name, sigma) for name in trials for sigma in sigmas)
    videos = np.repeat(np.arange(len(data.states)), [len(s.starts) for s in data.states])

    def wins(raw: Array, sigma: float, labels: LabelArray) -> Array:
        rule = replace(settings.localization, sigma=sigma)
        return pair_wins(data.smoothed(raw, rule), labels, videos, split.of)

    inner = [
        [
            balanced_auc(wins(raw, sigma, np.where(split.of == fold, -1, data.labels)))[0]
            for fold, raw in enumerate(trials[name].inner)
        ]
        for name, sigma in candidates
    ]
    outer = [wins(trials[name].outer, sigma, data.labels) for name, sigma in candidates]
    return _Compared(candidates, np.array(inner), np.array(outer))


def _decide(
    compared: _Compared,
    data: Calibration,
    split: Folds,
    settings: ChoiceSettings,
    left_out: Mapping[str, str],
) -> Choice:
    """Take the best candidate if choosing in this way beats the fallback on the outer folds."""
    first = np.cumsum([0, *(len(states.starts) for states in data.states)])[:-1]
    _, groups = np.unique(data.groups[first], return_inverse=True)
    drawn = draw_videos(int(groups.max()) + 1, settings.resamples, settings.seed)[:, groups]
    weights = np.concatenate([np.ones((1, len(groups)), np.int64), drawn])
    picked = compared.inner.argmax(0)
    procedure = compared.wins[picked[split.of[first]], np.arange(len(groups))]
    outer = [balanced_auc(wins, weights) for wins in compared.wins]
    gain = _estimate(balanced_auc(procedure, weights) - outer[0])
    tried = tuple(
        Tried(*one, float(inner.mean()), _estimate(curve), int((picked == at).sum()))
        for at, (one, inner, curve) in enumerate(
            zip(compared.candidates, compared.inner, outer, strict=True)
        )
    )
    best = int(compared.inner.mean(1).argmax())
    decided = best > 0 and gain.low is not None and gain.low > 0
    method, sigma = compared.candidates[best if decided else 0]
    reason = _reason(tried[best], tried[0], gain, decided=decided)
    return Choice(method, sigma, reason, decided, gain, tried, left_out, split.number)


def _estimate(curve: Array) -> Estimate:
    """Return the first of `curve` (1 + draws,) with the interval of the rest."""
    ends = central_interval(curve[1:], 0.95)
    return Estimate(float(curve[0]), *(ends or (None, None)))


def _reason(best: Tried, base: Tried, gain: Estimate, *, decided: bool) -> str:
    """Say in one sentence what was chosen and why."""
    if best == base:
        return f"{_in_words(base)} is the best of what was tried"
    span = "" if gain.low is None else f" [{gain.low:+.3f}, {gain.high:+.3f}]"
    gained = f"the choice gains {gain.value:+.3f}{span} over {_in_words(base)} on the outer folds"
    if decided:
        return f"{_in_words(best)} is best inside the folds, and {gained}"
    why = f"{_in_words(best)} is best inside the folds, but {gained}"
    return f"undecided: {why}, so {FALLBACK} is used"


def _in_words(one: Tried) -> str:
    """Return a candidate in words."""
    return f"{one.method} with sigma {one.sigma:g}"
