"""Measure transfer between data sets and between types of event.

Run: `python -m experiments.transfer`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import counted, dlsp, fixed, hiprobe, scores
from experiments.footage import Footage, draw, most
from experiments.measure import interval, verdict
from experiments.study import Study, main
from experiments.tables import Claim, Table

Array = NDArray[np.float64]
Part = tuple[str, Footage]


def between(
    trains: Sequence[Part], tests: Sequence[Part], videos: int, seeds: int, title: str
) -> Table:
    """Return a table with one row per pair of labelled videos and test videos.

    `trains[i]` and `tests[i]` belong to the same part.
    """
    rows, claims = [], []
    videos = min(videos, *(most(train) for _, train in trains))
    for where, test in tests:
        found = {name: _curves(train, test, videos, seeds) for name, train in trains}
        home = found[trains[[name for name, _ in tests].index(where)][0]]
        for name, (curves, layers) in found.items():
            gaps = [
                interval([a - b for a, b in zip(curves[k], home[0][k], strict=True)])
                for k in (0, 1)
            ]
            rows.append(
                (
                    name,
                    where,
                    str(interval(curves[0])),
                    gaps[0].signed(),
                    str(interval(curves[1])),
                    gaps[1].signed(),
                    counted(layers),
                )
            )
            if curves is not home[0]:
                claims.append(_claim(name, where, curves))
    return Table(
        title,
        (
            "labels from",
            "tested on",
            "AUC, DLSP's layer",
            "minus own labels",
            "AUC, last layer",
            "minus own labels",
            "layers DLSP took",
        ),
        tuple(rows),
        f"{videos} labelled videos.",
        tuple(claims),
    )


def _curves(
    train: Footage,
    test: Footage,
    videos: int,
    seeds: int,
) -> tuple[tuple[list[Array], list[Array]], list[int]]:
    curves: tuple[list[Array], list[Array]] = ([], [])
    layers = []
    for seed in range(seeds):
        some = draw(train, videos, seed)
        for kind, choose in enumerate((dlsp, fixed(len(train.sites) - 1))):
            site = choose(some, some.y)[0]
            curves[kind].append(test.truth.aucs(scores(hiprobe(), some, test, (site,))))
            layers += [site] * (kind == 0)
    return curves, layers


def _claim(name: str, where: str, curves: tuple[list[Array], list[Array]]) -> Claim:
    gap = interval([a - b for a, b in zip(*curves, strict=True)])
    return Claim(
        f"{name} to {where}: DLSP's layer carries over better than the last",
        gap.signed(),
        verdict(gap),
    )


def by_type(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table of labels of one half of the event types, tested on the other half.

    In alphabetical order, the types go to the halves in turn.
    """
    kinds = sorted({kind for kind, bad in zip(train.kinds, train.abnormal, strict=True) if bad})
    halves = [set(kinds[::2]), set(kinds[1::2])]
    parts = [
        [(", ".join(sorted(half)), _only(footage, half)) for half in halves]
        for footage in (train, test)
    ]
    return between(parts[0], parts[1], videos, seeds, "Transfer between types of event")


def _only(footage: Footage, half: set[str]) -> Footage:
    """Return the normal videos, and those with an event of the types in `half`."""
    return footage.take(
        [i for i, kind in enumerate(footage.kinds) if not footage.abnormal[i] or kind in half]
    )


def experiment(study: Study) -> Sequence[Table]:
    """Return a table for data sets if there is a pair, and one for event types if there are two."""
    tables = []
    if study.pair:
        parts = [
            [(_name(data), study.footage(split, data=data)) for data in study.pair]
            for split in ("train", "test")
        ]
        tables.append(
            between(parts[0], parts[1], study.videos, study.seeds, "Transfer between data sets")
        )
    train, test = study.footage("train"), study.footage("test")
    if len({kind for kind, bad in zip(train.kinds, train.abnormal, strict=True) if bad}) > 1:
        tables.append(by_type(train, test, study.videos, study.seeds))
    return tables


def _name(data: tuple[str, str]) -> str:
    return data[1].rstrip("/").rpartition("/")[2] if data[0] == "folder" else data[0]


if __name__ == "__main__":
    main(__doc__, experiment)
