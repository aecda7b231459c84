"""Compare every method on labelled real clips, beside controls and random weights.

Run: `python -m experiments.real CLIPS.csv [--model embedded] > PAGE.md`, where the CSV has the
columns path, label and group (the source video). Clips are decoded once and kept in `--store`, with
what was read from them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import real_footage_figures as figures
from experiments.fits import counted, usable
from experiments.measure import Interval, verdict
from experiments.real_footage_clips import Clips, load_clips
from experiments.real_footage_figures import Chosen, Sample, as_interval, few_interval
from experiments.real_footage_reading import Readings, load_model, random_weights
from experiments.real_footage_trivial import FILE, PIXELS, together, trivial_features
from experiments.tables import Claim, Table
from hiprobe import methods, pipeline
from hiprobe.errors import HiProbeError
from hiprobe.methods import Method
from hiprobe.probe.folds import make_folds
from hiprobe.types import LabelArray

Array = NDArray[np.float64]
STORE = Path("runs/real_footage")
RIVALS = ("frame difference, mean", "all controls")
COMPARED = "hiprobe"  # the method that the others are compared with, too
SHOWN = ("frame difference, mean", "brightness", "resolution", "length")
Score = Callable[[Chosen], Array]  # from the segments (n,) to fit on to scores (n,) of all


@dataclass(frozen=True)
class Curves:
    """The AUC curves of one scorer: of each draw of 8 + 8 labelled clips, and of folds by source.

    The AUC of all clips, or of those of other sources, comes first; then those of the bootstrap.
    """

    few: list[Array]
    folds: Array


def curves_of(sample: Sample, score: Score, tries: int, repeats: int) -> Curves:
    """Return the curves of a scorer, by the mean score of the segments of each clip."""
    few = figures.few_labels(sample, {"": lambda used: score(used)}, tries)[""]
    labels, groups, found = sample.of_segments, sample.source[sample.clip], []
    for seed in range(repeats):
        split = make_folds(labels, groups, (1, 0), figures.FOLDS, seed, named=True)
        scores = np.full(len(labels), np.nan)
        for fold in range(split.number):
            out = split.of == fold
            scores[out] = score(~out)[out]
        found.append(sample.truth.aucs(sample.by_clip(scores)))
    return Curves(few, np.asarray(np.mean(found, 0)))


def by_method(how: Method, values: NDArray[np.float32], labels: LabelArray) -> Score:
    """Return the scorer of a method on `values` (n, sites, D), which selects sites in every fit."""

    def score(used: Chosen) -> Array:
        y = usable(how, np.where(used, labels, -1).astype(np.int8))
        chosen = list(how.select(values, y).indices)
        tensors = how.fit(values[y >= 0][:, chosen], y[y >= 0])
        return how.score(values[:, chosen], tensors)

    return score


def values_of(read: Readings, name: str) -> NDArray[np.float32]:
    """Return the values (n, sites, D) that a method reads.

    Methods that ask the model's own question share one reading of all layers or heads.
    """
    model, wanted = read.model, pipeline.sites_for(name, read.model)
    every = wanted
    if not methods.load(name).PROMPTS:
        every = pipeline.sites_for("head_vote" if wanted[0].kind == "head" else "hiprobe", model)
    found = read.at(every, pipeline.recipe_for(name, model))
    return found[:, [every.index(site) for site in wanted]]


def readable(read: Readings, names: Sequence[str]) -> Iterator[tuple[str, Score | str]]:
    """Yield the scorer of each method, or why the model cannot be read for it."""
    labels = read.clips.labels[read.clips.clip].astype(np.int8)
    for name in names:
        try:
            values = values_of(read, name)
            yield name, by_method(methods.load(name), values, labels)
        except HiProbeError as error:
            yield name, str(error)


def controls(clips: Clips, sample: Sample) -> dict[str, Score]:
    """Return the scorers of features that need no model, one by one and together."""
    trivial = trivial_features(clips)
    shown = {name: trivial[name] for name in SHOWN if name in trivial}
    shown |= {"controls of pixels": together(trivial, PIXELS)}
    shown |= {"all controls": together(trivial, PIXELS + FILE)}
    return {name: figures.of_values(sample, one) for name, one in shown.items()}


def few(one: Curves, other: Curves | None = None) -> Interval:
    """Return the AUC with 8 + 8 labelled clips, or the paired difference of two."""
    pairs = zip(one.few, other.few if other else [np.zeros(1)] * len(one.few), strict=True)
    return few_interval([a - b for a, b in pairs])


def folds(one: Curves, other: Curves | None = None) -> Interval:
    """Return the AUC out of fold, or the paired difference of two."""
    return as_interval(one.folds - (other.folds if other else 0.0))


def table_of_methods(
    found: Mapping[str, Curves], random: Mapping[str, list[Curves]], rivals: Mapping[str, Curves]
) -> Table:
    """Return a row for each method and each control."""
    rows, claims, every = [], [], {**found, **rivals}
    against = [*RIVALS, *(name for name in [COMPARED] if name in found)]
    for name, one in every.items():
        own = name in found
        cells = [f"`{name}`" if own else name]
        for figure in (few, folds):
            cells.append(str(figure(one)))
            cells += [
                "" if name == other else figure(one, every[other]).signed() for other in against
            ]
        rows.append((*cells, _random(random.get(name, []))))
        gap = few(one, rivals[RIVALS[0]])
        if own:
            text = f"`{name}` is better than the frame difference, 8 + 8 labelled clips"
            claims.append(Claim(text, gap.signed(), verdict(gap)))
    less = [f"less {f'`{other}`' if other in found else other}" for other in against]
    columns = ("scorer", "8 + 8 labels", *less, "5 folds", *less, "random weights: 8 + 8, 5 folds")
    return Table("Methods and controls", columns, tuple(rows), claims=tuple(claims))


def _random(made: Sequence[Curves]) -> str:
    """Return both figures of models with random weights: means over seeds."""
    if not made:
        return ""
    mean = Curves(
        [np.asarray(np.mean(column, 0)) for column in zip(*(one.few for one in made), strict=True)],
        np.asarray(np.mean([one.folds for one in made], 0)),
    )
    return f"{few(mean)}, {folds(mean)}"


def table_of_layers(read: Readings, sample: Sample, tries: int, repeats: int) -> Table:
    """Return a row for each layer, and what `hiprobe` chooses."""
    states, labels = read.states(), sample.of_segments
    found = [
        curves_of(
            sample, figures.of_values(sample, states[:, at].astype(np.float64)), tries, repeats
        )
        for at in range(states.shape[1])
    ]
    own = curves_of(sample, by_method(methods.load("hiprobe"), states, labels), tries, repeats)
    rows = [
        (
            name,
            *(
                text
                for figure in (few, folds)
                for text in (
                    str(figure(one)),
                    figure(one, found[-1]).signed() if one is not found[-1] else "",
                )
            ),
        )
        for name, one in [*((str(at), one) for at, one in enumerate(found)), ("DLSP's", own)]
    ]
    drawn = [figures.draw_labelled(sample, number)[sample.clip] for number in range(tries)]
    picked = [figures.dlsp_layer(states, labels, used) for used in drawn]
    columns = ("layer", "8 + 8 labels", "less the last", "5 folds", "less the last")
    note = f"DLSP chose with 8 + 8 labels: layer {counted(picked)} of {tries} draws."
    gap, best = few(own, found[-1]), int(np.argmax([one.folds[0] for one in found[:-1]]))
    middle = folds(found[best], found[-1])
    claims = (
        Claim(
            "the layer that DLSP chooses is better than the last, 8 + 8", gap.signed(), verdict(gap)
        ),
        Claim(
            f"layer {best}, the best of the others in hindsight, is better than the last, 5 folds",
            middle.signed(),
            verdict(middle),
        ),
    )
    return Table("Layers", columns, tuple(rows), note, claims)


def tables(given: argparse.Namespace, name: str) -> list[Table]:
    """Return the tables of one model."""
    model = load_model(name)
    held = load_clips(given.clips, model.recipe, given.store)
    sample, read = Sample(held.labels, held.source, held.clip), Readings(model, held, given.store)
    size = given.draws, given.repeats
    names = given.only or list(methods.names())
    every = dict(readable(read, names))
    found = {
        n: curves_of(sample, one, *size) for n, one in every.items() if not isinstance(one, str)
    }
    random: dict[str, list[Curves]] = {n: [] for n in found}
    for seed in range(given.random):
        other = load_model(str(random_weights(name, seed, given.store)))
        for n, one in readable(Readings(other, held, given.store), list(found)):
            if not isinstance(one, str):
                random[n].append(curves_of(sample, one, *size))
    rivals = {n: curves_of(sample, one, *size) for n, one in controls(held, sample).items()}
    lost = [(f"`{n}`", one) for n, one in every.items() if isinstance(one, str)]
    made = [table_of_methods(found, random, rivals), table_of_layers(read, sample, *size)]
    if lost:
        made.append(Table("Methods that were not measured", ("method", "why"), tuple(lost)))
    return made


def page(given: argparse.Namespace) -> str:
    """Return the whole page."""
    parts = [_head(given)]
    for name in given.model:
        parts.append(f"## Model `{name}`\n")
        for table in tables(given, name):
            parts.append(table.to_markdown())
            parts += [f"- {one.text}: **{one.answer}** ({one.figure})" for one in table.claims]
            parts.append("")
    return "\n".join(parts)


def _head(given: argparse.Namespace) -> str:
    command = shlex.join(["python", "-m", "experiments.real", *sys.argv[1:]])
    return f"""# Every method on real clips

