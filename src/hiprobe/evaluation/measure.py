"""Compute the figures of frame scores and events against the truth, with controls and intervals.

Numpy only: it opens no file and runs no model.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hiprobe
from hiprobe.datasets import FrameLabels
from hiprobe.errors import LabelError, UsageError
from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.evaluation.class_figures import class_rows, is_mixed
from hiprobe.evaluation.controls import ALL, VideoControls, control_gap
from hiprobe.evaluation.event_figures import alarms_of, event_blocks, froc_rows, watched_videos
from hiprobe.evaluation.event_finder import EventFinder, finder_of_frames
from hiprobe.evaluation.input_checks import check_scores, check_times
from hiprobe.evaluation.normal_frames import normal_splits
from hiprobe.evaluation.tables import MetricRow, Report
from hiprobe.metrics import (
    Pair,
    Ranking,
    auc_interval,
    frame_auc,
    macro_auc,
    mean_interval,
    roc_auc,
)
from hiprobe.types import Event

Array = NDArray[np.float64]
FrameScores = Mapping[str, Array]

MOST_DRAWS = 100_000  # bootstrap draws; each holds a count for every video in memory
LIBRARIES = ("numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Detection:
    """The predicted events of one video and the times of its frames, all in seconds.

    `times` (frames,) says when each frame is shown, `end` when the video ends. `finder` finds the
    events at other thresholds, if the scores that they come from are known. Raises ValueError if
    the times do not increase or the end is not after the last of them.

    >>> import numpy as np
    >>> from hiprobe.types import Event
    >>> found = Detection(np.array([0.0, 0.5, 1.0]), 1.5, (Event(0.5, 1.5),))
    >>> len(found.events)
    1
    """

    times: Array
    end: float
    events: tuple[Event, ...]
    finder: EventFinder | None = None

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or not (np.diff(np.append(self.times, self.end)) > 0).all():
            raise ValueError(
                f"the {len(self.times)} frame times and the end {self.end} s do not increase"
            )


@dataclass(frozen=True)
class _Compared:
    """The labels and scores of each evaluated video, and which of its frames have a score.

    All arrays are (frames,).
    """

    truth: Mapping[str, FrameLabels]
    scores: FrameScores
    scored: Mapping[str, NDArray[np.bool_]]

    def pairs(self, scores: FrameScores | None = None) -> dict[str, Pair]:
        """Return labels and `scores` (by default its own) of the frames that have a score."""
        # Adding 0 turns -0.0 into 0.0, so that equal scores have the same digest.
        return {
            name: (
                self.truth[name][self.scored[name]],
                ((scores or self.scores)[name] + 0.0)[self.scored[name]],
            )
            for name in sorted(self.truth)
        }

    def normal(self) -> dict[str, NDArray[np.bool_]]:
        """Return which frames are normal and have a score."""
        return {name: self.scored[name] & (labels == 0) for name, labels in self.truth.items()}


@dataclass(frozen=True)
class ScoredVideos:
    """The arguments of `evaluate` that hold one entry per video name.

    >>> truth = {"a": np.array([0, 1], np.uint8)}
    >>> ScoredVideos(truth, {"a": np.array([0.1, 0.9])}).raw is None
    True
    """

    truth: Mapping[str, FrameLabels]
    scores: FrameScores
    raw: FrameScores | None = None
    found: Mapping[str, Detection] | None = None
    categories: Mapping[str, Sequence[str]] | None = None
    failed: Mapping[str, str] | None = None
    groups: Mapping[str, str] | None = None
    known: VideoControls | None = None


def evaluate(
    truth: Mapping[str, FrameLabels],
    scores: FrameScores,
    *,
    raw: FrameScores | None = None,
    found: Mapping[str, Detection] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    allow_missing: bool = False,
    failed: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
    about: Mapping[str, Any] | None = None,
) -> Report:
    """Compare frame scores with the truth and return the figures, controls and intervals.

    `truth` and `scores` hold one array (frames,) per video name: labels uint8 (1 anomalous, 0
    normal) and scores where higher means more anomalous. Optional, by video name as well:

    - `raw`: the scores before smoothing; they get a row of their own.
    - `found`: the predicted events and the frame times in seconds; they give the event figures.
    - `categories`: the classes of each video, `("normal",)` for a normal one. A video of several
      classes counts in each of them.
    - `failed`: why a video has no scores.
    - `groups`: what a video has in common with others, such as the camera; intervals draw whole
      groups. A video without one is its own.

    With `allow_missing`, videos without scores and frames with a NaN score are left out, and the
    report says how many. `bootstrap` is the number of draws of whole videos for the 95 % intervals
    (0 for none), `seed` their seed. `about` is added to the provenance. `DEFINITIONS` gives the
    source of every figure.

    Raises LabelError if videos are missing, unknown, of another length or not finite (all counted
    in one message), if all frames have the same label, and for intervals of fewer than two videos;
    UsageError for a `bootstrap` below 0 or above 100,000.

    >>> import numpy as np
    >>> truth = {"a": np.array([0, 0, 1, 1], np.uint8), "b": np.zeros(4, np.uint8)}
    >>> scores = {"a": np.array([0.1, 0.4, 0.8, 0.9]), "b": np.array([0.2, 0.3, 0.1, 0.5])}
    >>> report = evaluate(truth, scores, bootstrap=0)
    >>> report.rows[0].name, report.rows[0].pooled.auc, report.rows[0].macro_auc
    ('scores', 1.0, 1.0)
    """
    scored = ScoredVideos(truth, scores, raw, found, categories, failed, groups)
    return evaluate_scored(scored, allow_missing, seed, bootstrap, about)


def evaluate_scored(
    given: ScoredVideos,
    allow_missing: bool = False,
    seed: int = 0,
    bootstrap: int = 1000,
    about: Mapping[str, Any] | None = None,
) -> Report:
    """Do what `evaluate` does, with its arguments grouped."""
    check_scored(given, allow_missing, bootstrap)
    both = _compared(given.truth, given.scores)
    pairs = both.pairs()
    drawn = Bootstrap(bootstrap, seed, given.groups or {})
    known = given.known or VideoControls()
    fitted = {name: both.pairs(scores) for name, scores in known.whole(both.truth).items()}
    rows = [
        *_measured(both, given.raw, drawn),
        *(replace(_row(name, both.pairs(made)), control=True) for name, made in _controls(both)),
        *(replace(_row(name, made, drawn), control=True) for name, made in fitted.items()),
    ]
    watched = {} if given.found is None else watched_videos(both.truth, given.found)
    events, with_demoted = event_blocks(watched, drawn) if watched else (None, None)
    sizes, positives = (
        [int(count(labels)) for labels, _ in pairs.values()] for count in (len, np.sum)
    )
    return Report(
        len(pairs),
        sum(map(bool, positives)),
        sum(map(is_mixed, pairs.values())),
        sum(sizes),
        sum(positives),
        tuple(rows),
        class_rows(pairs, given.categories or {}, alarms_of(watched) or None),
        events,
        with_demoted,
        froc_rows(watched, given.found, drawn) if given.found else (),
        _missing(given),
        sum(int((~mask).sum()) for mask in both.scored.values()),
        {**(about or {}), **_provenance(given.truth, both.scores, drawn)},
        control_gap(pairs, fitted[ALL], drawn) if ALL in fitted else None,
        normal_splits(both.normal(), both.scores, known, drawn),
    )


def check_scored(given: ScoredVideos, allow_missing: bool, bootstrap: int) -> None:
    """Raise the errors that `evaluate` names, before anything is computed."""
    if not 0 <= bootstrap <= MOST_DRAWS:
        raise UsageError(
            f"the number of bootstrap draws must be between 0 and {MOST_DRAWS:,}, got {bootstrap}",
            cure="give 0 for no intervals",
        )
    failed = given.failed or {}
    check_scores(given.truth, given.scores, given.categories, failed, allow_missing)
    if given.raw is not None:
        check_scores(given.truth, given.raw, None, failed, allow_missing)
    check_times(given.scores, given.found)


def _compared(truth: Mapping[str, FrameLabels], scores: FrameScores) -> _Compared:
    kept = {name: np.asarray(scores[name], np.float64) for name in truth if name in scores}
    return _Compared(
        {name: truth[name] for name in kept},
        kept,
        {name: ~np.isnan(values) for name, values in kept.items()},
    )


def _missing(given: ScoredVideos) -> dict[str, str]:
    """Return why each video without scores has none."""
    failed = given.failed or {}
    without = sorted((given.truth.keys() | failed.keys()) - given.scores.keys())
    return {name: failed.get(name, "no scores") for name in without}


def centre_prior(frames: int) -> Array:
    """Return a Gaussian (frames,) over the whole video, the control that needs no model.

    Frame i of n gets exp(-0.5 ((i - (n - 1) / 2) / (0.25 n))^2). Some published methods multiply
    their scores by a Gaussian of this width; using it as a control is our own.

    >>> centre_prior(3).round(3).tolist()
    [0.411, 1.0, 0.411]
    """
    place = np.arange(frames) - (frames - 1) / 2
    return np.asarray(np.exp(-0.5 * (place / (0.25 * frames)) ** 2))


def thresholded(scores: Array, times: Array, threshold: float) -> Detection:
    """Turn each run of frames that score `threshold` or more into an event.

    For `scores` (frames,) that come without events. Frame `i` is shown from `times[i]` seconds on,
    the last one for as long as the one before it. Raises LabelError if there are not as many
    `times` as scores, or fewer than two.

    >>> import numpy as np
    >>> found = thresholded(np.array([0.1, 0.7, 0.9, 0.2]), np.array([0.0, 0.5, 1.0, 1.5]), 0.5)
    >>> [(event.start, event.end) for event in found.events]
    [(0.5, 1.5)]
    """
    if len(scores) != len(times) or len(times) < 2:
        raise LabelError(
            f"there are {len(scores)} scores and {len(times)} frame times; "
            "to find events there must be as many times as scores, and at least two"
        )
    end = float(2 * times[-1] - times[-2])
    finder = finder_of_frames(scores, times, end)
    return Detection(times, end, finder.at(threshold), finder)


def _controls(both: _Compared) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield the scores that need no model, on the same frames; the choice of three is our own."""
    label = {name: np.full(len(labels), float(labels.any())) for name, labels in both.truth.items()}
    prior = {name: centre_prior(len(labels)) for name, labels in both.truth.items()}
    yield "perfect video label", label
    yield "centre prior", prior
    yield "perfect video label x centre prior", {name: label[name] * prior[name] for name in label}


