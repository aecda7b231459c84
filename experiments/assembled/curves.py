"""Ask the paper's question of the assembled model: does a middle layer beat the last one?

    python -m experiments.assembled.curves CLIPS.csv [--controls] > PAGE.md

The CSV has the columns path, label and group (the source video). Each block's state is scored out
of fold by source, and with 8 + 8 labelled clips over 10 draws at the layer that DLSP chooses, at
two layers that were fixed beforehand, and at the last one. What was read is kept in `--store`, 16
segments at a time, so that the command continues where it was stopped. `--controls` reads the same
model with a projector that was not trained, and with random blocks, too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments import real_footage_figures as figures
from experiments.assembled import control_models, parts, vision
from experiments.measure import verdict
from experiments.real_footage_clips import Clips, load_clips
from experiments.real_footage_figures import (
    LABELLED,
    REPEATS,
    TRIES,
    Sample,
    Scorer,
    as_interval,
    few_interval,
)
from experiments.real_footage_reading import load_model
from experiments.real_footage_trivial import FILE, PIXELS, together, trivial_features
from experiments.selection import five_eighths_of
from experiments.tables import Claim, Table
from hiprobe import methods
from hiprobe.backbones import Backbone
from hiprobe.types import Site
from hiprobe.types.recipe import digest_json

Array = NDArray[np.float64]
States = NDArray[np.float32]
CHUNK = 16
CHOSEN, LAST = "layer that DLSP chooses", "last layer"
NO_MODEL = ("frame difference, mean", "all controls")


def read_states(model: Backbone, clips: Clips, folder: Path) -> States:
    """Return the hidden states (n, layers, width) of all segments, kept in files of 16 segments."""
    segments, facts = clips.segments("whole"), model.provenance
    sites = [Site("residual", layer) for layer in range(model.layers)]
    key = digest_json([clips.key, model.recipe.model, str(facts["dtype"]), CHUNK])[:16]
    files = []
    for first in range(0, len(segments), CHUNK):
        file = folder / key / f"{first:06d}.npy"
        if not file.is_file():
            _keep(file, model.read(segments[first : first + CHUNK], sites))
        files.append(file)
    return np.concatenate([np.load(file, allow_pickle=False) for file in files])


def _keep(file: Path, values: States) -> None:
    def save(to: Path) -> None:
        with to.open("wb") as held:
            np.save(held, values)

    parts.write_file(file, save)


def fixed_layers(layers: int) -> dict[str, int]:
    """Return the layers that were fixed before anything was measured: by depth alone.

    >>> fixed_layers(30)
    {'half of the depth': 15, 'five eighths of the depth': 18}
    """
    return {"half of the depth": layers // 2, "five eighths of the depth": five_eighths_of(layers)}


def curves(sample: Sample, states: States) -> list[Array]:
    """Return the curve of AUCs of each layer, out of fold by source."""
    layers = range(states.shape[1])
    return [
        figures.cross_validated(sample, states[:, layer].astype(np.float64)) for layer in layers
    ]


def scorers(sample: Sample, states: States, clips: Clips) -> dict[str, Scorer]:
    """Return what is fitted on a few labelled clips, by name."""
    chosen, last = figures.of_layers(sample, states, every=False).values()
    found = {CHOSEN: chosen, LAST: last}
    for name, layer in fixed_layers(states.shape[1]).items():
        values = states[:, layer].astype(np.float64)
        found[f"{name}, layer {layer}"] = figures.of_values(sample, values)
    trivial = trivial_features(clips)
    controls = (trivial[NO_MODEL[0]], together(trivial, PIXELS + FILE))
    return found | {
        name: figures.of_values(sample, values)
        for name, values in zip(NO_MODEL, controls, strict=True)
    }


def table_of_layers(
    sample: Sample, states: States, controls: Mapping[str, States]
) -> tuple[Table, list[Array]]:
    """Return a row for each block: saliency, AUC, less the last layer, and AUC of the controls."""
    found = curves(sample, states)
    others = {name: curves(sample, one) for name, one in controls.items()}
    saliency = methods.load("hiprobe").select(states, sample.of_segments)
    measures = list(saliency.curves)
    rows = tuple(
        (
            f"{layer}{' (DLSP)' if layer in saliency.indices else ''}",
            *(f"{saliency.curves[name][layer]:.3f}" for name in measures),
            str(as_interval(curve)),
            as_interval(curve - found[-1]).signed(),
            *(str(as_interval(one[layer])) for one in others.values()),
        )
        for layer, curve in enumerate(found)
    )
    note = f"""DLSP's curves are over all clips, for the shape only. AUC: logistic regression out of
