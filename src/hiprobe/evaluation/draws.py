"""Fit probes on random draws of the training videos and evaluate each on the same test videos.

It knows no command line and draws no plots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.backbones import ModelFacts
from hiprobe.errors import HiProbeError, LabelError, UsageError
from hiprobe.evaluation.benchmark import Benchmark, Evaluated, detected, evaluated
from hiprobe.evaluation.draw_summary import DrawSummary
from hiprobe.evaluation.input_checks import check_apart
from hiprobe.evaluation.tables import Report
from hiprobe.pipeline import (
    Failed,
    Pair,
    Progress,
    Reading,
    ReadPlan,
    check_copies,
    extract_pairs,
    ignore,
    recipe_for,
    sites_for,
)
from hiprobe.probe import Probe, fit
from hiprobe.types import Video
from hiprobe.video import pictures


def of_draws(
    bench: Benchmark,
    model: ModelFacts,
    method: str,
    *,
    store: Path,
    draws: int = 10,
    share: float = 0.01,
    seed: int = 0,
    progress: Progress = ignore,
    failed: Failed = ignore,
) -> Evaluated:
    """Fit `draws` probes and return the mean and spread of their figures.

    Each probe is fitted on a random `share` of the labelled training videos, half of each class; a
    class with fewer videos gives all of them. Draw `i` has the seed `seed + i`. Raises the errors
    of `of_probe`, and UsageError if `draws` is below 1 or `share` is not above 0 and at most 1.
    """
    reading = Reading(model, store, progress, failed)
    return evaluate_draws(bench, reading, method, draws=draws, share=share, seed=seed)


def evaluate_draws(
    bench: Benchmark, reading: Reading, method: str, *, draws: int, share: float, seed: int
) -> Evaluated:
    """Do what `of_draws` does, with its arguments grouped."""
    if draws < 1 or not 0 < share <= 1:
        raise UsageError(
            "draws must be at least 1 and the share above 0 and at most 1, "
            f"got {draws} and {share:g}"
        )
    missing, there = bench.present("test")
    train = bench.part("train")
    chosen = [draw(train, share, seed + i) for i in range(draws)]
    plan = ReadPlan(sites_for(method, reading.model), recipe_for(method, reading.model))
    pairs = _pairs(bench, train, chosen, reading, plan)
    check_apart(there, {states.video_id for states, _ in pairs.values()}, "would be fitted on")
    _read_all_sites(there, reading, plan)
    made, records = [], []
    for i, names in enumerate(chosen):
        used = [pairs[name] for name in names if name in pairs]
        probe = fit(
            method, used, model=reading.model, seed=seed + i, layer_curve=False, permutations=0
        )
        # Each video fails in the same way in every draw: once is enough to report it.
        got = detected(bench, missing, there, reading if i == 0 else silent(reading), probe)
        about = {
            **bench.about(),
            "model": probe.recipe.model,
            "method": method,
            "share": share,
            "first seed": seed,
        }
        made.append(evaluated(bench, got, missing, about, seed, 0))
        records.append(_record(seed + i, names, len(used), probe))
    reports = tuple(one.report for one in made if isinstance(one.report, Report))
    return made[-1]._replace(report=DrawSummary(reports, tuple(records)))


def silent(reading: Reading) -> Reading:
    """Return `reading` without a callback for failures."""
    return replace(reading, failed=ignore)


def _record(seed: int, names: Sequence[str], used: int, probe: Probe) -> dict[str, Any]:
    """Return what the report says about one draw."""
    return {
        "seed": seed,
        "fitted on": used,
        "missing": len(names) - used,
        "sites": ", ".join(map(str, probe.sites)),
        "probe": probe.digest[:8],
        "videos": list(names),
    }


def draw(train: Mapping[str, Video], share: float, seed: int) -> tuple[str, ...]:
    """Return the names of a random `share` of the labelled videos, at least two; of all, for 1.

    Half of them come from each class, or all of a class that has fewer. Raises LabelError if no
    video is labelled.
    """
    rng = np.random.default_rng(seed)
    classes = [
        sorted(
            name
            for name, one in train.items()
            if one.events is not None and bool(one.events) == abnormal
        )
        for abnormal in (True, False)
    ]
    wanted = max(2, round(share * sum(map(len, classes))))
    if not any(classes):
        raise LabelError(
            "no training video is labelled", cure="use a data set whose training videos have labels"
        )
    if share == 1:
        return tuple(name for names in classes for name in names)
    each = wanted if not all(classes) else wanted // 2
    sizes = [
        min(each + (wanted % 2 if all(classes) and k == 1 else 0), len(names))
        for k, names in enumerate(classes)
    ]
    return tuple(
        names[i]
        for names, size in zip(classes, sizes, strict=True)
        for i in sorted(rng.choice(len(names), size, replace=False))
    )


def _pairs(
    bench: Benchmark,
    train: Mapping[str, Video],
    draws: Iterable[Sequence[str]],
    reading: Reading,
    plan: ReadPlan,
) -> dict[str, Pair]:
    """Return the states and labels of every training video that a draw holds.

    Raises LabelError for videos that are missing or cannot be read, unless that is allowed.
    """
    names = sorted({name for names in draws for name in names})
    missing = [name for name in names if not pictures.exists(train[name].path)]
    bench.check(missing, len(names), "drawn training")
    check_copies([train[name] for name in names])
    found: dict[str, Pair] = {}
    lost: list[str] = []
    for name in (one for one in names if one not in missing):

        def note(path: str, error: HiProbeError, name: str = name) -> None:
            lost.append(f"{name} ({error.named})")
            if reading.failed is not None:
                reading.failed(path, error)

        noted = replace(reading, failed=note)
        found.update((name, pair) for pair in extract_pairs([train[name]], noted, plan))
    bench.check(lost, len(names), "drawn training", "unusable")
    return found


def _read_all_sites(tests: Mapping[str, Video], reading: Reading, plan: ReadPlan) -> None:
    """Read each test video once at every site that a draw may choose.

    A video that fails is reported later, when it is scored.
    """
    unlabelled = [Video(one.path) for one in tests.values()]
    for _ in extract_pairs(unlabelled, silent(reading), plan):
        pass
