"""Say what the model's check of events does on real labelled clips, split by source.

A clip is an alarm if the probe, fitted on other sources, finds an event in it; a check can reject
every event of a clip. Threshold of the probe and of the check are calibrated out of fold.
Run: `python -m experiments.real_checks --root CLIPS.csv > docs/data/real_checks.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.measure import Interval
from experiments.tables import markdown
from hiprobe import backbones, datasets, methods, pipeline
from hiprobe.localize import Localization, localize
from hiprobe.metrics import draw_videos
from hiprobe.probe.calibration import Calibration, calibration_set
from hiprobe.probe.folds import make_folds
from hiprobe.probe.held_out import fitted_tensors, held_out, selected
from hiprobe.probe.threshold import calibrate
from hiprobe.probe.verification_rule import verification_threshold, yes_over_no
from hiprobe.types import Event

Array = NDArray[np.float64]
FOLDS, REPEATS, DRAWS = 5, 5, 1000
SETTINGS = replace(Localization.named("default"), refine=False)
WAYS = ("no check", "check at log-odds 0", "check calibrated on the labelled clips")


@dataclass(frozen=True)
class Clips:
    """The labelled clips with their hidden states, and the log-odds of yes (n,) by segment."""

    data: Calibration
    odds: Array

    @property
    def firsts(self) -> NDArray[np.int64]:
        """The first segment of each clip."""
        return np.cumsum([0, *(len(one.starts) for one in self.data.states)])[:-1]


def read(root: Path, model: str, store: Path) -> Clips:
    """Return the clips of a CSV with a column `group`, read with the model."""
    clips, backbone = list(datasets.load("folder", root)), backbones.load(model)
    pairs = list(pipeline.extract(clips, backbone, store=store))
    answers = list(pipeline.extract(clips, backbone, method="likelihood", store=store))
    odds = np.concatenate([yes_over_no(np.asarray(states.values)[:, 0]) for states, _ in answers])
    return Clips(calibration_set(methods.load("hiprobe"), pairs, None), odds)


def alarms(clips: Clips, seed: int) -> dict[str, NDArray[np.bool_]]:
    """Return which clips (clips,) are alarms in each way; each fold is held out once."""
    data, how = clips.data, methods.load("hiprobe")
    split = make_folds(data.labels, data.groups, (1, 0), FOLDS, seed, named=True)
    found = {way: np.zeros(len(data.states), bool) for way in WAYS}
    for fold in range(split.number):
        out = split.of == fold
        train = np.where(out, -1, data.labels).astype(np.int8)
        indices, known = selected(how, data, train).indices, train >= 0
        tensors = fitted_tensors(how, data.at(indices, known), train[known])
        raw = how.score(data.at(indices), tensors)
        threshold = _threshold(replace(data, labels=train), seed)
        limits = (-np.inf, 0.0, verification_threshold(clips.odds[known], train[known])[0])
        for number in np.flatnonzero(out[clips.firsts]):
            peaks = _peaks(clips, int(number), raw, threshold)
            for way, limit in zip(WAYS, limits, strict=True):
                found[way][number] = any(odds >= limit for odds in peaks)
    return found


def _threshold(train: Calibration, seed: int) -> float:
    """Calibrate on the training clips alone, again out of fold."""
    known = train.labels >= 0
    split = make_folds(train.labels, train.groups, (1, 0), FOLDS, seed, named=True)
    raw, _ = held_out(methods.load("hiprobe"), train, split)
    return calibrate(train.smoothed(raw, SETTINGS)[known], train.labels[known])


def _peaks(clips: Clips, number: int, raw: Array, threshold: float) -> list[float]:
    """Return the model's log-odds at the peak of each event of a clip."""
    one, first = clips.data.states[number], int(clips.firsts[number])
    rule = replace(SETTINGS, rule="fixed", threshold=threshold)
    part = raw[first : first + len(one.starts)]
    events = localize(one.starts, one.ends, part, one.gaps, rule)[1]
    return [float(clips.odds[first + _place(one.starts, event)]) for event in events]


def _place(starts: Array, event: Event) -> int:
    assert event.peak is not None
    return int(np.searchsorted(starts, event.peak, side="right")) - 1


def rows(clips: Clips) -> list[tuple[str, ...]]:
    """Return for each way the share of fights and of normal clips that are alarms, and F1."""
    repeats = [alarms(clips, seed) for seed in range(REPEATS)]
    truth = clips.data.labels[clips.firsts] == 1
    sources = clips.data.groups[clips.firsts]
    drawn = draw_videos(len(truth), DRAWS, 0, [str(one) for one in sources])
    weights = np.concatenate([np.ones((1, len(truth))), drawn.astype(np.float64)])
    return [(way, *_figures([one[way] for one in repeats], truth, weights)) for way in WAYS]


def _figures(found: list[NDArray[np.bool_]], truth: NDArray[np.bool_], weights: Array) -> list[str]:
    share = np.mean(found, 0)
    hits, false = weights @ (share * truth), weights @ (share * ~truth)
    positives, negatives = weights @ truth, weights @ ~truth
    curves: Mapping[str, Array] = {
        "fights": hits / positives,
        "normal": false / negatives,
        "f1": 2 * hits / (hits + false + positives),
    }
    return [str(_interval(curve)) for curve in curves.values()]


def _interval(curve: Array) -> Interval:
    low, high = np.nanquantile(curve[1:], [0.025, 0.975])
    return Interval(float(curve[0]), float(low), float(high))


def page(clips: Clips, model: str) -> str:
    """Return the whole document."""
    data = clips.data
    columns = ("way", "fights that are alarms", "normal clips that are alarms", "F1 of clips")
    return f"""# The model's check on real clips

Made by

    python -m experiments.real_checks --root CLIPS.csv > docs/data/real_checks.md

{len(data.states)} clips of {data.named_groups} source videos, read with the model `{model}`. The
probe, its threshold and that of the check come from the other folds ({FOLDS} folds by source,
{REPEATS} repeats with other folds). Smoothing and extension are the defaults, without refinement.
In brackets: 95 % intervals from {DRAWS} bootstrap draws of whole sources.

{markdown(columns, rows(clips))}
"""


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a CSV of clips with a group")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--store", type=Path, default=Path("runs/real/states"))
    args = parser.parse_args()
    print(page(read(args.root, args.model, args.store), args.model), end="")


if __name__ == "__main__":
    main()