def _measured(both: _Compared, raw: FrameScores | None, drawn: Bootstrap) -> list[MetricRow]:
    """Return the rows of the given scores, with intervals."""
    if raw is None:
        return [_row("scores", both.pairs(), drawn)]
    given = {"smoothed scores": both.pairs(), "raw scores": both.pairs(raw)}
    return [_row(name, pairs, drawn) for name, pairs in given.items()]


def _row(name: str, pairs: Mapping[str, Pair], drawn: Bootstrap | None = None) -> MetricRow:
    """Return the figures of some scores, with intervals if `drawn` has draws."""
    abnormal = {name: pair for name, pair in pairs.items() if pair[0].any()}
    mixed = {name: pair for name, pair in abnormal.items() if is_mixed(pair)}
    tops, ranking = _highest_frames(pairs), Ranking(list(pairs.values()))
    intervals = {}
    if drawn is not None and drawn.draws:
        low, high = ranking.interval(**drawn.of(pairs))
        intervals = {key: (getattr(low, key), getattr(high, key)) for key in low._fields}
        intervals |= _intervals(abnormal if mixed else {}, mixed, tops, drawn)
    return MetricRow(
        name,
        ranking.pooled(),
        frame_auc(list(abnormal.values())) if mixed else None,
        macro_auc(list(mixed.values())) if mixed else None,
        frame_auc(list(tops.values())) if tops else None,
        intervals,
    )


