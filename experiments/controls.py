"""Compare hidden states on real clips with controls that need no model, split by source.

Every row is fitted and scored out of fold on the same folds, which keep the clips of a source
together, in several repeats with other folds. Intervals draw whole sources.
Run: `python -m experiments.controls --root CLIPS.csv > docs/data/controls.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.measure import Interval
from experiments.tables import markdown
from hiprobe import backbones, datasets, methods, pipeline
from hiprobe.errors import counted
from hiprobe.localize import Localization
from hiprobe.metrics import Pair, Ranking, draw_videos
from hiprobe.probe.calibration import Calibration, calibration_set
from hiprobe.probe.controls import CONTROLS, WORDS, varies, with_controls
from hiprobe.probe.folds import make_folds
from hiprobe.probe.held_out import held_out, videos_of
from hiprobe.types import Site

Array = NDArray[np.float64]
LAYERS, FOLDS, REPEATS, DRAWS = (7, 3, 0), 5, 5, 1000
PAPER = Localization.named("paper")
CLIPS = ", clips"
BASIC = ("motion", "motion_p95", "brightness", "resolution", "length")  # without the encoding


def read(root: Path, model: str, store: Path) -> Calibration:
    """Return the labelled clips with their hidden states of `LAYERS` and their controls."""
    sites = tuple(Site("residual", layer) for layer in LAYERS)
    clips = datasets.load("folder", root)
    pairs = list(pipeline.extract(clips, backbones.load(model), sites=sites, store=store))
    return calibration_set(methods.load("hiprobe"), pairs, sites)


def candidates(data: Calibration) -> dict[str, Calibration]:
    """Return what is compared: each layer, each control that varies, and controls together."""
    codecs = sorted({one.controls.facts.codec for one in data.states if one.controls})
    found = {f"hidden states, layer {site.layer}": with_sites(data, (site,)) for site in data.sites}
    varying = [name for name in CONTROLS if varies(data, name, codecs)]
    together = {
        "controls without the encoding": [name for name in varying if name in BASIC],
        "all controls": varying,
    }
    alone = {WORDS.get(name, name): [name] for name in varying}
    found |= {name: with_controls(data, names, codecs) for name, names in alone.items()}
    return found | {name: with_controls(data, names, codecs) for name, names in together.items()}


def with_sites(data: Calibration, sites: tuple[Site, ...]) -> Calibration:
    """Return the same clips with a choice of their sites."""
    return Calibration(data.states, sites, data.labels, data.groups, data.named_groups)


def measured(data: Calibration) -> dict[str, tuple[float, Array]]:
    """Return the AUC of each candidate and that of each draw of sources, means of all repeats.

    Those of segments are under its name, those of clips under the name and `CLIPS`.
    """
    found = {}
    for name, one in candidates(data).items():
        scores = [out_of_fold(one, seed) for seed in range(REPEATS)]
        found[name] = _pooled([videos_of(one, each) for each in scores])
        found[name + CLIPS] = _pooled([of_clips(one, each) for each in scores])
    return found


def out_of_fold(data: Calibration, seed: int) -> Array:
    """Return smoothed scores (n,) on folds that keep groups whole."""
    split = make_folds(data.labels, data.groups, (1, 0), FOLDS, seed, named=True)
    return data.smoothed(held_out(methods.load("hiprobe"), data, split)[0], PAPER)


def of_clips(data: Calibration, scores: Array) -> Sequence[Pair]:
    """Return labels and mean scores of the clips of each source; a clip has one label."""
    firsts = np.cumsum([0, *(len(one.starts) for one in data.states)])[:-1]
    means = np.add.reduceat(scores, firsts) / np.add.reduceat(np.ones(len(scores)), firsts)
    labels, groups = data.labels[firsts], data.groups[firsts]
    return [(labels[groups == one], means[groups == one]) for one in np.unique(groups)]


def _pooled(repeats: Sequence[Sequence[Pair]]) -> tuple[float, Array]:
    rankings = [Ranking(videos) for videos in repeats]
    draws = np.mean([one.drawn(draw_videos(one.videos, DRAWS, 0))[0] for one in rankings], 0)
    return float(np.mean([one.pooled().auc for one in rankings])), draws


def rows(found: Mapping[str, tuple[float, Array]]) -> list[tuple[str, ...]]:
    """Return name, and for segments and clips the AUC and by how much the first layer's is more."""
    return [
        (name, *_cells(found, name, ""), *_cells(found, name, CLIPS))
        for name in found
        if not name.endswith(CLIPS)
    ]


def _cells(found: Mapping[str, tuple[float, Array]], name: str, what: str) -> tuple[str, str]:
    best, best_draws = found[f"hidden states, layer {LAYERS[0]}{what}"]
    value, draws = found[name + what]
    gap = _interval(best - value, best_draws - draws).signed() if value != best else ""
    return str(_interval(value, draws)), gap


def _interval(value: float, draws: Array) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def page(data: Calibration, table: Sequence[tuple[str, ...]], model: str) -> str:
    """Return the page with its command, the table and what it is about."""
    clips = len(data.states)
    anomalous, normal = (int((data.labels == c).sum()) for c in (1, 0))
    less = f"layer {LAYERS[0]} less this"
    columns = ("fitted on", "AUC of segments", less, "AUC of clips", less)
    return f"""# Hidden states and controls that need no model, on real clips

This page was made by

    python -m experiments.controls --root CLIPS.csv > docs/data/controls.md

{clips} clips of {counted(data.named_groups, "source video")}, {anomalous} anomalous and {normal}
normal segments, read with the model `{model}`. Each row is logistic regression on standardised
values, scored out of fold: {FOLDS} folds that keep the clips of a source together, smoothed as
`hiprobe fit --localization paper` does (sigma {PAPER.sigma:g}). Figures are means of {REPEATS}
repeats with other folds. The
score of a clip is the mean of its segments. In brackets: 95 % intervals from 1000 bootstrap draws
of whole sources; differences are paired.

{markdown(columns, table)}
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a CSV path,label,group of clips")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--store", type=Path, default=Path("runs/controls/states"))
    given = parser.parse_args()
    data = read(given.root, given.model, given.store)
    print(page(data, rows(measured(data)), given.model), end="")


if __name__ == "__main__":
    main()
