"""Each method against scikit-learn, and the promises that every method of the folder keeps."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.distance import pdist
from scipy.special import expit, softmax
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch.distributions import MultivariateNormal, kl_divergence

from hiprobe import checks, methods
from hiprobe.errors import LabelError, ProbeError, UsageError
from hiprobe.methods import (
    Method,
    _criteria,
    _logistic_regression,
    headhunt,
    hiprobe,
    hiprobe_c1,
    likelihood,
    one_class,
    output_layer,
)
from hiprobe.metrics import roc_auc
from hiprobe.types import Site

RNG = np.random.default_rng


def two_classes(
    n: int = 40, sites: int = 2, width: int = 12, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.tile([0, 0, 0, 1], n // 4).astype(np.int8)
    values = RNG(seed).normal(3.0, 5.0, size=(n, sites, width))
    values[labels == 1] += 4.0
    return values.astype(np.float32), labels


def sklearn(c: float) -> Pipeline:
    """Scikit-learn's own pipeline: standardise, then balanced logistic regression."""
    regression = LogisticRegression(solver="liblinear", C=c, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), regression)


def flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).astype(np.float64)


@pytest.mark.parametrize("width", [12, 160])
@pytest.mark.parametrize("method", [hiprobe_c1, headhunt])
def test_the_published_scorer_is_sklearns_pipeline(method: Method, width: int) -> None:
    values, labels = two_classes(width=width)
    new = two_classes(seed=1, width=width)[0]
    want = sklearn(1.0).fit(flat(values), labels).predict_proba(flat(new))[:, 1]
    assert method.score(new, method.fit(values, labels)) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("width", [12, 160])
def test_hiprobe_is_two_of_sklearns_pipelines_one_after_the_other(width: int) -> None:
    values, labels = two_classes(width=width)
    new = two_classes(seed=1, width=width)[0]
    balanced = 4 * 10 * 30 / 40  # the same rule, written out
    first = sklearn(balanced**1.5 / (2000 * 2 * width)).fit(flat(values), labels)
    line, along = (first.decision_function(flat(one))[:, None] for one in (values, new))
    want = sklearn(1.0).fit(line, labels).predict_proba(along)[:, 1]
    assert hiprobe.score(new, hiprobe.fit(values, labels)) == pytest.approx(want, abs=1e-9)


def minimum(z: np.ndarray, labels: np.ndarray, c: float) -> np.ndarray:
    """Weights and bias of the least balanced logistic loss, without liblinear."""
    x, sign = np.hstack([z, np.ones((len(z), 1))]), 2.0 * labels - 1
    weight = c * len(z) / 2 / np.where(labels == 1, (labels == 1).sum(), (labels == 0).sum())

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w)
        slope = -weight * sign * expit(-margin)
        return float(w @ w / 2 + weight @ np.logaddexp(0, -margin)), w + x.T @ slope

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    return found.x


def test_hiprobe_is_the_least_loss_found_by_another_solver() -> None:
    values, labels = two_classes(n=80, sites=1, width=20)
    z = StandardScaler().fit_transform(flat(values))
    direction = minimum(z, labels, (4 * 20 * 60 / 80) ** 1.5 / 40_000)[:-1]
    line = StandardScaler().fit_transform((z @ direction)[:, None])
    gain, bias = minimum(line, labels, 1.0)
    got = _logistic_regression.log_odds(values, hiprobe.fit(values, labels))
    assert got == pytest.approx(line[:, 0] * gain + bias, abs=2e-3)


def test_the_penalty_falls_with_the_labels_and_counts_the_rarer_class() -> None:
    def strength(anomalous: int, normal: int, width: int = 160) -> float:
        return _logistic_regression.strength(np.repeat([1, 0], [anomalous, normal]), width)

    rising = [strength(n, n) for n in (4, 16, 64, 256, 1024, 4096)]
    assert rising == sorted(rising)
    assert rising[-1] == 1.0
    assert strength(8, 8) == pytest.approx(16**1.5 / 320_000)
    assert strength(10, 990) == strength(990, 10)
    assert strength(10, 990) < strength(20, 20)  # never more than four times the rarer class
    assert strength(16, 16, 3584) == pytest.approx(strength(16, 16) * 160 / 3584)
    assert strength(4, 4, 1) == pytest.approx(8**1.5 / 2000)


