"""Evaluate a score file or a probe on the test videos of a data set.

Videos that are missing or fail are an error unless they are allowed; then every figure says how
many there are. It knows no command line and draws no plots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe import datasets
from hiprobe.backbones import ModelFacts
from hiprobe.datasets import FrameLabels, bare_name, listing
from hiprobe.errors import LabelError, OutOfMemory, VideoError, counted
from hiprobe.evaluation.comparison import Comparison, compare
from hiprobe.evaluation.controls import VideoControls
from hiprobe.evaluation.draw_summary import DrawSummary
from hiprobe.evaluation.few_videos import some_of_each_class
from hiprobe.evaluation.frame_times import kept_frame_times
from hiprobe.evaluation.given_scores import (
    GivenScores,
    KnownVideos,
    ScoreSource,
    detection,
    given_to,
    labels_at,
    open_scores,
    read_test_videos,
)
from hiprobe.evaluation.input_checks import check_apart
from hiprobe.evaluation.made_with import made_with
from hiprobe.evaluation.measure import Detection, ScoredVideos, evaluate_scored
from hiprobe.evaluation.tables import Report
from hiprobe.localize import Localization
from hiprobe.pipeline import (
    Failed,
    Progress,
    Reading,
    check_copies,
    check_probe,
    detect_events,
    ignore,
)
from hiprobe.probe import Probe
from hiprobe.store import find_states
from hiprobe.types import Result, Video
from hiprobe.video import pictures

Array = NDArray[np.float64]
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Benchmark:
    """A data set, the folder `root` with its annotation, and how both are read.

    `videos` is the folder of the videos, if it is not `root`. `rule` says how the annotation is
    read, `fps` is the frame rate of folders of frames; both default to what the data set says.
    With `allow_missing`, videos that are missing or fail are left out and counted. `words` gives
    the meaning of labels in your own table. `limit` leaves only so many videos of each split, to
    try a run; its figures are not those of the data set.
    """

    name: str
    root: Path
    videos: Path | None = None
    rule: str | None = None
    fps: float | None = None
    allow_missing: bool = False
    words: datasets.LabelWords | None = None
    limit: int | None = None

    def part(self, split: str) -> dict[str, Video]:
        """Return the videos of the split `train` or `test` by name, including missing ones.

        A video without a split belongs to both. Raises LabelError for names that are not unique or
        a split without videos, and the errors of `datasets.load`.
        """
        every = self._load(split if datasets.annotated(self.name) else None)
        chosen = [one for one in every if one.split in (split, None)]
        names = [bare_name(one.name) for one in chosen]
        found = dict(zip(names, chosen, strict=True))
        twice = {name for name in found if names.count(name) > 1}
        if twice or not found:
            raise LabelError(
                f"names that several videos share: {listing(twice)}"
                if twice
                else f"there are no videos in the split {split}",
                where=self.root,
                cure="give each video its own name" if twice else None,
            )
        return found if self.limit is None else some_of_each_class(found, self.limit)

    def _load(self, split: str | None) -> list[Video]:
        """Return the videos of a split, or of all, including missing ones."""
        return list(
            datasets.load(
                self.name,
                self.root,
                split,
                videos=self.videos,
                fps=self.fps,
                absent=True,
                words=self.words,
            )
        )

    def _shared_groups(self) -> list[str]:
        """Return the groups of your own videos that are both in training and in test."""
        if datasets.annotated(self.name):
            return []
        every = self._load(None)
        train, test = (
            {one.group for one in every if one.group and one.split == split} for split in SPLITS
        )
        return sorted(train & test)

    def present(self, split: str) -> tuple[list[str], dict[str, Video]]:
        """Return the names of a split's missing videos, and the videos that exist.

        Raises LabelError for missing videos that are not allowed, and for your own videos of the
        same content with different labels.
        """
        videos = self.part(split)
        missing = [name for name, one in videos.items() if not pictures.exists(one.path)]
        self.check(missing, len(videos), split)
        there = {name: one for name, one in videos.items() if name not in missing}
        if not datasets.annotated(self.name):  # else the labels are in the data set's own files
            check_copies(there.values())
        return missing, there

    def categories(self, videos: Mapping[str, Video]) -> dict[str, tuple[str, ...]]:
        """Return the classes of each test video, if the data set names them."""
        if datasets.annotated(self.name):
            return datasets.categories(self.name, self.root)
        return {name: one.categories for name, one in videos.items()}

    def about(self) -> dict[str, Any]:
        """Return what the report says about the data set."""
        ruled = (
            {"rule": self.rule or datasets.rules(self.name)[0]}
            if datasets.annotated(self.name)
            else {}
        )
        shared = self._shared_groups()
        known = {"groups in training and test, so the figures are too good": listing(shared)}
        tried = {"a try, on at most": f"{self.limit} videos of each split"} if self.limit else {}
        rate = {"fps": self.fps} if self.fps else {}
        return {"data set": self.name, **tried, **(known if shared else {}), **ruled, **rate}

    def check(self, missing: Sequence[str], videos: int, what: str, fault: str = "missing") -> None:
        """Raise LabelError for `missing` videos, unless that is allowed and others are left."""
        if missing and (not self.allow_missing or len(missing) == videos):
            raise LabelError(
                f"{len(missing)} of {counted(videos, f'{what} video')} {fault}: "
                f"{listing(missing, 10)}",
                where=self.videos or self.root,
                cure="check the folder of videos"
                + ("" if self.allow_missing else ", or allow it with --allow-missing"),
            )


@dataclass
class Gathered:
    """What is known about each test video, by name; filled one video at a time."""

    truth: dict[str, FrameLabels] = field(default_factory=dict)
    scores: dict[str, Array] = field(default_factory=dict)
    raw: dict[str, Array] = field(default_factory=dict)
    found: dict[str, Detection] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    known: VideoControls = field(default_factory=VideoControls)


class Evaluated(NamedTuple):
    """A report and, by video name, the arrays that plots and score files are made from.

    `raw` and `found` are None for a score file without them. With several draws, the arrays are
    those of the last draw. `unread` counts the videos that exist but failed.
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
    """Evaluate a score file, which any detector may have written, or a folder of results.

    With `threshold`, each run of frames that score at least as much counts as an event; the results
    of `detect` have their own events. The times of the frames then come from the videos if the data
    set labels seconds, otherwise from `bench.fps`. Raises UsageError for a threshold that is not
    finite or not needed, or a missing frame rate, and the errors of `open_scores`, `given_to`,
    `evaluate` and `datasets.truth`.
    """
    source = ScoreSource(Path(path), threshold)
    opened = open_scores(source)
    tests = read_test_videos(bench, source.has_events)
    scored = scored_videos(bench, tests, given_to(opened, tests))
    about = {**bench.about(), **({} if threshold is None else {"threshold": threshold})}
    report = evaluate_scored(scored, bench.allow_missing, seed, bootstrap, about)
    unread = len(tests.failed) - len(tests.missing)
    return Evaluated(report, tests.truth, scored.scores, scored.raw, scored.found, unread)


