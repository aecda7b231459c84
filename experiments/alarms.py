"""Measure alarms on long footage: false events, boundaries, verification, and what each part adds.

Settings are chosen on the split `choose` (seen scenes) and published on `events` and `normal`
(unseen scenes) of `experiments.long_videos`, and on the 20 long videos of `experiments.rendered`.
Run: `python -m experiments.alarms [--only PART ...]`; it renders and reads what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import alarm_levels, long_videos
from experiments.alarm_ways import FittedDraw, LongFootage, Way, fitted_draw, watch
from experiments.extra_windows import extra_windows
from experiments.footage import Footage, draw
from experiments.measure import Interval, interval
from experiments.study import Data, Study, arguments, load
from experiments.tables import Table
from hiprobe import datasets, pipeline
from hiprobe.localize import Localization
from hiprobe.metrics import RATES, EventTable, Watched, draw_videos, froc, froc_by_score
from hiprobe.probe.verification_rule import yes_over_no
from hiprobe.store import write_atomic
from hiprobe.types import Event, Site

Array = NDArray[np.float64]
PAGE = Path("docs/data/alarms.md")
RESAMPLES = 400
PAPER, DEFAULT = Localization.named("paper"), Localization.named("default")
CUTS = tuple(float(cut) for cut in np.linspace(0.4, 1.7, 14))  # of the threshold, for curves
FIGURES = {
    "f1@0.3": "F1, tIoU 0.3",
    "f1@0.5": "F1, tIoU 0.5",
    "false_alarms_per_hour": "false events an hour",
    "recall@0.1": "recall, tIoU 0.1",
    "boundary_error_median": "boundary error, s (median)",
}


class AlarmStudy:
    """The draws of labelled videos, fitted once, and the long footage by split."""

    def __init__(self, study: Study, folder: Path = long_videos.FOLDER) -> None:
        self.study, self.folder = study, folder
        self._footage: dict[str, LongFootage] = {}

    @cached_property
    def draws(self) -> list[FittedDraw]:
        """The method of the paper, fitted on each draw."""
        train = self.study.footage("train")
        odds = self._odds(train)
        drawn = [draw(train, self.study.videos, seed) for seed in range(self.study.seeds)]
        return [
            fitted_draw(some, np.concatenate([odds[one.video_id] for one in some.states]), seed)
            for seed, some in enumerate(drawn)
        ]

    def _odds(self, train: Footage) -> Mapping[str, Array]:
        """Return the model's log-odds of yes in the segments of each labelled video."""
        model = self.study.models[0]
        last = Site("logit", train.sites[-1].layer)
        recipe = pipeline.recipe_for("likelihood", load(model))
        answers = self.study.footage("train", sites=(last,), recipe=recipe)
        return {one.video_id: yes_over_no(np.asarray(one.values)[:, 0]) for one in answers.states}

    def footage(self, split: str) -> LongFootage:
        """Return the long footage of a split; `long` is that of `experiments.rendered`."""
        if split not in self._footage:
            own = split != "long"
            data: Data = ("folder", str(self.folder)) if own else self.study.data
            store = self.folder / "states" if own else self.study.store
            found = replace(self.study, data=data, store=store).footage(split)
            paths = [one.path for one in datasets.load(data[0], data[1], split)]
            windows = extra_windows(paths, found.states, self.study.models[0], store)
            self._footage[split] = LongFootage(found, windows)
        return self._footage[split]

    def watched(self, split: str, way: Way, cut: float = 1.0) -> list[list[Watched]]:
        """Return the alarms of one way in the videos of a split, for each draw."""
        return watch(self.footage(split), self.draws, way, cut)

    def groups(self, split: str) -> list[str]:
        """Return what each video is resampled with: its camera, or itself."""
        data = ("folder", str(self.folder)) if split != "long" else self.study.data
        found = datasets.load(data[0], data[1], split)
        return [one.group or one.path for one in found]

    def figures(self, split: str, way: Way) -> dict[str, Interval]:
        """Return each figure with its interval over draws and videos."""
        tables = [EventTable(videos) for videos in self.watched(split, way)]
        weights = video_weights(self.groups(split))
        drawn = [table.drawn(weights) for table in tables]
        return {name: _interval([one[name] for one in drawn]) for name in drawn[0]}