@pytest.mark.parametrize("n", [16, 40, 400])
def test_scores_are_not_drawn_to_the_middle_by_the_penalty(n: int) -> None:
    values, labels = two_classes(n=n, width=160)
    scores = hiprobe.score(values, hiprobe.fit(values, labels))
    assert np.median(scores[labels == 1]) > 0.75
    assert np.median(scores[labels == 0]) < 0.25


def test_few_labels_rank_better_than_with_c_1_where_the_classes_differ_as_the_states_vary() -> None:
    mixing = RNG(98).normal(size=(20, 160))  # the states vary in 20 directions of 160, and by noise
    shift = RNG(99).normal(0, 0.4, 20) @ mixing

    def auc(method: Method, seed: int) -> float:
        rng, labels = RNG(seed), np.tile([0, 1], 258).astype(np.int8)
        values = rng.normal(size=(516, 20)) @ mixing + rng.normal(size=(516, 160))
        values[labels == 1] += shift
        tensors = method.fit(values[:16, None], labels[:16])
        return roc_auc(labels[16:], method.score(values[16:, None], tensors))

    gains = [auc(hiprobe, seed) - auc(hiprobe_c1, seed) for seed in range(10)]
    assert min(gains) > 0
    assert np.mean(gains) > 0.03


@pytest.mark.parametrize("method", [hiprobe, hiprobe_c1])
def test_a_regression_that_does_not_converge_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    monkeypatch.setattr(_logistic_regression, "ITERATIONS", 1)
    with pytest.raises(ProbeError, match=r"not converged in 1 iterations on 40 segments; choose"):
        method.fit(*two_classes())


def test_a_fit_makes_one_copy_in_float64() -> None:
    values, labels = two_classes(n=400, sites=1, width=2048)
    tensors = hiprobe.fit(values, labels)  # before the count, as it imports what it needs
    for work in (lambda: hiprobe.fit(values, labels), lambda: hiprobe.score(values, tensors)):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.3 * values.size * 8


def test_weights_change_nothing_on_a_balanced_set() -> None:
    values, labels = two_classes()
    even = np.r_[np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)[:10]]
    x = values[even].reshape(20, -1).astype(np.float64)
    plain = make_pipeline(
        StandardScaler(), LogisticRegression(solver="liblinear", C=1.0, max_iter=2000)
    )
    want = plain.fit(x, labels[even]).predict_proba(x)[:, 1]
    tensors = hiprobe_c1.fit(values[even], labels[even])
    assert hiprobe_c1.score(values[even], tensors) == pytest.approx(want, abs=1e-9)


def test_extreme_states_score_without_overflow_and_in_order() -> None:
    values, labels = two_classes()
    tensors = hiprobe.fit(values, labels)
    direction = (tensors["weight"] * tensors["scale"]).reshape(2, 12)
    scores = hiprobe.score(
        np.array([-1e6, -1e3, -1e2, 0.0, 1e6])[:, None, None] * direction, tensors
    )
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()
    assert scores[0] < 1e-9
    assert scores[-1] > 1 - 1e-9


def test_a_constant_dimension_does_not_change_the_score() -> None:
    values, labels = two_classes()
    values[:, 0, 3] = 1234.567
    tensors, moved = hiprobe.fit(values, labels), values.copy()
    moved[:, 0, 3] += 100.0
    assert hiprobe.score(moved, tensors) == pytest.approx(hiprobe.score(values, tensors), abs=1e-9)