Written on {time.strftime("%Y-%m-%d")} by

    {command}

The score of a clip is the mean of its segments' scores; an AUC is over clips. "8 + 8 labels" is
the mean of {given.draws} draws of 8 clips of each class, tested on all clips of other sources.
"5 folds" keeps the clips of a source together; repeats: {given.repeats}. In brackets: 95 %
intervals from {figures.DRAWS} bootstrap draws of whole sources, the same for all rows, so
differences are paired. A method selects its sites again in every fit. Methods without labels have
one score. Random weights: the same architecture, mean of {given.random} seeds.
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("clips", type=Path, help="a CSV path,label,group of clips")
    made.add_argument("--model", action="append", help="embedded, or a folder; repeat for several")
    made.add_argument("--only", action="append", help="a method; repeat for several")
    made.add_argument("--store", type=Path, default=STORE, help="keeps frames and readings")
    made.add_argument("--draws", type=int, default=figures.TRIES)
    made.add_argument("--random", type=int, default=3, help="models with random weights")
    made.add_argument("--repeats", type=int, default=1)
    return made


def main() -> None:
    """Print the page."""
    import torch

    torch.set_num_threads(1)
    given = parser().parse_args()
    given.model = given.model or ["embedded"]
    print(page(given), end="")


if __name__ == "__main__":
    main()
