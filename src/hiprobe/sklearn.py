"""A scikit-learn estimator over the methods, for cross-validation, grids and pipelines.

Arrays only: no files, no videos and no models. Segments of one video are alike, so validate with
`groups`, such as `GroupKFold`, and not with plain folds.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from hiprobe import methods
from hiprobe.errors import LabelError, ProbeError, UsageError
from hiprobe.probe.calibration import CLASSES
from hiprobe.probe.held_out import checked_scores

__all__ = ["ProbeClassifier"]


class ProbeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fit a method of hiprobe on hidden states, as scikit-learn expects it.

    `method` is the name of a method, `sites` how many sites the columns of `X` hold, one after the
    other: `X` is (n, sites * width), and the method selects among the sites. With one site it is
    used as it is. The second of the two classes, in sorted order, is the anomalous one.

    After `fit`: `classes_`, `n_features_in_`, `indices_` (the sites selected), `curves_` (the
    values that decided, by name) and `tensors_` (the fitted parameters, as in a probe file).
    `predict` takes the class with the higher probability. For another threshold use
    `sklearn.model_selection.FixedThresholdClassifier` or `TunedThresholdClassifierCV`. For a method
    of normal videos, such as `one_class`, a probability is only a rank.

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = rng.normal(size=(40, 3 * 8))  # three sites, 8 wide
    >>> X[:, 8:16] += 4 * y[:, None]  # the second one tells the classes apart
    >>> probe = ProbeClassifier(sites=3).fit(X, y)
    >>> probe.indices_, round(probe.score(X, y), 2)
    ((1,), 1.0)
    """

    def __init__(self, method: str = "hiprobe", sites: int = 1) -> None:
        self.method = method
        self.sites = sites

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Select the sites and fit on `X` (n, sites * width) and labels `y` (n,) of two classes.

        Raises ValueError for input that scikit-learn would refuse too, for another number of
        classes and for columns that `sites` does not divide, and UsageError for an unknown method.
        """
        how = methods.load(self.method)
        checked, targets = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(targets)
        self.classes_, index = np.unique(targets, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported: y must have 2 classes, got "
                f"{len(self.classes_)} class{'es' * (len(self.classes_) != 1)}"
            )
        values, labels = self._by_site(checked), index.astype(np.int8)
        try:
            chosen = how.select(values, labels)
            used = np.isin(labels, CLASSES[how.LABELS] or (0, 1))
            parts = values[used][:, list(chosen.indices)]
            self.tensors_ = how.fit(parts, labels[used])
        except (LabelError, ProbeError, UsageError) as error:
            raise ValueError(str(error)) from error
        self.indices_, self.curves_ = tuple(map(int, chosen.indices)), dict(chosen.curves)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities (n, 2) of both classes, in the order of `classes_`."""
        scores = self._scores(X)
        return np.column_stack([1.0 - scores, scores])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class (n,) with the higher probability; of equals the first."""
        anomalous = self._scores(X) > 0.5
        return np.asarray(self.classes_[anomalous.astype(int)])

    def _scores(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        checked = validate_data(self, X, dtype=np.float64, reset=False)
        values = self._by_site(checked)[:, list(self.indices_)]
        return checked_scores(methods.load(self.method), values, self.tensors_, "X")

    def _by_site(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, sites * width) as (n, sites, width)."""
        if not isinstance(self.sites, int) or self.sites < 1 or X.shape[1] % self.sites:
            raise ValueError(
                f"X has {X.shape[1]} columns, which must be a multiple of sites={self.sites!r}"
            )
        return X.reshape(len(X), self.sites, -1)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that it knows two classes only."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
