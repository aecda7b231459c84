"""A data set's test videos through detection to figures, none silently left out. Knows no command line, no picture.

Scores come from a file, from a probe, or from probes fitted on random draws of the training videos; the report is the
same. Videos that are missing or fail are an error, unless allowed: then their number stands beside every figure.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiprobe import datasets, pipeline, store, video
from hiprobe.backbones import Backbone
from hiprobe.datasets import FrameLabels, annotation_name, listing
from hiprobe.errors import HiProbeError, LabelError, OutOfMemory, ProbeError, UsageError, VideoError
from hiprobe.evaluation import Detection, DrawSummary, Report, evaluate, read_scores, thresholded
from hiprobe.pipeline import Pair, Progress
from hiprobe.probe import Probe
from hiprobe.probe import fit as fit_probe
from hiprobe.types import Result, Segment, Video
from hiprobe.video import pictures

Array = NDArray[np.float64]
Failed = Callable[[HiProbeError], None]

TIMES = "frame_times"


def _quiet(_path: str, _segment: Segment) -> None:
    """The progress nobody asked for."""


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
class _Gathered:
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
    scores, got = read_scores(path), _Gathered()
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
    report = evaluate(
        got.truth,
        scores,
        found=found,
        categories=bench.categories(_videos(bench)),
        allow_missing=bench.allow_missing,
        failed=got.failed,
        seed=seed,
        bootstrap=bootstrap,
        about={**bench.about(), **({} if threshold is None else {"threshold": threshold})},
    )
    return Evaluated(report, got.truth, scores, None, found, len(got.failed) - len(missing))


def _timed(bench: Benchmark, got: _Gathered) -> tuple[list[str], dict[str, Array]]:
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
            got.failed[name] = error.named
    lost = [f"{name} ({why})" for name, why in got.failed.items()]
    bench.check(lost, len(missing) + len(there), "test", "cannot be used")
    got.failed.update(dict.fromkeys(missing, "missing"))
    return missing, times


def of_probe(
    bench: Benchmark,
    model: Backbone,
    probe: Probe,
    *,
    kept: Path,
    seed: int = 0,
    bootstrap: int = 1000,
    progress: Progress = _quiet,
    failed: Failed | None = None,
) -> Evaluated:
    """The report of a probe: `detect` on each test video, hidden states and frame times kept in the folder `kept`.

    Raises LabelError for missing or failed videos that are not allowed, for a video that the probe was fitted on (by
    its content), and for other numbers of frames than the truth has; RecipeMismatch, ModelError, StoreError.
    """
    pipeline.check_probe(model, probe)
    missing, there = bench.present("test")
    _apart(there, _fitted_on(probe), "was fitted on")
    got = _detected(bench, missing, there, model, probe, kept, progress, failed)
    about = {**bench.about(), **_made_with(model, probe)}
    return _evaluated(bench, got, missing, about, seed, bootstrap)


def of_draws(
    bench: Benchmark,
    model: Backbone,
    method: str,
    *,
    kept: Path,
    draws: int = 10,
    share: float = 0.01,
    seed: int = 0,
    progress: Progress = _quiet,
    failed: Failed | None = None,
) -> Evaluated:
    """Mean and spread over `draws` probes, each fitted on a random balanced `share` of the labelled training videos.

    Draw `i` is seeded with `seed + i`; balanced means half of each class, all of a class that has fewer. Raises as
    `of_probe`, and UsageError for no draw or no share.
    """
    if draws < 1 or not 0 < share <= 1:
        raise UsageError(
            f"{draws} draws of a share of {share:g}",
            cure="give at least one draw, a share up to 100%",
        )
    missing, there = bench.present("test")
    train = bench.part("train")
    chosen = [draw(train, share, seed + i) for i in range(draws)]
    pairs = _pairs(bench, train, chosen, model, method, kept, progress, failed)
    _apart(there, {states.video_id for states, _ in pairs.values()}, "would be fitted on")
    _all_sites(there, model, method, kept, progress)
    made, records = [], []
    for i, names in enumerate(chosen):
        used = [pairs[name] for name in names if name in pairs]
        probe = fit_probe(
            method, used, model=model, seed=seed + i, layer_curve=False, permutations=0
        )
        got = _detected(
            bench, missing, there, model, probe, kept, progress, failed if i == 0 else None
        )
        about = {
            **bench.about(),
            "model": probe.recipe.model,
            "method": method,
            "share": share,
            "first seed": seed,
        }
        made.append(_evaluated(bench, got, missing, about, seed, 0))
        records.append(
            {
                "seed": seed + i,
                "fitted on": len(used),
                "missing": len(names) - len(used),
                "sites": ", ".join(map(str, probe.sites)),
                "probe": probe.digest[:8],
                "videos": list(names),
            }
        )
    reports = tuple(one.report for one in made if isinstance(one.report, Report))
    return made[-1]._replace(report=DrawSummary(reports, tuple(records)))


def draw(train: Mapping[str, Video], share: float, seed: int) -> tuple[str, ...]:
    """The names of a random `share` of the labelled videos, at least two, half of each class as far as they go.

    Raises LabelError where no video is labelled.
    """
    rng = np.random.default_rng(seed)
    classes = [
        sorted(
            name
            for name, one in train.items()
            if one.events is not None and bool(one.events) == abnormal
        )
        for abnormal in (True, False)
    ]
    wanted = max(2, round(share * sum(map(len, classes))))
    if not any(classes):
        raise LabelError("no training video is labelled")
    each = wanted if not all(classes) else wanted // 2
    sizes = [
        min(each + (wanted % 2 if all(classes) and k == 1 else 0), len(names))
        for k, names in enumerate(classes)
    ]
    return tuple(
        names[i]
        for names, size in zip(classes, sizes, strict=True)
        for i in sorted(rng.choice(len(names), size, replace=False))
    )


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


def _apart(tests: Mapping[str, Video], fitted: set[str], how: str) -> None:
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


def _detected(
    bench: Benchmark,
    missing: Sequence[str],
    tests: Mapping[str, Video],
    model: Backbone,
    probe: Probe,
    kept: Path,
    progress: Progress,
    failed: Failed | None,
) -> _Gathered:
    """Scores by frame and events of each test video, and why one has none."""
    got = _Gathered(failed=dict.fromkeys(missing, "missing"))
    whole, cut = _annotation(bench)
    got.truth.update(cut)
    for name, one in tests.items():
        try:
            result = pipeline.detect(
                one.path, model, probe, explain=False, root=kept, progress=progress
            )
            times = kept_frame_times(one.path, result.video_id, kept)
            labels = cut[name] if name in cut else _shown(one, times)
            _same_frames(whole.get(name, labels), times, one.path)
        except (VideoError, OutOfMemory, LabelError) as error:
            got.failed[name] = error.named
            if failed is not None:
                failed(error)
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


def _keep(got: _Gathered, name: str, labels: FrameLabels, times: Array, result: Result) -> None:
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


def kept_frame_times(path: str, video_id: str, kept: Path) -> Array:
    """The times (frames,), in seconds, of the video `video_id`, kept in the folder `kept`: decoded once for them.

    Raises VideoError's children, StoreError, and LabelError for kept ones that are not sound.
    """
    file = kept / TIMES / f"{video_id[:32]}.npy"
    if file.is_file():
        try:
            found = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise LabelError(
                f"no sound frame times: {error}", where=file, cure="delete it"
            ) from error
        if (
            not isinstance(found, np.ndarray)
            or found.dtype.kind != "f"
            or found.ndim != 1
            or not (np.isfinite(found).all() and (np.diff(found) > 0).all())
        ):
            raise LabelError("no sound frame times: they do not rise", where=file, cure="delete it")
        return np.asarray(found, np.float64)
    times, data = video.frame_times(path), io.BytesIO()
    np.save(data, times, allow_pickle=False)
    store.write_atomic(file, data.getvalue())
    return times


def _evaluated(
    bench: Benchmark,
    got: _Gathered,
    missing: Sequence[str],
    about: Mapping[str, Any],
    seed: int,
    bootstrap: int,
) -> Evaluated:
    report = evaluate(
        got.truth,
        got.scores,
        raw=got.raw,
        found=got.found,
        categories=bench.categories(_videos(bench)),
        allow_missing=bench.allow_missing,
        failed=got.failed,
        seed=seed,
        bootstrap=bootstrap,
        about=about,
    )
    return Evaluated(
        report, got.truth, got.scores, got.raw, got.found, len(got.failed) - len(missing)
    )


def _videos(bench: Benchmark) -> Mapping[str, Video]:
    return {} if datasets.annotated(bench.name) else bench.part("test")


def _made_with(model: Backbone, probe: Probe) -> dict[str, Any]:
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


def _pairs(
    bench: Benchmark,
    train: Mapping[str, Video],
    draws: Iterable[Sequence[str]],
    model: Backbone,
    method: str,
    kept: Path,
    progress: Progress,
    failed: Failed | None,
) -> dict[str, Pair]:
    """States and labels of every training video that a draw holds; raises LabelError for missing and unread ones."""
    names = sorted({name for names in draws for name in names})
    missing = [name for name in names if not pictures.exists(train[name].path)]
    bench.check(missing, len(names), "drawn training")
    found: dict[str, Pair] = {}
    lost: list[str] = []
    for name in (one for one in names if one not in missing):

        def note(_video: Video, error: HiProbeError, name: str = name) -> None:
            lost.append(f"{name} ({error.named})")
            if failed is not None:
                failed(error)

        found.update(
            (name, pair)
            for pair in pipeline.extract(
                [train[name]], model, method=method, root=kept, failed=note, progress=progress
            )
        )
    bench.check(lost, len(names), "drawn training", "cannot be used")
    return found


def _all_sites(
    tests: Mapping[str, Video], model: Backbone, method: str, kept: Path, progress: Progress
) -> None:
    """Reads each test video once at every site a draw may choose; one that fails will say so when it is scored."""
    unlabelled = [Video(one.path) for one in tests.values()]
    for _ in pipeline.extract(
        unlabelled,
        model,
        method=method,
        root=kept,
        progress=progress,
        failed=lambda _one, _error: None,
    ):
        pass
