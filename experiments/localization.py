"""Compare smoothing and thresholds, which turn scores into events.

The calibrated threshold comes from labelled videos. The adaptive rule needs footage longer than its
warm-up: the split `long`, if the data set has one. Run: `python -m experiments.localization`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.fits import dlsp, hiprobe, out_of_fold, raw_scores, split
from experiments.footage import Footage, draw
from experiments.measure import interval, over_draws, verdict
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe.localize import Localization, localize
from hiprobe.metrics import matches
from hiprobe.probe.threshold import calibrate
from hiprobe.types import Event

Array = NDArray[np.float64]
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
KAPPAS = (1.0, 2.0, 3.0, 4.0)
TIOU = 0.3


def smoothing(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """Return a table of AUC and event F1 with one row per sigma.

    The threshold is calibrated at the same smoothing.
    """
    aucs: dict[float, list[Array]] = {sigma: [] for sigma in SIGMAS}
    found: dict[float, list[tuple[float, float]]] = {sigma: [] for sigma in SIGMAS}
    for seed in range(seeds):
        some = draw(train, videos, seed)
        held, raw = _held_out(some, seed), raw_scores(hiprobe(), some, test)
        for sigma in SIGMAS:
            rule = replace(Localization.named("paper"), sigma=sigma)
            aucs[sigma].append(test.truth.aucs(test.smoothed(raw, rule)))
            known = some.y >= 0
            threshold = calibrate(some.smoothed(held, rule)[known], some.y[known])
            found[sigma].append(
                events_of(test, raw, replace(rule, rule="fixed", threshold=threshold))
            )
    rows = [
        (
            f"{sigma:g}",
            str(interval(aucs[sigma])),
            interval(_minus(aucs[sigma], aucs[1.5])).signed(),
            *(str(over_draws([one[i] for one in found[sigma]])) for i in (0, 1)),
        )
        for sigma in SIGMAS
    ]
    columns = (
        "sigma, segments",
        "AUC",
        "minus sigma 1.5",
        f"event F1 at tIoU {TIOU}",
        "false events an hour",
    )
    note = (
        "DLSP's layer. F1 and false events use the threshold with the best F1 on out-of-fold "
        "scores of the labelled "
        "videos, smoothed in the same way; t interval over draws. A false event overlaps no true "
        "event."
    )
    gains = [
        interval(_minus(aucs[1.5], aucs[0.0])),
        over_draws([a[0] - b[0] for a, b in zip(found[1.5], found[0.0], strict=True)]),
    ]
    claims = tuple(
        Claim(f"smoothing with sigma 1.5 raises the {what}", gain.signed(), verdict(gain))
        for what, gain in zip(("AUC", "event F1"), gains, strict=True)
    )
    return Table(f"Smoothing: {videos} labelled videos", columns, tuple(rows), note, claims)


def _minus(one: list[Array], other: list[Array]) -> list[Array]:
    return [a - b for a, b in zip(one, other, strict=True)]


def _held_out(some: Footage, seed: int) -> Array:
    """Return out-of-fold raw scores (n,) of the labelled videos; each fold chooses its layer."""
    return out_of_fold(some, split(some, seed), dlsp, smooth=False)[0]


def thresholds(train: Footage, long: Footage, videos: int, seeds: int) -> Table:
    """Return a table of calibrated and adaptive thresholds on long videos."""
    rules = {"calibrated": Localization.named("paper")} | {
        f"adaptive, kappa {kappa:g}": replace(
            Localization.named("paper"), rule="adaptive", kappa=kappa
        )
        for kappa in KAPPAS
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in rules}
    for seed in range(seeds):
        some = draw(train, videos, seed)
        raw, known = raw_scores(hiprobe(), some, long), some.y >= 0
        threshold = calibrate(some.smoothed(_held_out(some, seed))[known], some.y[known])
        for name, rule in rules.items():
            settings = (
                rule
                if rule.rule == "adaptive"
                else replace(rule, rule="fixed", threshold=threshold)
            )
            found[name].append(events_of(long, raw, settings))
    rows = [
        (name, *(str(over_draws([one[i] for one in figures])) for i in (0, 1)))
        for name, figures in found.items()
    ]
    return Table(
        "Threshold, on long videos",
        ("rule", f"event F1 at tIoU {TIOU}", "false events an hour"),
        tuple(rows),
        f"{len(long)} videos, {hours(long):.2f} hours, {sum(map(len, long.events))} events; "
        f"{videos} labelled "
        "videos; t interval over draws. The adaptive rule raises no alarm in its first 32 "
        "segments.",
    )


def events_of(test: Footage, raw: Array, settings: Localization) -> tuple[float, float]:
    """Return event F1 over all videos and false events per hour, from raw scores (n,) of `test`."""
    cuts = np.cumsum([len(one.starts) for one in test.states])[:-1]
    hits = predicted = false = 0
    for one, part, true in zip(test.states, np.split(raw, cuts), test.events, strict=True):
        _, found = localize(one.starts, one.ends, part, one.gaps, settings)
        ends = [replace(event, end=min(event.end, one.duration)) for event in true]
        hits += matches(ends, found, TIOU)
        predicted += len(found)
        false += sum(not _meets(event, ends) for event in found)
    total = predicted + sum(map(len, test.events))
    return 2 * hits / total, false / hours(test)


def _meets(event: Event, true: Sequence[Event]) -> bool:
    return any(event.start < other.end and other.start < event.end for other in true)


def hours(test: Footage) -> float:
    """Return the length of all videos in hours."""
    return float(sum(one.duration for one in test.states)) / 3600


def experiment(study: Study) -> Sequence[Table]:
    """Return both tables; the second only if there are long videos."""
    train = study.footage("train")
    tables = [smoothing(train, study.footage("test"), study.videos, study.seeds)]
    if study.has("long"):
        tables.append(thresholds(train, study.footage("long"), study.videos, study.seeds))
    return tables


if __name__ == "__main__":
    main(__doc__, experiment)
