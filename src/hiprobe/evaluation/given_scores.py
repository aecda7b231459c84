"""Read scores that are given: a score file of any detector, or a folder of results of `detect`.

Opens the test videos of your own labels for their frame times; runs no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe import datasets, video
from hiprobe.datasets import FrameLabels, listing
from hiprobe.errors import LabelError, StoreError, UsageError, VideoError, counted
from hiprobe.evaluation.event_finder import finder_of_segments
from hiprobe.evaluation.frame_times import times_at_rate
from hiprobe.evaluation.measure import Detection, thresholded
from hiprobe.evaluation.score_files import by_bare_name, match_names, read_scores
from hiprobe.localize import Localization
from hiprobe.ranges import RANGES, in_range
from hiprobe.store import ManifestLine, read_manifest
from hiprobe.store.results import NAME, read_result, result_facts
from hiprobe.types import Result, Video

if TYPE_CHECKING:
    from hiprobe.evaluation.benchmark import Benchmark

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreSource:
    """A score file or a folder of results, and the threshold that makes events of a file's scores.

    Raises UsageError for a threshold that is not finite, and for one of a folder: the results in it
    hold the events that `detect` found.
    """

    path: Path
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is None:
            return
        if not in_range("threshold", self.threshold):
            raise UsageError(
                f"--threshold must be {RANGES['threshold']}, got {self.threshold:g}",
                cure="give a number that scores can reach",
            )
        if self.is_folder:
            raise UsageError(
                f"the results have their own events, got a threshold of {self.threshold:g}",
                where=self.path,
                cure="give a threshold for score files only",
            )

    @property
    def is_folder(self) -> bool:
        """Whether the scores come from results of `detect`."""
        return self.path.is_dir()

    @property
    def has_events(self) -> bool:
        """Whether there are events to evaluate."""
        return self.is_folder or self.threshold is not None


@dataclass
class KnownVideos:
    """The truth of the test videos by name, the times of their frames, and why some have none.

    `ends` are the ends of the videos in seconds; `times` and `ends` are empty if they are not
    needed. `missing` are the names of videos that do not exist; they are also in `failed`.
    """

    truth: dict[str, FrameLabels] = field(default_factory=dict)
    times: dict[str, Array] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class GivenScores(NamedTuple):
    """The scores of each frame, the events found in them, and the scores before smoothing."""

    scores: dict[str, Array]
    found: dict[str, Detection] | None = None
    raw: dict[str, Array] | None = None
    failed: Mapping[str, str] = {}


def read_test_videos(bench: Benchmark, timed: bool) -> KnownVideos:
    """Read the truth, and the frame times if they come from videos or are needed (`timed`).

    Raises LabelError for videos that are missing or cannot be used, unless that is allowed, and
    UsageError for a missing frame rate.
    """
    if not datasets.annotated(bench.name):
        return _read_own(bench)
    got = KnownVideos(truth=datasets.truth(bench.name, bench.root, rule=bench.rule))
    if timed:
        got.times = {
            name: times_at_rate(len(labels), bench.fps) for name, labels in got.truth.items()
        }
    return got


def _read_own(bench: Benchmark) -> KnownVideos:
    missing, there = bench.present("test")
    got = KnownVideos(missing=missing)
    for name, one in there.items():
        try:
            own = video.frame_times(one.path)
            got.truth[name], got.times[name] = labels_at(one, own), own
        except (VideoError, LabelError) as error:
            got.failed[name] = error.named
    lost = [f"{name} ({why})" for name, why in got.failed.items()]
    bench.check(lost, len(missing) + len(there), "test", "unusable")
    got.failed.update(dict.fromkeys(missing, "missing"))
    return got


def labels_at(one: Video, times: Array) -> FrameLabels:
    """Return the labels (frames,) of a video whose events are in seconds: 1 inside an event.

    Raises LabelError for an event during which no frame is shown.
    """
    labels = np.zeros(len(times), np.uint8)
    for event in one.events or ():
        inside = (times >= event.start - 1e-9) & (times < event.end - 1e-9)
        if not inside.any():
            raise LabelError(
                f"no frame is shown during the event from {event.start:g} to {event.end:g} s",
                where=one.path,
                cure="give the labels of this data set in seconds",
            )
        labels[inside] = 1
    return labels


class OpenedScores(NamedTuple):
    """A score file as it was read, or the lines of the manifest of a folder of results, by name."""

    source: ScoreSource
    scores: dict[str, Array]
    lines: dict[str, ManifestLine]


def open_scores(source: ScoreSource) -> OpenedScores:
    """Read the score file, or the manifest of the folder, before any video is opened.

    Raises the errors of `read_scores` and `read_manifest`, and LabelError for a folder without
    results.
    """
    if not source.is_folder:
        return OpenedScores(source, read_scores(source.path), {})
    lines = read_manifest(source.path)
    if not lines:
        raise LabelError(
            "there are no results in this folder",
            where=source.path,
            cure="give the -o of hiprobe detect",
        )
    named = [(line.name, line) for line in lines]
    return OpenedScores(source, {}, by_bare_name(named, source.path))


def given_to(opened: OpenedScores, tests: KnownVideos) -> GivenScores:
    """Return the scores of the test videos. Raises the errors of `read_result`."""
    source, threshold = opened.source, opened.source.threshold
    if source.is_folder:
        return _read_results(source.path, opened.lines, tests)
    scores = match_names(opened.scores, {*tests.truth, *tests.failed})
    scores = {name: values for name, values in scores.items() if name not in tests.failed}
    if threshold is None:
        return GivenScores(scores)
    # A video with another number of frames is left to `evaluate`, which names it.
    found = {
        name: thresholded(values, tests.times[name], threshold)
        for name, values in scores.items()
        if name in tests.times and len(tests.times[name]) == len(values)
    }
    return GivenScores(scores, found)


def _read_results(out: Path, lines: Mapping[str, ManifestLine], tests: KnownVideos) -> GivenScores:
    """Read the results in the folder `out`; those of other videos are left out."""
    known = match_names(lines, {*tests.truth, *tests.failed})
    folders, failed = dict[str, Path](), dict[str, str]()
    for name in tests.times:
        line = known.get(name)
        if line is None or line.folder is None:
            failed[name] = "no result" if line is None else line.reason or line.status
        else:
            folders[name] = out / line.folder
    results = {name: read_result(folder) for name, folder in folders.items()}
    _check_fitted(results, out)
    found = {
        name: _detection(result, tests.times[name], folders[name])
        for name, result in results.items()
    }
    smoothed, raw = (
        {
            name: result.scores.at(tests.times[name], smoothed=kind)
            for name, result in results.items()
            if result.scores is not None
        }
        for kind in (True, False)
    )
    return GivenScores(smoothed, found, raw, failed)


def _check_fitted(results: Mapping[str, Result], out: Path) -> None:
    fitted = [name for name, one in results.items() if one.provenance.get("fitted_on_this_video")]
    if fitted:
        raise LabelError(
            f"{counted(len(fitted), 'test video')} with the content of videos that the probe was "
            f"fitted on: {listing(fitted)}",
            where=out,
            cure="keep training and test videos apart",
        )


def _detection(result: Result, times: Array, folder: Path) -> Detection:
    """Return the events of the stored result in `folder`; `times` are those of its frames."""
    end = max(result.duration, float(times[-1]) + 1e-6)
    return detection(result, times, end, _settings(folder))


def detection(result: Result, times: Array, end: float, settings: Localization) -> Detection:
    """Return the events of a result that begin before `end`, and how others are found.

    `times` (frames,) and `end` are in seconds; `settings` say how events are found in its scores.
    """
    assert result.scores is not None
    events = tuple(event for event in result.events if event.start < end)
    return Detection(times, end, events, finder_of_segments(result.scores, settings, end))


def _settings(folder: Path) -> Localization:
    """Return how the events of a stored result were found; raises StoreError if that is unknown."""
    facts = result_facts(folder)
    try:
        return Localization.from_json((facts or {})["settings"]["localization"])
    except (LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"it does not say how events were found: {error}",
            where=folder / NAME,
            cure="run hiprobe detect again",
        ) from error
