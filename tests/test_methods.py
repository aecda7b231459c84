"""Each method against scikit-learn, and the contract every method of the folder keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hiprobe import methods
from hiprobe.errors import LabelError, UsageError
from hiprobe.methods import hiprobe, one_class, output_layer
from hiprobe.types import Site

RNG = np.random.default_rng
MINE = ("hiprobe", "one_class", "output_layer")


def two_classes(n: int = 40, sites: int = 2, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.tile([0, 0, 0, 1], n // 4).astype(np.int8)
    values = RNG(seed).normal(3.0, 5.0, size=(n, sites, width))
    values[labels == 1] += 4.0
    return values.astype(np.float32), labels


@pytest.mark.parametrize("width", [12, 160])
def test_hiprobe_is_sklearns_pipeline(width: int) -> None:
    values, labels = two_classes(width=width)
    new = two_classes(seed=1, width=width)[0]
    regression = LogisticRegression(solver="liblinear", C=1.0, max_iter=2000, class_weight="balanced")
    pipeline = make_pipeline(StandardScaler(), regression).fit(values.reshape(40, -1).astype(np.float64), labels)
    want = pipeline.predict_proba(new.reshape(40, -1).astype(np.float64))[:, 1]
    assert hiprobe.score(new, hiprobe.fit(values, labels)) == pytest.approx(want, abs=1e-9)


def test_weights_change_nothing_on_a_balanced_set() -> None:
    values, labels = two_classes()
    even = np.r_[np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)[:10]]
    x = values[even].reshape(20, -1).astype(np.float64)
    plain = make_pipeline(StandardScaler(), LogisticRegression(solver="liblinear", C=1.0, max_iter=2000))
    want = plain.fit(x, labels[even]).predict_proba(x)[:, 1]
    assert hiprobe.score(values[even], hiprobe.fit(values[even], labels[even])) == pytest.approx(want, abs=1e-9)


def test_extreme_states_score_without_overflow_and_in_order() -> None:
    values, labels = two_classes()
    tensors = hiprobe.fit(values, labels)
    direction = (tensors["weight"] * tensors["scale"]).reshape(2, 12)
    scores = hiprobe.score(np.array([-1e6, -1e3, -1e2, 0.0, 1e6])[:, None, None] * direction, tensors)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()
    assert scores[0] < 1e-9
    assert scores[-1] > 1 - 1e-9


def test_a_constant_dimension_has_no_say() -> None:
    values, labels = two_classes()
    values[:, 0, 3] = 1234.567
    tensors, moved = hiprobe.fit(values, labels), values.copy()
    moved[:, 0, 3] += 100.0
    assert hiprobe.score(moved, tensors) == pytest.approx(hiprobe.score(values, tensors), abs=1e-6)


@pytest.mark.parametrize(("n", "width"), [(100, 6), (20, 50)])
def test_one_class_is_sklearns_ledoit_wolf_distance(n: int, width: int) -> None:
    rng = RNG(0)
    values = rng.normal(size=(n, 1, width)) * rng.uniform(0.1, 10, width) + rng.normal(size=(n, 1, 1))
    new = rng.normal(2, 4, size=(15, 1, width))
    scaler = StandardScaler().fit(values[:, 0])
    squared = LedoitWolf().fit(scaler.transform(values[:, 0])).mahalanobis(scaler.transform(new[:, 0]))
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


def test_the_sites_each_method_reads() -> None:
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


@pytest.mark.parametrize("name", MINE)
def test_the_contract(name: str) -> None:
    method = methods.load(name)
    assert name in methods.names()
    assert method.PROMPTS >= 1
    offered = method.sites(4, 2)
    assert len(set(offered)) == len(offered) > 0
    values, labels = two_classes(sites=len(offered))
    if method.LABELS == "normal":
        labels = np.where(labels == 1, -1, labels).astype(np.int8)
    indices = method.select(values, labels).indices
    rows = values[labels >= 0][:, list(indices)]
    before = rows.copy()
    tensors = method.fit(rows, labels[labels >= 0])
    scores = method.score(values[:, list(indices)], tensors)
    assert scores.shape == (40,)
    assert scores.dtype == np.float64
    assert scores[3::4].mean() > np.delete(scores, np.s_[3::4]).mean()  # the anomalous score higher
    assert all(t.dtype == np.float64 and np.isfinite(t).all() for t in tensors.values())
    assert (rows == before).all()
    again = method.fit(rows, labels[labels >= 0])
    assert all((tensors[k] == again[k]).all() for k in tensors)
    assert method.score(values[:0][:, list(indices)], tensors).shape == (0,)
    one_by_one = np.concatenate([method.score(values[i:i + 1][:, list(indices)], tensors) for i in range(40)])
    assert one_by_one == pytest.approx(scores, rel=1e-9)


@pytest.mark.parametrize("name", ["nothing", "../hiprobe", "__init__", "", "json:nothing", "no_such_module:x", ":",
                                  "json:dumps"])
def test_an_unknown_method_is_a_named_error(name: str) -> None:
    with pytest.raises(UsageError, match="method"):
        methods.load(name)


def test_the_error_lists_what_exists() -> None:
    with pytest.raises(UsageError, match=r"hiprobe, .*one_class, output_layer"):
        methods.load("hiprob")


def test_a_method_may_come_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_method.py").write_text("from hiprobe.methods import hiprobe as mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert methods.load("their_method:mine") is hiprobe
    sys.modules.pop("their_method")
