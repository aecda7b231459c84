"""Count the events that a probe finds in real videos, and let the model describe some clips.

Detection and its settings are those of `hiprobe detect`. Knows no table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.measure import Interval
from experiments.real_footage_clips import Clips
from experiments.real_footage_figures import SEED, Sample, as_interval
from hiprobe import pipeline
from hiprobe.backbones import Backbone
from hiprobe.probe import Probe


@dataclass(frozen=True)
class Watched:
    """A video with the number of its events, those that the model's check demoted aside."""

    name: str
    seconds: float
    events: int
    demoted: int


@dataclass(frozen=True)
class Caption:
    """What the model says about the first segment of a clip."""

    clip: str
    label: str
    seconds: float
    text: str


def watch(paths: Iterable[Path], model: Backbone, probe: Probe, store: Path) -> list[Watched]:
    """Detect the events of each video with a probe, its own localization and its own check.

    Raises RecipeMismatch for a probe of another model.
    """
    found = []
    for path in paths:
        result = pipeline.detect(path, model, probe, explain=False, store=store / "states")
        demoted = sum(event.demoted for event in result.events)
        events = len(result.events) - demoted
        found.append(Watched(path.name, result.duration, events, demoted))
    return found


def share(sample: Sample, alarm: NDArray[np.bool_], label: int) -> Interval:
    """Return the share of the clips of one label that are alarms (clips,), drawn by source."""
    weights = sample.truth.weights[sample.source] * (sample.labels == label)[:, None]
    with np.errstate(invalid="ignore"):
        return as_interval((weights * alarm[:, None]).sum(0) / weights.sum(0))


def rate_bound(events: int, seconds: float) -> float:
    """Return the events an hour that a count excludes: the upper end of its 95 % interval.

    One-sided, for events that come independently of each other (Poisson).

    >>> round(rate_bound(0, 225.0))
    48
    """
    from scipy.stats import chi2

    return float(chi2.ppf(0.95, 2 * events + 2) / 2 / (seconds / 3600))


def describe(clips: Clips, model: Backbone, number: int) -> list[Caption]:
    """Let the model describe `number` clips, drawn by seed over sources."""
    words, segments = ("normal", "fight"), clips.segments("whole")
    found = []
    for place in draw_over_sources(clips.source, number):
        segment = segments[int(np.searchsorted(clips.clip, place))]
        text, _ = model.explain(
            segment, model.explain_prompt, pipeline.MAX_TOKENS, pipeline.DEADLINE_S
        )
        length = segment.end - segment.start
        found.append(Caption(clips.names[place], words[clips.labels[place]], length, text))
    return found


def draw_over_sources(source: NDArray[np.int64], number: int) -> list[int]:
    """Draw clips so that no source has two while another has none, and so on.

    `source` (clips,) numbers their sources. Returns clips in the order drawn, all of them if there
    are fewer than `number`.
    """
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(source))
    turn = np.zeros(len(source), np.int64)  # how many clips of the same source come before
    for one in np.unique(source):
        mine = order[source[order] == one]
        turn[mine] = np.arange(len(mine))
    shuffled = order[np.argsort(turn[order], kind="stable")]
    return [int(place) for place in shuffled[:number]]