def _highest_frames(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    """Return one (label, highest score) per video, or nothing if all videos have the same label."""
    tops = {
        name: (labels.max(keepdims=True), scores.max(keepdims=True))
        for name, (labels, scores) in pairs.items()
        if len(scores)
    }
    return tops if len({int(label[0]) for label, _ in tops.values()}) == 2 else {}


def _intervals(
    abnormal: Mapping[str, Pair],
    mixed: Mapping[str, Pair],
    tops: Mapping[str, Pair],
    drawn: Bootstrap,
) -> dict[str, tuple[float, float]]:
    """Return the intervals of the figures that do not pool the frames of all videos.

    A figure that fewer than two videos, or groups of them, make up has no interval.
    """
    found = {
        name: auc_interval(list(videos.values()), **drawn.of(videos))
        for name, videos in (("abnormal_auc", abnormal), ("video_auc", tops))
        if drawn.can(videos)
    }
    if drawn.can(mixed):
        within = np.array([roc_auc(*pair) for pair in mixed.values()])
        found["macro_auc"] = mean_interval(within, **drawn.of(mixed))
    return found


def _provenance(
    truth: Mapping[str, FrameLabels], scores: FrameScores, drawn: Bootstrap
) -> dict[str, Any]:
    versions = {"python": platform.python_version(), "hiprobe": hiprobe.__version__}
    versions.update({name: version(name) for name in LIBRARIES})
    return {
        "truth": truth_digest(truth),
        "scores": truth_digest({name: values + 0.0 for name, values in scores.items()}),
        "seed": drawn.seed,
        "bootstrap": drawn.draws,
        **({"groups": len(set(drawn.groups.values()))} if drawn.groups else {}),
        "versions": versions,
    }


def truth_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 (hex) of named arrays: names, types, shapes and values.

    It does not depend on the order of the names or on the file that held the arrays.

    >>> import numpy as np
    >>> truth_digest({"a": np.zeros(2, np.uint8)})[:8]
    'ca5d83fa'
    """
    total = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        total.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        total.update(values.data)
    return total.hexdigest()
