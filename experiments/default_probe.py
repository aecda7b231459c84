"""Judge the default probe by false events on normal footage and by the fights that it finds.

Run: `python -m experiments.default_probe CLIPS.csv --normal FOLDER --hours 10 > PAGE.md`, where the
CSV has the columns path, label and group (the source video). Settings are chosen on half of the
sources and on rendered footage of their own, and reported on the rest. It continues where it was
interrupted: videos and readings are kept in `--store`.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from training.default_probe import LAG, WARMUP

from experiments.default_probe_events import events_table
from experiments.default_probe_footage import PARTS, Watched, labelled, quiet, rendered
from experiments.measure import Interval
from experiments.real_footage_alarms import share
from experiments.real_footage_figures import Sample
from experiments.real_footage_reading import load_model
from experiments.tables import Table
from hiprobe import embedded
from hiprobe.localize import Localization, localize
from hiprobe.metrics import roc_auc
from hiprobe.probe import Probe
from hiprobe.probe.verification_rule import answered_odds, yes_over_no
from hiprobe.types import Event

STORE = Path("runs/default_probe")
ODDS = (0.0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 3.0)  # thresholds of the score, as log-odds
KAPPAS = (None, 2.0, 3.0, 5.0)  # None: the fixed threshold
LEVELS = (-1e6, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)  # of the check; the first checks nothing
MOST_AN_HOUR = 2.0  # rendered false events that a chosen setting may give
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """What a setting gives on one part: alarms of each clip, and events of normal footage."""

    alarm: Flags
    events: int
    hours: float
    real: int
    real_s: float


def events_of(one: Watched, probe: Probe, how: Localization) -> list[Event]:
    """Return the events that are alarms: found with these settings and confirmed by the model."""
    states = one.states
    _, events = localize(states.starts, states.ends, probe.score(states), states.gaps, how)
    unlabelled = np.full(len(states.starts), -1, np.int8)
    odds = answered_odds([(one.answers, unlabelled)], [(one.answers.video_id, events)])
    level = -math.inf if how.confirm is None else how.confirm
    return [event for event, answer in zip(events, odds, strict=True) if answer >= level]


@dataclass(frozen=True)
class Study:
    """The probe and all footage: labelled clips, quiet real videos, rendered ordinary life."""

    probe: Probe
    clips: Sequence[Watched]
    real: Sequence[Watched]
    world: Sequence[Watched]

    def found(self, part: str, how: Localization) -> Found:
        """Return what a setting gives on one part."""
        world = [one for one in self.world if one.part == part]
        real = [one for one in self.real if one.part == part]
        return Found(
            np.array([bool(events_of(one, self.probe, how)) for one in self.of(part)]),
            sum(len(events_of(one, self.probe, how)) for one in world),
            sum(one.states.duration for one in world) / 3600,
            sum(len(events_of(one, self.probe, how)) for one in real),
            sum(one.states.duration for one in real),
        )

    def of(self, part: str) -> list[Watched]:
        """Return the labelled clips of one part."""
        return [one for one in self.clips if one.part == part]

    def sample(self, part: str) -> Sample:
        """Return the labels and sources of the clips of one part."""
        some = self.of(part)
        _, source = np.unique([one.group for one in some], return_inverse=True)
        labels = np.array([int(bool(one.fight)) for one in some])
        return Sample(labels, source, np.arange(len(some)))


def candidates(base: Localization) -> Iterator[Localization]:
    """Yield the settings to choose from, with the smoothing and merging of `base`."""
    for odds, kappa, level in product(ODDS, KAPPAS, LEVELS):
        fixed = replace(base, rule="fixed", threshold=1 / (1 + math.exp(-odds)), confirm=level)
        yield (
            fixed
            if kappa is None
            else replace(fixed, rule="raised", kappa=kappa, warmup=WARMUP, lag=LAG)
        )


def gain(study: Study, found: Found, part: str) -> float:
    """Return the share of fights found less that of normal clips with an event."""
    labels = study.sample(part).labels
    return float(found.alarm[labels == 1].mean() - found.alarm[labels == 0].mean())


def choose(study: Study, some: Sequence[Localization]) -> Localization:
    """Choose the setting with the best gain among those with few events on rendered footage.

    If none keeps to the limit, those with the fewest events are compared. Of equal ones the first.
    """
    part = PARTS[0]
    every = [study.found(part, how) for how in some]
    rates = [one.events / one.hours if one.hours else 0.0 for one in every]
    limit = max(MOST_AN_HOUR, min(rates))
    scores = [
        gain(study, one, part) if rate <= limit else -2.0
        for one, rate in zip(every, rates, strict=True)
    ]
    return some[int(np.argmax(scores))]


def ways(study: Study) -> list[tuple[str, Localization]]:
    """Return the settings that are compared, each chosen on the first part."""
    base = study.probe.localization
    every = list(candidates(base))
    odds = study.probe.verification
    level = 0.0 if odds is None else odds.threshold
    zero = replace(base, rule="fixed", threshold=0.5, confirm=LEVELS[0])
    kinds = {
        "fixed, no check": [h for h in every if h.rule == "fixed" and h.confirm == LEVELS[0]],
        "fixed, checked": [h for h in every if h.rule == "fixed"],
        "raised, no check": [h for h in every if h.rule == "raised" and h.confirm == LEVELS[0]],
        "raised, checked": [h for h in every if h.rule == "raised"],
    }
    return [
        ("log-odds of 0, no check", zero),
        ("log-odds of 0, check as fitted", replace(zero, confirm=level)),
        *((f"{name}, chosen", choose(study, some)) for name, some in kinds.items()),
        (
            "as in the probe's file",
            replace(base, confirm=level if base.confirm is None else base.confirm),
        ),
    ]


def table(study: Study, part: str, compared: Sequence[tuple[str, Localization]]) -> Table:
    """Return what each way gives on one part."""
    sample, rows = study.sample(part), []
    for name, how in compared:
        found = study.found(part, how)
        rows.append(
            (
                name,
                described(how),
                str(share(sample, found.alarm, 0)),
                str(share(sample, found.alarm, 1)),
                str(per_hour(found.events, found.hours)),
                f"{found.real} in {found.real_s:.0f} s" if found.real_s else "",
            )
        )
    columns = (
        "way",
        "settings",
        "normal clips with an event",
        "fights found",
        "events an hour, rendered",
        "events, quiet real videos",
    )
    hours = sum(one.states.duration for one in study.world if one.part == part) / 3600
    note = (
        f"{len(study.of(part))} clips of {sample.source.max() + 1} sources; {hours:.1f} h rendered."
    )
    return Table(f"Part `{part}`", columns, tuple(rows), note)


def described(how: Localization) -> str:
    """Return the settings in a few words."""
    odds = "" if how.threshold is None else f"{math.log(how.threshold / (1 - how.threshold)):+.1f}"
    raised = f", kappa {how.kappa:g}" if how.rule == "raised" else ""
    checked = "" if how.confirm in (None, LEVELS[0]) else f", check {how.confirm:+.2f}"
    return f"{how.rule} {odds}{raised}{checked}"


def per_hour(events: int, hours: float) -> Interval:
    """Return a rate with its exact 95 % interval for events that come independently (Poisson)."""
    from scipy.stats import chi2

    if not hours:
        return Interval(math.nan, math.nan, math.nan)
    low = float(chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    return Interval(events / hours, low / hours, float(chi2.ppf(0.975, 2 * events + 2)) / 2 / hours)


def layers(study: Study) -> str:
    """Say how well the probe's score and the model's answer rank all labelled clips."""
    labels = np.array([int(bool(one.fight)) for one in study.clips], np.int8)
    scores = [float(study.probe.score(one.states).mean()) for one in study.clips]
    answers = [float(yes_over_no(one.answers.values[:, 0]).mean()) for one in study.clips]
    return (
        f"AUC of all {len(labels)} labelled clips: the probe (site {study.probe.sites[0]}) "
        f"{roc_auc(labels, np.array(scores)):.3f}, the model's answer "
        f"{roc_auc(labels, np.array(answers)):.3f}."
    )


def page(study: Study, events: Path | None = None) -> str:
    """Return the page in Markdown, with the rendered events of a folder if it is given."""
    command = shlex.join(["python", "-m", "experiments.default_probe", *sys.argv[1:]])
    head = f"""# The default probe

