"""Saliency curves against closed forms, numpy's histogram and planted data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from hiprobe.errors import LabelError
from hiprobe.saliency import entropy, kl, ldr, permutation_baseline, saliency

RNG = np.random.default_rng


def exactly(mean: float, std: float) -> np.ndarray:
    """Two values with exactly this mean and (population) standard deviation."""
    return np.array([mean - std, mean + std])


def kl_by_integration(mean_p: float, std_p: float, mean_q: float, std_q: float) -> float:
    p, q = stats.norm(mean_p, std_p), stats.norm(mean_q, std_q)
    return float(
        integrate.quad(
            lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), -40, 40, points=[mean_p, mean_q]
        )[0]
    )


def test_kl_of_two_gaussians_is_the_integral() -> None:
    a, n = exactly(1.0, 2.0)[:, None, None], exactly(-0.5, 0.7)[:, None, None]
    forward, backward = (
        kl_by_integration(1.0, 2.0, -0.5, 0.7),
        kl_by_integration(-0.5, 0.7, 1.0, 2.0),
    )
    assert kl(a, n, form="forward") == pytest.approx([forward], rel=1e-6)
    assert kl(a, n, form="backward") == pytest.approx([backward], rel=1e-6)
    assert kl(a, n) == pytest.approx([forward + backward], rel=1e-6)


def test_kl_is_the_mean_over_dimensions_and_keeps_sites_apart() -> None:
    a = np.stack(
        [exactly(3.0, 1.0), exactly(0.0, 1.0), exactly(0.0, 1.0), exactly(0.0, 1.0)], 1
    ).reshape(2, 2, 2)
    n = np.stack([exactly(0.0, 1.0)] * 4, 1).reshape(2, 2, 2)
    assert kl(a, n) == pytest.approx(
        [9.0 / 2, 0.0]
    )  # unit Gaussians 3 apart: Jeffreys 9, in one of two dimensions


def test_kl_of_constant_dimensions_is_zero_and_a_zero_variance_is_finite() -> None:
    same = np.full((3, 1, 2), 1000.0)
    assert kl(same, same) == pytest.approx([0.0], abs=1e-9)
    assert np.isfinite(kl(np.ones((3, 1, 1)), np.zeros((3, 1, 1)))).all()


def test_ldr_by_hand() -> None:
    a, n = exactly(2.0, 1.0)[:, None, None], exactly(-1.0, 0.5)[:, None, None]
    assert ldr(a, n) == pytest.approx([9.0 / 1.25])


def test_kl_and_ldr_do_not_lose_a_small_spread_on_a_large_offset() -> None:
    a, n = RNG(0).normal(1e7, 1.0, size=(2, 50, 1, 1)) + np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    assert ldr(a, n) == pytest.approx([(a.mean() - n.mean()) ** 2 / (a.var() + n.var())], rel=1e-6)


def test_entropy_of_uniform_constant_and_two_valued() -> None:
    uniform, constant, two = np.arange(10.0), np.full(10, 7.0), np.repeat([0.0, 1.0], 5)
    values = np.stack([uniform, constant, two], 1)[:, :, None]
    assert entropy(values) == pytest.approx([np.log(10), 0.0, np.log(2)])


def test_entropy_is_that_of_numpys_histogram() -> None:
    values = RNG(0).normal(size=(200, 2, 700))  # more dimensions than are worked on at once
    shares = [
        [np.histogram(values[:, s, d], bins=10)[0] / 200 for d in range(700)] for s in range(2)
    ]
    assert entropy(values) == pytest.approx(
        np.mean([[stats.entropy(p) for p in site] for site in shares], axis=1)
    )


def planted(site: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    values = RNG(seed).normal(size=(60, 12, 40))
    labels = np.tile([0, 1], 30).astype(np.int8)
    values[labels == 1, site] += 1.0
    return values, labels


@pytest.mark.parametrize("site", [0, 7, 11])
def test_the_only_layer_that_separates_is_chosen(site: int) -> None:
    found = saliency(*planted(site))
    assert found.best == site
    assert (found.n_anomalous, found.n_normal) == (30, 30)


def test_the_curves_are_those_of_the_single_functions_and_their_z_scores() -> None:
    values, labels = planted()
    a, n, found = values[labels == 1], values[labels == 0], saliency(values, labels)
    assert found.kl == pytest.approx(kl(a, n))
    assert found.ldr == pytest.approx(ldr(a, n))
    assert found.entropy == pytest.approx(entropy(values))
    z_kl, z_ldr, z_entropy = (
        stats.zscore(kl(a, n)),
        stats.zscore(ldr(a, n)),
        stats.zscore(entropy(values)),
    )
    assert found.score == pytest.approx(z_kl + z_ldr - z_entropy)


def test_a_segment_without_label_changes_nothing() -> None:
    values, labels = planted()
    strange = np.concatenate([values, np.full((5, 12, 40), 1e3)])
    found = saliency(strange, np.concatenate([labels, np.full(5, -1)]).astype(np.int8))
    assert found.score == pytest.approx(saliency(values, labels).score)


def test_equal_sites_score_zero() -> None:
    values, labels = planted()
    assert saliency(np.repeat(values[:, :1], 4, axis=1), labels).score == pytest.approx(np.zeros(4))


def test_half_precision_on_disk_gives_the_same_as_in_memory(tmp_path: Path) -> None:
    values, labels = planted()
    np.save(tmp_path / "v.npy", values.astype(np.float16))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert saliency(mapped, labels).score == pytest.approx(
        saliency(values.astype(np.float16), labels).score
    )


def test_the_baseline_is_as_high_as_the_curves_of_null_data_and_far_below_a_planted_layer() -> None:
    values, labels = RNG(1).normal(size=(16, 8, 160)), np.tile([0, 1], 8).astype(np.int8)
    found, chance = saliency(values, labels), permutation_baseline(values, labels, 50, seed=2)
    assert found.kl.min() > 0.3  # no signal at all, and yet far from zero
    for name in ("kl", "ldr"):
        assert (abs(found.curves()[name] - chance.mean[name]) < 4 * chance.std[name]).all()
        assert found.curves()[name].mean() == pytest.approx(chance.mean[name].mean(), rel=0.1)
    values, labels = planted()
    chance = permutation_baseline(values, labels, 20, seed=2)
    assert saliency(values, labels).ldr[7] > chance.mean["ldr"][7] + 10 * chance.std["ldr"][7]
    assert chance.std["entropy"] == pytest.approx(np.zeros(12), abs=1e-12)


def test_the_baseline_repeats_with_its_seed() -> None:
    values, labels = planted()
    one, same, other = (
        permutation_baseline(values, labels, 5, seed=s).mean["score"] for s in (3, 3, 4)
    )
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("label", [0, 1, -1])
def test_one_class_is_a_named_error(label: int) -> None:
    with pytest.raises(LabelError):
        saliency(np.zeros((4, 2, 3)), np.full(4, label, dtype=np.int8))
