"""Compare wordings of the question, at DLSP's layer and at the last.

Run: `python -m experiments.prompts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.fits import dlsp, fixed, hiprobe, scores
from experiments.footage import Footage, draw
from experiments.measure import Interval, interval
from experiments.read import WORDINGS, prompt_of, read_prompts
from experiments.study import Study, main
from experiments.tables import Claim, Table

SAME = 5  # the number of wordings that ask for anomalies; they come first
CLOSE = 0.02  # AUC below which the wording "does not matter"; our own
LIMIT = 120  # training videos to read; the draws need no more


def compare(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table with one row per wording; `train` and `test` hold the sites of all."""
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
        f"{videos} labelled videos. The first {SAME} ask for anomalies, the last two for something "
        "else. All are "
        "questions that the embedded model was trained on; it was taught to answer the sixth like "
        "the first."
    )
    return Table("Wording of the question", columns, tuple(rows), note, _claims(found))


def _curves(train: Footage, test: Footage, videos: int, seeds: int) -> list[list[np.ndarray]]:
    """Return the AUCs of DLSP's layer and of the last, one list over draws each."""
    out: list[list[np.ndarray]] = [[], []]
    for seed in range(seeds):
        some = draw(train, videos, seed)
        for kind, choose in enumerate((dlsp, fixed(len(train.sites) - 1))):
            out[kind].append(
                test.truth.aucs(scores(hiprobe(), some, test, tuple(choose(some, some.y))))
            )
    return out


def _claims(found: np.ndarray) -> tuple[Claim, ...]:
    """Judge each wording that asks for anomalies by its paired difference to the first.

    The highest of several noisy figures less the lowest is above 0 also where nothing differs, so
    no spread is judged.
    """
    claims = []
    for kind, layer in enumerate(("DLSP's layer", "the last layer")):
        gaps = [interval(list(found[p, kind] - found[0, kind])) for p in range(1, SAME)]
        widest = max(gaps, key=lambda gap: abs(gap.mean))
        claims.append(
            Claim(
                f"the wording does not matter at {layer}: {SAME - 1} others that ask for anomalies "
                f"are less than {CLOSE} from the first",
                f"the largest difference: {widest.signed()}",
                _all_close(gaps),
            )
        )
    return tuple(claims)


def _all_close(gaps: Sequence[Interval]) -> str:
    """Return whether all differences are near 0: no if one is surely not, yes if all surely are."""
    if any(gap.low > CLOSE or gap.high < -CLOSE for gap in gaps):
        return "no"
    return "yes" if all(gap.low > -CLOSE and gap.high < CLOSE for gap in gaps) else "undecided"


def experiment(study: Study) -> Sequence[Table]:
    """Return the one table."""
    return [compare(*read_prompts(study, study.limit or LIMIT), study.videos, study.seeds)]


if __name__ == "__main__":
    main(__doc__, experiment)