Written on {time.strftime("%Y-%m-%d")} by `{command}`.

An event counts if the model's check confirms it; boundaries are not refined. Shares have 95 %
intervals by bootstrap over sources, rates exact Poisson ones. A way is chosen on the part
`{PARTS[0]}`: the share of fights found less that of normal clips with an event is highest among
settings with at most {MOST_AN_HOUR:g} events an hour of rendered ordinary life, or with the fewest.
Numbers of that part are therefore too good. Layer, warm-up and lag are those of the probe's file
and of `training.default_probe`, and were chosen on all of the real footage.

{layers(study)}
"""
    compared = ways(study)
    made = [table(study, part, compared) for part in reversed(PARTS)]
    if events is not None:
        described_ways = [(name, how, described(how)) for name, how in compared]
        made.insert(1, events_table(study.probe, described_ways, events))
    return "\n".join([head, *(one.to_markdown() for one in made)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the footage and print the page."""
    given = parser().parse_args(arguments)
    model = load_model(given.model)
    store = given.store / "states"
    hours = {PARTS[0]: given.choose_hours, PARTS[1]: given.hours}
    study = Study(
        Probe.load(given.probe),
        labelled(given.clips, model, store),
        [] if given.normal is None else quiet(given.normal, model, store),
        list(rendered(given.store / "rendered", hours, model, store)),
    )
    print(page(study, given.events))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, help="a CSV path,label,group of real clips")
    parser.add_argument("--normal", type=Path, help="a folder of real videos without an event")
    parser.add_argument("--model", default="embedded", help="embedded, or a folder")
    parser.add_argument("--probe", type=Path, default=embedded.PROBE, help="default: packaged one")
    parser.add_argument("--hours", type=float, default=10.0, help="rendered, to report")
    parser.add_argument("--choose-hours", type=float, default=2.0, help="rendered, to choose on")
    parser.add_argument("--events", type=Path, help="the folder of experiments.long_videos")
    parser.add_argument("--store", type=Path, default=STORE, help="keeps videos and readings")
    return parser


if __name__ == "__main__":
    main()
