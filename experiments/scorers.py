"""Compare logistic regressions, a linear SVM and an MLP as anomaly scorers, at two layers.

Run: `python -m experiments.scorers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import dlsp
from experiments.footage import Footage, draw
from experiments.measure import interval, verdict
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe.methods import _logistic_regression as logistic
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Scorer = Callable[[Array, LabelArray, Array, int], Array]


def by_labels(x: Array, y: LabelArray, test: Array, seed: int) -> Array:
    """Score as `hiprobe`: logistic regression whose penalty falls with the labels, rescaled."""
    return logistic.score(test[:, None], logistic.fit(x[:, None], y))


def published(x: Array, y: LabelArray, test: Array, seed: int) -> Array:
    """Score as `hiprobe_c1`: logistic regression with C = 1."""
    return logistic.score(test[:, None], logistic.fit_c1(x[:, None], y))


def linear_svm(x: Array, y: LabelArray, test: Array, seed: int) -> Array:
    """Score by the sigmoid of the margin of a linear SVM: C = 1, balanced."""
    from scipy.special import expit
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=1.0, class_weight="balanced", random_state=seed, max_iter=20000).fit(x, y)
    return np.asarray(expit(model.decision_function(test)))


def mlp(x: Array, y: LabelArray, test: Array, seed: int) -> Array:
    """Score by a network with one hidden layer of 64 units and scikit-learn's defaults.

    Random segments of the rarer class are repeated to balance the classes.
    """
    from sklearn.neural_network import MLPClassifier

    rare = 1 if (y == 1).sum() < (y == 0).sum() else 0
    more = np.random.default_rng(seed).choice(
        np.flatnonzero(y == rare), abs(int((y == 1).sum() - (y == 0).sum()))
    )
    rows = np.r_[np.arange(len(y)), more]
    model = MLPClassifier((64,), max_iter=1000, random_state=seed).fit(x[rows], y[rows])
    return np.asarray(model.predict_proba(test)[:, 1])


SCORERS: Mapping[str, Scorer] = {
    "logistic regression (`hiprobe`)": by_labels,
    "logistic regression, C = 1 (`hiprobe_c1`)": published,
    "linear SVM": linear_svm,
    "MLP, 64 hidden": mlp,
}


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table with one row per scorer and layer."""
    first = next(iter(SCORERS))
    found: dict[tuple[str, str], list[Array]] = {}
    for seed in range(seeds):
        some = draw(train, videos, seed)
        for where, site in (("DLSP's", dlsp(some, some.y)[0]), ("last", len(train.sites) - 1)):
            for name in SCORERS:
                found.setdefault((where, name), []).append(
                    _aucs(SCORERS[name], some, test, site, seed)
                )
    rows = [
        (
            where,
            name,
            str(interval(curves)),
            interval([a - b for a, b in zip(curves, found[where, first], strict=True)]).signed(),
        )
        for (where, name), curves in sorted(found.items())
    ]
    gaps = {
        (where, name): interval([a - b for a, b in zip(curves, found[where, first], strict=True)])
        for (where, name), curves in found.items()
        if name != first
    }
    claims = tuple(
        Claim(f"{name} is better than `hiprobe`, {where} layer", gap.signed(), verdict(gap))
        for (where, name), gap in gaps.items()
    )
    columns = ("layer", "scorer", "AUC", "minus `hiprobe`")
    return Table(f"Scorer: {videos} labelled videos", columns, tuple(rows), claims=claims)


def raw_scores(scorer: Scorer, some: Footage, test: Footage, site: int, seed: int) -> Array:
    """Return raw scores (n,) of `test` by a scorer fitted on the standardised states of a site."""
    known = some.y >= 0
    x = np.asarray(some[:, site], np.float64)[known]
    mean, scale = logistic.standard(x)
    return scorer(
        (x - mean) / scale,
        some.y[known],
        (np.asarray(test[:, site], np.float64) - mean) / scale,
        seed,
    )


def _aucs(scorer: Scorer, some: Footage, test: Footage, site: int, seed: int) -> Array:
    return test.truth.aucs(test.smoothed(raw_scores(scorer, some, test, site, seed)))


def experiment(study: Study) -> Sequence[Table]:
    """Return the one table."""
    return [compare(study.footage("train"), study.footage("test"), study.videos, study.seeds)]


if __name__ == "__main__":
    main(__doc__, experiment)