def of_two(
    bench: Benchmark,
    a: ScoreSource,
    b: ScoreSource,
    *,
    seed: int = 0,
    bootstrap: int = 1000,
) -> Comparison:
    """Compare two score files or folders of results on the same truth, with a paired bootstrap.

    Raises the errors of `of_scores` and `compare`.
    """
    opened = [open_scores(source) for source in (a, b)]
    tests = read_test_videos(bench, a.has_events or b.has_events)
    one, other = (scored_videos(bench, tests, given_to(each, tests)) for each in opened)
    made = compare(
        one,
        other,
        (str(a.path), str(b.path)),
        allow_missing=bench.allow_missing,
        seed=seed,
        bootstrap=bootstrap,
    )
    return replace(made, provenance={**bench.about(), **made.provenance})


def scored_videos(bench: Benchmark, tests: KnownVideos, given: GivenScores) -> ScoredVideos:
    """Return the given scores of the test videos with their truth, classes and groups."""
    videos = _videos(bench)
    failed = {**given.failed, **tests.failed}
    return ScoredVideos(
        tests.truth,
        given.scores,
        given.raw,
        given.found,
        bench.categories(videos),
        failed,
        _groups(videos),
    )


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
    """Evaluate a probe: run detection on each test video and compare the scores with the truth.

    Hidden states and frame times are kept in the folder `store`. Raises LabelError for missing or
    failed videos that are not allowed, for a test video with the content of one that the probe was
    fitted on, and for a video with another number of frames than the truth; also RecipeMismatch,
    ModelError and StoreError.
    """
    return evaluate_probe(
        bench, Reading(model, store, progress, failed), probe, seed=seed, bootstrap=bootstrap
    )


