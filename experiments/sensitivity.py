"""Measure how much the layer that DLSP chooses depends on what the paper does not say.

That is the form of the divergence, the eps of the discriminant ratio, the bins of the histogram,
and the weights of the three. Run: `python -m experiments.sensitivity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from experiments.fits import counted, hiprobe, scores
from experiments.footage import Footage, draw
from experiments.measure import Interval, interval, verdict
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe.saliency import BINS, EPS, Form, entropy, kl, ldr

Array = NDArray[np.float64]
SIZES = (8, 16, 64)  # labelled videos


@dataclass(frozen=True)
class Variant:
    """One reading of DLSP: the settings of its three measures, and their weights in the sum."""

    form: Form = "jeffreys"
    eps: float = EPS
    bins: int = BINS
    weights: tuple[float, float, float] = (1.0, 1.0, -1.0)


VARIANTS: Mapping[str, Variant] = {
    "ours: Jeffreys, eps 1e-8, 10 bins, KL + LDR - H": Variant(),
    "KL of anomalous from normal": Variant(form="forward"),
    "KL of normal from anomalous": Variant(form="backward"),
    "LDR eps 1e-3": Variant(eps=1e-3),
    "LDR eps 0.1": Variant(eps=0.1),
    "5 bins": Variant(bins=5),
    "20 bins": Variant(bins=20),
    "50 bins": Variant(bins=50),
    "KL alone": Variant(weights=(1.0, 0.0, 0.0)),
    "LDR alone": Variant(weights=(0.0, 1.0, 0.0)),
    "-H alone": Variant(weights=(0.0, 0.0, -1.0)),
    "KL + LDR": Variant(weights=(1.0, 1.0, 0.0)),
    "KL + LDR + H": Variant(weights=(1.0, 1.0, 1.0)),
    "2 KL + LDR - H": Variant(weights=(2.0, 1.0, -1.0)),
    "KL + 2 LDR - H": Variant(weights=(1.0, 2.0, -1.0)),
    "KL + LDR - 2 H": Variant(weights=(1.0, 1.0, -2.0)),
    "KL + LDR - H / 2": Variant(weights=(1.0, 1.0, -0.5)),
}
OURS = next(iter(VARIANTS))


def choices(values: NDArray[np.float32], labels: NDArray[np.int8]) -> dict[str, int]:
    """Return the site that each variant chooses, from values (n, sites, D) and labels 0 and 1."""
    pair = values[labels == 1], values[labels == 0]
    known = np.concatenate(pair)
    divergence, ratio = cache(partial(_kl, *pair)), cache(partial(_ldr, *pair))
    histogram = cache(lambda bins: _z(entropy(known, bins=bins)))
    found = {}
    for name, one in VARIANTS.items():
        parts = divergence(one.form), ratio(one.eps), histogram(one.bins)
        curve = sum(w * part for w, part in zip(one.weights, parts, strict=True))
        found[name] = int(np.argmax(curve))
    return found


def _kl(a: Array, n: Array, form: Form) -> Array:
    return _z(kl(a, n, form=form))


def _ldr(a: Array, n: Array, eps: float) -> Array:
    return _z(ldr(a, n, eps=eps))


def _z(curve: Array) -> Array:
    return np.asarray((curve - curve.mean()) / max(float(curve.std()), 1e-12))


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table with one row per variant, over draws of `videos` labelled videos."""
    picked: dict[str, list[int]] = {name: [] for name in VARIANTS}
    curves: dict[str, list[Array]] = {name: [] for name in VARIANTS}
    for seed in range(seeds):
        some = draw(train, videos, seed)
        of_layer = cache(partial(_aucs, some, test))
        known = some.y >= 0
        for name, site in choices(some.values(some.sites)[known], some.y[known]).items():
            picked[name].append(site)
            curves[name].append(of_layer(site))
    gaps = {name: _gap(curves[name], curves[OURS]) for name in VARIANTS}
    rows = [
        (
            name,
            counted(picked[name]),
            str(interval(curves[name])),
            "" if name == OURS else gaps[name].signed(),
        )
        for name in VARIANTS
    ]
    claims = tuple(
        Claim(f"`{name}` is better than ours, {videos} labelled videos", gap.signed(), verdict(gap))
        for name, gap in gaps.items()
        if name != OURS and verdict(gap) != "undecided"
    )
    columns = ("variant", "layers chosen", "test AUC", "minus ours")
    title = f"What DLSP's choice depends on: {videos} labelled videos, {seeds} draws"
    return Table(title, columns, tuple(rows), claims=claims)


def _aucs(some: Footage, test: Footage, site: int) -> Array:
    return test.truth.aucs(scores(hiprobe(), some, test, (site,)))


def _gap(one: Sequence[Array], other: Sequence[Array]) -> Interval:
    return interval([a - b for a, b in zip(one, other, strict=True)])


def experiment(study: Study) -> Sequence[Table]:
    """Return a table for each number of labelled videos."""
    train, test = study.footage("train"), study.footage("test")
    return [compare(train, test, videos, study.seeds) for videos in SIZES]


if __name__ == "__main__":
    main(__doc__, experiment)
