"""The kinds of smoothing against plain numpy, and the settings that name them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from experiments.footage import Footage
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe import embedded, methods
from hiprobe.localize import (
    LOCALIZATIONS,
    SMOOTHINGS,
    Localization,
    Smoother,
    Smoothing,
    localize,
    smooth,
)
from hiprobe.probe import Probe, fit
from hiprobe.probe.calibration import calibration_set
from hiprobe.probe.folds import make_folds
from hiprobe.probe.held_out import held_out
from hiprobe.probe.refit import refit
from hiprobe.probe.threshold import calibrate
from hiprobe.types import Gap, HiddenStates, Recipe, Site

sigmas = st.sampled_from([0.3, 0.5, 1.0, 1.5, 2.0, 3.3])
some_scores = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=40).map(np.array)
kinds = st.sampled_from(SMOOTHINGS)


@settings(deadline=None)
@given(some_scores, sigmas)
def test_causal_is_the_gaussian_mean_of_this_and_earlier_scores(
    scores: np.ndarray, sigma: float
) -> None:
    found, reach = smooth(scores, Localization(sigma, smoothing="causal")), int(4 * sigma + 0.5)
    for i in range(len(scores)):
        back = np.arange(min(i, reach) + 1)
        weights = np.exp(-(back**2) / (2 * sigma**2))
        assert found[i] == pytest.approx(np.average(scores[i - back], weights=weights), abs=1e-9)


@settings(deadline=None)
@given(some_scores, some_scores, sigmas)
def test_causal_never_looks_ahead(scores: np.ndarray, later: np.ndarray, sigma: float) -> None:
    rules = Localization(sigma, smoothing="causal")
    assert (smooth(np.r_[scores, later], rules)[: len(scores)] == smooth(scores, rules)).all()
    smoother = Smoother(sigma, "causal")
    assert [len(smoother.push(float(score))) for score in scores] == [1] * len(scores)


@settings(deadline=None)
@given(some_scores, sigmas)
def test_median_is_numpys_in_a_window_cut_at_the_ends(scores: np.ndarray, sigma: float) -> None:
    odd = np.arange(1, 99, 2)
    half = int(odd[np.abs(odd - np.sqrt(12 * sigma**2 + 1) - 1e-9).argmin()]) // 2
    want = [np.median(scores[max(i - half, 0) : i + half + 1]) for i in range(len(scores))]
    assert smooth(scores, Localization(sigma, smoothing="median")).tolist() == want


def test_the_window_of_the_median_is_as_wide_as_the_gaussian() -> None:
    for sigma, length in ((0, 1), (0.5, 3), (1, 3), (1.5, 5), (2, 7), (100, 347)):
        window = 2 * Smoother(sigma, "median").ahead + 1
        assert window == length
        assert np.arange(window).std() == pytest.approx(sigma, abs=0.35)


@settings(deadline=None)
@given(some_scores, kinds, sigmas, st.sets(st.integers(1, 39), max_size=4))
def test_every_kind_is_the_same_live_stays_within_and_ends_at_a_gap(
    scores: np.ndarray, kind: Smoothing, sigma: float, cuts: set[int]
) -> None:
    rules, breaks = Localization(sigma, smoothing=kind), sorted(c for c in cuts if c < len(scores))
    whole = smooth(scores, rules, breaks)
    parts = np.split(scores, breaks)
    assert whole.tolist() == np.concatenate([smooth(part, rules) for part in parts]).tolist()
    smoother, live, late = Smoother(sigma, kind), [], 0
    for part in parts:
        for score in part:
            live += smoother.push(float(score))
            late = max(late, smoother._seen - smoother._given)
        live += smoother.flush()
    assert live == whole.tolist()
    assert late <= smoother.ahead  # no score waits longer than stated
    for part, smoothed in zip(parts, np.split(whole, breaks), strict=True):
        assert part.min() <= smoothed.min()
        assert smoothed.max() <= part.max()


@settings(deadline=None)
@given(some_scores, kinds)
def test_no_width_is_no_smoothing(scores: np.ndarray, kind: Smoothing) -> None:
    assert (smooth(scores, Localization(0.0, smoothing=kind)) == scores).all()
    assert (smooth(scores, Localization(7.0, smoothing="none")) == scores).all()


# settings


def test_new_settings_survive_json_and_are_checked() -> None:
    assert get_args(Smoothing) == SMOOTHINGS
    for chosen in (
        Localization(smoothing="median", extend=0.5, refine=True),
        Localization(smoothing="none"),
        *LOCALIZATIONS.values(),
    ):
        assert Localization.from_json(chosen.to_json()) == chosen
    wrong: list[dict[str, Any]] = [
        {"smoothing": "mean"},
        {"smoothing": ["median"]},
        {"smoothing": None},
        {"extend": 0},
        {"extend": 1.01},
        {"extend": float("nan")},
        {"extend": "1"},
        {"refine": 1},
        {"refine": "yes"},
    ]
    for values in wrong:
        with pytest.raises(ValueError, match=next(iter(values))):
            Localization.from_json({**Localization().to_json(), **values})


def test_a_file_names_every_setting_so_that_a_new_default_changes_no_file() -> None:
    whole = Localization.named("paper").to_json()
    assert Localization.from_json(whole) == Localization.named("paper")
    for name in whole:
        with pytest.raises(ValueError, match=f"lacks {name}"):
            Localization.from_json({key: value for key, value in whole.items() if key != name})
    shipped = Probe.load(embedded.PROBE)
    assert shipped.to_bytes() == embedded.PROBE.read_bytes()


def test_settings_have_names() -> None:
    paper = Localization.named("paper")
    assert (paper.smoothing, paper.sigma, paper.extend, paper.refine) == ("gaussian", 1.5, 1, False)
    assert Localization.named("default") == Localization()
    with pytest.raises(ValueError, match=r"default.*paper.*'Paper'"):
        Localization.named("Paper")
    own = Localization(rule="adaptive", kappa=2.0, warmup=9, lag=4, extend=0.5)
    assert paper.with_rule_of(own) == replace(own, sigma=1.5, extend=1.0, refine=False)


# thresholds fit the smoothing


RECIPE, SITE = Recipe("org/model", ("Is anything abnormal?",)), Site("residual", 0)


def videos(count: int = 8, length: int = 24) -> list[tuple[HiddenStates, np.ndarray]]:
    """Videos with an event of six noisy segments, and a gap in the middle of each."""
    rng, edges, made = np.random.default_rng(3), np.arange(length + 1) * 1.6, []
    for n in range(count):
        labels = np.zeros(length, np.int8)
        labels[4 + n : 10 + n] = 1
        values = rng.normal(size=(length, 1, 4)) + labels[:, None, None]
        gaps = (Gap(edges[12], edges[12], "lost"),)
        states = HiddenStates(
            f"v{n}", RECIPE, (SITE,), edges[:-1], edges[1:], values, edges[-1], gaps
        )
        made.append((states, labels))
    return made


@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_a_fit_calibrates_on_scores_smoothed_as_detection_smooths_them(kind: Smoothing) -> None:
    pairs, rules = videos(), Localization(2.0, smoothing=kind)
    probe = fit("hiprobe", pairs, localization=rules, permutations=0)
    how = methods.load("hiprobe")
    data = calibration_set(how, pairs, None)
    raw, _ = held_out(how, data, make_folds(data.labels, data.groups, (1, 0), 5, 0))
    fixed = replace(rules, rule="fixed", threshold=0.5)
    parts = np.split(raw, len(pairs))
    seen = [
        localize(one.starts, one.ends, part, one.gaps, fixed)[0].smoothed
        for (one, _), part in zip(pairs, parts, strict=True)
    ]
    assert probe.localization.threshold == calibrate(np.concatenate(seen), data.labels)
    assert probe.localization == replace(rules, threshold=probe.localization.threshold)
    # With one site to choose from, the curve over sites and a refit have the AUC of these scores.
    assert probe.provenance["layers"][0]["auc"] == probe.provenance["auc"]
    assert refit(probe, pairs, [y for _, y in pairs]).before == probe.provenance["auc"]
    footage = Footage(
        tuple(one for one, _ in pairs), tuple(y for _, y in pairs), ((),) * 8, ("",) * 8
    )
    assert footage.smoothed(raw, rules).tolist() == np.concatenate(seen).tolist()


def test_the_kinds_give_different_thresholds() -> None:
    pairs = videos()
    found = {
        fit(
            "hiprobe", pairs, localization=Localization(2.0, smoothing=kind), permutations=0
        ).localization.threshold
        for kind in SMOOTHINGS
    }
    assert len(found) == len(SMOOTHINGS)
