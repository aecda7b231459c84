"""The figures of frame scores and events against the truth, with controls and intervals. Opens no file."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hiprobe
from hiprobe.datasets._frames import FrameLabels, events_from_frames, listing
from hiprobe.errors import LabelError, UsageError
from hiprobe.evaluation.tables import ClassRow, Events, MetricRow, Report
from hiprobe.metrics import (
    EventTable,
    Pair,
    Ranking,
    Watched,
    auc_interval,
    frame_auc,
    macro_auc,
    mean_interval,
    overlaps,
    roc_auc,
)
from hiprobe.types import Event

Array = NDArray[np.float64]
FrameScores = Mapping[str, Array]

MOST_DRAWS = 100_000  # of the bootstrap: each counts every video
LIBRARIES = ("numpy", "scipy", "scikit-learn")
CURE = "every frame of every video needs one score, by the same rule"


@dataclass(frozen=True)
class Detection:
    """What was found in one video: the times (frames,) at which its frames are shown, its end, and the events.

    All in seconds; raises ValueError for times that do not rise, or an end that is not after them.
    """

    times: Array
    end: float
    events: tuple[Event, ...]

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or not (np.diff(np.append(self.times, self.end)) > 0).all():
            raise ValueError(f"{len(self.times)} frame times up to {self.end} s do not rise")


@dataclass(frozen=True)
class _Compared:
    """The videos that are evaluated: labels and scores (frames,) of each, and which of its frames have a score."""

    truth: Mapping[str, FrameLabels]
    scores: FrameScores
    scored: Mapping[str, NDArray[np.bool_]]

    def pairs(self, scores: FrameScores | None = None) -> dict[str, Pair]:
        """The labels and `scores` (own scores if None) of the frames that have one."""
        # adding 0 makes -0.0 the 0.0 that it equals, so that equal scores have one digest
        return {
            name: (
                self.truth[name][self.scored[name]],
                ((scores or self.scores)[name] + 0.0)[self.scored[name]],
            )
            for name in sorted(self.truth)
        }


@dataclass(frozen=True)
class ScoredVideos:
    """What is evaluated, by video name: labels and scores (frames,), and what `evaluate` says."""

    truth: Mapping[str, FrameLabels]
    scores: FrameScores
    raw: FrameScores | None = None
    found: Mapping[str, Detection] | None = None
    categories: Mapping[str, Sequence[str]] | None = None
    failed: Mapping[str, str] | None = None


def evaluate(
    truth: Mapping[str, FrameLabels],
    scores: FrameScores,
    *,
    raw: FrameScores | None = None,
    found: Mapping[str, Detection] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    allow_missing: bool = False,
    failed: Mapping[str, str] | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
    about: Mapping[str, Any] | None = None,
) -> Report:
    """The figures of `scores` (frames,) per video against `truth` (frames,) per video, with controls and intervals.

    `raw`: the scores before smoothing, for a row of their own. `found`: the events of each video and the times of its
    frames, for the event figures. `categories` gives the classes of each video, `("normal",)` for none; a video of
    several counts in each. `failed` says why a video has no scores; `about` goes into the provenance.

    Raises LabelError, with every video that is missing, extra, of another length or not finite counted, for one class
    only, and for a bootstrap of fewer than two videos. With `allow_missing`, videos without scores and frames whose
    score is NaN are left out, and their number stands in the report.
    """
    scored = ScoredVideos(truth, scores, raw, found, categories, failed)
    return evaluate_scored(scored, allow_missing, seed, bootstrap, about)


def evaluate_scored(
    given: ScoredVideos,
    allow_missing: bool = False,
    seed: int = 0,
    bootstrap: int = 1000,
    about: Mapping[str, Any] | None = None,
) -> Report:
    """`evaluate` with its arguments grouped."""
    truth, scores, raw, failed = given.truth, given.scores, given.raw, given.failed or {}
    found, categories = given.found, given.categories
    if not 0 <= bootstrap <= MOST_DRAWS:
        raise UsageError(
            f"bootstrap={bootstrap}",
            cure=f"give the number of draws, 0 for no intervals, at most {MOST_DRAWS:,}",
        )
    without = sorted((truth.keys() | failed.keys()) - scores.keys())
    missing = {name: failed.get(name, "no scores") for name in without}
    _check(truth, scores, categories, failed, allow_missing)
    if raw is not None:
        _check(truth, raw, None, failed, allow_missing)
    _check_times(scores, found)
    kept = {name: np.asarray(scores[name], np.float64) for name in truth if name in scores}
    both = _Compared(
        {name: truth[name] for name in kept}, kept, {name: ~np.isnan(v) for name, v in kept.items()}
    )
    pairs = both.pairs()
    rows = [
        *_measured(both, raw, bootstrap, seed),
        *(replace(_row(name, both.pairs(made)), control=True) for name, made in _controls(both)),
    ]
    watched = _watched(both.truth, found) if found is not None else None
    sizes, positives = (
        [int(count(labels)) for labels, _ in pairs.values()] for count in (len, np.sum)
    )
    return Report(
        len(pairs),
        sum(map(bool, positives)),
        sum(map(_mixed, pairs.values())),
        sum(sizes),
        sum(positives),
        tuple(rows),
        _classes(pairs, categories or {}, watched),
        _events(watched, bootstrap, seed),
        missing,
        sum(int((~mask).sum()) for mask in both.scored.values()),
        {**(about or {}), **_provenance(truth, kept, seed, bootstrap)},
    )


def centre_prior(frames: int) -> Array:
    """A Gaussian (frames,) over the whole video, without any model.

    Frame i of n gets exp(-0.5 ((i - (n - 1) / 2) / (0.25 n))^2), a width some published methods multiply scores by.
    """
    place = np.arange(frames) - (frames - 1) / 2
    return np.asarray(np.exp(-0.5 * (place / (0.25 * frames)) ** 2))


def thresholded(scores: Array, times: Array, threshold: float) -> Detection:
    """The runs of frames that score `threshold` or more as events, for scores (frames,) that come without events.

    Frame `i` is shown from `times[i]` seconds, the last one as long as the one before it. Raises LabelError for
    another number of times.
    """
    if len(scores) != len(times) or len(times) < 2:
        raise LabelError(
            f"{len(scores)} scores, {len(times)} frames: events need as many, at least two"
        )
    end = float(2 * times[-1] - times[-2])
    return Detection(
        times, end, events_from_frames((scores >= threshold).astype(np.uint8), times, end)
    )


def _controls(both: _Compared) -> Iterator[tuple[str, dict[str, Array]]]:
    """What no model is needed for, on the same frames: our own choice of three."""
    label = {name: np.full(len(labels), float(labels.any())) for name, labels in both.truth.items()}
    prior = {name: centre_prior(len(labels)) for name, labels in both.truth.items()}
    yield "perfect video label", label
    yield "centre prior", prior
    yield "perfect video label x centre prior", {name: label[name] * prior[name] for name in label}


def _measured(
    both: _Compared, raw: FrameScores | None, bootstrap: int, seed: int
) -> list[MetricRow]:
    """The rows of the scores that were given, with intervals."""
    if raw is None:
        return [_row("scores", both.pairs(), bootstrap, seed)]
    given = {"smoothed scores": both.pairs(), "raw scores": both.pairs(raw)}
    return [_row(name, pairs, bootstrap, seed) for name, pairs in given.items()]


def _row(name: str, pairs: Mapping[str, Pair], bootstrap: int = 0, seed: int = 0) -> MetricRow:
    every = list(pairs.values())
    abnormal = [pair for pair in every if pair[0].any()]
    mixed, tops, ranking = [pair for pair in abnormal if _mixed(pair)], _tops(every), Ranking(every)
    intervals = {}
    if bootstrap:
        low, high = ranking.interval(resamples=bootstrap, seed=seed)
        intervals = {key: (getattr(low, key), getattr(high, key)) for key in low._fields}
        intervals |= _intervals(abnormal if mixed else [], mixed, tops, bootstrap, seed)
    return MetricRow(
        name,
        ranking.pooled(),
        frame_auc(abnormal) if mixed else None,
        macro_auc(mixed) if mixed else None,
        frame_auc(tops) if tops else None,
        intervals,
    )


def _tops(pairs: Sequence[Pair]) -> list[Pair]:
    """Each video as one observation: whether a frame is anomalous, and its highest score; empty for one class."""
    tops = [
        (labels.max(keepdims=True), scores.max(keepdims=True))
        for labels, scores in pairs
        if len(scores)
    ]
    return tops if len({int(label[0]) for label, _ in tops}) == 2 else []


def _intervals(
    abnormal: Sequence[Pair],
    mixed: Sequence[Pair],
    tops: Sequence[Pair],
    bootstrap: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """The ends of the intervals of the figures that do not pool all videos; none where fewer than two make it up."""
    found = {
        name: auc_interval(videos, resamples=bootstrap, seed=seed)
        for name, videos in (("abnormal_auc", abnormal), ("video_auc", tops))
        if len(videos) > 1
    }
    if len(mixed) > 1:
        within = np.array([roc_auc(*pair) for pair in mixed])
        found["macro_auc"] = mean_interval(within, resamples=bootstrap, seed=seed)
    return found


def _mixed(pair: Pair) -> bool:
    return bool(pair[0].any() and not pair[0].all())


def _watched(
    truth: Mapping[str, FrameLabels], found: Mapping[str, Detection]
) -> dict[str, Watched]:
    """The true events of each video, in seconds by its own frame times, beside the predicted ones."""
    return {
        name: Watched(
            events_from_frames(labels, found[name].times, found[name].end),
            found[name].events,
            found[name].end,
        )
        for name, labels in sorted(truth.items())
    }


def _events(watched: Mapping[str, Watched] | None, bootstrap: int, seed: int) -> Events | None:
    if watched is None:
        return None
    made = EventTable(list(watched.values()))
    figures = {
        name: value if math.isfinite(value) else None for name, value in made.figures().items()
    }
    return Events(
        made.counts(), figures, made.intervals(resamples=bootstrap, seed=seed) if bootstrap else {}
    )


def _classes(
    pairs: Mapping[str, Pair],
    categories: Mapping[str, Sequence[str]],
    watched: Mapping[str, Watched] | None,
) -> tuple[ClassRow, ...]:
    kinds = sorted({kind for name in categories for kind in categories[name]} - {"normal"})
    of = {
        kind: [name for name in pairs if kind in categories.get(name, ())]
        for kind in [*kinds, "normal"]
    }
    return tuple(_class(kind, of[kind], of["normal"], pairs, watched) for kind in kinds if of[kind])


def _class(
    kind: str,
    names: Sequence[str],
    normal: Sequence[str],
    pairs: Mapping[str, Pair],
    watched: Mapping[str, Watched] | None,
) -> ClassRow:
    own, others = [pairs[name] for name in names], [pairs[name] for name in normal]
    true = (
        [(event, watched[name]) for name in names for event in watched[name].true]
        if watched
        else []
    )
    detected = sum(
        any(overlaps(event, alarm) for alarm in video.predicted) for event, video in true
    )
    return ClassRow(
        kind,
        len(own),
        sum(len(labels) for labels, _ in own),
        sum(int(labels.sum()) for labels, _ in own),
        _auc(own),
        _auc(own + others),
        *((len(true), detected) if watched else ()),
    )


def _auc(pairs: Sequence[Pair]) -> float | None:
    labels, scores = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return roc_auc(labels, scores) if _mixed((labels, scores)) else None


def _check(
    truth: Mapping[str, FrameLabels],
    scores: FrameScores,
    categories: Mapping[str, Sequence[str]] | None,
    failed: Mapping[str, str],
    allow_missing: bool,
) -> None:
    """Raises LabelError, naming and counting all that keeps the videos from being evaluated together."""
    if not truth or (allow_missing and not truth.keys() & scores.keys()):
        raise LabelError(
            "no video to evaluate" if not truth else f"none of {len(truth)} videos has scores"
        )
    both = sorted(truth.keys() & scores.keys())
    odd = [name for name in both if np.shape(scores[name]) != truth[name].shape]
    wrong = np.isinf if allow_missing else lambda values: ~np.isfinite(values)
    lost = {name: count for name in both if (count := int(wrong(scores[name]).sum()))}
    asked = truth.keys() | failed.keys()
    lacking = set() if allow_missing else asked - scores.keys()
    faults = {
        f"of {len(asked)} videos have no scores": [_with_reason(name, failed) for name in lacking],
        "scored videos are not in the truth": scores.keys() - truth.keys(),
        "videos have another number of frames": [
            f"{name} ({truth[name].size} in the truth, {np.size(scores[name])} scored)"
            for name in odd
        ],
        f"videos have scores that are not finite, {sum(lost.values())} frames in all": [
            f"{name} ({count})" for name, count in lost.items()
        ],
        "videos have no class": truth.keys() - categories.keys() if categories else (),
    }
    lines = [f"{len(names)} {fault}: {listing(names)}" for fault, names in faults.items() if names]
    if lines:
        raise LabelError("; ".join(lines), cure=CURE)


def _with_reason(name: str, failed: Mapping[str, str]) -> str:
    return f"{name} ({failed[name]})" if name in failed else name


def _check_times(scores: FrameScores, found: Mapping[str, Detection] | None) -> None:
    if found is None:
        return
    odd = [
        name for name in scores if name not in found or len(found[name].times) != len(scores[name])
    ]
    if odd:
        raise LabelError(
            f"{len(odd)} scored videos come without the time of every frame: {listing(odd)}"
        )


def _provenance(
    truth: Mapping[str, FrameLabels], scores: FrameScores, seed: int, bootstrap: int
) -> dict[str, Any]:
    versions = {"python": platform.python_version(), "hiprobe": hiprobe.__version__}
    versions.update({name: version(name) for name in LIBRARIES})
    return {
        "truth": truth_digest(truth),
        "scores": truth_digest({name: values + 0.0 for name, values in scores.items()}),
        "seed": seed,
        "bootstrap": bootstrap,
        "versions": versions,
    }


def truth_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256, in hex, of named arrays: their names in order, types, shapes and values, whatever file held them."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        total.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        total.update(values.data)
    return total.hexdigest()
