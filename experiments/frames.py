"""Compare numbers of frames per segment. Run: `python -m experiments.frames`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from experiments.fits import counted, dlsp, hiprobe, scores
from experiments.footage import Footage, draw
from experiments.measure import interval
from experiments.study import Study, load, main
from experiments.tables import Table

COUNTS = (1, 2, 4, 8, 16)
LIMIT = 120  # training videos to read; the draws need no more


def compare(
    read: Mapping[int, tuple[Footage, Footage]], own: int, videos: int, seeds: int
) -> Table:
    """Return a table with one row per number of frames; `own` is the model's default."""
    rows = []
    for count, (train, test) in read.items():
        some = [draw(train, videos, seed) for seed in range(seeds)]
        layers = [dlsp(one, one.y)[0] for one in some]
        curves = [
            [
                test.truth.aucs(scores(hiprobe(), one, test, (at,)))
                for one, at in zip(some, sites, strict=True)
            ]
            for sites in (layers, [len(train.sites) - 1] * seeds)
        ]
        rows.append(
            (
                f"{count}{' (the default)' * (count == own)}",
                *(str(interval(one)) for one in curves),
                counted(layers),
            )
        )
    note = (
        f"{videos} labelled videos. The embedded model was trained on 8 frames: other numbers are "
        "new to it, so "
        "that this shows a mismatch as much as the need for frames."
    )
    return Table(
        "Frames per segment",
        ("frames", "AUC, DLSP's layer", "AUC, last layer", "layers DLSP took"),
        tuple(rows),
        note,
    )


def experiment(study: Study) -> Sequence[Table]:
    """Return the one table."""
    recipe = load(study.models[0]).recipe
    read = {}
    for count in sorted({*COUNTS, recipe.frames}):
        asked = replace(recipe, frames=count)
        read[count] = (
            study.footage("train", recipe=asked, limit=study.limit or LIMIT),
            study.footage("test", recipe=asked),
        )
    return [compare(read, recipe.frames, study.videos, study.seeds)]


if __name__ == "__main__":
    main(__doc__, experiment)
