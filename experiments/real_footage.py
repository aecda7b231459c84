"""Measure a model on real clips of fights: asked, probed, with few labels, against controls.

Run: `python -m experiments.real_footage CLIPS.csv --normal FOLDER > PAGE.md`, where the CSV has the
columns path, label and group (the source video). For one line a model:
`python -m experiments.real_footage CLIPS.csv --quick MODEL...`. Clips are decoded once and kept in
`--store`, with what was read from them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import real_footage_alarms as alarms
from experiments import real_footage_figures as figures
from experiments import real_footage_tables as tables
from experiments.measure import Interval
from experiments.real_footage_clips import SIX, THREE, VIEWS, Clips, load_clips
from experiments.real_footage_figures import Sample, as_interval, few_interval
from experiments.real_footage_reading import Readings, load_model, random_weights
from experiments.real_footage_trivial import FILE, PIXELS, together, trivial_features
from hiprobe import datasets, embedded, video
from hiprobe.backbones import Backbone
from hiprobe.errors import RecipeMismatch
from hiprobe.pipeline import check_probe
from hiprobe.probe import Probe
from hiprobe.probe.verification_rule import QUESTION

Array = NDArray[np.float64]
STORE = Path("runs/real_footage")
RANDOM_SEEDS = (0, 1, 2)
SIZES = (figures.TRIES, 100)  # draws of labelled clips: those of the target, and steadier ones
QUICK_DTYPE = "bfloat16"  # for answers: two thirds of the time, and AUCs differ by 0.001
ALL, OF_PIXELS = "all together", "those of pixels together"


def measure(
    model_folder: str | Path, clips: str | Path, store: str | Path, *, views: bool = True
) -> dict[str, Any]:
    """Return the main figures of a model on labelled real clips, quickly.

    `model_folder` is a model's folder, or `embedded`; `clips` is the CSV of clips, and `store` a
    folder that keeps decoded frames and readings. The answers are read in bfloat16 and the hidden
    states in float32, so that `few` is that of the page. The keys:

    - `zero_shot`, `zero_shot_low`, `zero_shot_high`: AUC of the clips by the model's own answer in
      one view, and its 95 % interval over sources; `zero_shot_six` of the mean of six views (None
      without `views`, which take five sixths of the time).
    - `best_layer`, `probed`: the layer with the highest AUC of a probe, and that AUC, 5 folds by
      source; `layers` has those of all layers.
    - `few`: mean AUC of 8 + 8 labelled clips, 10 draws, tested on other sources, at the layer that
      `hiprobe fit` chooses; `few_100` of 100 draws, which is steadier; `few_last` of 100 draws at
      the last layer.
    - `seconds`: how long it took.
    """
    began = time.perf_counter()
    model = load_model(str(model_folder), QUICK_DTYPE)
    held = load_clips(Path(clips), model.recipe, Path(store))
    sample, read = _sample(held), Readings(model, held, Path(store))
    odds = {view: read.answers(view).odds for view in (SIX if views else SIX[:1])}
    states = Readings(load_model(str(model_folder)), held, Path(store)).states()
    asked = as_interval(figures.zero_shot(sample, odds, SIX[:1])[""])
    six = figures.zero_shot(sample, odds, SIX)["mean"][0] if views else None
    layers = [float(_probed(sample, states, one, 1)[0]) for one in range(states.shape[1])]
    few = figures.few_labels(sample, figures.of_layers(sample, states, every=False), SIZES[-1])
    chosen, last = (np.array([one[0] for one in few[name]]) for name in figures.LAYERS[:2])
    return {
        "zero_shot": asked.mean,
        "zero_shot_low": asked.low,
        "zero_shot_high": asked.high,
        "zero_shot_six": None if six is None else float(six),
        "best_layer": int(np.argmax(layers)),
        "probed": max(layers),
        "layers": layers,
        "few": float(np.mean(chosen[: SIZES[0]])),
        "few_100": float(np.mean(chosen)),
        "few_last": float(np.mean(last)),
        "seconds": time.perf_counter() - began,
    }


def line(model: str, found: dict[str, Any]) -> str:
    """Return the figures of `measure` as one line."""
    six = found["zero_shot_six"]
    return (
        f"{model}: asked {found['zero_shot']:.3f} "
        f"[{found['zero_shot_low']:.3f}, {found['zero_shot_high']:.3f}], "
        + (f"six views {six:.3f}, " if six is not None else "")
        + f"probed {found['probed']:.3f} (layer {found['best_layer']}), "
        f"8 + 8 {found['few']:.3f} (100 draws {found['few_100']:.3f}, last layer "
        f"{found['few_last']:.3f}), {found['seconds']:.1f} s"
    )


def figures_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return all figures of one model as JSON values."""
    model = load_model(given.model)
    held = load_clips(given.clips, model.recipe, given.store)
    sample, read = _sample(held), Readings(model, held, given.store)
    trivial = trivial_features(held)
    trivial |= {OF_PIXELS: together(trivial, PIXELS), ALL: together(trivial, PIXELS + FILE)}
    controls = {name: figures.cross_validated(sample, one) for name, one in trivial.items()}
    best = max(
        (name for name in controls if name not in (ALL, OF_PIXELS)), key=lambda n: controls[n][0]
    )
    rivals = {"all": controls[ALL], "pixels": controls[OF_PIXELS], "best": controls[best]}
    return {
        "model": given.model,
        "dtype": str(model.provenance["dtype"]),
        "question": QUESTION,
        "made": _made(),
        "clips": _counts(held),
        "zero_shot": _zero_shot(sample, read),
        "layers": _layers(sample, read, rivals),
        "random": _random(given, held),
        "trivial": {name: _json(as_interval(one)) for name, one in controls.items()},
        "best_trivial": best,
        "few": _few(sample, read, trivial),
        "alarms": alarms_of(given, model, sample),
        "captions": [asdict(one) for one in alarms.describe(held, model, given.captions)],
    }


