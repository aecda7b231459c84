"""The wording of the question, at DLSP's layer and at the last: `python -m experiments.prompts`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.fits import dlsp, fixed, hiprobe, scores
from experiments.footage import Footage, draw
from experiments.measure import below, interval
from experiments.read import WORDINGS, prompt_of, read_prompts
from experiments.study import Study, main
from experiments.tables import Claim, Table

SAME = 5  # how many of the wordings ask for anomalies
CLOSE = 0.02  # of AUC: "does not matter"; our own
LIMIT = 120  # training videos to read: the draws are small


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """One row a wording; `train` and `test` hold the sites of all of them."""
    found = np.array(
        [
            _curves(prompt_of(train, p), prompt_of(test, p), videos, seeds)
            for p in range(len(WORDINGS))
        ]
    )
    rows = [
        (
            text,
            *(
                cell
                for kind in (0, 1)
                for cell in (
                    str(interval(list(found[p, kind]))),
                    interval(list(found[p, kind] - found[0, kind])).signed(),
                )
            ),
        )
        for p, text in enumerate(WORDINGS)
    ]
    columns = (
        "question",
        "AUC, DLSP's layer",
        "minus the first",
        "AUC, last layer",
        "minus the first",
    )
    note = (
        f"{videos} labelled videos. The first {SAME} ask for anomalies, the last two for something else. All are "
        "questions that the embedded model was trained on; it was taught to answer the sixth like the first."
    )
    return Table("Wording of the question", columns, tuple(rows), note, _claims(found))


def _curves(train: Footage, test: Footage, videos: int, seeds: int) -> list[list[np.ndarray]]:
    """AUCs of DLSP's layer and of the last, a list over draws each."""
    out: list[list[np.ndarray]] = [[], []]
    for seed in range(seeds):
        some = draw(train, videos, seed)
        for kind, choose in enumerate((dlsp, fixed(len(train.sites) - 1))):
            out[kind].append(
                test.truth.aucs(scores(hiprobe(), some, test, tuple(choose(some, some.y))))
            )
    return out


def _claims(found: np.ndarray) -> tuple[Claim, ...]:
    """The spread over wordings that ask for anomalies, at both layers, and the difference of the spreads."""
    spread = np.ptp(found[:SAME], axis=0)
    middle, last, gap = (
        interval(list(one)) for one in (spread[0], spread[1], spread[0] - spread[1])
    )
    answer = below(middle, CLOSE)
    steadier = below(gap, 0.0)
    return (
        Claim(
            f"the wording does not matter at DLSP's layer: highest minus lowest AUC of {SAME} wordings below "
            f"{CLOSE}",
            f"{middle} (last layer {last})",
            answer,
        ),
        Claim(
            "DLSP's layer depends less on the wording than the last",
            f"spread minus spread: {gap.signed()}",
            steadier,
        ),
    )


def experiment(study: Study) -> Sequence[Table]:
    """The one table."""
    return [compare(*read_prompts(study, study.limit or LIMIT), study.videos, study.seeds)]


if __name__ == "__main__":
    main(__doc__, experiment)