@pytest.mark.parametrize(("n", "width"), [(100, 6), (20, 50)])
def test_one_class_is_sklearns_ledoit_wolf_distance(n: int, width: int) -> None:
    rng = RNG(0)
    values = rng.normal(size=(n, 1, width)) * rng.uniform(0.1, 10, width) + rng.normal(
        size=(n, 1, 1)
    )
    new = rng.normal(2, 4, size=(15, 1, width))
    scaler = StandardScaler().fit(values[:, 0])
    squared = (
        LedoitWolf().fit(scaler.transform(values[:, 0])).mahalanobis(scaler.transform(new[:, 0]))
    )
    got = one_class.score(new, one_class.fit(values, np.zeros(n, np.int8)))
    assert got == pytest.approx(squared / (squared + width), rel=1e-6)
    assert ((got >= 0) & (got < 1)).all()


def test_one_class_ranks_strange_states_above_normal_ones() -> None:
    rng = RNG(0)
    tensors = one_class.fit(rng.normal(size=(200, 1, 30)), np.zeros(200, np.int8))
    normal, strange = rng.normal(size=(50, 1, 30)), rng.normal(1.5, 1.5, size=(50, 1, 30))
    assert one_class.score(strange, tensors).min() > np.median(one_class.score(normal, tensors))


def test_one_class_refuses_states_without_spread() -> None:
    with pytest.raises(LabelError):
        one_class.fit(np.ones((5, 1, 3)), np.zeros(5, np.int8))


def test_fishers_criterion_is_sklearns_discriminant() -> None:
    """Its weights are S^-1 d times the number of segments, S the within-class scatter."""
    values, labels = two_classes(n=80)
    a, n = (values[labels == c, 0].astype(np.float64) for c in (1, 0))
    found = LinearDiscriminantAnalysis(solver="lsqr").fit(values[:, 0].astype(np.float64), labels)
    assert _criteria.lda(a, n) == pytest.approx(
        float(found.coef_[0] @ (a.mean(0) - n.mean(0))) / 80, rel=1e-4
    )
    by_hand = np.array([[1.0], [3.0]]), np.array([[10.0], [12.0], [14.0]])
    assert _criteria.lda(*by_hand) == pytest.approx(10.0**2 / (2 + 8), rel=1e-5)


def test_divergence_is_torchs_between_sklearns_gaussians() -> None:
    values, labels = two_classes(n=80)
    pair = [values[labels == c, 0].astype(np.float64) for c in (1, 0)]
    one, other = (
        MultivariateNormal(torch.tensor(x.mean(0)), torch.tensor(LedoitWolf().fit(x).covariance_))
        for x in pair
    )
    want = 0.5 * float(kl_divergence(one, other) + kl_divergence(other, one))
    assert _criteria.covariance_kl(*pair) == pytest.approx(want, rel=1e-4)


def test_discrepancy_is_sklearns_kernel_at_the_median() -> None:
    values, labels = two_classes(n=60)
    a, n = (values[labels == c, 0].astype(np.float64) for c in (1, 0))
    gamma = 1 / (2 * np.median(pdist(np.concatenate([a, n]), "sqeuclidean")))
    want = (
        rbf_kernel(a, a, gamma).mean()
        + rbf_kernel(n, n, gamma).mean()
        - 2 * rbf_kernel(a, n, gamma).mean()
    )
    assert _criteria.mmd(a, n) == pytest.approx(want, rel=1e-9)
    assert _criteria.mmd(a + 1e8, n + 1e8) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(("criterion", "apart"), [(_criteria.mmd, -2.0), (_criteria.nmi, 2.0)])
