"""Fit and score on footage: one layer, every layer, out of fold.

It knows no model and no data set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.footage import Footage
from hiprobe import methods
from hiprobe.methods import Method
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
CLASSES = {"both": (1, 0), "normal": (0,), "none": ()}
FOLDS = 5


def hiprobe() -> Method:
    """Return the method of the paper."""
    return methods.load("hiprobe")


def usable(how: Method, y: LabelArray) -> LabelArray:
    """Return the labels (n,), with -1 for those that the method does not fit on."""
    return np.where(np.isin(y, CLASSES[how.LABELS]), y, -1).astype(np.int8)


def raw_scores(
    how: Method, train: Footage, test: Footage, indices: Sequence[int] | None = None
) -> Array:
    """Return raw scores (n,) of `test` by `how` fitted on `train`.

    The sites are `indices`, or those that the method selects.
    """
    y = usable(how, train.y)
    chosen = tuple(how.select(train, y).indices if indices is None else indices)
    sites = [train.sites[i] for i in chosen]
    tensors = how.fit(train.values(sites)[y >= 0], y[y >= 0])
    return how.score(test.values(sites), tensors)


def scores(
    how: Method, train: Footage, test: Footage, indices: Sequence[int] | None = None
) -> Array:
    """Return the same scores, smoothed."""
    return test.smoothed(raw_scores(how, train, test, indices))


def every_layer(train: Footage, test: Footage) -> list[Array]:
    """Return smoothed scores (n,) of `test` for one probe per site."""
    return [scores(hiprobe(), train, test, (site,)) for site in range(len(train.sites))]


def split(train: Footage, seed: int) -> Folds:
    """Return folds of whole videos."""
    return make_folds(train.y, train.group, (1, 0), FOLDS, seed)


def out_of_fold(
    train: Footage,
    folds: Folds,
    choose: Callable[[Footage, LabelArray], Sequence[int]],
    how: Method | None = None,
    *,
    smooth: bool = True,
) -> tuple[Array, list[tuple[int, ...]]]:
    """Return out-of-fold scores (n,), and the sites that `choose` picked in each fold.

    `choose` sees the training labels of the fold only.
    """
    how, raw, picked = how or hiprobe(), np.full(len(train.y), np.nan), []
    for fold in range(folds.number):
        out = folds.of == fold
        y = usable(how, np.where(out, -1, train.y).astype(np.int8))
        indices = tuple(choose(train, y))
        values = train.values([train.sites[i] for i in indices])
        raw[out] = how.score(values[out], how.fit(values[y >= 0], y[y >= 0]))
        picked.append(indices)
    return train.smoothed(raw) if smooth else raw, picked


def dlsp(train: Footage, y: LabelArray) -> Sequence[int]:
    """Return the site chosen by Dynamic Layer Saliency Probing; labels (n,) of -1 are left out."""
    return hiprobe().select(train, y).indices


def fixed(site: int) -> Callable[[Footage, LabelArray], Sequence[int]]:
    """Return a rule that always chooses the same site."""

    def choose(train: Footage, y: LabelArray) -> Sequence[int]:
        return (site,)

    return choose


def counted(layers: Sequence[int]) -> str:
    """Return how often each layer was chosen, as text: `6 x7, 1 x3`."""
    values, counts = np.unique(np.asarray(layers), return_counts=True)
    order = np.lexsort((values, -counts))
    return ", ".join(f"{values[i]} x{counts[i]}" for i in order)


def percent(share: float) -> str:
    """Return a share as a percentage with as many digits as it needs."""
    return f"{100 * share:g} %"


def figure(value: Any) -> str:
    """Return a number with three decimals."""
    return f"{float(value):.3f}"
