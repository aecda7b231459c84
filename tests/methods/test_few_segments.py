"""The regression on few segments of many dimensions, which runs on coordinates of the segments."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hiprobe.methods import _logistic_regression
from hiprobe.methods._logistic_regression import regression, strength

WIDTH = 512


def standardised(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States that vary mostly in a few directions, as those of a model do."""
    rng, labels = np.random.default_rng(seed), (np.arange(n) % 3 == 0).astype(np.int8)
    values = rng.normal(size=(n, 12)) @ rng.normal(size=(12, WIDTH))
    values += 0.1 * rng.normal(size=(n, WIDTH)) + 0.2 * labels[:, None]
    return (values - values.mean(0)) / values.std(0), labels


def directly(z: np.ndarray, labels: np.ndarray, c: float) -> LogisticRegression:
    model = LogisticRegression(solver="liblinear", C=c, max_iter=2000, class_weight="balanced")
    return model.fit(z, labels)


@pytest.mark.parametrize("n", [4, 60, WIDTH // 2])
@pytest.mark.parametrize("c", [None, 1.0])
def test_few_segments_have_the_weights_of_the_direct_regression(n: int, c: float | None) -> None:
    z, labels = standardised(n)
    c = c or strength(labels, WIDTH)
    assert _logistic_regression._coordinates(z) is not None
    weight, bias = regression(z, labels, c)
    want = directly(z, labels, c)
    assert weight == pytest.approx(want.coef_[0], abs=1e-10)
    assert bias == pytest.approx(want.intercept_, abs=1e-10)


def test_segments_that_repeat_others_are_fitted_directly() -> None:
    z, labels = standardised(40)
    again, twice = np.vstack([z, z[:20]]), np.r_[labels, labels[:20]]
    nearly = np.vstack([z, z[:20] + 1e-9])
    for repeated in (again, nearly):
        assert _logistic_regression._coordinates(repeated) is None
        weight, bias = regression(repeated, twice, 1.0)
        want = directly(repeated, twice, 1.0)
        assert weight == pytest.approx(want.coef_[0], abs=1e-12)
        assert bias == pytest.approx(want.intercept_, abs=1e-12)


def test_many_segments_are_fitted_directly() -> None:
    assert _logistic_regression._coordinates(standardised(WIDTH // 2 + 1)[0]) is None
