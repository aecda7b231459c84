"""Compare rules that choose a layer on the same draws, and how stable their choice is.

A rule sees labelled videos only; the test videos judge it. Cross-validation is nested, that is,
inside the labelled videos. Run: `python -m experiments.selection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from experiments.fits import counted, dlsp, every_layer, fixed, out_of_fold, split
from experiments.footage import Footage, draw, most
from experiments.measure import interval, over_draws, verdict
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe.metrics import roc_auc
from hiprobe.saliency import permutation_baseline, saliency
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
Rule = Callable[[Footage, LabelArray], Sequence[int]]
SIZES = (4, 16, 64)
STABLE = 0.8  # the share of folds that must agree for "stable"; our own
PRIOR = 32  # the weight of the pooled variance in segments, in the shrunk divergence; our own


def last(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose the output layer."""
    return (len(train.sites) - 1,)


def five_eighths_of(layers: int) -> int:
    """Return the layer at five eighths of the depth.

    That is layer 20 of 32: the peak near 20 is second-hand, the 32 blocks are our inference.

    >>> five_eighths_of(30)
    18
    """
    return min(5 * layers // 8, layers - 1)


def five_eighths(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose five eighths of the depth."""
    return (five_eighths_of(len(train.sites)),)


def _top(curve: Array) -> Sequence[int]:
    return (int(np.argmax(curve)),)


def _z(curve: Array) -> Array:
    return np.asarray((curve - curve.mean()) / max(float(curve.std()), 1e-12))


def kl_only(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose the layer with the highest divergence."""
    return _top(saliency(train, y).kl)


def ldr_only(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose the layer with the highest discriminant ratio."""
    return _top(saliency(train, y).ldr)


def without_entropy(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose by DLSP without its entropy term, which does not use the labels."""
    found = saliency(train, y)
    return _top(_z(found.kl) + _z(found.ldr))


def against_chance(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose by the sum of KL and LDR, each standardised against shuffled labels."""
    found, chance = saliency(train, y).curves(), permutation_baseline(train, y, 20, 0)
    return _top(
        np.sum(
            [(found[k] - chance.mean[k]) / np.maximum(chance.std[k], 1e-9) for k in ("kl", "ldr")],
            0,
        )
    )


def shrunk(train: Footage, y: LabelArray) -> Sequence[int]:
    """Choose by Jeffreys' divergence per dimension, with variances shrunk to the pooled one."""
    return _top(
        np.array(
            [
                shrunk_divergence(np.asarray(train[:, site], np.float64), y)
                for site in range(len(train.sites))
            ]
        )
    )


def shrunk_divergence(x: Array, y: LabelArray) -> float:
    """Return Jeffreys' divergence of states (n, D) per dimension, with shrunk variances."""
    one, none = x[y == 1], x[y == 0]
    within = (one.var(0) * len(one) + none.var(0) * len(none)) / (len(one) + len(none))
    a, n = (
        (part.var(0) * len(part) + PRIOR * within) / (len(part) + PRIOR) + 1e-12
        for part in (one, none)
    )
    apart = (one.mean(0) - none.mean(0)) ** 2
    return float((0.5 * ((a + apart) / n + (n + apart) / a) - 1.0).mean())


def cross_validated(train: Footage, y: LabelArray, *, loss: bool = False) -> Sequence[int]:
    """Choose by out-of-fold AUC (or log loss) of smoothed scores, with folds of whole videos."""
    some = train.relabelled(y)
    known, folds = y >= 0, split(some, 0)
    found = [out_of_fold(some, folds, fixed(site))[0][known] for site in range(len(train.sites))]
    judge = _likelihood if loss else roc_auc
    return _top(np.array([judge(y[known], one) for one in found]))


def _likelihood(y: LabelArray, p: Array) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(np.mean([np.log(p[y == 1]).mean(), np.log1p(-p[y == 0]).mean()]))


RULES: Mapping[str, Rule] = {
    "DLSP (`hiprobe`)": dlsp,
    "the last layer (`output_layer`)": last,
    "five eighths of the depth": five_eighths,
    "KL alone": kl_only,
    "LDR alone": ldr_only,
    "KL + LDR, no entropy": without_entropy,
    "KL + LDR against shuffled labels": against_chance,
    "KL of shrunk variances": shrunk,
    "cross-validated AUC": cross_validated,
    "cross-validated log loss": partial(cross_validated, loss=True),
}
DLSP, LAST, CV = *list(RULES)[:2], "cross-validated AUC"


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table with one row per rule, with `videos` labelled videos."""
    aucs: dict[str, list[Array]] = {name: [] for name in RULES}
    layers: dict[str, list[int]] = {name: [] for name in RULES}
    best = []
    for seed in range(seeds):
        some = draw(train, videos, seed)
        curve = [test.truth.aucs(one) for one in every_layer(some, test)]
        best.append(max(curve, key=lambda one: float(one[0])))
        for name, rule in RULES.items():
            site = rule(some, some.y)[0]
            aucs[name].append(curve[site])
            layers[name].append(site)
    rows = [_row(name, aucs[name], aucs[DLSP], counted(layers[name])) for name in RULES]
    rows.append(_row("the best on the test videos: no method", best, aucs[DLSP], ""))
    return Table(
        f"Which layer: {videos} labelled videos",
        ("rule", "AUC", "minus DLSP", "layers taken"),
        tuple(rows),
        claims=claims(aucs, videos),
    )


def _row(name: str, found: list[Array], base: list[Array], layers: str) -> tuple[str, ...]:
    gap = interval([a - b for a, b in zip(found, base, strict=True)])
    return name, str(interval(found)), gap.signed(), layers


def claims(aucs: Mapping[str, list[Array]], videos: int) -> tuple[Claim, ...]:
    """Compare DLSP's layer with the best by cross-validation and with the last."""
    out = []
    for name, words in (
        (CV, "the best layer by nested cross-validation"),
        (LAST, "the last layer"),
    ):
        gap = interval([a - b for a, b in zip(aucs[DLSP], aucs[name], strict=True)])
        out.append(
            Claim(
                f"DLSP's choice is better than {words}, {videos} labelled videos",
                gap.signed(),
                verdict(gap),
            )
        )
    return tuple(out)


def stability(train: Footage, sizes: Sequence[int], seeds: int) -> Table:
    """Return a table of how far the choice agrees over five folds and over draws."""
    rows, claim = [], []
    for videos in sizes:
        for name in (DLSP, "KL + LDR, no entropy", CV):
            agree, whole = _agreement(train, videos, seeds, RULES[name])
            share = over_draws(agree)
            rows.append((str(videos), name, str(share), counted(whole)))
            if name == DLSP:
                claim.append(
                    Claim(
                        f"DLSP's layer is stable over folds (at least {STABLE:.0%} of them agree), "
                        f"{videos} "
                        "labelled videos",
                        str(share),
                        _stable(share.low, share.high),
                    )
                )
    note = (
        "Agreement: the share of folds that choose the same layer as the whole draw; t interval "
        "over draws."
    )
    return Table(
        "Is the chosen layer stable?",
        ("labelled videos", "rule", "folds that agree", "layers over draws"),
        tuple(rows),
        note,
        tuple(claim),
    )


def _agreement(
    train: Footage, videos: int, seeds: int, rule: Rule
) -> tuple[list[float], list[int]]:
    shares, whole = [], []
    for seed in range(seeds):
        some = draw(train, videos, seed)
        folds, chosen = split(some, seed), rule(some, some.y)[0]
        picked = [
            rule(some, np.where(folds.of == fold, -1, some.y).astype(np.int8))[0]
            for fold in range(folds.number)
        ]
        shares.append(float(np.mean([one == chosen for one in picked])))
        whole.append(chosen)
    return shares, whole


def _stable(low: float, high: float) -> str:
    return "yes" if low >= STABLE else "no" if high < STABLE else "undecided"


def experiment(study: Study) -> Sequence[Table]:
    """Return both tables, for each size that the data set has enough labelled videos for."""
    train, test = study.footage("train"), study.footage("test")
    sizes = [size for size in SIZES if size <= most(train)]
    return [
        *(compare(train, test, size, study.seeds) for size in sizes),
        stability(train, sizes, study.seeds),
    ]


if __name__ == "__main__":
    main(__doc__, experiment)
