"""Fit a probe: select the sites, score out of fold, find the threshold.

Hidden states and labels only: no videos and no models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.localize import Localization, localize
from hiprobe.methods import Method
from hiprobe.probe import early_layer
from hiprobe.probe.calibration import CLASSES, Calibration, Pair, calibration_set, usable
from hiprobe.probe.controls import compare_with_controls
from hiprobe.probe.curves import auc_by_layer, shuffled_curves
from hiprobe.probe.false_alarm_rate import (
    FalseAlarmRate,
    check_footage,
    level_for_rate,
    threshold_for_rate,
    with_rate,
)
from hiprobe.probe.file import Probe
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.probe.held_out import fitted_tensors, held_out, pooled_auc, selected
from hiprobe.probe.threshold import with_threshold
from hiprobe.probe.verification_rule import NOT_WANTED, VerificationRule, answered_odds, find_rule
from hiprobe.types import Event, Scores, Site

_DEFAULT = Localization()


class HasProvenance(Protocol):
    """Anything that says what hidden states were read with, such as a backbone."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Precision, device and versions, as JSON values."""
        ...


@dataclass(frozen=True)
class FitSettings:
    """The settings of `fit`; `states` says what the hidden states were read with."""

    sites: Sequence[Site] | None
    folds: int
    seed: int
    localization: Localization
    permutations: int
    layer_curve: bool
    false_alarms_per_day: float | None
    states: Mapping[str, Any]
    verification: tuple[VerificationRule | None, str] = (None, NOT_WANTED)
    answers: Sequence[Pair] = ()
    prefer_early: bool = False


class _HeldOut(NamedTuple):
    """The folds, out-of-fold scores (n,) raw and smoothed, and the sites that each fold picked."""

    split: Folds
    raw: NDArray[np.float64]
    scores: NDArray[np.float64]
    picked: list[tuple[int, ...]]