def _sample(held: Clips) -> Sample:
    return Sample(held.labels, held.source, held.clip)


def _probed(sample: Sample, states: NDArray[np.float32], layer: int, repeats: int) -> Array:
    return figures.cross_validated(sample, states[:, layer].astype(np.float64), repeats)


def _zero_shot(sample: Sample, read: Readings) -> list[dict[str, Any]]:
    answers = {view: read.answers(view) for view in VIEWS}
    odds = {view: one.odds for view, one in answers.items()}
    return [
        {
            "views": str(len(views)),
            "joined": joined,
            "segments_per_s": len(sample.clip) / sum(answers[view].seconds for view in views),
            **_json(as_interval(curve)),
        }
        for views in (SIX[:1], SIX, THREE)
        for joined, curve in figures.zero_shot(sample, odds, views).items()
    ]


def _layers(sample: Sample, read: Readings, rivals: dict[str, Array]) -> list[dict[str, Any]]:
    """Return the AUC by layer, and by how much it is above each rival's curve."""
    states, found = read.states(), []
    for layer in range(states.shape[1]):
        curve = _probed(sample, states, layer, figures.REPEATS)
        less = {f"less_{name}": _json(as_interval(curve - one)) for name, one in rivals.items()}
        found.append({**_json(as_interval(curve)), **less})
    return found


def _random(given: argparse.Namespace, held: Clips) -> dict[str, Any]:
    """Return the figures of the same architecture with random weights, means over seeds."""
    sample, asked, layers = _sample(held), [], []
    for seed in RANDOM_SEEDS:
        model = load_model(str(random_weights(given.model, seed, given.store)))
        read = Readings(model, held, given.store)
        answers, states = {"whole": read.answers("whole").odds}, read.states()
        asked.append(figures.zero_shot(sample, answers, SIX[:1])[""])
        layers.append(
            [_probed(sample, states, layer, figures.REPEATS) for layer in range(model.layers)]
        )
    return {
        "seeds": RANDOM_SEEDS,
        "zero_shot": _json(as_interval(np.mean(asked, 0))),
        "layers": [_json(as_interval(one)) for one in np.mean(layers, 0)],
    }


