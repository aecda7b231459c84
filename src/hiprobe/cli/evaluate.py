"""`hiprobe evaluate`: scores against the truth of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli._options import AsJson


def evaluate(
    scores: Annotated[Path, typer.Option(help="Scores of every frame: a JSON or NPZ of one array a video, or a CSV "
                                         "video,start_frame,end_frame,score.")],
    dataset: Annotated[str, typer.Option(help="ucf_crime, xd_violence, shanghaitech, ucsd_ped or module:attribute.")],
    root: Annotated[Path, typer.Option(help="The folder with the data set's annotation.")],
    rule: Annotated[str | None, typer.Option(help="How the annotation is read; the data set's own way if left "
                                             "out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Where the report goes: JSON for .json, else "
                                            "Markdown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare frame scores, from any detector, with a benchmark's truth and with what needs no model at all.

    Prints ROC-AUC and average precision with 95 % intervals over videos, AUC within videos and per class. A video
    without scores, or with too few, is an error: none is left out of an average.
    """
    import json

    from hiprobe import datasets, evaluation, store, terminal

    truth = datasets.truth(dataset, root, rule=rule)
    about = {"data set": dataset, "rule": rule or datasets.rules(dataset)[0]}
    made = evaluation.evaluate(truth, evaluation.read_scores(scores), categories=datasets.categories(dataset, root),
                               seed=seed, about=about)
    if to is not None:
        text = json.dumps(made.to_json(), indent=2) + "\n" if to.suffix == ".json" else made.to_markdown()
        store.write_atomic(to, text.encode())
    if as_json:
        terminal.emit(made.to_json())
    else:
        print(made.to_markdown(), end="")
