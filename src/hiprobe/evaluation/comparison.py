"""Compare two sets of scores of the same videos with a bootstrap over videos.

Each draw of videos is the same for both, so that what makes a video easy or hard for both cancels.
Numpy only: it opens no file and runs no model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets import listing
from hiprobe.errors import LabelError, UsageError, counted
from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.evaluation.event_figures import (
    BY_SCORE,
    FOUND_AGAIN,
    alarms_of,
    froc_again,
    froc_of_alarms,
    has_demoted,
    watched_videos,
)
from hiprobe.evaluation.markdown import Interval, cell, markdown_table, markdown_text
from hiprobe.evaluation.measure import Detection, ScoredVideos, check_scored
from hiprobe.metrics import (
    FALSE_POSITIVE_RATE,
    EventTable,
    Froc,
    Ranking,
    Watched,
    central_interval,
    draw_videos,
)

Array = NDArray[np.float64]

RECALL_RATE = 1.0  # false alarms per hour
# The compared figures: name, title, and whether more is better.
FIGURES = {
    "auc": ("ROC-AUC", True),
    "ap_step": ("AP (step)", True),
    "recall_at_fpr": (f"recall at {FALSE_POSITIVE_RATE:.0%} FPR", True),
    "f1@0.1": ("F1 at tIoU 0.1", True),
    "f1@0.3": ("F1 at tIoU 0.3", True),
    "f1@0.5": ("F1 at tIoU 0.5", True),
    "recall_at_1": ("recall at 1 false alarm per hour", True),
    "false_alarms_per_hour": ("false alarms per hour", False),
    "delay_median": ("delay, median (s)", False),
    "boundary_error_median": ("boundary error, median (s)", False),
}
DEFINITION = (
    "The difference is A minus B. In brackets: 95 % intervals of the difference, from bootstrap "
    "draws of whole videos, or of whole groups of them, that are the same for A and B (Efron and "
    "Tibshirani 1993, chapter 13). A or B is better if the interval does not contain 0, otherwise "
    "it is undecided; nothing is corrected for the number of figures. Only frames that both score "
    "count for AUC, AP and recall at a rate; demoted events count as no alarms."
)


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of A and of B, and the 95 % `interval` of their difference A - B.

    A value is None where it is undefined. `more_is_better` tells which sign is good.

    >>> ComparedFigure("ROC-AUC", 0.9, 0.8, (0.02, 0.18)).outcome
    'A is better'
    >>> ComparedFigure("false alarms per hour", 9.0, 4.0, (1.0, 8.0), more_is_better=False).outcome
    'B is better'
    """

    title: str
    a: float | None
    b: float | None
    interval: Interval | None
    more_is_better: bool = True

    @property
    def difference(self) -> float | None:
        """A - B, or None if one of them is undefined."""
        return None if self.a is None or self.b is None else self.a - self.b

    @property
    def outcome(self) -> str:
        """Which of both is better, if the interval of the difference does not contain 0."""
        if self.interval is None or self.difference is None:
            return "undecided: the figure is undefined"
        low, high = self.interval
        if low <= 0 <= high:
            return "undecided"
        return "A is better" if (low > 0) == self.more_is_better else "B is better"


