"""`choose_method`: what is better is chosen, what is not falls back, and nothing leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hiprobe import methods
from hiprobe.errors import UsageError
from hiprobe.localize import Localization
from hiprobe.metrics import balanced_auc, pair_wins
from hiprobe.probe import Choice, ChoiceSettings, choose_method, fit
from hiprobe.probe.calibration import Pair
from hiprobe.types import HiddenStates, Recipe

SEGMENTS, WIDTH, LAYERS = 10, 4, 3
QUICK = ChoiceSettings(resamples=200)


def event_labels(videos: int) -> list[np.ndarray]:
    """Every second video has an event of four segments, at a place of its own."""
    labels = [np.zeros(SEGMENTS, np.int8) for _ in range(videos)]
    for n in range(1, videos, 2):
        labels[n][n % 5 + 1 : n % 5 + 5] = 1
    return labels


def read(
    method: str,
    labels: Sequence[np.ndarray],
    signal: float,
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> tuple[str, list[Pair]]:
    """States at the method's sites: noise, plus `signal` in anomalous segments at every site."""
    how, rng = methods.load(method), np.random.default_rng([seed, len(method), ord(method[0])])
    sites = how.sites(LAYERS, 1)
    width = 2 if sites[0].kind == "logit" else WIDTH
    recipe = Recipe("made-up", how.PROMPTS or ("Is anything abnormal?",))
    times, pairs = np.array([1.6 * n for n in range(SEGMENTS + 1)]), []
    for n, y in enumerate(labels):
        values = rng.normal(size=(SEGMENTS, len(sites), width))
        values[:, :, 0] += signal * y[:, None]
        group = groups[n] if groups else None
        states = HiddenStates(
            f"v{n}", recipe, sites, times[:-1], times[1:], values, times[-1], group=group
        )
        pairs.append((states, y))
    return method, pairs


# --- the criterion


def test_the_criterion_is_the_mean_over_pairs_of_videos_of_one_fold_and_inside_videos() -> None:
    rng = np.random.default_rng(3)
    videos = np.repeat(np.arange(12), 6)
    folds, labels = videos % 3, rng.integers(-1, 2, 72).astype(np.int8)
    scores = rng.integers(0, 4, 72) / 4  # ties
    weights = rng.integers(0, 3, 12)
    between: list[tuple[float, float]] = []
    within: list[tuple[float, float]] = []
    for one, other in product(range(12), repeat=2):
        high = scores[(videos == one) & (labels == 1)]
        low = scores[(videos == other) & (labels == 0)]
        if one % 3 == other % 3 and len(high) and len(low):
            share = float(np.mean([(h > n) + (h == n) / 2 for h in high for n in low]))
            if one == other:
                within.append((share, weights[one]))
            else:
                between.append((share, weights[one] * weights[other]))
    parts = [np.array(part) for part in (between, within)]
    expected = np.mean([np.average(part[:, 0], weights=part[:, 1]) for part in parts])
    made = balanced_auc(pair_wins(scores, labels, videos, folds), weights[None])
    assert made == pytest.approx([expected])


def test_a_score_that_only_tells_videos_apart_gets_three_quarters() -> None:
    event, normal = np.repeat([0, 1], 5), np.zeros(10, int)
    labels = np.concatenate([event] * 4 + [normal] * 4).astype(np.int8)
    videos = np.repeat(np.arange(8), 10)
    same_all_through = (videos < 4).astype(float)
    wins = pair_wins(same_all_through, labels, videos, np.zeros(80, np.int64))
    between = (4 * 4 * 1.0 + 4 * 3 * 0.5) / (4 * 7)  # two videos with an event are a tie
    assert balanced_auc(wins) == pytest.approx([(between + 0.5) / 2])
    assert balanced_auc(wins)[0] < 0.75
    assert balanced_auc(wins[3:, 3:]) == pytest.approx([1.0])  # one video cannot show it


def test_scores_of_different_folds_are_never_compared() -> None:
    rng = np.random.default_rng(0)
    labels, videos = np.concatenate(event_labels(16)), np.repeat(np.arange(16), SEGMENTS)
    folds, scores = videos // 4, rng.random(160)
    moved = scores * 10.0**folds - 7.0 * folds
    first, second = (pair_wins(one, labels, videos, folds) for one in (scores, moved))
    np.testing.assert_allclose(first, second)


# --- the choice


def test_a_method_that_is_clearly_better_is_chosen_and_its_gain_is_reported() -> None:
    labels = event_labels(16)
    readings = [read("hiprobe", labels, 0.2, 1), read("several_prompts", labels, 3.0, 1)]
    found = choose_method([*readings, read("one_class", labels, 0.0, 1)], QUICK)
    assert (found.method, found.decided) == ("several_prompts", True)
    assert found.gain is not None
    assert found.gain.low is not None
    assert found.gain.low > 0.1
    assert found.reason.startswith("several_prompts with sigma ")
    assert "over hiprobe with sigma 1 on the outer folds" in found.reason
    assert {(one.method, one.sigma) for one in found.tried} == set(
        product(("hiprobe", "several_prompts", "one_class"), (0.0, 0.5, 1.0, 1.5, 2.0))
    )
    assert sum(one.chosen_in for one in found.tried) == found.folds == 5