def video_weights(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return how often each video counts: once, then in each bootstrap draw of whole groups."""
    drawn = draw_videos(len(groups), RESAMPLES, 0, groups)
    return np.concatenate([np.ones((1, len(groups)), np.int64), drawn])


def _interval(curves: Sequence[Array]) -> Interval:
    """Return the mean over draws with its interval; NaN where a figure is undefined."""
    if not np.isfinite(np.stack(curves)[:, 0]).all():
        return Interval(float("nan"), float("nan"), float("nan"))
    return interval(curves)


def ways_table(study: AlarmStudy, split: str, title: str, ways: Sequence[Way], note: str) -> Table:
    """Return a table with one row per way and one column per figure."""
    rows = []
    for way in ways:
        print(f"{title}: {way.name}", file=sys.stderr, flush=True)
        found = study.figures(split, way)
        rows.append((way.name, *(_cell(found[name]) for name in FIGURES)))
    footage = study.footage(split)
    count = sum(map(len, footage.footage.events))
    facts = f"{len(footage.footage)} videos, {footage.hours:.1f} h, {count} events. "
    return Table(title, ("way", *FIGURES.values()), tuple(rows), facts + note)


def _cell(figure: Interval) -> str:
    return "-" if not np.isfinite(figure.mean) else str(figure)


def smoothing(study: AlarmStudy) -> Table:
    """Compare kinds of smoothing by the events that they give."""
    kinds = [("none", 0.0)]
    kinds += [("causal", sigma) for sigma in (0.5, 1.0, 1.5, 2.0)]
    kinds += [("median", sigma) for sigma in (1.0, 1.5, 2.0)]
    kinds += [("gaussian", sigma) for sigma in (0.5, 1.0, 1.5, 2.0)]
    ways = [
        Way(
            f"{kind}, sigma {sigma:g}" if sigma else kind,
            replace(PAPER, smoothing=kind, sigma=sigma),  # type: ignore[arg-type]
        )
        for kind, sigma in kinds
    ]
    note = "No verification, extension or refinement. The default was chosen here."
    return ways_table(study, "choose", "Smoothing", ways, note)


def boundaries(study: AlarmStudy) -> Table:
    """Compare extension and refinement, with verification at log-odds 0."""
    ways = [
        Way(
            f"extend {extend:g}{', refined' if refine else ''}",
            replace(DEFAULT, extend=extend, refine=refine),
            "zero",
        )
        for extend in (1.0, 0.9, 0.8, 0.7, 0.6)
        for refine in (False, True)
    ]
    note = "Verified at log-odds 0. `extend` and refinement were chosen here."
    return ways_table(study, "choose", "Boundaries", ways, note)


def _parts() -> dict[str, Way]:
    plain = replace(DEFAULT, extend=1.0, refine=False)
    extended = replace(DEFAULT, refine=False)
    ways = {
        "paper": Way("paper: Gaussian, sigma 1.5", PAPER),
        "sigma": Way(f"sigma {DEFAULT.sigma:g}", plain),
        "extended": Way(f"+ extension ({DEFAULT.extend:g})", extended),
        "verified": Way("+ verification", extended, "calibrated"),
        "default": Way("+ refinement = default", DEFAULT, "calibrated"),
        "zero": Way("default, verified at log-odds 0", DEFAULT, "zero"),
        "five": Way("default, asked about up to 5 segments", DEFAULT, "calibrated", segments=5),
        "0.85": Way("default, from 0.85 of the threshold", DEFAULT, "calibrated", share=0.85),
        "0.7": Way("default, from 0.7 of the threshold", DEFAULT, "calibrated", share=0.7),
        "paper verified": Way("paper + verification", PAPER, "calibrated"),
    }
    return ways


def parts(study: AlarmStudy) -> Table:
    """Say what each part adds, on unseen scenes."""
    return ways_table(study, "events", "What each part adds", list(_parts().values()), NOTE)


NOTE = (
    "Unseen scenes; nothing was chosen here. Verification is calibrated on the labelled videos "
    "unless a row says otherwise. Intervals are over draws and videos. A false event overlaps no "
    "true event; the boundary error is over pairs that match at tIoU 0.1."
)


def other_footage(study: AlarmStudy) -> list[Table]:
    """Return the same for the 20 videos of earlier figures, and for normal footage alone."""
    ways = _parts()
    few = [ways["paper"], ways["default"]]
    long = ways_table(study, "long", "The 20 long videos of earlier figures", few, NOTE)
    rows = []
    for way in (ways["paper"], ways["extended"], ways["verified"]):
        found = study.figures("normal", way)
        hour, day = found["false_alarms_per_hour"], found["false_alarms_per_day"]
        rows.append((way.name, _cell(hour), f"{day.mean:.0f} [{day.low:.0f}, {day.high:.0f}]"))
    footage = study.footage("normal")
    normal = Table(
        "Normal footage",
        ("way", "false events an hour", "a day"),
        tuple(rows),
        f"{len(set(study.groups('normal')))} cameras in unseen places, {footage.hours:.1f} h "
        "without an event; one video in three shows a look-alike. Intervals are over draws and "
        "cameras. Not refined.",
    )
    return [long, normal]


def curve(study: AlarmStudy) -> Table:
    """Return recall at several rates of false events (FROC), on unseen scenes."""
    weights = video_weights(study.groups("events"))
    rows = []
    for way in (_parts()[name] for name in ("paper", "extended", "verified")):
        print(f"FROC: {way.name}", file=sys.stderr, flush=True)
        swept = [(cut, study.watched("events", way, cut)) for cut in CUTS]
        curves = [
            froc((cut, found[i]) for cut, found in swept).recalls_at(RATES, weights)
            for i in range(study.study.seeds)
        ]
        cells = [_cell(_interval([one[rate] for one in curves])) for rate in range(len(RATES))]
        rows.append((way.name, *cells))
    rows.append(("+ verification, by the model's log-odds", *_ranked(study, weights)))
    rows.append(("the same, mean of up to 5 segments", *_ranked(study, weights, 5)))
    columns = ("way", *(f"at {rate:g} an hour" for rate in RATES))
    note = (
        "Recall of events (tIoU 0.1) at the threshold with at most so many false events an hour, "
        "chosen on the same footage for each draw and resample. In the last two rows the "
        "level of the check is chosen instead. Not refined."
    )
    return Table("Recall against false events", columns, tuple(rows), note)


def _ranked(study: AlarmStudy, weights: NDArray[np.int64], segments: int = 1) -> list[str]:
    """Return recalls where the level of the check is swept, at the threshold of the default."""
    way = Way("", replace(DEFAULT, refine=False), "rank", segments=segments)
    curves = [
        froc_by_score([one._replace(predicted=list(map(_by_odds, one.predicted))) for one in found])
        for found in study.watched("events", way)
    ]
    drawn = [one.recalls_at(RATES, weights) for one in curves]
    return [_cell(_interval([one[rate] for one in drawn])) for rate in range(len(RATES))]


def _by_odds(event: Event) -> Event:
    return replace(event, score=event.verification.log_odds)


def levels(study: AlarmStudy) -> Table:
    """Say whether a level of the check keeps a promised number of false alarms per day."""
    way = Way("", replace(DEFAULT, refine=False), "rank")
    calibrated = replace(way, verify="calibrated")
    watched = zip(
        study.draws, study.watched("normal", way), study.watched("events", way), strict=True
    )
    groups = study.groups("normal")
    return alarm_levels.table(
        [
            alarm_levels.Levels(
                alarm_levels.halves(normal, groups), events, one.rule(calibrated).threshold
            )
            for one, normal, events in watched
        ]
    )


def causes(study: AlarmStudy) -> Table:
    """Say which look-alikes cause false alarms, in videos without an event."""
    plans = {str(one.path): one for one in long_videos.plans(study.folder)}
    kinds = {
        path: one.spans[0] if one.spans and not one.truth else None for path, one in plans.items()
    }
    paths = [one.path for one in datasets.load("folder", str(study.folder), "events")]
    rows = []
    for way in (_parts()[name] for name in ("extended", "verified")):
        counts: dict[str, list[float]] = {}
        for videos in study.watched("events", way):
            for path, one in zip(paths, videos, strict=True):
                if one.true:
                    continue
                for name, false, seconds in _shares(kinds[str(Path(path))], one):
                    entry = counts.setdefault(name, [0.0, 0.0])
                    entry[0] += false
                    entry[1] += seconds / 3600
        rows += [
            (way.name, name, f"{hours / study.study.seeds:.2f}", f"{false / hours:.2f}")
            for name, (false, hours) in sorted(counts.items())
        ]
    note = "Videos without an event, mean over draws. A look-alike lasts from its start to the end."
    columns = ("way", "what is seen", "hours", "false events an hour")
    return Table("What causes false events", columns, tuple(rows), note)


def _shares(
    look_alike: tuple[str, float, float] | None, one: Watched
) -> list[tuple[str, float, float]]:
    """Return (what is seen, false events, seconds) of the parts of a normal video."""
    start = one.seconds if look_alike is None else look_alike[1]
    during = [event for event in one.predicted if event.end > start]
    plain = ("ordinary life", float(len(one.predicted) - len(during)), start)
    if look_alike is None:
        return [plain]
    return [plain, (look_alike[0], float(len(during)), one.seconds - start)]


PARTS: Mapping[str, Callable[[AlarmStudy], Table | list[Table]]] = {
    "smoothing": smoothing,
    "boundaries": boundaries,
    "parts": parts,
    "other": other_footage,
    "curve": curve,
    "causes": causes,
    "levels": levels,
}


def main() -> None:
    """Write the page, or print some of its parts."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    own, rest = parser.parse_known_args()
    study = AlarmStudy(arguments(__doc__, rest))
    long_videos.make(study.folder)
    tables: list[Table] = []
    for name in own.only or PARTS:
        made = PARTS[name](study)
        new = made if isinstance(made, list) else [made]
        print("\n".join(table.to_markdown() for table in new), flush=True)
        tables += new
    if own.only is None:
        write_atomic(PAGE, "\n".join([HEAD, *(one.to_markdown() for one in tables)]).encode())


HEAD = """# Alarms on long rendered footage

Written by `python -m experiments.alarms`; do not edit it by hand. The scenes are rendered and the
model is the shipped one: the figures say nothing about real footage. 16 labelled videos of seen
scenes, 10 draws; `0.900 [0.880, 0.920]` is the mean over draws and a 95 % interval over draws and
videos. [Alarms](../alarms.md) says what they mean for an operator.
"""


if __name__ == "__main__":
    main()
