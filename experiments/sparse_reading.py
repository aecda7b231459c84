"""Measure what `detect --every N` saves and costs on the long rendered videos. Reads nothing new.

The windows that `--every N` reads are chosen again in stored states of whole videos, by the same
rule, and events are found in them as `detect` does. `LOW`, the share of the threshold from which
neighbours are read, is chosen on the split `choose` and published on `events`, whose scenes are
unseen. Run: `python -m experiments.sparse_reading`; it needs the states of `experiments.alarms`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import long_videos
from experiments.alarm_ways import FittedDraw, Found, Way, watch
from experiments.alarms import AlarmStudy, video_weights
from experiments.measure import interval
from experiments.study import arguments
from experiments.tables import Table
from hiprobe.localize import Localization, localize, low_threshold
from hiprobe.metrics import EventTable, roc_auc
from hiprobe.pipeline.windows_to_read import LOW
from hiprobe.store import write_atomic
from hiprobe.types import UNREAD, Gap, HiddenStates, LabelArray

Array = NDArray[np.float64]
Chosen = NDArray[np.bool_]
PAGE = Path("docs/data/sparse_reading.md")
EVERY = (2, 3, 4, 5, 6, 8)
LOWS = (0.3, 0.5, 0.7, 0.9, 1.0)
FIGURES = ("f1@0.3", "f1@0.5", "recall@0.1", "false_alarms_per_hour")
Pick = Callable[[HiddenStates, range], int]


def moving(states: HiddenStates, block: range) -> int:
    """Return the window of a block in which most moves: the rule of `detect --every`."""
    known = states.controls
    assert known is not None
    return max(block, key=lambda i: (known.motion_p95[i], known.motion[i]))


def first(states: HiddenStates, block: range) -> int:
    """Return the first window of a block."""
    return block.start


def windows_read(
    states: HiddenStates, raw: Array, every: int, low: float, pick: Pick = moving
) -> Chosen:
    """Tell which windows (n,) of a video without a gap are read; `low` is a raw score."""
    chosen = np.zeros(len(raw), bool)
    for start in range(0, len(raw), every):
        chosen[pick(states, range(start, min(start + every, len(raw))))] = True
    while True:
        hot = chosen & (raw >= low)
        beside = np.zeros_like(chosen)
        beside[1:] |= hot[:-1]
        beside[:-1] |= hot[1:]
        if not (beside & ~chosen).any():
            return chosen
        chosen |= beside


@dataclass(frozen=True)
class Sparse:
    """One way to read: one window of `every`, picked by `pick`, and from `low` on its neighbours.

    `low` is a share of the threshold. `full` checks and refines events, as `detect` does.
    """

    every: int
    low: float = LOW
    pick: Pick = moving
    full: bool = False


@dataclass
class SparseScorer:
    """Scores the windows that are read of each video, and counts them.

    `labels` are those of the windows of each video, by its digest.
    """

    how: Sparse
    labels: Mapping[str, LabelArray]
    read: int = 0
    windows: int = 0
    ranked: dict[int, list[tuple[LabelArray, Array]]] = field(default_factory=dict)

    def __call__(self, one: HiddenStates, draw: FittedDraw, settings: Localization) -> Found:
        """Find the events in the windows that are read with the probe of one draw."""
        assert settings.threshold is not None
        raw = draw.score(one.at((draw.site,)))
        low = low_threshold(settings.threshold, self.how.low)
        chosen = windows_read(one, raw, self.how.every, low, self.how.pick)
        starts, ends = one.starts[chosen], one.ends[chosen]
        found = localize(starts, ends, raw[chosen], _left_out(one, chosen), settings)
        self.read, self.windows = self.read + int(chosen.sum()), self.windows + len(chosen)
        labelled = (self.labels[one.video_id][chosen], found[0].smoothed)
        self.ranked.setdefault(id(draw), []).append(labelled)
        return found

    def aucs(self) -> list[float]:
        """Return the AUC of the smoothed scores of windows read, for each draw."""
        found = []
        for parts in self.ranked.values():
            y, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
            found.append(roc_auc(y[y >= 0], scores[y >= 0]))
        return found


def _left_out(one: HiddenStates, chosen: Chosen) -> list[Gap]:
    spans = zip(one.starts[~chosen].tolist(), one.ends[~chosen].tolist(), strict=True)
    return [Gap(start, end, UNREAD) for start, end in spans]


@dataclass(frozen=True)
class Row:
    """What one way to read gives: its cells, and each figure of each draw, over resamples."""

    cells: tuple[str, ...]
    drawn: Sequence[Mapping[str, Array]]

    def beside(self, whole: Row) -> tuple[str, ...]:
        """Return the cells, and the F1 that is lost against reading all, paired."""
        pairs = list(zip(self.drawn, whole.drawn, strict=True))
        lost = [interval([two[name] - one[name] for one, two in pairs]) for name in FIGURES[:2]]
        return (*self.cells, *map(str, lost))


def row(study: AlarmStudy, split: str, name: str, how: Sparse) -> Row:
    """Measure one way to read."""
    print(f"{split}: {name}", file=sys.stderr, flush=True)
    long = study.footage(split)
    labels = {
        one.video_id: known
        for one, known in zip(long.footage.states, long.footage.labels, strict=True)
    }
    scorer = SparseScorer(how, labels)
    settings = replace(Localization.named("default"), refine=how.full)
    way = Way(name, settings, "calibrated" if how.full else "no")
    videos = watch(long, study.draws, way, score=scorer)
    weights = video_weights(study.groups(split))
    drawn = [EventTable(one).drawn(weights) for one in videos]
    figures = [str(interval([one[figure] for one in drawn])) for figure in FIGURES]
    share, aucs = scorer.read / scorer.windows, scorer.aucs()
    cells = (
        name,
        f"{scorer.read / len(videos):.0f}",
        f"{100 * share:.0f} %",
        f"{1 / share:.2f}",
        *figures,
        f"{np.mean(aucs):.3f} [{min(aucs):.3f}, {max(aucs):.3f}]",
    )
    return Row(cells, drawn)


def table(study: AlarmStudy, split: str, ways: Mapping[str, Sparse], title: str) -> Table:
    """Return a table with a row for each way to read, after one for reading all."""
    first_way = next(iter(ways.values()))
    whole = row(study, split, "all", Sparse(1, full=first_way.full))
    made = [row(study, split, name, how) for name, how in ways.items()]
    rows = [one.beside(whole) for one in (whole, *made)]
    note = f"{NOTE} {CHECKED if first_way.full else 'Events as scored.'}"
    return Table(title, COLUMNS, tuple(rows), note)


COLUMNS = (
    "read",
    "windows read",
    "share",
    "times fewer",
    "F1, tIoU 0.3",
    "F1, tIoU 0.5",
    "recall, tIoU 0.1",
    "false events an hour",
    "AUC of windows read",
    "F1 lost, tIoU 0.3",
    "F1 lost, tIoU 0.5",
)
CHECKED = "Checked by the model and refined, as `detect` does."
NOTE = (
    "Windows, share and AUC: mean over 10 draws of 16 labelled videos, AUC with the lowest and the "
    "highest draw. Other intervals are 95 %, over draws and videos; F1 lost against reading all is "
    "paired."
)


def choosing(study: AlarmStudy) -> Table:
    """Compare shares of the threshold, on seen scenes."""
    ways = {
        f"every {every}, low {low:g}": Sparse(every, low, full=True)
        for every in (4, 6)
        for low in LOWS
    }
    return table(study, "choose", ways, "The low threshold, on seen scenes")


def published(study: AlarmStudy) -> list[Table]:
    """Say what each N costs on unseen scenes, and what reading the first of each block costs."""
    full = {f"every {every}": Sparse(every, full=True) for every in EVERY}
    plain = {f"every {every}": Sparse(every) for every in EVERY} | {
        f"every {every}, the first of each": Sparse(every, pick=first) for every in EVERY
    }
    return [
        table(study, "events", full, "Unseen scenes, with the check and refined boundaries"),
        table(study, "events", plain, "Unseen scenes, as scored"),
    ]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--folder", type=Path, default=long_videos.FOLDER)
    own, rest = parser.parse_known_args()
    study = AlarmStudy(arguments(__doc__, rest), own.folder)
    text = "\n".join([HEAD, *(one.to_markdown() for one in [choosing(study), *published(study)])])
    print(text)
    write_atomic(PAGE, text.encode())


HEAD = f"""# Reading fewer windows: `detect --every N`

Written by `python -m experiments.sparse_reading`; do not edit it by hand. The scenes are rendered
and the model is the shipped one, with probes fitted on 16 labelled videos of seen scenes: the
figures say nothing about real footage. Of each block of N windows of 1.6 s the one is read in which
most moves, then the neighbours of those that score at least {LOW:g} of the threshold, and so on.
Events last 3.6 to 5.6 s. Windows read do not include those for the model's check and the refinement
of boundaries, which are the same with all windows read.
"""


if __name__ == "__main__":
    main()