def test_equal_methods_fall_back_to_hiprobe_with_its_own_smoothing() -> None:
    labels = event_labels(16)
    own = replace(QUICK, localization=Localization(sigma=1.25))
    for seed in range(3):
        readings = [read(name, labels, 1.5, seed) for name in ("hiprobe", "output_layer")]
        found = choose_method(readings, own)
        assert (found.method, found.sigma, found.decided) == ("hiprobe", 1.25, False)
        assert found.reason.startswith("undecided: ") or "is the best" in found.reason


def test_smoothing_is_chosen_where_it_helps() -> None:
    labels = [
        np.repeat([0, 1], SEGMENTS // 2).astype(np.int8)[:: 1 - 2 * (n % 2)] for n in range(24)
    ]
    found = choose_method(
        [read("hiprobe", labels, 1.0, 5)], replace(QUICK, localization=Localization(sigma=0.0))
    )
    assert found.decided
    assert found.sigma >= 1.0


def test_pure_noise_has_a_good_inner_score_and_an_outer_score_of_chance() -> None:
    names, labels = ("hiprobe", "one_class", "likelihood"), event_labels(16)
    inner, outer, decided = [], [], []
    for seed in range(100, 110):
        found = choose_method([read(name, labels, 0.0, seed) for name in names], QUICK)
        inner.append(max(one.inner for one in found.tried))
        assert found.gain is not None
        outer.append(found.tried[0].outer.value + found.gain.value)
        decided.append(found.decided)
    # Choosing by the outer folds gives 0.69.
    assert np.mean(inner) > 0.55
    assert abs(np.mean(outer) - 0.5) < 0.08
    assert sum(decided) <= 1


def test_groups_are_kept_whole() -> None:
    # Both videos of a group are the same noise: a fit that saw one would know the other.
    labels = [one for one in event_labels(12) for _ in range(2)]
    names = [f"camera {n // 2}" for n in range(24)]

    def doubled(groups: Sequence[str | None] | None) -> Choice:
        method, pairs = read("hiprobe", labels, 0.0, 2, groups)
        noise = np.random.default_rng(0).normal(size=(12, SEGMENTS, LAYERS, 64))
        twins = [(replace(one, values=noise[n // 2]), y) for n, (one, y) in enumerate(pairs)]
        return choose_method([(method, twins)], QUICK)

    whole, cut = (
        next(one for one in doubled(groups).tried if one.sigma == 0.0).outer.value
        for groups in (names, None)
    )
    assert whole < 0.65 < 0.75 < cut


def test_the_same_input_gives_the_same_choice() -> None:
    labels = event_labels(12)
    readings = [read(name, labels, 1.0, 4) for name in ("hiprobe", "one_class")]
    assert choose_method(readings, QUICK).to_json() == choose_method(readings, QUICK).to_json()


@pytest.mark.parametrize("normal", [4, 3])
def test_four_videos_of_each_class_are_needed(normal: int) -> None:
    labels = [np.full(SEGMENTS, n < 4, np.int8) for n in range(4 + normal)]
    readings = [read(name, labels, 3.0, 0) for name in ("hiprobe", "output_layer")]
    found = choose_method(readings, QUICK)
    assert found.method == "hiprobe"
    assert bool(found.tried) == (normal == 4)
    if normal == 3:
        assert "fewer than 4 videos of a class (4 anomalous, 3 normal)" in found.reason


def test_a_method_that_fails_is_left_out_with_its_error() -> None:
    labels = event_labels(12)
    name, pairs = read("one_class", labels, 1.0, 0)
    constant = [(replace(one, values=np.ones_like(one.values)), y) for one, y in pairs]
    found = choose_method([read("hiprobe", labels, 1.0, 0), (name, constant)], QUICK)
    assert "all normal hidden states are equal" in found.left_out["one_class"]
    assert {one.method for one in found.tried} == {"hiprobe"}


def test_readings_in_another_order_or_of_other_segments_are_refused() -> None:
    labels = event_labels(12)
    with pytest.raises(UsageError, match="first method must be hiprobe"):
        choose_method([read("one_class", labels, 1.0, 0)], QUICK)
    with pytest.raises(UsageError, match="other segments"):
        choose_method(
            [read("hiprobe", labels, 1.0, 0), read("one_class", labels[::-1], 1.0, 0)], QUICK
        )


def test_the_outer_auc_of_the_fallback_is_that_of_its_own_folds() -> None:
    # The held-out scores are those of `fit`: its AUC, taken over all pairs, is close.
    labels = event_labels(24)
    name, pairs = read("hiprobe", labels, 2.0, 7)
    found = choose_method([(name, pairs)], QUICK)
    whole = fit(name, pairs, permutations=0, layer_curve=False).provenance["auc"]["value"]
    assert found.tried[0].outer.value == pytest.approx(whole, abs=0.04)
