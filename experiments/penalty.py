"""Compare rules for the penalty of the scorer with few and many labelled clips.

Run: `python -m experiments.penalty CLIPS.csv --models embedded FOLDER --drawn embedded > PAGE.md`,
where the CSV has the columns path, label and group (the source video), each of `--models` reads
these clips, and `--drawn` the clips of `training.evaluate`. What was read is kept in `--store`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from experiments import penalty_rules as rules
from experiments.fits import counted
from experiments.measure import Interval, interval, over_draws
from experiments.penalty_figures import (
    RESAMPLES,
    Alarms,
    Curves,
    Where,
    alarms,
    cross_validated,
    of_draws,
)
from experiments.penalty_rules import BY_LABELS, DLSP, RULES, UNTIL_NOW
from experiments.penalty_samples import SIZES, Set, any_source, drawn_sets, real_sets, whole_pool
from experiments.real_footage import STORE
from experiments.tables import Table
from training import evaluate

REPEATS = 5  # of the cross-validation of all real clips, with other folds
DRAWN_DRAWS = 10  # of each seed; they share no labelled clip
TARGET = "8 + 8, any source"
ALL = "all"
SHOWN = (UNTIL_NOW, "C = 0.01", "C = 0.001", BY_LABELS, "difference of the class means")
CALIBRATED_WITH = (8, 32)
Found = Mapping[str, Curves]  # by the number of labelled clips
Judged = Mapping[str, list[dict[tuple[str, str], Alarms]]]


def of_real(data: Set, tries: int, names: Sequence[str] = tuple(RULES)) -> Found:
    """Measure real clips: draws of every size, those of the target, and all by source."""
    found = {}
    for size in SIZES:
        found[f"{size} + {size}"] = of_draws(data, data.draws(size, tries), names)
        _say(data, size)
    found[TARGET] = of_draws(data, any_source(data, tries), names)
    found[ALL] = cross_validated(data, REPEATS, names)
    _say(data, ALL)
    return found


def of_drawn(seeds: Iterable[Set]) -> Found:
    """Measure drawn clips of several seeds, whose draws count alike."""
    found: dict[str, Curves] = {}
    for data in seeds:
        for size in SIZES:
            _join(found, f"{size} + {size}", of_draws(data, data.draws(size, DRAWN_DRAWS)))
        _join(found, ALL, of_draws(data, [whole_pool(data)]))
        _say(data, ALL)
    return found


def _join(found: dict[str, Curves], size: str, more: Curves) -> None:
    held = found.setdefault(size, Curves())
    for (rule, where), curves in more.aucs.items():
        held.aucs.setdefault((rule, where), []).extend(curves)
    for name, layers in more.layers.items():
        held.layers.setdefault(name, []).extend(layers)


def _say(data: Set, what: object) -> None:
    print(f"{data.name}: {what}", file=sys.stderr, flush=True)


def gap(curves: Curves, rule: str, where: Where, other: str = UNTIL_NOW) -> Interval:
    """Return by how much a rule is better than another at one layer, paired."""
    pairs = zip(curves.aucs[rule, where], curves.aucs[other, where], strict=True)
    return interval([one - two for one, two in pairs])


def over_layers(curves: Curves, rule: str, other: str = UNTIL_NOW) -> Interval:
    """Return the same, as the mean of all layers."""
    layers = [where for name, where in curves.aucs if name == rule and isinstance(where, int)]
    parts = [
        np.stack(curves.aucs[rule, i]) - np.stack(curves.aucs[other, i]) for i in sorted(layers)
    ]
    return interval(list(np.mean(parts, 0)))


def tables(name: str, found: Found) -> list[Table]:
    """Return the tables of AUCs of one set."""
    made = [_of_dlsp(name, found), _gaps(name, found), *(_by_layer(name, found, s) for s in found)]
    return [*made, _layers(name, found)]


def _of_dlsp(name: str, found: Found) -> Table:
    rows = [
        (rule, *(str(interval(curves.aucs[rule, DLSP])) for curves in found.values()))
        for rule in _named(found)
    ]
    return Table(f"{name}: AUC at the layer that DLSP chooses", _columns(found), tuple(rows))


def _gaps(name: str, found: Found) -> Table:
    rows = [
        (rule, *(over_layers(curves, rule).signed() for curves in found.values()))
        for rule in _named(found)
        if rule != UNTIL_NOW
    ]
    title = f"{name}: AUC less that of C = 1, mean of all layers, paired"
    return Table(title, _columns(found), tuple(rows))


def _by_layer(name: str, found: Found, size: str) -> Table:
    curves = found[size]
    layers = sorted(where for rule, where in curves.aucs if rule == UNTIL_NOW and where != DLSP)
    rows = [
        (rule, *(f"{float(np.mean([one[0] for one in curves.aucs[rule, i]])):.3f}" for i in layers))
        for rule in SHOWN
        if (rule, DLSP) in curves.aucs
    ]
    better = [gap(curves, BY_LABELS, layer).signed() for layer in layers]
    rows.append(("by labels less C = 1", *better))
    columns = ("rule", *(f"layer {layer}" for layer in layers))
    return Table(f"{name}, {size}: AUC of each layer", columns, tuple(rows))


def _layers(name: str, found: Found) -> Table:
    sizes = [size for size in found if size != ALL]
    rows = []
    for rule in (*rules.LAYER_RULES, rules.MEAN, rules.BEST):
        row = [rule]
        for size in sizes:
            curves = found[size]
            shown = str(interval(curves.aucs["layers", rule]))
            if rule != DLSP:
                pairs = zip(curves.aucs["layers", rule], curves.aucs["layers", DLSP], strict=True)
                shown += f"; {interval([a - b for a, b in pairs]).signed()}"
            taken = counted(curves.layers[rule]) if rule in curves.layers else ""
            row += [shown, taken]
        rows.append(tuple(row))
    columns = ["rule for the layer"]
    for size in sizes:
        columns += [f"{size}: AUC; less DLSP", "layers taken"]
    return Table(f"{name}: rules for the layer, scorer of `hiprobe`", tuple(columns), tuple(rows))


def _named(found: Found) -> list[str]:
    """Return the rules that were measured, in their order."""
    curves = next(iter(found.values()))
    return [rule for rule in RULES if (rule, DLSP) in curves.aucs]


def _columns(found: Found) -> tuple[str, ...]:
    return ("rule", *(f"{size} clips" for size in found))


def judged(data: Set, tries: int) -> Judged:
    """Calibrate thresholds on the draws of some sizes, and test them."""
    found = {}
    for size in CALIBRATED_WITH:
        found[f"{size} + {size}"] = [alarms(data, one) for one in data.draws(size, tries)]
    _say(data, "thresholds")
    return found


def of_alarms(name: str, found: Judged) -> list[Table]:
    """Return a table of thresholds for each number of labelled clips."""
    made = []
    for size, draws in found.items():
        rows = [
            (*key, *(_mean([one[key][i] for one in draws]) for i in range(len(Alarms._fields))))
            for key in draws[0]
        ]
        columns = (
            "rule",
            "scale",
            "AUC",
            "threshold",
            "normal clips above",
            "other clips above",
            "F1",
            "normal segments extended",
            "Brier",
        )
        title = f"{name}, {size}: calibrated thresholds, DLSP's layer"
        made.append(Table(title, columns, tuple(rows)))
    return made


def _mean(figures: Sequence[float]) -> str:
    found = over_draws(figures)
    return f"{found.mean:.3f} ± {found.high - found.mean:.3f}"


def summary(every: Mapping[str, Found]) -> Table:
    """Return the gain of the product's rule on all sets, the mean of all layers."""
    sizes = list(dict.fromkeys(size for found in every.values() for size in found))
    rows = []
    for name, found in every.items():
        for where in ("mean of all layers", DLSP):
            cells = [
                ""
                if size not in found
                else (
                    gap(found[size], BY_LABELS, DLSP)
                    if where == DLSP
                    else over_layers(found[size], BY_LABELS)
                ).signed()
                for size in sizes
            ]
            rows.append((name, where, *cells))
    return Table(
        "AUC with C by labels less AUC with C = 1, paired",
        ("clips", "layer", *sizes),
        tuple(rows),
    )


