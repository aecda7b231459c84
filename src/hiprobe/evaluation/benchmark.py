"""A data set's test videos through detection to figures, none silently left out. Knows no command line, no picture.

Scores come from a file, from a probe, or from probes fitted on random draws of the training videos; the report is the
same. Videos that are missing or fail are an error, unless allowed: then their number stands beside every figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe import datasets, video
from hiprobe.backbones import ModelFacts
from hiprobe.datasets import FrameLabels, annotation_name, listing
from hiprobe.errors import LabelError, OutOfMemory, ProbeError, UsageError, VideoError
from hiprobe.evaluation.draw_summary import DrawSummary
from hiprobe.evaluation.frame_times import kept_frame_times
from hiprobe.evaluation.measure import Detection, ScoredVideos, evaluate_scored, thresholded
from hiprobe.evaluation.score_files import read_scores
from hiprobe.evaluation.tables import Report
from hiprobe.pipeline import Failed, Progress, Reading, check_probe, detect_events, ignore
from hiprobe.probe import Probe
from hiprobe.types import Result, Video
from hiprobe.video import pictures

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Benchmark:
    """A data set by name, the folder `root` with its annotation, and how both are read.

    `videos`: where the videos lie, if not in `root`. `rule`: how the annotation is read. `fps`: the rate of frame
    folders. All but `name` and `root` default to what the data set says.
    """

    name: str
    root: Path
    videos: Path | None = None
    rule: str | None = None
    fps: float | None = None
    allow_missing: bool = False

    def part(self, split: str) -> dict[str, Video]:
        """The videos of `train` or `test` by name, absent ones among them; those without a split count for both.

        Raises LabelError for names that are not unique, and the errors of `datasets.load`.
        """
        asked = split if datasets.annotated(self.name) else None
        every = datasets.load(
            self.name, self.root, asked, videos=self.videos, fps=self.fps, absent=True
        )
        chosen = [one for one in every if one.split in (split, None)]
        found = {annotation_name(one.path): one for one in chosen}
        names = [annotation_name(one.path) for one in chosen]
        twice = {name for name in found if names.count(name) > 1}
        if twice or not found:
            raise LabelError(
                f"{len(twice)} names are shared by several videos: {listing(twice)}"
                if twice
                else f"no videos of the split {split}",
                where=self.root,
                cure="each video needs a name of its own, whatever its folder" if twice else None,
            )
        return found

    def present(self, split: str) -> tuple[list[str], dict[str, Video]]:
        """The names of a split's missing videos, and the others; raises LabelError for missing ones not allowed."""
        videos = self.part(split)
        missing = [name for name, one in videos.items() if not pictures.exists(one.path)]
        self.check(missing, len(videos), split)
        return missing, {name: one for name, one in videos.items() if name not in missing}

    def categories(self, videos: Mapping[str, Video]) -> dict[str, tuple[str, ...]]:
        """The classes of each test video, where the data set names them."""
        if datasets.annotated(self.name):
            return datasets.categories(self.name, self.root)
        return {name: one.categories for name, one in videos.items()}

    def about(self) -> dict[str, Any]:
        """What the report says of the data set."""
        ruled = (
            {"rule": self.rule or datasets.rules(self.name)[0]}
            if datasets.annotated(self.name)
            else {}
        )
        return {"data set": self.name, **ruled, **({"fps": self.fps} if self.fps else {})}

    def check(
        self, missing: Sequence[str], videos: int, what: str, fault: str = "are missing"
    ) -> None:
        """Raises LabelError for missing videos, all named or counted, unless they are allowed and some are left."""
        if missing and (not self.allow_missing or len(missing) == videos):
            raise LabelError(
                f"{len(missing)} of {videos} {what} videos {fault}: {listing(missing, 10)}",
                where=self.videos or self.root,
                cure="check the folder of videos"
                + ("" if self.allow_missing else ", or allow it with --allow-missing"),
            )


@dataclass
class Gathered:
    """What is known of each test video, by name: filled one video at a time."""

    truth: dict[str, FrameLabels] = field(default_factory=dict)
    scores: dict[str, Array] = field(default_factory=dict)
    raw: dict[str, Array] = field(default_factory=dict)
    found: dict[str, Detection] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class Evaluated(NamedTuple):
    """A report, and what it was made of: by video name, what a figure or a score file needs. `unread`: videos failed.

    `raw` and `found` are None for a score file without them; of several draws the last one's are kept.
    """

    report: Report | DrawSummary
    truth: Mapping[str, FrameLabels]
    scores: Mapping[str, Array]
    raw: Mapping[str, Array] | None
    found: Mapping[str, Detection] | None
    unread: int = 0