def fit(
    method: str,
    pairs: Iterable[Pair],
    *,
    model: HasProvenance | None = None,
    sites: Sequence[Site] | None = None,
    folds: int = 5,
    seed: int = 0,
    localization: Localization = _DEFAULT,
    permutations: int = 20,
    layer_curve: bool = True,
    false_alarms_per_day: float | None = None,
    provenance: Mapping[str, Any] | None = None,
    verify: bool = True,
    answers: Sequence[Pair] | None = None,
    prefer_early: bool = False,
) -> Probe:
    """Fit `method` on the hidden states and labels of several videos.

    Each of `pairs` is (states, labels) of one video; labels (segments,) are 1 anomalous, 0 normal
    and -1 left out. The method selects its sites on the whole set, among `sites` if given (a single
    one is used as it is). The threshold and every AUC come from out-of-fold scores: selection and
    fit are repeated without the videos of a fold, and scores are smoothed per video. Videos whose
    states name the same `group` are held out together. If a class is in one video only, folds are
    made of segments, and `provenance["warnings"]` of the probe says so. On the same folds,
    `provenance["controls"]` has the AUC of controls that need no model, if the states have them.

    States of whole videos (`Recipe.unit`) fit a probe that scores segments, as in HeadHunt-VAD; the
    threshold then comes from the scores of whole videos.

    The threshold is the one with the best F1 (the rule of HeadHunt-VAD). A method of normal videos
    uses the 0.99 quantile of their scores. A method that needs no labels uses its own threshold if
    it gets none (both our own). `provenance["threshold_from"]` says which was used. In the same way
    `causal_threshold` comes from these scores smoothed by what was before them only. With
    `false_alarms_per_day` the level of the check is the lowest one that the normal videos support
    with out-of-fold scores (`probe.false_alarm_rate`), or the threshold is, if the probe has no
    check or no `answers` are given; `provenance["false_alarms"]` has the figures.

    `folds` is the most folds to make, `permutations` the number of label shuffles behind the
    saliency baseline (0: none), and `layer_curve` asks for the AUC of each layer. With
    `prefer_early` the first layer is read whose out-of-fold AUC is at most 0.01 below that of the
    selected one, which is read sooner (our own; `probe.early_layer`). The provenance of
    `model`, such as a backbone, and `provenance` are stored in the probe. The same input and seed
    give the same bytes.

    Unless `verify` is False, the probe says how to check events by asking `model`, if its yes and
    no can be read. `answers` are pairs of the labelled videos too, but with the model's logits of
    yes and no, as `extract(videos, model, method="likelihood")` reads them; they calibrate the
    threshold of the check, which is 0 without them.

    Raises LabelError for fewer than 4 segments of a class that the method needs or named groups of
    which only one has a class, RecipeMismatch for
    states of different recipes, ProbeError for states that are not finite or lack a site and for a
    regression that does not converge, UsageError for an unknown method or `sites` of a kind that it
    does not read.

    >>> from hiprobe.types import HiddenStates, Recipe
    >>> recipe, times = Recipe("org/model", ("Is anything abnormal?",)), np.arange(7) * 1.6
    >>> sites, rng, pairs = (Site("residual", 0), Site("residual", 1)), np.random.default_rng(0), []
    >>> for n in range(4):  # every second video is anomalous, which only layer 1 shows
    ...     values = rng.normal(size=(6, 2, 8)) + [[0.0], [3.0 * (n % 2)]]
    ...     states = HiddenStates(f"v{n}", recipe, sites, times[:-1], times[1:], values, times[-1])
    ...     pairs.append((states, np.full(6, n % 2, np.int8)))
    >>> probe = fit("hiprobe", pairs)
    >>> [str(site) for site in probe.sites], probe.provenance["auc"]["value"]
    (['residual/layer1/prompt0'], 1.0)
    """
    states, pairs = {**(model.provenance if model else {}), **(provenance or {})}, list(pairs)
    rule: tuple[VerificationRule | None, str] = (None, NOT_WANTED)
    if verify and pairs:
        rule = find_rule(method, pairs[0][0].recipe, model, answers, localization.confirm)
    settings = FitSettings(
        sites,
        folds,
        seed,
        localization,
        permutations,
        layer_curve,
        false_alarms_per_day,
        states=states,
        verification=rule,
        answers=answers or (),
        prefer_early=prefer_early,
    )
    return _fitted(method, pairs, settings)


def _method(name: str, settings: FitSettings) -> Method:
    """Return the method, with the preference for earlier layers if that is asked for."""
    if settings.prefer_early:
        return early_layer.early(name, settings.localization, settings.folds, settings.seed)
    return methods.load(name)


def _fitted(method: str, pairs: Sequence[Pair], settings: FitSettings) -> Probe:
    how = _method(method, settings)
    data = calibration_set(how, pairs, settings.sites)
    held = _held_out(how, data, settings)
    labels = usable(how, data.labels)
    chosen = selected(how, data, labels)
    tensors = fitted_tensors(how, data.at(chosen.indices, labels >= 0), labels[labels >= 0])
    rule, source = with_threshold(how, data.labels, held.scores, settings.localization)
    causal = replace(settings.localization, smoothing="causal")
    early, _ = with_threshold(how, data.labels, data.smoothed(held.raw, causal), causal)
    record = {**_record(how, data, chosen, held, settings), "threshold_from": source}
    made = Probe(
        method,
        replace(data.states[0].recipe, unit="segment"),
        tuple(data.sites[i] for i in chosen.indices),
        data.shape[2],
        tensors,
        replace(rule, threshold_from=source),
        json.loads(json.dumps(record)),
        settings.verification[0],
        early.threshold,
    )
    wanted = settings.false_alarms_per_day
    if wanted is None:
        return made
    return with_rate(made, _rate(wanted, data, held.raw, made, settings.answers))


