"""Measure the embedded MLLM on fresh clips.

    python -m training.evaluate MODEL OUT.json [--final]

Every figure of the model card comes from here. The clips are drawn from seeds that training never
uses, and are used for nothing else, not even for the choice of a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.backbones import auto
from hiprobe.backbones._processing import collate, make_inputs
from hiprobe.labels import label_segments
from hiprobe.localize import Localization, localize
from hiprobe.metrics import roc_auc
from hiprobe.types import Event, Segment
from training.drawn import events
from training.drawn.clips import Clip, make_clip, make_video
from training.segments import SEGMENT_S, SIZE, TIMES
from training.text import NAME, PLACES_WORDS, PROMPT

SEEDS = (9001, 9002, 9003)
STRENGTH = 0.5  # of camera and film defects; the same in all measurements
COUNT, LOOK_ALIKE_SHARE, EDGE_PX = 504, 1 / 3, 6
TYPES = {
    "seen": list(events.ANOMALIES),
    "unseen": list(events.UNSEEN_ANOMALIES),
    "final": list(events.FINAL_ANOMALIES),
}
Array = NDArray[Any]


def abnormal(seed: int, family: str, types: str, count: int) -> list[Clip]:
    """Render clips in which an anomaly lasts from the first frame to the last.

    Every type occurs equally often.
    """
    kinds, clips = TYPES[types], []
    for index in range(count):
        rng = np.random.default_rng([seed, index, 1])
        clips.append(
            make_clip(rng, family, kinds[index % len(kinds)], rng.uniform(-3, 0), strength=STRENGTH)
        )
    return clips


def normal(seed: int, family: str, count: int) -> list[Clip]:
    """Render clips of ordinary life; one in three shows a look-alike of an anomaly."""
    kinds, clips = list(events.LOOK_ALIKES), []
    for index in range(count):
        rng = np.random.default_rng([seed, index, 0])
        alike = index % 3 == 0
        kind = kinds[index // 3 % len(kinds)] if alike else None
        clips.append(make_clip(rng, family, kind, rng.uniform(-3, 0), strength=STRENGTH))
    return clips


def segments(frames: Sequence[Array]) -> list[Segment]:
    """Wrap frames (8, 96, 96, 3) as the segments that the pipeline would pass on."""
    return [Segment(f, TIMES, 0.0, SEGMENT_S, i) for i, f in enumerate(frames)]


def describe(model: Any, clips: Sequence[Clip], batch: int = 84) -> list[str]:
    """Generate what the model answers to its default question about each clip, greedily."""
    net, processor, texts = model._model, model._processor, []
    words = processor.tokenizer
    for start in range(0, len(clips), batch):
        part = segments([clip.frames for clip in clips[start : start + batch]])
        inputs = collate([make_inputs(processor, segment, PROMPT) for segment in part])
        with torch.inference_mode():
            ids = net.generate(**model._on_device(inputs), max_new_tokens=24, do_sample=False)
        texts += words.batch_decode(
            ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return texts


def answer_name(text: str) -> str:
    """Return the name that an answer begins with."""
    return text.split(",")[0].strip()


def words(model: Any, seed: int, family: str) -> dict[str, Any]:
    """Measure naming, false alarms and places in one family of scenes."""
    bad, good = abnormal(seed, family, "seen", COUNT), normal(seed, family, COUNT)
    answers, normal_answers = describe(model, bad), describe(model, good)
    right = np.array([answer_name(t) == NAME[c.kind] for t, c in zip(answers, bad, strict=True)])
    alarm = np.array([answer_name(t) != "normal" for t in normal_answers])
    alike = np.array([c.kind is not None for c in good])
    clear = [(t, c) for t, c in zip(answers, bad, strict=True) if c.x is not None and _far(c.x)]
    placed = [
        [w for w in PLACES_WORDS if w in t.split() or f"{w} part." in t] == [c.place]
        for t, c in clear
    ]
    by_kind = {kind: float(right[[c.kind == kind for c in bad]].mean()) for kind in TYPES["seen"]}
    return {
        "named": float(right.mean()),
        "false_alarms": float(alarm.mean()),
        "false_alarms_look_alikes": float(alarm[alike].mean()),
        "false_alarms_plain": float(alarm[~alike].mean()),
        "placed": float(np.mean(placed)),
        "placed_clips": len(placed),
        "named_by_type": by_kind,
        "missed": float(np.mean([answer_name(t) == "normal" for t in answers])),
    }


def _far(x: float) -> bool:
    return all(abs(x * SIZE - edge * SIZE) > EDGE_PX for edge in (1 / 3, 2 / 3))


def read(model: Any, clips: Sequence[Clip]) -> Array:
    """Read the hidden states (clips, layers, width) of all layers."""
    sites = methods.load("hiprobe").sites(model.layers, model.heads)
    parts = segments([clip.frames for clip in clips])
    return np.concatenate([model.read(parts[i : i + 64], sites) for i in range(0, len(parts), 64)])


def probe_auc(
    train: tuple[Array, Array], test: tuple[Array, Array]
) -> tuple[float, int, list[float]]:
    """Fit a `hiprobe` probe and return its AUC, its layer and the AUC of every layer.

    `train` and `test` hold (values, labels).
    """
    how, (values, labels) = methods.load("hiprobe"), train
    chosen = how.select(values, labels).indices[0]
    curve = []
    for layer in range(values.shape[1]):
        tensors = how.fit(values[:, [layer]], labels)
        curve.append(roc_auc(test[1], how.score(test[0][:, [layer]], tensors)))
    return curve[chosen], chosen, curve


def probes(model: Any, seed: int, family: str, types: str, *, draws: int = 5) -> dict[str, Any]:
    """Measure the AUC of probes on fresh clips of one family and set of types.

    The probes are fitted on 64 + 64 and on 8 + 8 labelled segments. `own`: segments of the same
    family and types, from other clips; `carried`: segments of seen scenes and seen types. All
    frames of a clip share its label and its score, so this is the AUC over frames.
    """
    test = _pool(model, seed, family, types, COUNT // 2)
    sources = {"own": _pool(model, seed + 50, family, types, 64 * draws)}
    if (family, types) != ("seen", "seen"):
        sources["carried"] = _pool(model, seed + 50, "seen", "seen", 64 * draws)
    out: dict[str, Any] = {}
    for name, (values, labels) in sources.items():
        for few in (64, 8):
            found = [probe_auc(_draw(values, labels, few, d), test) for d in range(draws)]
            out[f"{name}_{few}"] = {
                "auc": float(np.mean([f[0] for f in found])),
                "draws": [f[0] for f in found],
                "layers": [f[1] for f in found],
                "by_layer": np.mean([f[2] for f in found], 0).tolist(),
            }
    return out


@cache
def _pool(model: Any, seed: int, family: str, types: str, count: int) -> tuple[Array, Array]:
    clips = abnormal(seed, family, types, count) + normal(seed, family, count)
    return read(model, clips), np.repeat([1, 0], count).astype(np.int8)


def _draw(values: Array, labels: Array, few: int, draw: int) -> tuple[Array, Array]:
    rows = np.concatenate(
        [np.flatnonzero(labels == c)[draw * few : (draw + 1) * few] for c in (1, 0)]
    )
    return values[rows], labels[rows]


def videos(
    model: Any, seed: int, family: str, *, count: int = 60, length: float = 16.0
) -> dict[str, float]:
    """Measure the frame AUC on whole videos, raw and with the pipeline's smoothing.

    Half of the videos have an event, which may be anywhere.
    """
    train = _pool(model, seed + 50, family, "seen", 64)
    how = methods.load("hiprobe")
    layer = how.select(*train).indices[0]
    tensors = how.fit(train[0][:, [layer]], train[1])
    site = how.sites(model.layers, model.heads)[layer]
    raw, smooth, truth = [], [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index, 2])
        begin, spans = rng.uniform(2, length - 7), []
        if index % 2:
            spans = [(TYPES["seen"][index // 2 % 7], begin, begin + rng.uniform(3, 5))]
        frames, true = make_video(rng, family, spans, length, fps=5, size=SIZE, strength=STRENGTH)
        starts = np.arange(0, length - 1e-6, SEGMENT_S)
        parts = segments([frames[i * 8 : (i + 1) * 8] for i in range(len(starts))])
        score = how.score(model.read(parts, (site,)), tensors)
        scores, _ = localize(
            starts, starts + SEGMENT_S, score, (), Localization(rule="fixed", threshold=0.5)
        )
        times = (np.arange(len(frames)) + 0.5) / 5
        raw.append(scores.at(times, smoothed=False))
        smooth.append(scores.at(times))
        truth.append(label_segments(times, times + 1e-6, [Event(*span) for span in true]))
    y = np.concatenate(truth)
    return {"raw": roc_auc(y, np.concatenate(raw)), "smoothed": roc_auc(y, np.concatenate(smooth))}


def measure_seed(folder: str, seed: int, final: bool) -> dict[str, Any]:
    """Run all measurements of one evaluation seed, on one thread."""
    torch.set_num_threads(1)
    model = auto.load(folder)
    out: dict[str, Any] = {}
    for family in ("final",) if final else ("seen", "unseen"):
        out[f"words {family}"] = words(model, seed, family)
        out[f"videos {family}"] = videos(model, seed, family)
        for types in ("seen", "final" if final else "unseen"):
            out[f"probe {family} scenes {types} types"] = probes(model, seed, family, types)
        print(f"seed {seed}, {family} scenes: done", flush=True)
    return out


def main() -> None:
    """Read the command line and measure the seeds in parallel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument(
        "--final", action="store_true", help="measure the third family and the last two types"
    )
    parser.add_argument("--jobs", type=int, default=3, help="seeds measured in parallel")
    args = parser.parse_args()
    work = [(str(args.model), seed, args.final) for seed in SEEDS]
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(measure_seed, *zip(*work, strict=True)))
    out: dict[str, Any] = {
        "model": auto.load(str(args.model)).recipe.model,
        "seeds": SEEDS,
        "clips": COUNT,
        "strength": STRENGTH,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(
        json.dumps(out | {name: [row[name] for row in rows] for name in rows[0]}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
