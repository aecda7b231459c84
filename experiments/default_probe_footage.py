"""The footage that the default probe is judged on: labelled real clips, and rendered ordinary life.

Every video is read once, into a store. Knows no threshold and no table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from training.ship import write_video
from training.world.videos import frames, plan

from hiprobe import datasets, pipeline, video
from hiprobe.backbones import Backbone
from hiprobe.types import HiddenStates, Site

SEED, SECONDS, FPS, SIZE = 920_001, 240.0, 5, 192  # the model reads 5 frames per second
PARTS = ("choose", "report")  # what settings are chosen on, and what is published


@dataclass(frozen=True)
class Watched:
    """One video: its states, the model's logits of yes and no, and the part that it belongs to.

    `fight` says whether it is labelled as one, None for a video that only has to be quiet.
    """

    states: HiddenStates
    answers: HiddenStates
    part: str
    group: str
    fight: bool | None = None


def read(path: Path, model: Backbone, store: Path) -> tuple[HiddenStates, HiddenStates]:
    """Read the states of all layers and the model's logits of one video, or take kept ones."""
    sites = [Site("residual", layer) for layer in range(model.layers)]
    asked, last = pipeline.recipe_for("likelihood", model), [Site("logit", model.layers - 1)]
    return (
        pipeline.states(path, model, sites, recipe=model.recipe, store=store),
        pipeline.states(path, model, last, recipe=asked, store=store),
    )


def labelled(table: Path, model: Backbone, store: Path) -> list[Watched]:
    """Read labelled clips; half of their sources are to choose settings on."""
    clips = list(datasets.load("folder", table))
    sources = sorted({str(one.group) for one in clips})
    order = np.random.default_rng(SEED).permutation(len(sources))
    parts = {source: PARTS[int(place) % 2] for source, place in zip(sources, order, strict=True)}
    return [
        Watched(
            *read(Path(one.path), model, store),
            parts[str(one.group)],
            str(one.group),
            bool(one.events),
        )
        for one in clips
    ]


def quiet(folder: Path, model: Backbone, store: Path) -> list[Watched]:
    """Read real videos without an event; no setting is chosen on them."""
    found = video.find([str(folder)])
    return [Watched(*read(Path(one), model, store), PARTS[1], Path(one).name) for one in found]


def rendered(
    folder: Path, hours: dict[str, float], model: Backbone, store: Path
) -> Iterator[Watched]:
    """Read so many hours of rendered ordinary life for each part; render what is missing."""
    for part, path in render(folder, hours):
        yield Watched(*read(path, model, store), part, path.name)


def render(folder: Path, hours: dict[str, float]) -> Iterable[tuple[str, Path]]:
    """Yield the videos of each part, each written as soon as it is complete."""
    for number, part in enumerate(PARTS):
        for index in range(round(hours[part] * 3600 / SECONDS)):
            path = folder / part / f"{index:03d}.mp4"
            if not path.exists():
                unfinished = path.with_name(f".{os.getpid()}-{path.name}")
                write_video(
                    ordinary((SEED, number, index)), unfinished, FPS, quality=24, preset="veryfast"
                )
                os.replace(unfinished, path)
            yield part, path


def ordinary(seed: tuple[int, ...]) -> np.ndarray:
    """Render ordinary life before one camera; frames uint8 (n, SIZE, SIZE, 3)."""
    rng = np.random.default_rng(seed)
    while True:
        scene = plan(rng, (), SECONDS, FPS, float(rng.uniform(0.2, 1.2)))
        if scene.acts:  # a place that nobody comes to has no frames
            return np.concatenate(list(frames(rng, scene, SIZE, FPS)))
