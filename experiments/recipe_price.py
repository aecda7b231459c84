"""Measure what cheaper recipes cost: fewer frames, smaller ones, an earlier layer, 16 bits.

Each draw of labelled videos is fitted by `hiprobe.probe.fit` and scored on the test videos. Run:
`OMP_NUM_THREADS=1 python -m experiments.recipe_price`, which writes `docs/data/recipe_price.md`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from benchmarks.int8_weights import int8
from numpy.typing import NDArray

from experiments.fits import counted
from experiments.footage import Footage, draw
from experiments.localization import TIOU, events_of
from experiments.measure import Interval, interval, over_draws
from experiments.study import Study, arguments, load
from experiments.tables import Table
from hiprobe import backbones, methods
from hiprobe.backbones import Backbone, noise_segments
from hiprobe.probe import Probe, fit
from hiprobe.store import write_atomic
from hiprobe.types import Recipe, Site

Array = NDArray[np.float64]
PAGE = Path("docs/data/recipe_price.md")
METHOD = "hiprobe"
LIMIT = 120  # training videos to read; the draws need no more
TIMED = 32  # segments that are read for a time

ABOUT = """# The price of cheaper recipes

Written by `OMP_NUM_THREADS=1 python -m experiments.recipe_price` on {day}, on the
rendered scenes, with the shipped model. The default is {frames} frames of {side} pixels a segment,
float32, and the layer that DLSP selects. A probe is fitted for each row, with a threshold of its
own.

AUC and its difference: 95 % interval by bootstrap over draws and test videos. Event F1 and speed: t
interval over draws. Differences and ratios are paired by draw. Speed is that of the model alone, on
one core, in processor time, for segments of noise, read up to the layer of the draw. Decoding is
left out, so a whole command gains less. The embedded model cuts 8 frames into each token, so fewer
frames are filled up to 8 and save nothing.
"""


@dataclass(frozen=True)
class Variant:
    """A way to read and to fit; `asked` are the options, `changes` those of the recipe."""

    asked: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    prefer_early: bool = False
    dtype: str = "float32"


VARIANTS = (
    Variant("the default"),
    *(Variant(f"`--frames {count}`", {"frames": count}) for count in (16, 4, 2)),
    *(Variant(f"`--size {side}`", {"size": (side, side)}) for side in (64, 48, 32)),
    Variant("`--prefer-early`", prefer_early=True),
    Variant("`--dtype bfloat16`", dtype="bfloat16"),
    Variant("int8 weights (no option)", dtype="int8"),
)


@dataclass
class Outcome:
    """What each draw gave: AUCs (1 + resamples,), event F1, the layer and segments a second."""

    aucs: list[Array] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)

    def add(self, test: Footage, made: Probe) -> None:
        """Score the test videos with a probe."""
        raw = methods.load(METHOD).score(test.values(made.sites), made.tensors)
        settings = replace(made.localization, rule="fixed")
        self.aucs.append(test.truth.aucs(test.smoothed(raw, settings)))
        self.f1.append(events_of(test, raw, settings)[0])
        self.layers.append(made.sites[0].layer)


def fitted(some: Footage, variant: Variant) -> Probe:
    """Fit a probe as `hiprobe fit --no-verify` does, without the curves that it shows."""
    return fit(
        METHOD,
        list(zip(some.states, some.labels, strict=True)),
        prefer_early=variant.prefer_early,
        layer_curve=False,
        permutations=0,
        verify=False,
    )


def model_of(variant: Variant, name: str) -> Backbone:
    """Load the model in the precision of a variant."""
    if variant.dtype == "float32":
        return load(name)
    if variant.dtype != "int8":
        return backbones.load(name, device="cpu", dtype=variant.dtype)
    made: Any = int8(lambda dtype: backbones.load(name, device="cpu", dtype=dtype))
    made.provenance = {**made.provenance, "dtype": "int8"}  # the store keeps them apart by this
    return cast(Backbone, made)


def scored(study: Study, variant: Variant, model: Backbone) -> Outcome:
    """Fit and score every draw of one variant."""
    recipe = replace(model.recipe, **variant.changes)
    train = study.footage("train", recipe=recipe, backbone=model, limit=study.limit or LIMIT)
    test, found = study.footage("test", recipe=recipe, backbone=model), Outcome()
    for seed in range(study.seeds):
        found.add(test, fitted(draw(train, study.videos, seed), variant))
    return found


def time_all(found: Sequence[tuple[Variant, Backbone, Outcome]], seeds: int) -> None:
    """Measure the segments a second of each variant, in turn, at the layer of each draw."""
    for variant, model, outcome in found:  # finds memory and kernels
        seconds(model, replace(model.recipe, **variant.changes), outcome.layers[0])
    for seed in range(seeds):
        for variant, model, outcome in found:
            recipe = replace(model.recipe, **variant.changes)
            spent = seconds(model, recipe, outcome.layers[seed])
            outcome.speeds.append(TIMED / spent)


def seconds(model: Backbone, recipe: Recipe, layer: int) -> float:
    """Return the processor seconds in which the model reads `TIMED` segments of noise."""
    segments = noise_segments(recipe, TIMED)
    began = time.process_time()
    model.read(segments, [Site("residual", layer)], recipe)
    return time.process_time() - began


def row(asked: str, one: Outcome, usual: Outcome) -> tuple[str, ...]:
    """Return the cells of a variant, and its paired differences from the default."""
    if one is usual:
        gaps = ("", "", "1")
    else:
        auc = interval([a - b for a, b in zip(one.aucs, usual.aucs, strict=True)])
        ratios = [a / b for a, b in zip(one.speeds, usual.speeds, strict=True)]
        gaps = (auc.signed(), over_draws(_minus(one.f1, usual.f1)).signed(), _two(ratios))
    return (
        asked,
        counted(one.layers),
        str(interval(one.aucs)),
        gaps[0],
        str(over_draws(one.f1)),
        gaps[1],
        _one(over_draws(one.speeds)),
        gaps[2],
    )


def _minus(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(one, other, strict=True)]


def _one(found: Interval) -> str:
    return f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _two(values: Sequence[float]) -> str:
    found = over_draws(values)
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def experiment(study: Study) -> Sequence[Table]:
    """Return the one table."""
    found: dict[str, tuple[Variant, Backbone, Outcome]] = {}
    for variant in VARIANTS:
        model = model_of(variant, study.models[0])
        found[variant.asked] = variant, model, scored(study, variant, model)
    time_all(list(found.values()), study.seeds)
    usual = found[VARIANTS[0].asked][2]
    columns = (
        *("asked", "layers read", "AUC", "less the default", f"event F1 at tIoU {TIOU}"),
        *("less the default", "segments a second", "times the default"),
    )
    rows = tuple(row(asked, outcome, usual) for asked, (_, _, outcome) in found.items())
    title = f"What cheaper recipes cost: {study.videos} labelled videos, {study.seeds} draws"
    return [Table(title, columns, rows)]


def page(tables: Sequence[Table], study: Study) -> str:
    """Return the whole page."""
    recipe = load(study.models[0]).recipe
    side, _ = recipe.size or (0, 0)
    about = ABOUT.format(day=time.strftime("%Y-%m-%d"), frames=recipe.frames, side=side)
    return "\n".join([about, *(table.to_markdown() for table in tables)])


def main(given: Sequence[str] | None = None) -> None:
    """Run and write the page."""
    study = arguments(__doc__, given)
    write_atomic(PAGE, page(experiment(study), study).encode())


if __name__ == "__main__":
    main()
