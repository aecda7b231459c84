"""Fit the probe that is used where no other is: `python -m training.default_probe`.

The clips are rendered once into `$HIPROBE_RUNS/probe`, with a seed that no training uses, and read
with the shipped model (or `--model FOLDER`). How its scores become events was chosen by
`python -m experiments.default_probe`, and is written down here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hiprobe import backbones, embedded, pipeline
from hiprobe.backbones import Backbone
from hiprobe.localize import Localization
from hiprobe.probe import Probe, fit
from hiprobe.types import HiddenStates, LabelArray, Recipe, Segment, Site
from training import store
from training.prepare import prepare
from training.sample import Sample, whole
from training.segments import SEGMENT_S, TIMES
from training.ship import HOME
from training.world.filming.recording import play

SEED, CLIPS = 910_001, 3000
GROUP = 50  # clips that are held out together
APART_S = 60.0  # between two clips of a group, so that nothing is smoothed over them
LAYER = 1  # carries over best to real clips with the weights tried
CHOSEN = "chosen on real and rendered footage by experiments.default_probe"
# Chosen with weights that were not shipped: to be chosen again with those that are.
THRESHOLD, KAPPA, WARMUP, LAG = 0.5, 5.0, 5, 3
CONFIRM = 0.5  # log-odds of the model's answer from which an event is an alarm
Pair = tuple[HiddenStates, LabelArray]


def settings() -> Localization:
    """Return how the scores become events."""
    return Localization(
        rule="raised",
        threshold=THRESHOLD,
        kappa=KAPPA,
        warmup=WARMUP,
        lag=LAG,
        threshold_from=CHOSEN,
    )


def samples(folder: Path, limit: int, size: int) -> Iterator[Sample]:
    """Yield up to `limit` clips of a folder of shards as the model sees them, size x size pixels.

    Raises ShardError for a damaged shard.
    """
    for entry in store.entries(folder):
        store.check(folder / entry.name, entry.sha256)
        shard = store.shard(folder / entry.name)
        for clip in (shard.clip(row) for row in range(min(len(shard), limit))):
            yield whole(play(clip.data), clip.acts, size)
        limit -= min(len(shard), limit)


def grouped(clips: Iterator[Sample]) -> Iterator[tuple[str, list[Segment], LabelArray]]:
    """Yield groups of clips as videos: a name, a segment for each clip, and labels (n,)."""
    some: list[Sample] = []
    for number, clip in enumerate(clips, start=1):
        some.append(clip)
        if number % GROUP == 0:
            yield _group(number // GROUP, some)
            some = []
    if some:
        yield _group(0, some)


def _group(number: int, some: Sequence[Sample]) -> tuple[str, list[Segment], LabelArray]:
    segments = [
        Segment(clip.frames, TIMES, i * APART_S, i * APART_S + SEGMENT_S, i)
        for i, clip in enumerate(some)
    ]
    labels = np.array([clip.content.abnormal for clip in some], np.int8)
    return f"rendered clips {number}", segments, labels


def read(
    model: Backbone, name: str, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe
) -> HiddenStates:
    """Read a group of clips as the states of one video."""
    starts, ends = (np.array([getattr(s, which) for s in segments]) for which in ("start", "end"))
    values = model.read(segments, sites, recipe)
    return HiddenStates(name, recipe, tuple(sites), starts, ends, values, float(ends[-1]))


def pairs(model: Backbone, clips: Iterator[Sample]) -> tuple[list[Pair], list[Pair]]:
    """Return hidden states of all layers with labels, and the model's answers with labels."""
    sites = [Site("residual", layer) for layer in range(model.layers)]
    asked, last = pipeline.recipe_for("likelihood", model), [Site("logit", model.layers - 1)]
    states, answers = [], []
    for name, segments, labels in grouped(clips):
        states.append((read(model, name, segments, sites, model.recipe), labels))
        answers.append((read(model, name, segments, last, asked), labels))
    return states, answers


def make(model: Backbone, clips: Iterator[Sample], layer: int = LAYER) -> Probe:
    """Fit the default probe of a model on clips, at a layer, with `settings()`."""
    states, answers = pairs(model, clips)
    count = sum(len(labels) for _, labels in states)
    made = fit(
        "hiprobe",
        states,
        model=model,
        sites=[Site("residual", layer)],
        localization=replace(settings(), confirm=CONFIRM),
        provenance={embedded.RENDERED: count},
        answers=answers,
    )
    return replace(made, localization=settings())


def main(arguments: Sequence[str] | None = None) -> None:
    """Render what is missing, fit the probe and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(embedded.MODEL), help="a model's folder")
    parser.add_argument("--out", type=Path, default=HOME / "probe.safetensors")
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--layer", type=int, default=LAYER)
    parser.add_argument("--workers", type=int, default=1, help="processes that render")
    given = parser.parse_args(arguments)
    folder = store.home() / "probe"
    prepare(folder, given.clips, SEED, given.workers)
    model = backbones.load(given.model, device="cpu", dtype="float32")
    assert model.recipe.size is not None
    made = make(model, samples(folder, given.clips, model.recipe.size[0]), given.layer)
    made.save(given.out)
    print(f"{given.out}: {made.provenance['auc']}, {made.localization}")


if __name__ == "__main__":
    main()