@dataclass(frozen=True)
class Comparison:
    """Two sets of scores of the same videos, figure by figure. `compare` makes it.

    `names` says what A and B are. `provenance` holds the seed and the number of draws.

    >>> figure = ComparedFigure("ROC-AUC", 0.9, 0.8, (-0.02, 0.22))
    >>> print(Comparison(12, ("a.csv", "b.csv"), {"auc": figure}).to_markdown().splitlines()[4])
    | ROC-AUC | 0.9000 | 0.8000 | +0.1000 [-0.0200, +0.2200] | undecided |
    """

    videos: int
    names: tuple[str, str]
    figures: Mapping[str, ComparedFigure]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "videos": self.videos,
            "A": self.names[0],
            "B": self.names[1],
            "figures": {
                name: {
                    "title": one.title,
                    "A": one.a,
                    "B": one.b,
                    "difference": one.difference,
                    "interval": None if one.interval is None else list(one.interval),
                    "outcome": one.outcome,
                }
                for name, one in self.figures.items()
            },
            "definition": DEFINITION,
            "provenance": dict(self.provenance),
        }

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """Return the table, its definition and the provenance as Markdown."""
        rows = [
            [one.title, cell(one.a), cell(one.b), _signed(one), one.outcome]
            for one in self.figures.values()
        ]
        a, b = (markdown_text(name) for name in self.names)
        blocks = [
            f"A: {a}; B: {b}; {counted(self.videos, 'video')}.",
            markdown_table(("figure", "A", "B", "difference A - B", "outcome"), rows),
            DEFINITION,
            "\n".join(f"- {key}: {markdown_text(value)}" for key, value in self.provenance.items()),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"


def _signed(one: ComparedFigure) -> str:
    if one.difference is None:
        return "undefined"
    ends = f" [{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]" if one.interval else ""
    return f"{one.difference:+.4f}{ends}"


def compare(
    a: ScoredVideos,
    b: ScoredVideos,
    names: tuple[str, str] = ("A", "B"),
    *,
    allow_missing: bool = False,
    seed: int = 0,
    bootstrap: int = 1000,
) -> Comparison:
    """Compare two sets of scores, on the same truth, with a bootstrap over videos.

    Event figures need the events of both. Raises LabelError if they have scores of different videos
    or another truth, UsageError without bootstrap draws, and the errors of `evaluate`.

    >>> truth = {"a": np.array([0, 1], np.uint8), "b": np.array([0, 1], np.uint8)}
    >>> good = {name: np.array([0.1, 0.9]) for name in truth}
    >>> bad = {name: np.array([0.8, 0.2]) for name in truth}
    >>> made = compare(ScoredVideos(truth, good), ScoredVideos(truth, bad))
    >>> made.figures["auc"].outcome
    'A is better'
    """
    if not bootstrap:
        raise UsageError(
            "a comparison needs bootstrap draws, got 0", cure="give --bootstrap 1 or more"
        )
    for one in (a, b):
        check_scored(one, allow_missing, bootstrap)
    same = _same_videos(a, b, names)
    drawn = Bootstrap(bootstrap, seed, a.groups or {})
    weights = draw_videos(len(same), **drawn.of(same))
    scored = {name: ~(np.isnan(a.scores[name]) | np.isnan(b.scores[name])) for name in same}
    # The first row is all videos, each counted once.
    counts = np.concatenate([np.ones((1, len(same)), np.int64), weights])
    frames = [_frame_values(one, scored, counts) for one in (a, b)]
    events, form = _event_values(a, b, same, counts)
    both = [values | more for values, more in zip(frames, events, strict=True)]
    figures = {
        name: _figure(name, both[0][name], both[1][name]) for name in FIGURES if name in both[0]
    }
    about = {"seed": seed, "bootstrap": bootstrap, **form}
    grouped = {"groups": len(set(drawn.groups.values()))} if drawn.groups else {}
    return Comparison(len(same), names, figures, {**about, **grouped})


def _same_videos(a: ScoredVideos, b: ScoredVideos, names: tuple[str, str]) -> list[str]:
    """Return the names of the videos that both score; raise LabelError if they differ."""
    first, second = (one.truth.keys() & one.scores.keys() for one in (a, b))
    odd = [
        f"{counted(len(lone), 'video')} only in {name}: {listing(lone)}"
        for name, lone in zip(names, (first - second, second - first), strict=True)
        if lone
    ]
    if odd:
        raise LabelError(
            f"two sets of scores must be of the same videos, got {'; '.join(odd)}",
            cure="score the same videos with both",
        )
    if any(not np.array_equal(a.truth[name], b.truth[name]) for name in first):
        raise LabelError("two sets of scores must be compared on the same truth")
    return sorted(first)


def _frame_values(
    one: ScoredVideos, scored: Mapping[str, NDArray[np.bool_]], draws: NDArray[np.int64]
) -> dict[str, Array]:
    """Return the figures (draws,) of the `scored` frames, where `draws` is (draws, videos)."""
    pairs = [(one.truth[name][keep], one.scores[name][keep]) for name, keep in scored.items()]
    auc, step, _, recall = Ranking(pairs).drawn(draws)
    return {"auc": auc, "ap_step": step, "recall_at_fpr": recall}


def _event_values(
    a: ScoredVideos, b: ScoredVideos, names: Sequence[str], draws: NDArray[np.int64]
) -> tuple[list[dict[str, Array]], dict[str, str]]:
    """Return the event figures (draws,) of each, and how the recall was found; none without events.

    Recall is found in the same way for both, and left out if there is no such way.
    """
    if a.found is None or b.found is None:
        return [{}, {}], {}
    truth = {name: a.truth[name] for name in names}
    watched = [watched_videos(truth, found) for found in (a.found, b.found)]
    values = [EventTable(list(alarms_of(one).values())).drawn(draws) for one in watched]
    for form, curves in _curves(watched, [a.found, b.found]):
        if all(curve is not None for curve in curves):
            for value, curve in zip(values, curves, strict=True):
                assert curve is not None
                value["recall_at_1"] = curve.recalls_at((RECALL_RATE,), draws)[0]
            return values, {"recall": form}
    return values, {}


def _curves(
    watched: Sequence[Mapping[str, Watched]], found: Sequence[Mapping[str, Detection]]
) -> Iterator[tuple[str, list[Froc | None]]]:
    """Yield the ways in which events are found at other thresholds, with the curve of each.

    Events that are found again are not verified, so that is no way if events were demoted.
    """
    if not any(map(has_demoted, watched)):
        yield FOUND_AGAIN, [froc_again(*one) for one in zip(watched, found, strict=True)]
    yield BY_SCORE, [froc_of_alarms(one) for one in watched]


def _figure(name: str, a: Array, b: Array) -> ComparedFigure:
    """Compare one figure: the first value is that of all videos, the others are draws."""
    title, more = FIGURES[name]
    first, second = (float(values[0]) for values in (a, b))
    interval = central_interval((a - b)[1:], 0.95)
    return ComparedFigure(title, _known(first), _known(second), interval, more)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
