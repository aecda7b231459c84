"""Simulate a reviewer: `python -m benchmarks.review_loop [--json FILE] [--seeds N]`.

Begins with 8 labelled clips of scenes that the model was trained on, then reviews footage of scenes
it has not seen: ten corrections at a time, each of one segment and always true, then a refit as the
page does it. The segments come at random, or those first whose smoothed score is nearest to the
threshold (as the page has it), whose raw score is nearest to one half, or whose score is highest.
AUC is on other videos of the unseen scenes. Needs the rendered data of `python -m
experiments.rendered`; hidden states that are not in runs/results/states are read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import backbones, datasets, pipeline
from hiprobe import probe as probes
from hiprobe.localize import localize
from hiprobe.metrics import frame_auc
from hiprobe.probe import Probe
from hiprobe.probe.refit import Pair, correct, refit
from hiprobe.review.views import APART_S
from hiprobe.types import HiddenStates, LabelArray, Recipe, Site

DATA = Path("runs/results")
AGAIN = ", layer chosen again"
ORDERS = (
    "random",
    "uncertain first",
    "highest first",
    "half uncertain, half random",
    "uncertain raw score first",
    f"random{AGAIN}",
    f"uncertain first{AGAIN}",
)
STEP, STEPS = 10, 5
CLIPS = 4  # of each class at the beginning


def footage(family: str, split: str, recipe: Recipe, sites: Sequence[Site]) -> list[Pair]:
    """States at all layers, and true labels, of a split of the rendered data."""
    model = backbones.load("embedded", device="cpu")
    videos = datasets.load("folder", DATA / family / "labels.csv", split)
    return list(pipeline.extract(videos, model, recipe=recipe, sites=sites, store=DATA / "states"))


def auc(probe: Probe, test: Sequence[Pair]) -> float:
    """The AUC of smoothed segment scores over all test videos."""
    return frame_auc(
        [(labels[labels >= 0], smoothed(probe, states)[labels >= 0]) for states, labels in test]
    )


def smoothed(probe: Probe, states: HiddenStates) -> NDArray[np.float64]:
    """The smoothed scores (segments,) of one video."""
    scores, _ = localize(
        states.starts, states.ends, probe.score(states), states.gaps, probe.localization
    )
    return scores.smoothed


def wanted(
    order: str,
    probe: Probe,
    pool: Sequence[Pair],
    judged: set[tuple[int, int]],
    rng: np.random.Generator,
    count: int = STEP,
) -> list[tuple[int, int]]:
    """The next (video, segment) pairs to judge, at least 8 s apart, as the page offers them."""
    if order == "half uncertain, half random":
        half = wanted("uncertain first", probe, pool, judged, rng, count // 2)
        return half + wanted("random", probe, pool, judged | set(half), rng, count - len(half))
    scores = [smoothed(probe, states) for states, _ in pool]
    everything = [
        (video, k)
        for video, row in enumerate(scores)
        for k in range(len(row))
        if (video, k) not in judged
    ]
    keys = urgency(order, probe, pool, scores, rng)
    taken: list[tuple[int, int]] = []
    for video, k in sorted(everything, key=lambda at: keys[at[0]][at[1]]):
        # A reviewer skips what is half an event.
        start, sure = pool[video][0].starts[k], pool[video][1][k] >= 0
        if sure and all(
            v != video or abs(pool[v][0].starts[j] - start) >= APART_S for v, j in taken
        ):
            taken.append((video, k))
            if len(taken) == count:
                break
    return taken


def urgency(
    order: str,
    probe: Probe,
    pool: Sequence[Pair],
    scores: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """A number for each segment of each video: the lowest is judged first."""
    if order == "random":
        return [rng.random(len(row)) for row in scores]
    if order == "uncertain first":
        return [np.abs(row - (probe.localization.threshold or 0.5)) for row in scores]
    if order == "highest first":
        return [-row for row in scores]
    return [np.abs(probe.score(states) - 0.5) for states, _ in pool]


def review(
    order: str, begin: Sequence[Pair], pool: Sequence[Pair], test: Sequence[Pair], seed: int
) -> list[float]:
    """The AUC after 0, 10, ... 50 corrections."""
    probe = probes.fit("hiprobe", begin, permutations=0, layer_curve=False, seed=seed)
    rng, judged, curve = np.random.default_rng(seed), set[tuple[int, int]](), [auc(probe, test)]
    said: list[LabelArray] = [np.full(len(states.starts), -1, np.int8) for states, _ in pool]
    for _ in range(STEPS):
        before = [labels.copy() for labels in said]
        for video, k in wanted(order.removesuffix(AGAIN), probe, pool, judged, rng):
            states, truth = pool[video]
            said[video] = correct(
                states, said[video], [(states.starts[k], states.ends[k], bool(truth[k] == 1))]
            )
            judged.add((video, k))
        some = [k for k, labels in enumerate(said) if (labels >= 0).any()]
        pairs = [*begin, *((pool[k][0], said[k]) for k in some)]
        known = [*(labels for _, labels in begin), *(before[k] for k in some)]
        probe = refit(probe, pairs, known, choose=order.endswith(AGAIN), seed=seed).probe
        curve.append(auc(probe, test))
    return curve


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the mean over seeds, by bootstrap."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def main(arguments: Sequence[str]) -> None:
    """Print mean AUC with 95 % intervals over seeds, and paired differences from random order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args(arguments)
    model = backbones.load("embedded", device="cpu")
    sites = tuple(Site("residual", layer) for layer in range(model.layers))
    seen, pool, test = (
        footage(family, split, model.recipe, sites)
        for family, split in (("seen", "train"), ("unseen", "train"), ("unseen", "test"))
    )
    found = {order: [] for order in ORDERS}
    for seed in range(asked.seeds):
        rng = np.random.default_rng([81001, seed])
        classes = [
            [k for k, (_, labels) in enumerate(seen) if (labels == 1).any() == yes]
            for yes in (True, False)
        ]
        begin = [seen[k] for some in classes for k in rng.choice(some, CLIPS, replace=False)]
        for order in ORDERS:
            found[order].append(review(order, begin, pool, test, seed))
    table(found)
    if asked.json:
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n")


def table(found: dict[str, list[list[float]]]) -> None:
    """Markdown."""
    heads = [str(k * STEP) for k in range(STEPS + 1)]
    print(f"| order of corrections | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    curves = {order: np.array(rows) for order, rows in found.items()}
    for order, rows in curves.items():
        cells = [
            "{:.3f} [{:.3f}, {:.3f}]".format(rows[:, k].mean(), *interval(rows[:, k]))
            for k in range(STEPS + 1)
        ]
        print(f"| {order} | {' | '.join(cells)} |")
    for order in ORDERS[1:]:
        gaps = curves[order] - curves["random"]
        cells = [
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(gaps[:, k].mean(), *interval(gaps[:, k]))
            for k in range(STEPS + 1)
        ]
        print(f"| {order}, minus random | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