def _few(sample: Sample, read: Readings, trivial: dict[str, Array]) -> dict[str, Any]:
    states = read.states()
    scorers = figures.of_layers(sample, states)
    for name in (ALL, OF_PIXELS):
        scorers[f"trivial features, {name}"] = figures.of_values(sample, trivial[name])
    curves, rival = figures.few_labels(sample, scorers, SIZES[-1]), f"trivial features, {ALL}"
    rows: dict[str, Any] = {}
    for name, every in curves.items():
        gaps = [one - other for one, other in zip(every, curves[rival], strict=True)]
        rows[name] = {str(size): _json(few_interval(every[:size])) for size in SIZES}
        if name != rival:
            rows[name]["less"] = {str(size): _json(few_interval(gaps[:size])) for size in SIZES}
    drawn = [figures.draw_labelled(sample, number) for number in range(SIZES[-1])]
    tested = [int(figures.other_sources(sample, one).sum()) for one in drawn]
    layers = [figures.dlsp_layer(states, sample.of_segments, one[sample.clip]) for one in drawn]
    chosen = np.bincount(layers, minlength=states.shape[1]).tolist()
    return {"draws": SIZES, "rows": rows, "chosen": chosen, "tested": [min(tested), max(tested)]}


def alarms_of(given: argparse.Namespace, model: Backbone, sample: Sample) -> dict[str, Any]:
    """Return the share of clips with an event, and the events in normal videos."""
    probe = Probe.load(given.probe)
    try:
        check_probe(model, probe)
    except RecipeMismatch as error:
        return {"reason": f"the probe {given.probe.name} is of another model ({error})"}
    clips = [Path(one.path) for one in datasets.load("folder", given.clips)]
    normal = [] if given.normal is None else video.find([str(given.normal)])
    alarm = np.array(
        [one.events > 0 for one in alarms.watch(clips, model, probe, given.store)], bool
    )
    videos = alarms.watch(normal, model, probe, given.store)
    events, seconds = sum(one.events for one in videos), sum(one.seconds for one in videos)
    own = given.probe == embedded.PROBE
    return {
        "probe": "the packaged one" if own else given.probe.name,
        "fights": _json(alarms.share(sample, alarm, 1)),
        "normal": _json(alarms.share(sample, alarm, 0)),
        "videos": [asdict(one) for one in videos],
        "bound": alarms.rate_bound(events, seconds) if videos else None,
    }


def _counts(held: Clips) -> dict[str, Any]:
    return {
        "fights": int(held.labels.sum()),
        "normal": int((held.labels == 0).sum()),
        "sources": len(set(held.sources)),
        "segments": len(held.clip),
        "seconds": float(held.durations.sum()),
    }


def _made() -> dict[str, Any]:
    """Return what the figures were made with: command, date, machine, versions and seeds."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [one.partition(":")[2].strip() for one in lines if one.startswith("model name")]
    packages = ("hiprobe", "torch", "transformers", "numpy", "scikit-learn", "av")
    return {
        "command": shlex.join(["python", "-m", "experiments.real_footage", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "versions": {
            "Python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "seed": figures.SEED,
        "draws": figures.DRAWS,
    }


def _json(found: Interval) -> dict[str, float]:
    return {"value": found.mean, "low": found.low, "high": found.high}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the page, or one line a model."""
    import torch

    given = parser().parse_args(arguments)
    torch.set_num_threads(1)  # speeds are those of one core
    if given.quick:
        for name in given.quick:
            found = measure(name, given.clips, given.store, views=not given.one_view)
            print(line(name, found), flush=True)
        return
    found = figures_of(given)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    print(tables.page(found), end="")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="a CSV path,label,group of clips")
    parser.add_argument("--model", default="embedded", help="embedded, or a folder")
    parser.add_argument("--store", type=Path, default=STORE, help="keeps frames and readings")
    parser.add_argument("--probe", type=Path, default=embedded.PROBE, help="default: packaged one")
    parser.add_argument("--normal", type=Path, help="a folder of normal videos")
    parser.add_argument("--captions", type=int, default=0, help="how many clips to describe")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--quick", nargs="+", metavar="MODEL", help="one line for each model")
    parser.add_argument("--one-view", action="store_true", help="with --quick: no six views")
    return parser


if __name__ == "__main__":
    main()
