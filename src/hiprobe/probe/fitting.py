"""Fits a probe: sites chosen, out-of-fold scores, threshold. Knows no video and no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.localize import Localization, calibrate
from hiprobe.methods import Method
from hiprobe.metrics import deal
from hiprobe.probe.calibration import CLASSES, Calibration, Pairs, calibration_set, usable
from hiprobe.probe.curves import auc_by_layer, shuffled_curves
from hiprobe.probe.file import Probe
from hiprobe.probe.held_out import fitted_tensors, held_out, pooled_auc, selected
from hiprobe.types import LabelArray, Site

NORMAL_QUANTILE = 0.99  # of out-of-fold normal scores: the threshold where no anomaly is known
_DEFAULT = Localization()


def fit(
    method: str,
    pairs: Pairs,
    *,
    sites: Sequence[Site] | None = None,
    folds: int = 5,
    seed: int = 0,
    localization: Localization = _DEFAULT,
    permutations: int = 20,
    layer_curve: bool = True,
    provenance: Mapping[str, Any] | None = None,
) -> Probe:
    """Fits `method` on `pairs` of states and labels (segments,) per video: 1 anomalous, 0 normal, -1 left out.

    The sites are chosen on the whole set. The threshold and every AUC come from out-of-fold scores, smoothed per video
    over all its segments, with the selection repeated inside each fold; a fold holds whole videos. If a class lies in
    one video only, folds are made of segments, and `provenance["warnings"]` says so. The threshold has the best F1; a
    method of normal videos takes the 0.99 quantile of their scores, one without labels its own where there are none;
    `provenance["threshold_from"]` says which. `sites` are those to choose among (one forces it), by default the
    method's. `provenance` (dtype, device) is added. Same input and seed, same bytes.

    Raises LabelError for fewer than 4 segments of a class the method needs, RecipeMismatch for states of several
    recipes, ProbeError for states that are not finite or lack a site and for a regression that does not converge,
    UsageError for an unknown method or `sites` of a kind that it does not read.
    """
    how = methods.load(method)
    data = calibration_set(how, pairs, sites)
    split = deal(data.labels, data.groups, CLASSES[how.LABELS], folds, seed)
    raw, picked = held_out(how, data, split)
    smoothed = data.smoothed(raw, localization.sigma)
    labels = usable(how, data.labels)
    chosen = selected(how, data, labels)
    tensors = fitted_tensors(how, data.at(chosen.indices, labels >= 0), labels[labels >= 0])
    settings, source = _localization(how, data.labels, smoothed, localization)
    record = {
        **_described(data, chosen, seed),
        "baseline": shuffled_curves(how, data, permutations, seed),
        "folds": {
            "count": split.number,
            "by": split.by,
            "sites": [data.names(p) for p in picked],
            "agreement": float(np.mean([_shared(p, chosen.indices) for p in picked])),
        },
        "auc": pooled_auc(data, smoothed, seed),
        "threshold_from": source,
        "layers": auc_by_layer(how, data, split, localization.sigma, seed) if layer_curve else None,
        "warnings": list(split.warnings),
        "versions": {name: version(name) for name in ("numpy", "scikit-learn")},
        "states": dict(provenance or {}),
    }
    return Probe(
        method,
        data.states[0].recipe,
        tuple(data.sites[i] for i in chosen.indices),
        data.shape[2],
        tensors,
        settings,
        json.loads(json.dumps(record)),
    )


def _shared(picked: Sequence[int], chosen: Sequence[int]) -> float:
    """The share of the chosen sites that a fold picked as well."""
    return len(set(picked) & set(chosen)) / len(set(chosen))


def _localization(
    how: Method,
    labels: LabelArray,
    held_out: NDArray[np.float64],
    settings: Localization,
) -> tuple[Localization, str]:
    """The settings with the threshold they ask for, and where it is from."""
    if settings.rule != "calibrated":
        return settings, f"the {settings.rule} rule"
    if how.LABELS == "normal":
        limit = float(np.quantile(held_out[labels == 0], NORMAL_QUANTILE))
        return settings.with_threshold(
            limit
        ), f"{NORMAL_QUANTILE} quantile of out-of-fold scores of normal segments"
    own = getattr(how, "THRESHOLD", None)
    if how.LABELS == "none" and own is not None and not {0, 1} <= set(labels.tolist()):
        return settings.with_threshold(
            float(own)
        ), "the method's own, as no labels of both classes were given"
    source = (
        "best F1 on the labelled segments"
        if how.LABELS == "none"
        else "best F1 of out-of-fold scores"
    )
    return settings.with_threshold(calibrate(held_out, labels)), source


def _described(data: Calibration, chosen: methods.Selection, seed: int) -> dict[str, Any]:
    count = {
        name: int((data.labels == c).sum())
        for name, c in (("anomalous", 1), ("normal", 0), ("left_out", -1))
    }
    why = (
        "the only one offered"
        if len(data.sites) == 1
        else f"selected among {len(data.sites)} on the whole set"
    )
    videos = {states.video_id for states in data.states if len(states.starts)}
    return {
        "segments": count,
        "videos": sorted(videos),
        "seed": seed,
        "candidates": data.names(range(len(data.sites))),
        "chosen": data.names(chosen.indices),
        "why": why,
        "curves": {name: curve.tolist() for name, curve in chosen.curves.items()},
    }