def evaluate_probe(
    bench: Benchmark, reading: Reading, probe: Probe, *, seed: int, bootstrap: int
) -> Evaluated:
    """Do what `of_probe` does, with its arguments grouped."""
    check_probe(reading.model, probe)
    missing, there = bench.present("test")
    check_apart(there, probe.fitted_videos, "was fitted on")
    got = detected(bench, missing, there, reading, probe)
    about = {**bench.about(), **made_with(reading.model, probe)}
    return evaluated(bench, got, missing, about, seed, bootstrap)


def detected(
    bench: Benchmark,
    missing: Sequence[str],
    tests: Mapping[str, Video],
    reading: Reading,
    probe: Probe,
) -> Gathered:
    """Return the frame scores and events of each test video, and why a video has none.

    Events are checked and refined as the probe says, unless only facts about the model are known.
    """
    rules = replace(probe.localization, refine=probe.localization.refine and reading.can_read)
    assert reading.store is not None
    got = Gathered(failed=dict.fromkeys(missing, "missing"))
    whole, cut = _annotation(bench)
    got.truth.update((name, cut[name]) for name in (*tests, *missing) if name in cut)
    for name, one in tests.items():
        try:
            result = detect_events(one.path, reading, probe, rules, verify=reading.can_read)
            times = kept_frame_times(one.path, result.video_id, reading.store)
            labels = cut[name] if name in cut else labels_at(one, times)
            _same_frames(whole.get(name, labels), times, one.path)
        except (VideoError, OutOfMemory, LabelError) as error:
            got.failed[name] = error.named
            if reading.failed is not None:
                reading.failed(one.path, error)
            continue
        _keep(got, name, labels, times, result, probe.localization)
        kept = find_states(reading.store, result.video_id, probe.recipe, probe.sites, reading.dtype)
        if kept is not None:
            got.known.add(name, kept, probe, times[: len(labels)])
    return got


def _annotation(bench: Benchmark) -> tuple[dict[str, FrameLabels], dict[str, FrameLabels]]:
    """Return the labels of whole videos, and those by the rule, which may leave off last frames.

    Both are empty for a data set that labels seconds.
    """
    if not datasets.annotated(bench.name):
        return {}, {}
    cut = datasets.truth(bench.name, bench.root, rule=bench.rule)
    default = bench.rule in (None, datasets.rules(bench.name)[0])
    return (cut if default else datasets.truth(bench.name, bench.root)), cut


def _same_frames(labels: FrameLabels, times: Array, path: str) -> None:
    if len(labels) != len(times):
        raise LabelError(
            f"the truth has {counted(len(labels), 'frame')}, the video {len(times)}",
            where=path,
            cure="use the video and the annotation of the same release",
        )


def _keep(
    got: Gathered,
    name: str,
    labels: FrameLabels,
    times: Array,
    result: Result,
    settings: Localization,
) -> None:
    assert result.scores is not None
    count = len(labels)
    end = (
        float(times[count]) if count < len(times) else max(result.duration, float(times[-1]) + 1e-6)
    )
    own = times[:count]
    got.truth[name] = labels
    got.scores[name], got.raw[name] = result.scores.at(own), result.scores.at(own, smoothed=False)
    got.found[name] = detection(result, own, end, settings)


def evaluated(
    bench: Benchmark,
    got: Gathered,
    missing: Sequence[str],
    about: Mapping[str, Any],
    seed: int,
    bootstrap: int,
) -> Evaluated:
    """Return the report of what was gathered, with the arrays it was made from."""
    videos = _videos(bench)
    classes, groups = bench.categories(videos), _groups(videos)
    scored = ScoredVideos(
        got.truth, got.scores, got.raw, got.found, classes, got.failed, groups, got.known
    )
    report = evaluate_scored(scored, bench.allow_missing, seed, bootstrap, about)
    return Evaluated(
        report, got.truth, got.scores, got.raw, got.found, len(got.failed) - len(missing)
    )


def _videos(bench: Benchmark) -> Mapping[str, Video]:
    return {} if datasets.annotated(bench.name) else bench.part("test")


def _groups(videos: Mapping[str, Video]) -> dict[str, str]:
    return {name: one.group for name, one in videos.items() if one.group is not None}