fold, {figures.FOLDS} folds by source, mean of {REPEATS} repeats; intervals from bootstrap draws of
sources, differences paired. Choosing the best row afterwards is not a result."""
    columns = ("block", *measures, "AUC", "less last", *others)
    return Table("Layers", columns, rows, note), found


def table_of_draws(sample: Sample, states: States, clips: Clips) -> Table:
    """Return a row for each way to choose a layer, and for each control, with few labels."""
    found = figures.few_labels(sample, scorers(sample, states, clips), TRIES)
    layers = [_layer(sample, states, number) for number in range(TRIES)]
    rows = tuple(
        (name, str(few_interval(one)), *(_less(one, found[other]) for other in (LAST, NO_MODEL[0])))
        for name, one in found.items()
    )
    claims = tuple(
        _claim(f"with few labels, {name} beats {other}", found[name], found[other])
        for name in found
        for other in (LAST, NO_MODEL[0])
        if name not in (other, *NO_MODEL)
    )
    note = f"""{LABELLED} + {LABELLED} labelled clips, {TRIES} draws, tested on the clips of other
sources; intervals over draws and sources, differences paired. DLSP chose the layers
{", ".join(map(str, layers))}."""
    columns = ("scored by", "AUC", f"less {LAST}", f"less {NO_MODEL[0]}")
    return Table("Few labels", columns, rows, note, claims)


def _layer(sample: Sample, states: States, number: int) -> int:
    labelled = figures.draw_labelled(sample, number)[sample.clip]
    return figures.dlsp_layer(states, sample.of_segments, labelled)


def _less(one: Sequence[Array], other: Sequence[Array]) -> str:
    return few_interval([a - b for a, b in zip(one, other, strict=True)]).signed()


def _claim(text: str, one: Sequence[Array], other: Sequence[Array]) -> Claim:
    found = few_interval([a - b for a, b in zip(one, other, strict=True)])
    return Claim(text, found.signed(), verdict(found))


def page(given: argparse.Namespace) -> str:
    """Return the page of the model in HIPROBE_RUNS."""
    vision.register()
    folder = parts.model_folder()
    model = load_model(str(folder))
    clips = load_clips(given.clips, model.recipe, given.store)
    sample = Sample(clips.labels, clips.source, clips.clip)
    states = read_states(model, clips, given.store / "states")
    controls = {
        name: read_states(load_model(str(one)), clips, given.store / "states")
        for name, one in (_controls(folder) if given.controls else {}).items()
    }
    layers, _ = table_of_layers(sample, states, controls)
    draws = table_of_draws(sample, states, clips)
    notice = json.loads((folder / "hiprobe.json").read_text())["notice"]
    head = f"""# The assembled model on real clips

{folder.resolve().name}: {notice}. {len(clips.labels)} clips ({int(clips.labels.sum())} with
fights) of {len(set(clips.sources))} sources, {len(clips.clip)} segments.
"""
    claims = "".join(f"- {one.text}: {one.answer}, {one.figure}\n" for one in draws.claims)
    return "\n".join([head, layers.to_markdown(), draws.to_markdown(), claims])


def _controls(folder: Path) -> dict[str, Path]:
    return {
        "untrained projector": control_models.untrained_projector(),
        "random blocks": control_models.random_blocks(folder),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the page."""
    options: Any = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("clips", type=Path, help="a CSV path,label,group of clips")
    options.add_argument("--store", type=Path, help="keeps frames and readings")
    options.add_argument("--controls", action="store_true", help="two untrained models, too")
    given = options.parse_args(arguments)
    given.store = given.store or parts.home() / "curves"
    torch.set_num_threads(1)
    print(page(given), end="")


if __name__ == "__main__":
    main()