def head() -> str:
    """Return the beginning of the page: what it holds and how it was made."""
    packages = ("hiprobe", "torch", "numpy", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"""# The penalty of the scorer

Written on {time.strftime("%Y-%m-%d")} by

    {shlex.join(["python", "-m", "experiments.penalty", *(Path(one).name for one in sys.argv[1:])])}

on a machine with {os.cpu_count()} cores ({platform.machine()}), of which it used one; Python
{platform.python_version()}, {versions}.

The score of a clip is the mean probability of its segments; an AUC is over clips. In brackets: 95 %
intervals from {RESAMPLES} bootstrap draws of the test sources and of the draws of labelled clips
together. All rows of a table have the same draws, so differences are paired. `8 + 8` is the number
of labelled clips of each class. Many rows are compared: about one in 20 without any effect has an
interval that excludes zero.

- Real clips: a draw deals sources to two sides, until the first has {SIZES[-1]} clips of each
  class. Clips are labelled on the first side and tested on the other; larger draws contain the
  smaller ones. `{TARGET}` are the draws of `experiments.real_footage`. `{ALL}`: cross-validated by
  source, {REPEATS} repeats.
- Drawn clips: those of `training.evaluate`, seeds {", ".join(map(str, evaluate.SEEDS))}, one
  segment each; {DRAWN_DRAWS} draws a seed of clips that no other draw has. `{ALL}`: 320 + 320.
- n is the number of labelled segments. All rules but `{UNTIL_NOW}` are rescaled as in `hiprobe`.
"""


def main() -> None:
    """Measure and print the page."""
    from sklearn import config_context

    given = parser().parse_args()
    # Validation would dominate many small fits.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        page(given)


def page(given: argparse.Namespace) -> None:
    """Measure and print the page that the command line asks for."""
    every, made = {}, []
    for model in given.models:
        data, trivial = real_sets(model, given.clips, given.store)
        every[data.name] = of_real(data, given.draws)
        made += [
            *tables(data.name, every[data.name]),
            *of_alarms(data.name, judged(data, given.draws)),
        ]
        if model == given.models[0]:
            names = (UNTIL_NOW, "C = 0.1", "C = 0.01", "C = 0.001", BY_LABELS)
            found = of_real(trivial, given.draws, names)
            made += [_of_dlsp(trivial.name, found), _gaps(trivial.name, found)]
    if given.drawn is not None:
        groups: dict[str, list[Set]] = {}
        for _, data in drawn_sets(given.drawn, evaluate.SEEDS, given.store):
            groups.setdefault(data.name, []).append(data)
        for name, sets in groups.items():
            every[name] = of_drawn(sets)
            made += tables(name, every[name])
            parts = [judged(data, DRAWN_DRAWS) for data in sets]
            made += of_alarms(
                name, {size: [x for p in parts for x in p[size]] for size in parts[0]}
            )
    print("\n".join([head(), *(one.to_markdown() for one in [summary(every), *made])]))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="a CSV path,label,group of real clips")
    parser.add_argument("--models", nargs="*", default=["embedded"], help="embedded, or folders")
    parser.add_argument("--drawn", help="a model that reads the drawn clips too")
    parser.add_argument("--draws", type=int, default=30, help="of real clips")
    parser.add_argument("--store", type=Path, default=STORE, help="keeps frames and readings")
    return parser


if __name__ == "__main__":
    main()