def _rate(
    wanted: float,
    data: Calibration,
    raw: NDArray[np.float64],
    made: Probe,
    answers: Sequence[Pair],
) -> FalseAlarmRate:
    """Find what keeps the wanted false alarms, from out-of-fold scores (n,) of normal videos.

    With answers of the model to check events by, that is the level of the check; a video about
    which the model could not be asked is then not counted.
    """
    settings = made.localization
    rule = replace(settings, rule="fixed", threshold=settings.threshold or 0.0)
    found: list[tuple[str, Scores, Sequence[Event]]] = []
    cuts = np.cumsum([len(one.starts) for one in data.states])[:-1]
    parts = zip(data.states, np.split(raw, cuts), np.split(data.labels, cuts), strict=True)
    for one, scores, labels in parts:
        if len(labels) and not labels.any():
            found.append((one.video_id, *localize(one.starts, one.ends, scores, one.gaps, rule)))
    if made.verification is None or not answers:
        return threshold_for_rate(wanted, [scores for _, scores, _ in found], settings)
    asked = {states.video_id for states, _ in answers}
    found = [one for one in found if one[0] in asked]
    normal = [scores for _, scores, _ in found]
    check_footage(normal)
    odds = answered_odds(answers, [(video, events) for video, _, events in found])
    hours = sum(one.scored_s for one in normal) / 3600
    return level_for_rate(wanted, odds, hours, made.verification.threshold)


def _held_out(how: Method, data: Calibration, settings: FitSettings) -> _HeldOut:
    split = make_folds(
        data.labels,
        data.groups,
        CLASSES[how.LABELS],
        settings.folds,
        settings.seed,
        named=data.named_groups > 0,
    )
    raw, picked = held_out(how, data, split)
    return _HeldOut(split, raw, data.smoothed(raw, settings.localization), picked)


def _record(
    how: Method,
    data: Calibration,
    chosen: methods.Selection,
    held: _HeldOut,
    settings: FitSettings,
) -> dict[str, Any]:
    """Describe the fit for the provenance of the probe, without the source of the threshold."""
    seed = settings.seed
    return {
        **_described(data, chosen, seed),
        "baseline": shuffled_curves(how, data, settings.permutations, seed),
        "folds": {
            "count": held.split.number,
            "by": held.split.by,
            "sites": [data.names(p) for p in held.picked],
            "agreement": float(np.mean([_shared(p, chosen.indices) for p in held.picked])),
        },
        "auc": pooled_auc(data, held.scores, seed),
        "controls": compare_with_controls(
            data, held.split, held.scores, settings.localization, seed
        ),
        "layers": auc_by_layer(how, data, held.split, settings.localization, seed)
        if settings.layer_curve
        else None,
        "warnings": list(held.split.warnings),
        "versions": {name: version(name) for name in ("numpy", "scikit-learn")},
        "states": dict(settings.states),
        "verification": settings.verification[1],
    }


def why_chosen(candidates: int) -> str:
    """Say why sites were chosen, from the number of those that there were to choose from.

    >>> why_chosen(1)
    'the only one offered'
    """
    if candidates == 1:
        return "the only one offered"
    return f"selected among {candidates} on the whole set"


def _shared(picked: Sequence[int], chosen: Sequence[int]) -> float:
    """Compute the share of the chosen sites that a fold picked as well."""
    return len(set(picked) & set(chosen)) / len(set(chosen))


def _described(data: Calibration, chosen: methods.Selection, seed: int) -> dict[str, Any]:
    count = {
        name: int((data.labels == c).sum())
        for name, c in (("anomalous", 1), ("normal", 0), ("left_out", -1))
    }
    videos = {states.video_id for states in data.states if len(states.starts)}
    return {
        "segments": count,
        "videos": sorted(videos),
        **({"groups": data.named_groups} if data.named_groups else {}),
        **({"unit": unit} if (unit := data.states[0].recipe.unit) != "segment" else {}),
        **early_layer.record(chosen, data),
        "seed": seed,
        "candidates": data.names(range(len(data.sites))),
        "chosen": data.names(chosen.indices),
        "why": why_chosen(len(data.sites)),
        "curves": {name: curve.tolist() for name, curve in chosen.curves.items()},
    }
