"""Reading one window of every N, and what follows from its score; and segments that stay still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from experiments.sparse_reading import windows_read
from numpy.typing import NDArray
from tests.support.fake_backbone import RECIPE, MeanColourBackbone, constant_probe
from tests.support.numbered_videos import noisy, steady, write
from tests.test_window_sources import Counting, y4m

from hiprobe import pipeline, runs, store
from hiprobe.errors import EmptyVideo, UnsupportedVideo, UsageError
from hiprobe.live.scoring import Reader, ToRead
from hiprobe.localize import Localization
from hiprobe.pipeline import Reading, ReadPlan, WindowsToRead
from hiprobe.pipeline.coarse_to_fine import CoarseToFine
from hiprobe.pipeline.reading import Segments
from hiprobe.probe import Probe
from hiprobe.store.results import read_result
from hiprobe.types import UNREAD, Controls, Gap, HiddenStates, Result, Segment, VideoFacts
from hiprobe.video.controls import motion_and_brightness

STEP = 1.6
FACTS = VideoFacts("h264", 16, 16, 1000)


def grey_probe() -> Probe:
    """Make a probe that scores 1/2 at grey 127 and more where it is brighter."""
    tensors = {
        "mean": np.full(3, 128.0),
        "scale": np.ones(3),
        "weight": np.full(3, 0.02),
        "bias": np.zeros(1),
    }
    rule = Localization(sigma=0.0, rule="fixed", threshold=0.5, min_s=0.0, refine=False)
    return replace(constant_probe(), tensors=tensors, localization=rule)


@dataclass
class Windows:
    """Windows without a file: a grey and a motion each; None for one that could not be decoded."""

    greys: Sequence[int | None]
    moving: Sequence[int]
    before: None = None
    skipped: int = 0
    facts: VideoFacts = FACTS

    @property
    def duration(self) -> float:
        return len(self.greys) * STEP

    @property
    def gaps(self) -> tuple[Gap, ...]:
        spans = [(k * STEP, (k + 1) * STEP) for k, one in enumerate(self.greys) if one is None]
        return tuple(Gap(start, end, "damaged data") for start, end in spans)

    def __iter__(self) -> Iterator[Segment]:
        for place, (grey, motion) in enumerate(zip(self.greys, self.moving, strict=True)):
            if grey is not None:
                frames = np.empty((2, 16, 16, 3), np.uint8)
                frames[0], frames[1] = grey - motion, grey + motion
                start = place * STEP
                times = np.array([start + 0.4, start + 1.2])
                yield Segment(frames, times, start, start + STEP, place)


def read(windows: Windows, every: int, low: float = 0.25, batch: int = 8) -> HiddenStates:
    model, probe = Counting(), grey_probe()
    model.batch = batch  # type: ignore[misc]
    plan = ReadPlan(probe.sites, RECIPE)
    how = CoarseToFine(every, low, probe)
    return how.read(cast(Segments, windows), "a.mp4", "ab", Reading(model), plan)


def places(found: HiddenStates) -> list[int]:
    return [round(start / STEP) for start in found.starts.tolist()]


DARK, BRIGHT = 40, 220


def test_the_window_of_each_block_in_which_most_moves_is_read() -> None:
    greys = [DARK + k for k in range(10)]  # so that none repeats another
    found = read(Windows(greys, [1, 2, 9, 1, 8, 1, 1, 1, 0, 0]), 4)
    assert places(found) == [2, 4, 8]
    assert [gap.unread for gap in found.gaps] == [True] * 7


@pytest.mark.parametrize("at", [0, 1, 9, 10, 11])
@pytest.mark.parametrize("every", [2, 4, 16, 64])
def test_an_event_is_read_to_its_ends_and_one_window_beyond(every: int, at: int) -> None:
    """Three bright windows at the very start, within, and at the very end of twelve."""
    bright = range(at - 1, at + 2)
    greys = [BRIGHT + k if k in bright else DARK + k for k in range(12)]
    found = places(read(Windows(greys, [3 if k == at else 1 for k in range(12)]), every))
    whole = {k for k in range(at - 2, at + 3) if 0 <= k < 12}
    assert whole <= set(found)
    if every > 12:
        assert set(found) == whole


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("every", [2, 3, 5, 8])
def test_one_pass_reads_what_the_rule_says_of_the_whole_video(every: int, batch: int) -> None:
    """The reference chooses on all scores at once, in `experiments.sparse_reading`."""
    rng = np.random.default_rng([every, batch])
    greys = rng.integers(60, 200, 97).tolist()
    moving = rng.permutation(97) % 50
    windows, probe = Windows(greys, moving.tolist()), grey_probe()
    segments = list(windows)
    whole = MeanColourBackbone().read(segments, probe.sites)
    measured = np.array([motion_and_brightness(one.frames) for one in segments])
    starts = np.array([one.start for one in segments])
    states = HiddenStates(
        "ab",
        RECIPE,
        probe.sites,
        starts,
        starts + STEP,
        whole,
        windows.duration,
        controls=Controls(FACTS, *measured.T),
    )
    wanted = np.flatnonzero(windows_read(states, probe.score(states), every, 0.6))
    found = read(windows, every, 0.6, batch)
    assert places(found) == wanted.tolist()
    assert np.array_equal(found.values, whole[wanted])
    assert found.controls is not None
    assert np.array_equal(found.controls.motion, measured[wanted, 0])


def test_reading_does_not_go_on_across_what_could_not_be_decoded() -> None:
    greys: list[int | None] = [DARK, DARK + 1, BRIGHT, None, BRIGHT, BRIGHT + 1, DARK + 2, DARK + 3]
    moving = [1, 1, 9, 1, 1, 1, 1, 9]
    found = read(Windows(greys, moving), 4)  # blocks of four that were decoded: 0 1 2 4, 5 6 7
    assert places(found) == [1, 2, 7]
    assert [(gap.reason == UNREAD) for gap in found.gaps] == [True, False, True, True, True]


def test_a_picture_that_stands_is_read_once_though_it_scores_high() -> None:
    model, probe = Counting(), grey_probe()
    how = CoarseToFine(4, 0.25, probe)
    windows = cast(Segments, Windows([BRIGHT] * 40, [0] * 40))
    found = how.read(windows, "a.mp4", "ab", Reading(model), ReadPlan(probe.sites, RECIPE))
    assert model.count == 1
    assert found.sources == ("read", *["repeated"] * 39)


def test_a_video_without_segments_and_one_with_huge_ones_are_errors() -> None:
    with pytest.raises(EmptyVideo):
        read(Windows([], []), 4)
    huge = np.broadcast_to(np.zeros((), np.uint8), (64, 4096, 1024, 3))
    one = Segment(huge, np.arange(64) / 64, 0.0, STEP, 0)
    with pytest.raises(UnsupportedVideo, match="--every 8 holds 16 windows of 768 MiB"):
        list(CoarseToFine(8, 0.5, grey_probe())._groups(iter([one]), 8, "a.mp4"))


def test_what_is_asked_is_checked() -> None:
    with pytest.raises(UsageError, match="cannot be used together"):
        WindowsToRead(4, still=True)
    with pytest.raises(ValueError, match="every must be a whole number from 1 to 64 windows"):
        WindowsToRead(65)
    with pytest.raises(UsageError, match="the adaptive rule has none"):
        WindowsToRead(4).settings(Localization(rule="adaptive"))
    assert WindowsToRead().settings(Localization(rule="adaptive")) == {}
    assert WindowsToRead.of_settings({"every": 4, "low": 0.1}) == WindowsToRead(4)
    assert WindowsToRead.of_settings({"still": 4.0}) == WindowsToRead(still=True)


# Videos


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 32 s, 20 windows, dark but for 4.8 s from 12.8 s on, when more moves."""
    path = tmp_path_factory.mktemp("clip") / "a.y4m"
    return y4m(path, 320, lambda k: (190 + k % 16 if 128 <= k < 176 else 50) + k % 3 + k // 16)


def detect(path: Path, folder: Path | None = None, **asked: object) -> tuple[Result, Counting]:
    model = Counting()
    windows = WindowsToRead(**asked)  # type: ignore[arg-type]
    found = pipeline.detect(path, model, grey_probe(), explain=False, store=folder, windows=windows)
    return found, model


def test_every_1_gives_the_bits_of_the_default(clip: Path) -> None:
    whole = pipeline.detect(clip, Counting(), grey_probe(), explain=False)
    one, _ = detect(clip, every=1)
    assert one.scores is not None
    assert whole.scores is not None
    assert one.scores.raw.tobytes() == whole.scores.raw.tobytes()
    assert replace(one, scores=whole.scores) == whole


def test_the_event_is_found_with_less_and_the_rest_has_no_score(clip: Path) -> None:
    found, model = detect(clip, every=5)
    scores = found.scores
    assert scores is not None
    assert [(one.start, one.end) for one in found.events] == [(12.8, 17.6)]
    assert model.count == len(scores.starts) < 10
    assert len(scores.starts) + len(scores.unread) == 20
    assert found.status == "done"
    assert found.provenance["windows"] == {"every": 5, "low": 0.35}
    middles = np.array([(gap.start + gap.end) / 2 for gap in scores.unread])
    assert np.isnan(scores.at(middles)).all()
    assert scores.scored_s == pytest.approx(len(scores.starts) * STEP)


def test_states_of_a_part_are_kept_apart(clip: Path, tmp_path: Path) -> None:
    """Neither takes the place of the other, and each is read once."""
    sizes = {}
    for asked in ({"every": 5}, {}, {"still": True}, {"every": 4}):
        for again in (False, True):
            found, model = detect(clip, tmp_path, **asked)  # type: ignore[arg-type]
            assert found.scores is not None
            assert (model.count == 0) == again
        sizes[str(asked)] = len(found.scores.starts)
    assert sizes["{}"] == sizes["{'still': True}"] == 20
    assert max(sizes["{'every': 5}"], sizes["{'every': 4}"]) < 20
    kept = [one.file for one in store.index.stored_states(tmp_path)]
    assert len(kept) == 1  # only the whole one can be fitted on


def test_another_threshold_reads_again_and_other_merging_does_not(
    clip: Path, tmp_path: Path
) -> None:
    def wanted(localization: Localization) -> int:
        asked = runs.Wanted(
            grey_probe(), localization, explain=False, windows=WindowsToRead(every=5)
        )
        return len(runs.without_model(tmp_path, [clip], asked)[0])

    probe = grey_probe()
    run = runs.DetectionRun(
        Counting(), probe, tmp_path, explain=False, windows=WindowsToRead(every=5)
    )
    assert len(list(run.detect([clip]))) == 1
    rule = probe.localization
    assert wanted(rule) == 1
    assert wanted(replace(rule, merge_s=30.0)) == 1
    assert wanted(replace(rule, threshold=0.4)) == 0
    plain = runs.Wanted(probe, rule, explain=False)
    assert runs.without_model(tmp_path, [clip], plain)[0] == []
    assert runs.run_options(tmp_path, probe).windows == WindowsToRead(every=5)


def test_finished_results_are_those_of_the_same_windows(clip: Path, tmp_path: Path) -> None:
    asked = (WindowsToRead(every=5), WindowsToRead(), WindowsToRead(still=True), WindowsToRead(4))

    def run(windows: WindowsToRead) -> runs.DetectionRun:
        return runs.DetectionRun(Counting(), grey_probe(), tmp_path, explain=False, windows=windows)

    for one in asked:
        assert len(list(run(one).detect([clip]))) == 1
        finished = [len(run(other).done([clip])[0]) for other in asked]
        assert finished == [int(other == one) for other in asked]


def test_an_interrupted_run_ends_with_the_same_files(clip: Path, tmp_path: Path) -> None:
    def run(out: Path, model: MeanColourBackbone) -> runs.DetectionRun:
        windows = WindowsToRead(every=3)
        return runs.DetectionRun(model, grey_probe(), out, explain=False, windows=windows)

    class Stopped(Counting):
        def read(self, *given: object) -> NDArray[np.float32]:  # type: ignore[override]
            if self.count:
                raise KeyboardInterrupt
            return super().read(*given)  # type: ignore[arg-type]

    list(run(tmp_path / "one", Counting()).detect([clip]))
    with pytest.raises(KeyboardInterrupt):
        list(run(tmp_path / "two", Stopped()).detect([clip]))
    assert not list((tmp_path / "two").glob("*/result.json"))
    list(run(tmp_path / "two", Counting()).detect([clip]))
    one, two = (next((tmp_path / name).glob("*/result.json")) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    again = read_result(one.parent)
    assert again.scores is not None
    assert again.scores.unread


def test_damage_stays_a_gap_and_makes_the_result_partial(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", steady(160, 10), pictures=noisy)
    data = bytearray(path.read_bytes())
    third = len(data) // 3 // 188 * 188
    data[third : third + third // 188 * 188] = bytes(third // 188 * 188)
    path.write_bytes(data)
    whole = pipeline.detect(path, Counting(), grey_probe(), explain=False)
    found, _ = detect(path, every=4)
    assert found.scores is not None
    assert whole.scores is not None
    assert whole.scores.gaps
    assert found.scores.lost == whole.scores.gaps
    assert found.status == whole.status == "partial"
    windows = {*zip(found.scores.starts, found.scores.ends, strict=True)}
    windows |= {(gap.start, gap.end) for gap in found.scores.unread}
    assert windows == {*zip(whole.scores.starts, whole.scores.ends, strict=True)}


def test_a_slow_change_is_compared_with_what_was_read() -> None:
    """Also behind a segment that repeats one whose score was carried."""
    model, probe = Counting(), grey_probe()
    plan = ReadPlan(probe.sites, RECIPE, "still")
    windows = cast(Segments, Windows([100, 103, 103, 106, 106], [0] * 5))
    found = pipeline.read_states(windows, "a.mp4", "ab", Reading(model), plan)
    assert found.sources == ("read", "carried", "repeated", "read", "repeated")
    assert model.count == 2
    assert np.array_equal(found.values[2], found.values[0])


def test_still_segments_are_carried_as_a_camera_carries_them(clip: Path, tmp_path: Path) -> None:
    """The greys change by a level a window, so each fifth differs enough from the one read."""
    found, model = detect(clip, still=True)
    assert found.scores is not None
    reader, probe = Reader(Counting()), grey_probe()
    segments = list(pipeline.reading.parallel.decode_segments(clip, RECIPE, "ab"))
    live = [reader.read([ToRead("a", one, gate=True)], probe)[0] for one in segments]
    assert found.scores.sources == tuple(one.source for one in live)
    assert model.count == reader.counts.read < 20
    assert found.scores.carried == reader.counts.carried > 5
    raw = found.scores.raw.tolist()
    for place, source in enumerate(found.scores.sources):
        assert source == "read" or raw[place] == raw[place - 1]
    assert found.provenance["windows"] == {"still": 4.0}
