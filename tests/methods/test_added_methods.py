"""Sphere, head vote, output heads and the three ways to ask, each against a computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.cluster import KMeans
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from hiprobe.errors import LabelError
from hiprobe.methods import (
    contrast,
    graded,
    head_vote,
    headhunt,
    headhunt_published,
    ordinal,
    output_heads,
    output_layer,
    sphere,
)
from hiprobe.metrics import roc_auc
from hiprobe.types import Site

RNG = np.random.default_rng


def two_classes(
    n: int = 80, sites: int = 1, width: int = 8, seed: int = 0, apart: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.tile([0, 0, 0, 1], n // 4).astype(np.int8)
    values = RNG(seed).normal(1.0, 2.0, size=(n, sites, width))
    values[labels == 1, :, : width // 2] += apart
    return values, labels


# --- sphere


def test_the_centre_has_the_least_sum_of_squared_angles() -> None:
    x = normalize(RNG(0).normal(1.0, 1.0, size=(50, 4)))

    def squared(point: np.ndarray) -> float:
        return float((np.arccos(np.clip(x @ point / np.linalg.norm(point), -1, 1)) ** 2).sum())

    found = sphere.frechet_mean(x)
    best = minimize(squared, x.mean(0), method="Nelder-Mead", options={"xatol": 1e-9}).x
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert squared(found) == pytest.approx(squared(best), rel=1e-6)
    assert squared(found) < squared(normalize(x.mean(0)[None])[0])  # a plain mean is not enough


def test_prototypes_of_far_groups_are_those_of_sklearns_clusters() -> None:
    groups = normalize(RNG(1).normal(size=(4, 6)))
    z = normalize(np.repeat(groups, 20, axis=0) + RNG(2).normal(0, 0.05, size=(80, 6)))
    found = sphere.prototypes(z, 4)
    placed = KMeans(4, n_init=10, random_state=0).fit(z).labels_
    want = normalize([z[placed == one].mean(0) for one in range(4)])
    order = np.argmax(cosine_similarity(want, found), axis=1)
    assert sorted(order) == [0, 1, 2, 3]
    assert found[order] == pytest.approx(want)


def test_prototypes_leave_no_row_nearer_to_another_and_are_means_of_theirs() -> None:
    z = normalize(RNG(3).normal(size=(60, 5)))
    found = sphere.prototypes(z, 7)
    nearest = np.argmax(z @ found.T, axis=1)
    want = normalize([z[nearest == one].sum(0) for one in range(7)])
    assert found == pytest.approx(want)


def test_a_sphere_score_is_the_difference_of_angles_to_the_nearest_prototypes() -> None:
    values, labels = two_classes(sites=2)
    tensors = sphere.fit(values, labels)
    assert tensors["normal"].shape == (3, 16)
    assert tensors["anomalous"].shape == (5, 16)  # a quarter of 20 segments
    z = normalize(normalize(values.reshape(80, 16)) - tensors["centre"])
    d_n, d_a = (
        np.arccos(np.clip(cosine_similarity(z, tensors[name]), -1, 1)).min(1)
        for name in ("normal", "anomalous")
    )
    assert sphere.score(values, tensors) == pytest.approx(expit((d_n - d_a) / 0.3))
    assert roc_auc(labels, sphere.score(values, tensors)) > 0.9


@pytest.mark.parametrize(("segments", "most"), [(4, 1), (40, 5), (800, 25)])
def test_few_segments_have_few_prototypes(segments: int, most: int) -> None:
    values = RNG(0).normal(size=(segments, 1, 6))
    labels = np.arange(segments) % 2
    tensors = sphere.fit(values, labels.astype(np.int8))
    assert len(tensors["anomalous"]) == most
    assert len(tensors["normal"]) == min(most, 3)


def test_the_length_of_a_state_does_not_matter_on_the_sphere() -> None:
    values, labels = two_classes()
    tensors = sphere.fit(values, labels)
    assert sphere.score(values * 7.0, tensors) == pytest.approx(sphere.score(values, tensors))


# --- head vote


def test_heads_are_ranked_by_the_balanced_accuracy_of_sklearns_nearest_neighbour() -> None:
    values, labels = two_classes(sites=30, apart=0.0)
    for head in range(30):
        values[labels == 1, head] += 0.1 * head
    chosen = head_vote.select(values, labels)
    for head in (0, 15, 29):
        centroids = [values[labels == one, head].mean(0) for one in (0, 1)]
        got = (
            KNeighborsClassifier(1, metric="cosine").fit(centroids, [0, 1]).predict(values[:, head])
        )
        want = np.mean([(got[labels == one] == one).mean() for one in (0, 1)])
        assert chosen.curves["accuracy"][head] == pytest.approx(want)
    accuracy = chosen.curves["accuracy"][list(chosen.indices)]
    assert len(chosen.indices) == 20
    assert (np.diff(accuracy) <= 0).all()
    assert min(accuracy) >= max(np.delete(chosen.curves["accuracy"], chosen.indices))


def test_heads_of_equal_accuracy_are_ranked_by_their_margin() -> None:
    labels = np.tile([0, 1], 10).astype(np.int8)
    values = np.ones((20, 2, 2))
    values[labels == 1, 0] = [1.0, 1.2]
    values[labels == 1, 1] = [-1.0, 1.0]
    chosen = head_vote.select(values, labels)
    assert chosen.curves["accuracy"].tolist() == [1.0, 1.0]
    assert chosen.indices == (1, 0)


def test_a_score_is_the_share_of_heads_that_vote_and_then_the_margin() -> None:
    values, labels = two_classes(sites=5)
    tensors = head_vote.fit(values, labels)
    margin = np.stack(
        [
            cosine_similarity(values[:, h], tensors["anomalous"][[h]])[:, 0]
            - cosine_similarity(values[:, h], tensors["normal"][[h]])[:, 0]
            for h in range(5)
        ],
        axis=1,
    )
    votes, got = (margin > 0).sum(1), head_vote.score(values, tensors)
    assert np.floor(got * 6 + 1e-12).astype(int) == pytest.approx(votes)
    want = sorted(range(80), key=lambda row: (votes[row], margin[row].mean()))
    assert np.argsort(got, kind="stable").tolist() == want
    assert ((got >= 0) & (got <= 1)).all()


def test_head_vote_needs_both_classes() -> None:
    values, labels = two_classes(sites=3)
    with pytest.raises(LabelError, match="both classes"):
        head_vote.select(values, np.zeros_like(labels))


def test_the_sites_of_the_added_methods() -> None:
    assert head_vote.sites(2, 3) == headhunt.sites(2, 3)[:6]
    assert output_heads.sites(4, 2) == (Site("head", 3, 0), Site("head", 3, 1))
    assert len(contrast.sites(8, 4)) == len(contrast.PROMPTS) == 2 * len(contrast.HAZARDS)
    assert ordinal.sites(8, 4)[-1] == Site("logit", 7, prompt=10)
    assert graded.sites(8, 4) == (Site("logit", 7, answers=tuple("0123456789")),)


def test_output_heads_is_the_scorer_of_the_output_layer_on_all_its_heads() -> None:
    values, labels = two_classes(sites=4)
    assert output_heads.select(values, labels).indices == (0, 1, 2, 3)
    assert output_heads.fit is output_layer.fit
    x = values.reshape(80, -1)
    z = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")).fit(x, labels)
    got = output_heads.score(values, output_heads.fit(values, labels))
    assert np.corrcoef(got, z.predict_proba(x)[:, 1])[0, 1] > 0.8


def test_the_published_questions_change_nothing_but_the_questions() -> None:
    assert headhunt_published.fit is headhunt.fit
    assert headhunt_published.select is headhunt.select
    assert len(headhunt_published.PROMPTS) == len(headhunt.PROMPTS) == 5


# --- asking


def test_contrast_is_the_strongest_hazard_over_the_strongest_innocent_explanation() -> None:
    logits = RNG(0).normal(0, 3, size=(20, 16, 2)).astype(np.float32)
    odds = logits[..., 0].astype(np.float64) - logits[..., 1]
    want = [expit(max(row[:8]) - max(row[8:])) for row in odds]
    assert contrast.score(logits, {}) == pytest.approx(want)
    assert contrast.score(np.zeros((1, 16, 2)), {}).tolist() == [contrast.THRESHOLD]


def test_graded_is_the_mean_digit() -> None:
    logits = RNG(0).normal(0, 4, size=(30, 1, 10)).astype(np.float32)
    want = softmax(logits[:, 0].astype(np.float64), axis=1) @ np.linspace(0, 1, 10)
    assert graded.score(logits, {}) == pytest.approx(want)
    sure = np.full((2, 1, 10), -1e4)
    sure[0, 0, 0] = sure[1, 0, 9] = 1e4
    assert graded.score(sure, {}).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("width", [1, 2, 10, 11])
def test_falling_is_sklearns_isotonic_regression(width: int) -> None:
    rows = RNG(width).normal(size=(40, width)) * 3
    want = [isotonic_regression(row, increasing=False) for row in rows]
    assert ordinal.falling(rows) == pytest.approx(np.array(want))


def test_ordinal_is_the_mean_of_the_fallen_probabilities_without_the_inclination() -> None:
    odds = RNG(4).normal(size=(25, 11)) * 2
    logits = np.stack([odds + 1.0, np.ones_like(odds)], axis=-1)
    for row, got in zip(odds, ordinal.score(logits, {}), strict=True):
        inclined = (row[:10].mean() + row[10]) / 2
        fallen = isotonic_regression(row[:10] - inclined, increasing=False)
        assert got == pytest.approx(expit(fallen).mean())


def test_a_model_that_says_yes_to_everything_gets_the_threshold() -> None:
    logits = np.zeros((1, 11, 2))
    logits[..., 0] = 6.0
    assert ordinal.score(logits, {}) == pytest.approx([ordinal.THRESHOLD])
