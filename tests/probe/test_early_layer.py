"""An earlier layer that is nearly as good is preferred, inside every fold, and recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from hiprobe import methods
from hiprobe.errors import UsageError
from hiprobe.localize import Localization
from hiprobe.probe import Probe, fit
from hiprobe.probe import refit as refitting
from hiprobe.probe.calibration import Calibration, calibration_set
from hiprobe.probe.early_layer import WITHIN, EarlyMethod, early
from hiprobe.probe.refit import refit
from hiprobe.probe.sharing import shareable
from hiprobe.types import HiddenStates, Recipe, Site

RECIPE = Recipe("org/model", ("Is anything abnormal?",))
RAW = Localization(smoothing="none")
SHIFTS = {"equal": (0.0, 4.0, 4.0, 5.0), "only_late": (0.0, 0.3, 0.6, 5.0), "first": (5.0, 4, 4, 4)}
Pairs = list[tuple[HiddenStates, np.ndarray]]


def videos(shifts: Sequence[float], count: int = 8) -> Pairs:
    """Videos of which every second one is anomalous; a layer shows it by the shift of its mean."""
    rng, times = np.random.default_rng(3), np.arange(9.0) * 1.6
    sites = tuple(Site("residual", layer) for layer in range(len(shifts)))
    pairs = []
    for number in range(count):
        noise = rng.normal(size=(8, len(sites), 3))
        values = (noise + np.array(shifts)[:, None] * (number % 2)).astype(np.float32)
        states = HiddenStates(
            f"v{number}",
            RECIPE,
            sites,
            times[:-1].copy(),
            times[1:].copy(),
            values,
            float(times[-1]),
        )
        pairs.append((states, np.full(8, number % 2, np.int8)))
    return pairs


def fitted(name: str, prefer_early: bool = True) -> Probe:
    return fit(
        "hiprobe",
        videos(SHIFTS[name]),
        localization=RAW,
        prefer_early=prefer_early,
        layer_curve=False,
        permutations=0,
        verify=False,
    )


@pytest.mark.parametrize(("name", "own", "layer"), [("equal", 3, 1), ("only_late", 3, 3)])
def test_the_first_layer_that_is_nearly_as_good_is_read(name: str, own: int, layer: int) -> None:
    assert fitted(name, prefer_early=False).sites == (Site("residual", own),)
    made = fitted(name)
    assert made.sites == (Site("residual", layer),)
    record = made.provenance["prefer_early"]
    assert record["instead_of"] == str(Site("residual", own))
    assert record["auc"] >= record["auc_instead_of"] - WITHIN
    assert made.provenance["folds"]["agreement"] == 1.0  # selected so inside every fold
    assert "prefer_early" not in fitted(name, prefer_early=False).provenance


def test_no_deeper_layer_is_taken() -> None:
    made = fitted("first")
    assert made.sites == (Site("residual", 0),)
    assert made.provenance["prefer_early"]["instead_of"] == "residual/layer0/prompt0"


def test_the_layers_are_compared_as_scikit_learn_would_out_of_fold() -> None:
    pairs = videos((0.4, 0.9, 5.0))
    labels = np.concatenate([y for _, y in pairs])
    values = np.concatenate([states.values for states, _ in pairs])
    how = early("hiprobe_c1", RAW, 4, 0)
    data = _data(pairs)
    folds = how._folds(data).of
    for layer in range(3):
        scores = np.empty(len(labels))
        for fold in range(4):
            out = folds == fold
            mean, scale = values[~out, layer].mean(0), values[~out, layer].std(0)
            model = LogisticRegression(C=1.0, solver="liblinear", tol=1e-8)
            model.fit((values[~out, layer] - mean) / scale, labels[~out])
            scores[out] = model.decision_function((values[out, layer] - mean) / scale)
        assert how._auc(data, how._folds(data), layer) == pytest.approx(
            roc_auc_score(labels, scores), abs=2e-3
        )


def _data(pairs: Pairs) -> Calibration:
    return calibration_set(methods.load("hiprobe_c1"), pairs, None)


def test_a_refit_prefers_it_again_where_it_selects() -> None:
    made, pairs = fitted("equal"), videos(SHIFTS["equal"])
    known = [labels for _, labels in pairs]
    kept = refit(made, pairs, known).probe
    assert kept.sites == made.sites
    assert "prefer_early" not in kept.provenance
    again = refit(kept, pairs, known, choose=True)
    assert again.probe.provenance["prefer_early"] == made.provenance["prefer_early"]
    assert again.probe.sites == made.sites
    assert again.before == again.after
    assert isinstance(refitting._method(kept, _data(pairs)), EarlyMethod)
    plain = refit(fitted("equal", prefer_early=False), pairs, known, choose=True).probe
    assert plain.sites == (Site("residual", 3),)


def test_the_record_leaves_with_a_shared_probe() -> None:
    made = fitted("equal")
    copy = shareable(made)
    assert copy.probe.provenance["prefer_early"] == made.provenance["prefer_early"]
    assert not {one for one in copy.left_out if "early" in one}


@pytest.mark.parametrize("method", ["output_layer", "headhunt", "one_class", "likelihood"])
def test_methods_without_a_choice_of_layers_are_refused(method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} does not select a layer"):
        fit(method, videos((0.0, 1.0)), prefer_early=True, verify=False)


def test_one_layer_is_no_choice() -> None:
    with pytest.raises(UsageError, match="among several, got 1 and 1 selected"):
        fit(
            "hiprobe",
            videos((0.0, 1.0)),
            sites=(Site("residual", 1),),
            prefer_early=True,
            verify=False,
        )
