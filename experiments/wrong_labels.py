"""Measure the effect of wrong and weak labels.

Flipped: each segment's label is turned with some probability. Weak: a segment gets the label of its
video, as in the paper's protocol. Run: `python -m experiments.wrong_labels`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import dlsp, fixed, hiprobe, percent, scores
from experiments.footage import Footage, draw
from experiments.measure import Interval, below, interval
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
FLIPPED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
CLOSE = 0.02  # the loss of AUC that counts as little harm; our own


def flip(some: Footage, share: float, seed: int) -> Footage:
    """Turn each known label of a segment with probability `share`."""
    turn = np.random.default_rng([seed, 929]).random(len(some.y)) < share
    return some.relabelled(np.where(turn & (some.y >= 0), 1 - some.y, some.y).astype(np.int8))


def weak(some: Footage) -> Footage:
    """Label every segment of a video with an event positive, and every other one negative."""
    y: LabelArray = some.abnormal[some.group].astype(np.int8)
    return some.relabelled(y)


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table with one row per kind of label, at DLSP's layer and at the last.

    DLSP chooses its layer with the same labels.
    """
    draws = [draw(train, videos, seed) for seed in range(seeds)]
    kinds = {
        f"{percent(share)} flipped": [flip(one, share, seed) for seed, one in enumerate(draws)]
        for share in FLIPPED
    }
    kinds["video-level labels"] = [weak(one) for one in draws]
    found = {name: [_curves(some, test, kind) for kind in (0, 1)] for name, some in kinds.items()}
    clean = found["0 % flipped"]
    rows = [
        (
            name,
            *(
                cell
                for kind in (0, 1)
                for cell in (str(interval(curves[kind])), _loss(clean[kind], curves[kind]).signed())
            ),
        )
        for name, curves in found.items()
    ]
    return Table(
        f"Wrong labels: {videos} labelled videos",
        ("labels", "AUC, DLSP's layer", "loses", "AUC, last layer", "loses"),
        tuple(rows),
        claims=_claims(clean, found),
    )


def _curves(draws: Sequence[Footage], test: Footage, kind: int) -> list[Array]:
    choose = (dlsp, fixed(len(test.sites) - 1))[kind]
    return [
        test.truth.aucs(scores(hiprobe(), one, test, tuple(choose(one, one.y)))) for one in draws
    ]


def _loss(clean: list[Array], wrong: list[Array]) -> Interval:
    return interval([a - b for a, b in zip(clean, wrong, strict=True)])


def _claims(clean: list[list[Array]], found: dict[str, list[list[Array]]]) -> tuple[Claim, ...]:
    out = []
    for name in ("10 % flipped", "20 % flipped", "video-level labels"):
        for kind, where in enumerate(("DLSP's layer", "the last layer")):
            loss = _loss(clean[kind], found[name][kind])
            answer = below(loss, CLOSE)
            out.append(
                Claim(
                    f"{name} cost less than {CLOSE} AUC at {where}",
                    f"loses {loss.signed()}",
                    answer,
                )
            )
    return tuple(out)


def experiment(study: Study) -> Sequence[Table]:
    """Return the one table."""
    return [compare(study.footage("train"), study.footage("test"), study.videos, study.seeds)]


if __name__ == "__main__":
    main(__doc__, experiment)
