"""Compare `fit --method auto` with `hiprobe`, and with the best method in hindsight.

Run: `python -m experiments.method_choice`; it writes `docs/data/method_choice.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.fits import Array, raw_scores
from experiments.footage import Footage, draw
from experiments.measure import interval, over_draws, verdict
from experiments.read import read_methods
from experiments.study import Study, arguments
from experiments.tables import Claim, Table
from hiprobe import methods
from hiprobe.errors import LabelError
from hiprobe.localize import Localization
from hiprobe.metrics import macro_auc
from hiprobe.probe import FALLBACK, Choice, ChoiceSettings, choose_method

PAGE = Path("docs/data/method_choice.md")
Candidate = tuple[str, float]
Read = Mapping[str, tuple[Footage, Footage]]


@dataclass(frozen=True)
class Outcome:
    """One draw: the choice, and of each candidate the test AUCs (1 + resamples,) and inside AUC."""

    choice: Choice
    aucs: Mapping[Candidate, Array]
    inside: Mapping[Candidate, float]

    @property
    def chosen(self) -> Candidate:
        """Return what was chosen."""
        return self.choice.method, self.choice.sigma

    @property
    def winner(self) -> Candidate:
        """Return the best by the inner score, whether or not it was surely better."""
        best = max(self.choice.tried, key=lambda one: one.inner)
        return best.method, best.sigma


def of_draw(read: Read, videos: int, seed: int) -> Outcome:
    """Choose on one draw of labelled videos, and score the test videos with every candidate."""
    order = (FALLBACK, *(name for name in read if name != FALLBACK))
    some = {name: draw(read[name][0], videos, seed) for name in order}
    choice = choose_method(
        [(name, list(zip(some[name].states, some[name].labels, strict=True))) for name in order],
        ChoiceSettings(seed=seed),
    )
    aucs, inside = {}, {}
    for name in {one.method: None for one in choice.tried}:
        test = read[name][1]
        raw = raw_scores(methods.load(name), some[name], test)
        for sigma in ChoiceSettings().sigmas:
            smoothed = test.smoothed(raw, Localization(sigma))
            aucs[name, sigma] = test.truth.aucs(smoothed)
            inside[name, sigma] = _inside(test, smoothed)
    print(f"draw {seed}: {choice.reason}", file=sys.stderr, flush=True)
    return Outcome(choice, aucs, inside)


def _inside(test: Footage, scores: Array) -> float:
    known = test.y >= 0
    rows = [known & (test.group == video) for video in range(len(test))]
    return macro_auc([(test.y[row], scores[row]) for row in rows])


def compare(found: Sequence[Outcome], videos: int) -> Table:
    """Return a table of the rules by which a method may be chosen."""
    own = (FALLBACK, ChoiceSettings().localization.sigma)
    every = tuple(found[0].aucs)
    usual = [one for one in every if one[1] == own[1]]
    best, most = (_best(found, some) for some in (usual, every))
    rules = {
        f"{FALLBACK}, sigma {own[1]:g}": [own] * len(found),
        "auto": [one.chosen for one in found],
        "the best inside the folds, decided or not": [one.winner for one in found],
        f"hindsight: {_name(best)}": [best] * len(found),
        f"hindsight, smoothing too: {_name(most)}": [most] * len(found),
        **{f"{_name(one)}": [one] * len(found) for one in usual if one not in (own, best)},
    }
    base = [one.aucs[own] for one in found]
    rows, gains = [], {}
    for rule, picked in rules.items():
        aucs = [one.aucs[what] for one, what in zip(found, picked, strict=True)]
        gains[rule] = interval([a - b for a, b in zip(aucs, base, strict=True)])
        inside = over_draws([o.inside[what] for o, what in zip(found, picked, strict=True)])
        less = "" if picked[0] == own and rule != "auto" else gains[rule].signed()
        rows.append((rule, str(interval(aucs)), less, str(inside)))
    columns = ("rule", "test AUC", f"minus {FALLBACK}", "test AUC inside videos")
    claim = Claim(
        f"auto has a higher test AUC than {FALLBACK}",
        gains["auto"].signed(),
        verdict(gains["auto"]),
    )
    title = f"Choice of the method: {videos} labelled videos, {len(found)} draws"
    note = (
        f"AUC and differences: intervals over draws and test videos; inside videos: t interval "
        f"over draws. {_decided(found)} {_promised(found, own)}"
    )
    return Table(title, columns, tuple(rows), note, (claim,))


def _best(found: Sequence[Outcome], among: Sequence[Candidate]) -> Candidate:
    return max(among, key=lambda one: float(np.mean([o.aucs[one][0] for o in found])))


def _name(one: Candidate) -> str:
    return f"{one[0]}, sigma {one[1]:g}"


def _decided(found: Sequence[Outcome]) -> str:
    counts = Counter(_name(one.chosen) for one in found if one.choice.decided)
    won = ", ".join(f"{name} x{number}" for name, number in counts.most_common())
    winners = Counter(_name(one.winner) for one in found)
    best = ", ".join(f"{name} x{number}" for name, number in winners.most_common())
    fell = sum(not one.choice.decided for one in found)
    otherwise = f" (else {won})" if won else ""
    return f"Auto fell back in {fell} of {len(found)} draws{otherwise}. Best inside: {best}."


def _promised(found: Sequence[Outcome], own: Candidate) -> str:
    """Compare the gain that the outer folds promise with the gain on the test videos."""
    said = [one.choice.gain.value for one in found if one.choice.gain is not None]
    true = [float(o.aucs[o.winner][0] - o.aucs[own][0]) for o in found]
    promised, kept = over_draws(said), over_draws(true)
    return (
        f"Gain of the best inside: {promised.signed()} by its own measure on the outer folds, "
        f"{kept.signed()} in test AUC (t intervals over draws)."
    )


def experiment(study: Study, without: Sequence[str] = ()) -> Sequence[Table]:
    """Return the table, for all methods but `without`.

    Raises LabelError if a method could not be read.
    """
    read, lost = read_methods(study, without)
    if lost:
        raise LabelError(f"not every method could be read: {lost}")
    return [
        compare([of_draw(read, study.videos, seed) for seed in range(study.seeds)], study.videos)
    ]


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--without", action="append", default=[], help="leave this method out")
    own, rest = parser.parse_known_args()
    study = arguments(__doc__, rest)
    tables = experiment(study, own.without)
    options = [f" --limit {study.limit}"] * (study.limit is not None)
    options += [f" --without {name}" for name in own.without]
    head = (
        "# Choice of the method\n\nWritten by `python -m experiments.method_choice"
        f"{''.join(options)}`; do not edit it by hand. Labelled videos are drawn from the training "
        "videos of seen scenes; the test videos are of unseen scenes.\n"
    )
    claims = [f"- {one.text}: **{one.answer}** ({one.figure})" for t in tables for one in t.claims]
    text = "\n".join([head, *(one.to_markdown() for one in tables), *claims, ""])
    print(text)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