def test_a_criterion_of_many_segments_is_near_that_of_all(
    criterion: Callable[..., float], apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, labels = two_classes(n=3000, sites=1, width=6)
    values[labels == 1] += apart
    a, n = (values[labels == c, 0].astype(np.float64) for c in (1, 0))
    thinned = criterion(a, n)
    assert thinned == criterion(a[::2], n[::2])
    monkeypatch.setattr(_criteria, "MOST", 3000)
    assert thinned == pytest.approx(criterion(a, n), rel=0.2)


def test_mutual_information_by_hand() -> None:
    """Two far groups with three of four segments of a class: MI = ln 2 - H(1/4), entropies ln 2."""
    near, far = RNG(0).normal(size=(2, 4, 3)) * 0.01 + np.array([0.0, 50.0])[:, None, None]
    a, n = np.concatenate([near[:3], far[:1]]), np.concatenate([far[1:], near[3:]])
    want = 1 - (-0.25 * np.log(0.25) - 0.75 * np.log(0.75)) / np.log(2)
    assert _criteria.nmi(a, n) == pytest.approx(want)
    assert _criteria.nmi(near, far) == pytest.approx(1.0)


@pytest.mark.parametrize("name", _criteria.CRITERIA)
def test_constant_heads_have_a_criterion_of_zero(name: str) -> None:
    measure, dead = _criteria.CRITERIA[name], np.full((6, 5), 2.5)
    assert measure(dead, dead) == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(measure(dead, RNG(0).normal(size=(6, 5))))


def heads(
    strong: Mapping[int, Sequence[float]], total: int = 12, n: int = 80, width: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Noise at `total` heads for five prompts; prompt `p` shifts head `h` by `strong[h][p]`."""
    labels = np.tile([0, 1], n // 2).astype(np.int8)
    values = RNG(0).normal(size=(n, 5, total, width))
    for head, shifts in strong.items():
        for prompt, shift in enumerate(shifts):
            values[labels == 1, prompt, head] += shift
    return values.reshape(n, 5 * total, width), labels


def test_headhunt_takes_the_heads_that_separate_under_every_prompt() -> None:
    """Head 11 separates best under the first prompt, but under no other."""
    steady = {head: [2.0] * 5 for head in (0, 3, 4, 8, 9)}
    chosen = headhunt.select(*heads({**steady, 11: [6.0, 0, 0, 0, 0]}))
    assert set(chosen.indices) == set(steady)
    assert {headhunt.sites(3, 4)[i].prompt for i in chosen.indices} == {0}


def test_headhunt_ranks_by_mean_less_half_the_deviation_of_the_scaled_criteria() -> None:
    values, labels = heads({h: RNG(h).uniform(0, 2, 5) for h in range(12)})
    chosen = headhunt.select(values, labels)
    scaled = np.stack(
        [
            np.mean(
                [
                    MinMaxScaler().fit_transform(chosen.curves[name].reshape(5, 12)[p][:, None])[
                        :, 0
                    ]
                    for name in ("lda", "kl", "mmd", "nmi")
                ],
                axis=0,
            )
            for p in range(5)
        ]
    )
    want = scaled.mean(0) - 0.5 * scaled.std(0)
    assert chosen.indices == tuple(np.argsort(-want)[:5])
    assert chosen.curves["score"] == pytest.approx(np.tile(want, 5))
    one = values[:, 17]
    assert chosen.curves["mmd"][17] == _criteria.mmd(one[labels == 1], one[labels == 0])


def test_headhunt_uses_no_row_without_a_label() -> None:
    values, labels = heads({h: [1.0] * 5 for h in range(12)})
    labels[::4] = labels[1::4] = -1
    other = np.where((labels < 0)[:, None, None], 1e3, values)
    one, two = headhunt.select(values, labels), headhunt.select(other, labels)
    assert one.indices == two.indices
    assert (one.curves["kl"] == two.curves["kl"]).all()


def test_headhunt_selects_all_of_few_sites_and_refuses_what_it_cannot_compare() -> None:
    values, labels = heads({})
    assert headhunt.select(values[:, :4], labels).indices == (0, 1, 2, 3)
    with pytest.raises(UsageError, match="59 sites"):
        headhunt.select(values[:, :59], labels)
    with pytest.raises(LabelError, match="0 anomalous"):
        headhunt.select(values, np.zeros_like(labels))


def test_likelihood_is_the_softmax_of_yes_over_no() -> None:
    logits = RNG(0).normal(0, 4, size=(30, 1, 2)).astype(np.float32)
    assert likelihood.score(logits, {}) == pytest.approx(
        softmax(logits[:, 0].astype(np.float64), axis=1)[:, 0]
    )
    sure = np.array([[[1e5, -1e5]], [[0.0, 0.0]], [[-1e5, 1e5]]])
    assert likelihood.score(sure, {}).tolist() == [1.0, likelihood.THRESHOLD, 0.0]


def test_the_sites_each_method_reads() -> None:
    assert headhunt.sites(2, 3)[:4] == (
        Site("head", 0, 0),
        Site("head", 0, 1),
        Site("head", 0, 2),
        Site("head", 1, 0),
    )
    assert headhunt.sites(2, 3)[6] == Site("head", 0, 0, prompt=1)
    assert len(headhunt.sites(28, 28)) == 5 * 28 * 28
    assert likelihood.sites(28, 8) == (Site("logit", 27),)
    assert hiprobe.sites(3, 8) == tuple(Site("residual", layer) for layer in range(3))
    assert output_layer.sites(28, 8) == (Site("residual", 27),)
    assert one_class.sites(32, 8) == (Site("residual", 20),)
    assert one_class.sites(8, 8) == (Site("residual", 5),)
    assert one_class.sites(1, 8) == (Site("residual", 0),)


def test_hiprobe_selects_the_layer_that_separates() -> None:
    values, labels = RNG(0).normal(size=(40, 9, 20)), np.tile([0, 1], 20).astype(np.int8)
    values[labels == 1, 7] += 1.5
    chosen = hiprobe.select(values, labels)
    assert chosen.indices == (7,)
    assert {len(curve) for curve in chosen.curves.values()} == {9}


@pytest.mark.parametrize("name", methods.names())
def test_every_method_keeps_every_promise(name: str) -> None:
    assert len(checks.check_method(name)) >= 14


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "../hiprobe",
        "__init__",
        "",
        "json:nothing",
        "no_such_module:x",
        ":",
        "json:dumps",
    ],
)
def test_an_unknown_method_is_a_named_error(name: str) -> None:
    with pytest.raises(UsageError, match="method"):
        methods.load(name)


@pytest.mark.parametrize(
    ("labels", "prompts"),
    [("some", ()), ("both", 1), ("both", "Really?"), ("both", ("",)), ("both", (3,))],
)
def test_the_labels_and_prompts_of_a_method_are_checked(
    monkeypatch: pytest.MonkeyPatch, labels: str, prompts: object
) -> None:
    monkeypatch.setattr(output_layer, "LABELS", labels)
    monkeypatch.setattr(output_layer, "PROMPTS", prompts)
    with pytest.raises(UsageError, match="LABELS is" if labels == "some" else "PROMPTS is"):
        methods.load("output_layer")


def test_candidates_are_the_heads_that_the_model_has() -> None:
    offered = methods.candidates(headhunt, 4, 2, (1, 3))
    assert {site.layer for site in offered} == {1, 3}
    assert len(offered) == 5 * 2 * 2
    assert methods.candidates(hiprobe, 4, 2, ()) == hiprobe.sites(4, 2)
    assert methods.candidates(hiprobe, 4, 2, (), [Site("residual", 2)]) == (Site("residual", 2),)
    for how, site in (
        (likelihood, Site("residual", 2)),
        (hiprobe, Site("logit", 2)),
        (headhunt, Site("residual", 2)),
    ):
        with pytest.raises(UsageError, match=f"not {site}"):
            methods.candidates(how, 4, 2, range(4), [site])


def test_the_error_lists_what_exists() -> None:
    with pytest.raises(UsageError, match=r"hiprobe, .*one_class, .*output_layer"):
        methods.load("hiprob")


def test_a_method_may_come_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_method.py").write_text("from hiprobe.methods import hiprobe as mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert methods.load("their_method:mine") is hiprobe
    sys.modules.pop("their_method")
