"""The estimator: scikit-learn's own checks, and the same numbers as the methods behind it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.utils.estimator_checks import check_estimator

from hiprobe import methods
from hiprobe.errors import UsageError
from hiprobe.sklearn import ProbeClassifier

RNG = np.random.default_rng
RANKS = "a score of one_class is a distance from normal, not a probability: 0.5 is no boundary"
EXPECTED = {  # checks of scikit-learn that a method does not meet, and why
    "one_class": {"check_classifiers_train": RANKS},
}
SKIPPED = {  # only with SCIPY_ARRAY_API in the environment, and with pandas
    "check_array_api_input",
    "check_classifier_data_not_an_array",
}


@pytest.mark.parametrize("method", ["hiprobe", "hiprobe_c1", "headhunt", "one_class"])
def test_it_passes_the_checks_of_scikit_learn(method: str) -> None:
    expected = EXPECTED.get(method, {})
    found = check_estimator(
        ProbeClassifier(method), expected_failed_checks=expected, on_fail=None, on_skip=None
    )
    bad = {one["check_name"]: one["exception"] for one in found if one["status"] == "failed"}
    assert bad == {}
    failed = {one["check_name"] for one in found if one["status"] == "xfail"}
    assert failed == set(expected), "an expected failure that passes needs no entry"
    skipped = {one["check_name"] for one in found if one["status"] == "skipped"}
    assert skipped <= SKIPPED


def states(videos: int = 8, segments: int = 12, sites: int = 4, width: int = 6):  # type: ignore[no-untyped-def]
    """Segments of videos, of which site 2 tells the anomalous ones; X, y and the videos."""
    y = np.repeat(np.arange(videos) % 2, segments)
    X = RNG(0).normal(size=(len(y), sites, width))
    X[:, 2] += 2.0 * y[:, None]
    return X.reshape(len(y), -1), y, np.repeat(np.arange(videos), segments)


def test_it_selects_and_scores_as_the_method_does() -> None:
    X, y, _ = states()
    found = ProbeClassifier(sites=4).fit(X, y)
    how, values = methods.load("hiprobe"), X.reshape(len(X), 4, -1)
    assert found.indices_ == how.select(values, y.astype(np.int8)).indices == (2,)
    tensors = how.fit(values[:, [2]], y.astype(np.int8))
    assert np.array_equal(found.predict_proba(X)[:, 1], how.score(values[:, [2]], tensors))
    assert {name: part.tolist() for name, part in found.tensors_.items()} == {
        name: part.tolist() for name, part in tensors.items()
    }


def test_classes_may_have_any_names() -> None:
    X, y, _ = states()
    words = np.array(["calm", "fight"])[y]
    found = ProbeClassifier(sites=4).fit(X, words)
    assert found.classes_.tolist() == ["calm", "fight"]
    assert (found.predict(X) == words).mean() > 0.9


def test_it_is_cross_validated_and_searched_by_video() -> None:
    X, y, videos = states()
    search = GridSearchCV(
        ProbeClassifier(sites=4), {"method": ["hiprobe", "hiprobe_c1"]}, cv=GroupKFold(4)
    )
    search.fit(X, y, groups=videos)
    assert search.best_score_ > 0.8
    out = cross_val_predict(
        clone(search.best_estimator_), X, y, groups=videos, cv=GroupKFold(4), method="predict_proba"
    )
    assert roc_auc_score(y, out[:, 1]) > 0.9


def test_wrong_use_is_named() -> None:
    X, y, _ = states()
    for sites in (5, 0, "all", 2.0):
        with pytest.raises(ValueError, match="multiple of sites"):
            ProbeClassifier(sites=sites).fit(X, y)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="there is no method"):
        ProbeClassifier("nonsense").fit(X, y)
    with pytest.raises(ValueError, match="Only binary classification"):
        ProbeClassifier().fit(X, np.arange(len(X)) % 3)
    assert ProbeClassifier("one_class", sites=2).get_params() == {"method": "one_class", "sites": 2}
