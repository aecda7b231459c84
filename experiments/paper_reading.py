"""Read a benchmark's labelled draws and test videos once, and keep what was read.

Frames are counted by the benchmark's own rule, as `hiprobe evaluate` does. Knows no method.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.footage import Footage
from experiments.study import replace_sites
from hiprobe import datasets
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.evaluation.benchmark import Benchmark
from hiprobe.evaluation.draws import draw
from hiprobe.evaluation.frame_times import kept_frame_times
from hiprobe.evaluation.input_checks import check_apart
from hiprobe.labels import label_segments
from hiprobe.metrics import Pair, Ranking, draw_videos, roc_auc
from hiprobe.pipeline import Reading, ReadPlan, check_copies, extract_pairs
from hiprobe.store import find_states
from hiprobe.types import HiddenStates, Scores, Video
from hiprobe.video import pictures

Array = NDArray[np.float64]
RESAMPLES = 1000
FIGURES = ("auc", "ap_step", "ap_trapezoid", "within")
PROGRESS = 20  # videos between two lines


@dataclass(frozen=True)
class Tested:
    """The test videos: their states, and the label and the segment of every frame with a score.

    `labels` and `owners` hold an array (frames,) for each video; an owner is the number of the
    segment in its own video. `lost` counts frames without a score, and `failed` names videos.
    """

    footage: Footage
    labels: tuple[datasets.FrameLabels, ...]
    owners: tuple[NDArray[np.int64], ...]
    lost: int = 0
    failed: tuple[str, ...] = ()

    def frames(self, scores: Array) -> list[Pair]:
        """Return the labels and scores of the frames of each video, from segment `scores` (n,)."""
        cuts = np.cumsum([len(one.starts) for one in self.footage.states])[:-1]
        parts = np.split(np.asarray(scores, np.float64), cuts)
        every = zip(self.labels, self.owners, parts, strict=True)
        return [(labels, part[owner]) for labels, owner, part in every]

    def figures(self, scores: Array) -> Array:
        """Return `FIGURES` (4, 1 + RESAMPLES): of all videos, then of each bootstrap draw of them.

        The draws are the same for all scores, so that differences are paired. Raises LabelError for
        scores that are not finite and for test videos of one class.
        """
        return self.of_frames(self.frames(scores))

    def of_frames(self, pairs: Sequence[Pair]) -> Array:
        """Return the same figures of the labels and scores of the frames of each video."""
        ranking = Ranking(pairs)
        pooled = np.array(ranking.pooled()[:3])[:, None]
        drawn = ranking.drawn(self._draws)[:3]
        return np.concatenate([np.hstack([pooled, drawn]), self._within(pairs)[None]])

    def _within(self, pairs: Sequence[Pair]) -> Array:
        """Return the mean AUC within a video (1 + RESAMPLES,), over those with both classes."""
        mixed = np.array([len(np.unique(labels)) == 2 for labels, _ in pairs])
        if not mixed.any():
            return np.full(1 + RESAMPLES, np.nan)
        values = np.array([roc_auc(*pair) for pair, both in zip(pairs, mixed, strict=True) if both])
        counts = np.vstack([np.ones(len(pairs), np.int64), self._draws])[:, mixed]
        with np.errstate(invalid="ignore"):
            return np.asarray(counts @ values / counts.sum(1))

    @cached_property
    def _draws(self) -> NDArray[np.int64]:
        return draw_videos(len(self.labels), RESAMPLES, 0)


@dataclass(frozen=True)
class Source:
    """A benchmark, the model and the store it is read with, and which videos are labelled.

    `share` is that of the labelled training videos in each of `draws` draws.
    """

    bench: Benchmark
    reading: Reading
    share: float
    draws: int

    @cached_property
    def train(self) -> Mapping[str, Video]:
        """Return the training videos by name, or the few of them that a trial run takes."""
        return self.bench.part("train")

    @cached_property
    def drawn(self) -> list[tuple[str, ...]]:
        """Return the names of the labelled videos of each draw.

        They are those of `hiprobe evaluate`. A trial run takes as many videos as the whole set
        would give, if it has them.
        """
        share = self.share
        if self.bench.limit is not None:
            whole = replace(self.bench, limit=None).part("train")
            share = min(1.0, share * len(whole) / len(self.train))
        return [draw(self.train, share, seed) for seed in range(self.draws)]

    def labelled(self, plan: ReadPlan) -> dict[str, Footage]:
        """Read every training video that a draw holds; return the footage of each by its name.

        Raises LabelError for videos that are missing or cannot be read, unless that is allowed.
        """
        names = sorted({name for names in self.drawn for name in names})
        absent = [name for name in names if not pictures.exists(self.train[name].path)]
        self.bench.check(absent, len(names), "drawn training")
        chosen = {name: self.train[name] for name in names if name not in absent}
        check_copies(chosen.values())
        read = self._read(chosen, plan, "drawn training")
        return {name: _footage([chosen[name]], [one]) for name, one in read.items()}

    def tested(self, plan: ReadPlan) -> Tested:
        """Read the test videos.

        Raises LabelError for videos that are missing or cannot be used and for frames without a
        score, unless that is allowed.
        """
        missing, there = self.bench.present("test")
        read = self._read(there, plan, "test")
        truth, made, faults = datasets.truth(self.bench.name, self.bench.root), {}, {}
        for name, states in read.items():
            try:
                made[name] = self._frames(there[name], states, truth[name])
            except HiProbeError as error:
                faults[name] = error.named
        self.bench.check(list(faults.values()), len(there), "test", "unusable")
        lost = sum(one.lost for one in made.values())
        if lost and not self.bench.allow_missing:
            raise LabelError(
                f"{lost} frames of test videos have no score",
                where=self.bench.root,
                cure="replace damaged videos, or leave the frames out with --allow-missing",
            )
        footage = _footage([one.video for one in made.values()], [read[name] for name in made])
        failed = (*missing, *(name for name in there if name not in made))
        labels, owners = zip(*((one.labels, one.owners) for one in made.values()), strict=True)
        return Tested(footage, labels, owners, lost, failed)

    def _read(
        self, videos: Mapping[str, Video], plan: ReadPlan, what: str
    ) -> dict[str, HiddenStates]:
        """Read all `videos` into the store and return their states, mapped from there."""
        lost: dict[str, str] = {}

        def note(path: str, error: HiProbeError) -> None:
            lost[path] = error.named
            print(f"{path}: {error.named}", file=sys.stderr, flush=True)

        # The labels of test videos are not known in seconds; those of the others are made later.
        unlabelled = [Video(one.path) for one in videos.values()]
        pairs = extract_pairs(unlabelled, replace(self.reading, failed=note), plan)
        ids = []
        for number, (states, _) in enumerate(pairs, 1):
            ids.append(states.video_id)
            if number % PROGRESS == 0 or number == len(videos):
                line = f"{self.bench.name}, {what}: {number} of {len(videos)} videos"
                print(line, file=sys.stderr, flush=True)
        faults = [f"{name} ({lost[o.path]})" for name, o in videos.items() if o.path in lost]
        self.bench.check(faults, len(videos), what, "unusable")
        kept = [name for name, one in videos.items() if one.path not in lost]
        return {
            name: self._stored(video_id, plan) for name, video_id in zip(kept, ids, strict=True)
        }

    def _stored(self, video_id: str, plan: ReadPlan) -> HiddenStates:
        """Return stored states at exactly the sites of the plan."""
        store = self.reading.store
        assert store is not None
        found = find_states(store, video_id, plan.recipe, plan.sites, self.reading.dtype)
        assert found is not None  # it was read a moment ago
        return replace_sites(found, plan.sites)

    def _frames(self, one: Video, states: HiddenStates, labels: datasets.FrameLabels) -> _TestVideo:
        """Find the segment of each frame; raises LabelError for another number of frames."""
        assert self.reading.store is not None
        times = kept_frame_times(one.path, states.video_id, self.reading.store)
        numbers = np.arange(len(states.starts), dtype=np.float64)
        shown = Scores(states.starts, states.ends, numbers, numbers, numbers, states.gaps)
        events = datasets.events_from_frames(
            labels, times, max(states.duration, float(times[-1]) + 1e-6)
        )
        owner = shown.at(times, smoothed=False)
        scored = np.isfinite(owner)
        return _TestVideo(
            replace(one, events=events),
            labels[scored],
            owner[scored].astype(np.int64),
            int((~scored).sum()),
        )


class _TestVideo(NamedTuple):
    """A test video with its events, the labels and segments of its scored frames, and the rest."""

    video: Video
    labels: datasets.FrameLabels
    owners: NDArray[np.int64]
    lost: int


def _footage(videos: Sequence[Video], states: Sequence[HiddenStates]) -> Footage:
    """Return the footage of videos whose events are known."""
    events = [one.events or () for one in videos]
    labels = [
        label_segments(one.starts, one.ends, known)
        for one, known in zip(states, events, strict=True)
    ]
    kinds = tuple(one.categories[0] for one in videos)
    return Footage(tuple(states), tuple(labels), tuple(events), kinds)


def joined(parts: Iterable[Footage]) -> Footage:
    """Return one footage of several."""
    every = list(parts)
    return Footage(
        tuple(one for part in every for one in part.states),
        tuple(one for part in every for one in part.labels),
        tuple(one for part in every for one in part.events),
        tuple(one for part in every for one in part.kinds),
    )


def check_no_shared_videos(labelled: Iterable[Footage], bench: Benchmark) -> None:
    """Raise LabelError if a test video has the content of a labelled one."""
    fitted = {one.video_id for part in labelled for one in part.states}
    check_apart(bench.present("test")[1], fitted, "would be fitted on")