def of_scores(
    bench: Benchmark,
    path: str | Path,
    *,
    threshold: float | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
) -> Evaluated:
    """The report of a score file, from any detector.

    With `threshold`, runs of frames that reach it count as events; frames then need times: from the videos of a data
    set that labels seconds, else from `bench.fps`. Raises UsageError, and the errors of `read_scores`, `evaluate` and
    `datasets.truth`.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(
            f"a threshold of {threshold:g}", cure="give a number that scores can reach"
        )
    scores, got = read_scores(path), Gathered()
    missing: list[str] = []
    times: dict[str, Array] = {}
    if datasets.annotated(bench.name):
        got.truth.update(datasets.truth(bench.name, bench.root, rule=bench.rule))
        if threshold is not None:
            times = {name: _steady(len(values), bench.fps) for name, values in scores.items()}
    else:
        missing, times = _timed(bench, got)
        scores = {name: values for name, values in scores.items() if name not in got.failed}
    found = None
    if threshold is not None:
        found = {
            name: thresholded(values, times[name], threshold)
            for name, values in scores.items()
            if name in times and len(times[name]) == len(values)
        }  # another length is `evaluate`'s to name
    scored = ScoredVideos(
        got.truth, scores, None, found, bench.categories(_videos(bench)), got.failed
    )
    about = {**bench.about(), **({} if threshold is None else {"threshold": threshold})}
    report = evaluate_scored(scored, bench.allow_missing, seed, bootstrap, about)
    return Evaluated(report, got.truth, scores, None, found, len(got.failed) - len(missing))


def _timed(bench: Benchmark, got: Gathered) -> tuple[list[str], dict[str, Array]]:
    """Adds the truth of the test videos that are there, and why another has none; the missing ones, and frame times.

    Raises LabelError for videos that are missing or cannot be used and are not allowed to be.
    """
    missing, there = bench.present("test")
    times = {}
    for name, one in there.items():
        try:
            own = video.frame_times(one.path)
            got.truth[name], times[name] = _shown(one, own), own
        except (VideoError, LabelError) as error:
            got.failed[name] = f"{type(error).__name__}: {error.reason}"
    lost = [f"{name} ({why})" for name, why in got.failed.items()]
    bench.check(lost, len(missing) + len(there), "test", "cannot be used")
    got.failed.update(dict.fromkeys(missing, "missing"))
    return missing, times


def of_probe(
    bench: Benchmark,
    model: ModelFacts,
    probe: Probe,
    *,
    store: Path,
    seed: int = 0,
    bootstrap: int = 1000,
    progress: Progress = ignore,
    failed: Failed = ignore,
) -> Evaluated:
    """The report of a probe: `detect` on each test video, hidden states and frame times kept in the folder `store`.

    Raises LabelError for missing or failed videos that are not allowed, for a video that the probe was fitted on (by
    its content), and for other numbers of frames than the truth has; RecipeMismatch, ModelError, StoreError.
    """
    return evaluate_probe(
        bench, Reading(model, store, progress, failed), probe, seed=seed, bootstrap=bootstrap
    )


def evaluate_probe(
    bench: Benchmark, reading: Reading, probe: Probe, *, seed: int, bootstrap: int
) -> Evaluated:
    """`of_probe` with its arguments grouped."""
    check_probe(reading.model, probe)
    missing, there = bench.present("test")
    check_apart(there, _fitted_on(probe), "was fitted on")
    got = detected(bench, missing, there, reading, probe)
    about = {**bench.about(), **_made_with(reading.model, probe)}
    return evaluated(bench, got, missing, about, seed, bootstrap)


def _fitted_on(probe: Probe) -> set[str]:
    """The digests of the videos that a probe was fitted on; raises ProbeError where its file holds something else."""
    found = probe.provenance.get("videos", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ProbeError(
            "what it says of its videos is no list of digests",
            where="the probe",
            cure="fit it again",
        )
    return set(found)


def check_apart(tests: Mapping[str, Video], fitted: set[str], how: str) -> None:
    """Raises LabelError for test videos whose content is among the digests of the videos fitted on."""
    shared = [name for name, one in tests.items() if fitted and _digest(one.path) in fitted]
    if shared:
        raise LabelError(
            f"{len(shared)} test videos have the content of videos that the probe {how}: {listing(shared)}",
            cure="keep training and test videos apart",
        )


def _digest(path: str) -> str | None:
    """The content of a file; None where it cannot be read, which detection will say by name."""
    try:
        return video.digest(path)
    except VideoError:
        return None


def detected(
    bench: Benchmark,
    missing: Sequence[str],
    tests: Mapping[str, Video],
    reading: Reading,
    probe: Probe,
) -> Gathered:
    """Return scores by frame and events of each test video, and why one has none."""
    assert reading.store is not None
    got = Gathered(failed=dict.fromkeys(missing, "missing"))
    whole, cut = _annotation(bench)
    got.truth.update(cut)
    for name, one in tests.items():
        try:
            result = detect_events(one.path, reading, probe)
            times = kept_frame_times(one.path, result.video_id, reading.store)
            labels = cut[name] if name in cut else _shown(one, times)
            _same_frames(whole.get(name, labels), times, one.path)
        except (VideoError, OutOfMemory, LabelError) as error:
            got.failed[name] = f"{type(error).__name__}: {error.reason}"
            if reading.failed is not None:
                reading.failed(one.path, error)
            continue
        _keep(got, name, labels, times, result)
    return got


def _annotation(bench: Benchmark) -> tuple[dict[str, FrameLabels], dict[str, FrameLabels]]:
    """The labels of whole videos, and those by the rule, which may leave frames off the end; none where none exist."""
    if not datasets.annotated(bench.name):
        return {}, {}
    cut = datasets.truth(bench.name, bench.root, rule=bench.rule)
    default = bench.rule in (None, datasets.rules(bench.name)[0])
    return (cut if default else datasets.truth(bench.name, bench.root)), cut


def _same_frames(labels: FrameLabels, times: Array, path: str) -> None:
    if len(labels) != len(times):
        raise LabelError(
            f"{len(labels)} frames in the truth, {len(times)} in the video", where=path
        )


def _keep(got: Gathered, name: str, labels: FrameLabels, times: Array, result: Result) -> None:
    assert result.scores is not None
    count = len(labels)
    end = (
        float(times[count]) if count < len(times) else max(result.duration, float(times[-1]) + 1e-6)
    )
    own = times[:count]
    got.truth[name] = labels
    got.scores[name], got.raw[name] = result.scores.at(own), result.scores.at(own, smoothed=False)
    got.found[name] = Detection(
        own, end, tuple(event for event in result.events if event.start < end)
    )


def _shown(one: Video, times: Array) -> FrameLabels:
    """The labels (frames,) of a video whose events are in seconds: 1 for a frame shown from within one.

    Raises LabelError for an event that holds no frame.
    """
    labels = np.zeros(len(times), np.uint8)
    for event in one.events or ():
        inside = (times >= event.start - 1e-9) & (times < event.end - 1e-9)
        if not inside.any():
            raise LabelError(
                f"no frame is shown between {event.start:g} and {event.end:g} s",
                where=one.path,
                cure="labels are in seconds",
            )
        labels[inside] = 1
    return labels


def _steady(count: int, fps: float | None) -> Array:
    if fps is None or not 0 < fps < math.inf:
        raise UsageError(
            "events of a score file need the videos' frame rate",
            cure="give --fps, or no --threshold",
        )
    return np.asarray(np.arange(count) / fps)


def evaluated(
    bench: Benchmark,
    got: Gathered,
    missing: Sequence[str],
    about: Mapping[str, Any],
    seed: int,
    bootstrap: int,
) -> Evaluated:
    scored = ScoredVideos(
        got.truth,
        got.scores,
        got.raw,
        got.found,
        bench.categories(_videos(bench)),
        got.failed,
    )
    report = evaluate_scored(scored, bench.allow_missing, seed, bootstrap, about)
    return Evaluated(
        report, got.truth, got.scores, got.raw, got.found, len(got.failed) - len(missing)
    )


def _videos(bench: Benchmark) -> Mapping[str, Video]:
    return {} if datasets.annotated(bench.name) else bench.part("test")


def _made_with(model: ModelFacts, probe: Probe) -> dict[str, Any]:
    return {
        "model": probe.recipe.model,
        "revision": probe.recipe.revision,
        "method": probe.method,
        "sites": ", ".join(map(str, probe.sites)),
        "threshold": probe.localization.threshold,
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "reader": dict(model.provenance),
    }
