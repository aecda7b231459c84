"""The Python interface: extract, fit, detect and explain.

Nothing is read twice, every frame is scored; a failed video is named and the others continue.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import Fitted
from tests.support.numbered_videos import noisy, steady, write

import hiprobe
from hiprobe import pipeline, store, video
from hiprobe.backbones import Backbone
from hiprobe.errors import (
    LabelError,
    MissingVideo,
    ModelError,
    OutOfMemory,
    ProbeError,
    RecipeMismatch,
    UsageError,
    VideoError,
)
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Event, HiddenStates, Recipe, Result, Segment, Site, Video
from hiprobe.video import parallel


class Pixels:
    """A backbone from outside the package whose layer `l` is the segment's mean colour plus `l`.

    It counts the segments that it read.
    """

    layers, heads, width, head_width, head_layers = 3, 1, 3, 3, (0, 1, 2)
    batch = 8
    explain_prompt, explain_span_s, notice = "What happens?", 1.6, None
    provenance: Mapping[str, Any]

    def __init__(self, **changes: Any) -> None:
        self.recipe = replace(
            Recipe("pixels", ("What happens?",), frames=4, size=(32, 32)), **changes
        )
        self.provenance = {"dtype": "float32", "device": "cpu"}
        self.read_segments, self.shown = 0, list[tuple[float, float, int]]()
        self.refuses: Exception | None = None

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        if self.refuses is not None:
            raise self.refuses
        self.read_segments += len(segments)
        colours = np.array(
            [segment.frames.mean(axis=(0, 1, 2)) for segment in segments], np.float32
        )
        return np.stack([colours + np.float32(site.layer) for site in sites], axis=1)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        self.shown.append((segment.start, segment.end, len(segment.frames)))
        return f"{prompt} {max_tokens} {deadline_s}", True


def clip(path: Path, seconds: float, rate: int = 10) -> Path:
    return write(path, steady(round(seconds * rate), rate), rate=rate, pictures=noisy)


def same(one: HiddenStates, other: HiddenStates) -> bool:
    return (
        replace(one, values=other.values, starts=other.starts, ends=other.ends) == other
        and np.array_equal(one.values, other.values)
        and np.array_equal(one.starts, other.starts)
    )


@pytest.fixture(scope="module")
def ten_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("long") / "ten.mp4", 10.0)


@pytest.fixture
def pixels() -> Pixels:
    return Pixels()


@pytest.fixture(scope="module")
def flat_probe() -> Probe:
    """A probe for `Pixels` whose scores are all 1/2, so that every video is one event."""
    site, zeros = (Site("residual", 1),), np.zeros(3)
    tensors = {"mean": zeros, "scale": zeros + 1, "weight": zeros, "bias": np.zeros(1)}
    rule = Localization(rule="fixed", threshold=0.0, min_s=0.0)
    return Probe("hiprobe", Pixels().recipe, site, 3, tensors, rule, {})


# -- the usage example of the design, with the embedded model


def test_extract_fit_save_load_and_detect(
    tmp_path: Path, shipped: Backbone, clips: Path, normal_clip: Path
) -> None:
    pairs = list(
        hiprobe.extract(hiprobe.datasets.load("folder", clips), shipped, store=tmp_path / "store")
    )
    probe = hiprobe.fit("hiprobe", iter(pairs))
    probe.save(tmp_path / "shop.probe.safetensors")
    assert probe.recipe == shipped.recipe  # it is stored with the states
    assert probe.sites[0] in pairs[0][0].sites
    result = hiprobe.detect(
        normal_clip, shipped, hiprobe.Probe.load(tmp_path / "shop.probe.safetensors")
    )
    assert (result.status, result.duration) == ("done", pytest.approx(12.8))
    assert result.scores is not None
    for event in result.events:
        assert 0 <= event.start <= (event.peak or 0) <= event.end <= 12.8
        assert (event.score or 0) >= (probe.localization.threshold or 0)
        assert event.explanation
    by_hand = probe.score(pipeline.states(normal_clip, shipped, probe.sites))
    np.testing.assert_allclose(result.scores.raw, by_hand, rtol=1e-5)


def test_a_probe_fitted_from_the_store_has_the_bytes_of_a_fresh_one(
    tmp_path: Path, shipped: Backbone, clips: Path, fitted: Fitted
) -> None:
    videos = list(hiprobe.datasets.load("folder", clips))
    kept = hiprobe.extract(videos, shipped, store=fitted.store)
    fresh = hiprobe.extract(videos, shipped)
    made = [
        hiprobe.fit("hiprobe", pairs, model=shipped, permutations=2).to_bytes()
        for pairs in (kept, fresh)
    ]
    assert made[0] == made[1] == fitted.path.read_bytes()


def test_detect_gives_the_same_with_and_without_a_store_of_all_layers(
    tmp_path: Path, shipped: Backbone, normal_clip: Path, fitted: Fitted
) -> None:
    one = hiprobe.detect(normal_clip, shipped, fitted.alarm)
    list(hiprobe.extract([Video(str(normal_clip))], shipped, store=tmp_path))
    two, three = (
        hiprobe.detect(normal_clip, shipped, fitted.alarm, store=tmp_path) for _ in range(2)
    )
    assert one.events == two.events == three.events
    assert len(one.events) == 1
    assert one.events[0].explanation
    assert one.scores is not None
    assert two.scores is not None
    np.testing.assert_array_equal(one.scores.raw, two.scores.raw)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_detect_asks_the_question_of_the_probe(
    tmp_path: Path, shipped: Backbone, clips: Path, normal_clip: Path
) -> None:
    asked = replace(shipped.recipe, prompts=("is there a fire",))
    pairs = list(
        hiprobe.extract(
            hiprobe.datasets.load("folder", clips), shipped, recipe=asked, store=tmp_path
        )
    )
    probe = hiprobe.fit("hiprobe", pairs, permutations=0, layer_curve=False)
    assert probe.recipe == asked
    result = hiprobe.detect(normal_clip, shipped, probe, explain=False)
    own, other = (
        pipeline.states(normal_clip, shipped, probe.sites, recipe=r)
        for r in (asked, shipped.recipe)
    )
    assert result.scores is not None
    np.testing.assert_array_equal(result.scores.raw, probe.score(own))
    with pytest.raises(RecipeMismatch, match="fitted with prompts"):
        probe.score(other)


# -- reading


def test_nothing_is_read_twice(tmp_path: Path, pixels: Pixels, ten_seconds: Path) -> None:
    sites = (Site("residual", 0), Site("residual", 2))
    first = pipeline.states(ten_seconds, pixels, sites, store=tmp_path)
    assert pixels.read_segments == 7
    for wanted in (sites, sites[:1], sites[1:]):
        again = pipeline.states(ten_seconds, pixels, wanted, store=tmp_path)
        np.testing.assert_array_equal(again.at(wanted), first.at(wanted))
    assert same(again, first)
    copy = shutil.copy(ten_seconds, tmp_path / "otherwise called.mp4")
    pipeline.states(copy, pixels, sites, store=tmp_path)
    assert pixels.read_segments == 7


def test_the_first_video_is_decoded_while_the_model_loads_unless_it_is_kept(
    tmp_path: Path, pixels: Pixels, ten_seconds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "decoders", lambda: 2)
    plan = pipeline.ReadPlan((Site("residual", 0),), pixels.recipe)
    wanted = pipeline.states(ten_seconds, pixels, plan.sites)
    pipeline.decode_before_model(ten_seconds, tmp_path, plan)
    assert len(parallel._begun) == 1
    found = pipeline.states(ten_seconds, pixels, plan.sites, store=tmp_path)
    assert not parallel._begun
    np.testing.assert_array_equal(found.values, wanted.values)
    pipeline.decode_before_model(ten_seconds, tmp_path, plan)
    pipeline.decode_before_model(tmp_path / "no-such-video.mp4", None, plan)
    assert not parallel._begun


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": ("Else?",)},
        {"frames": 5},
        {"segment_s": 2.0},
        {"size": (16, 16)},
        {"model": "other"},
        {"revision": "r2"},
    ],
)
def test_another_recipe_is_read_again_and_stored_separately(
    tmp_path: Path, pixels: Pixels, ten_seconds: Path, change: dict[str, Any]
) -> None:
    sites, other = (Site("residual", 0),), Pixels(**change)
    first = pipeline.states(ten_seconds, pixels, sites, store=tmp_path)
    assert pipeline.states(ten_seconds, other, sites, store=tmp_path).recipe == other.recipe
    assert other.read_segments > 0
    assert same(pipeline.states(ten_seconds, pixels, sites, store=tmp_path), first)
    assert pixels.read_segments == 7


def test_another_precision_is_read_again(tmp_path: Path, pixels: Pixels, ten_seconds: Path) -> None:
    half = Pixels()
    half.provenance = {"dtype": "bfloat16"}
    for model in (pixels, half):
        pipeline.states(ten_seconds, model, (Site("residual", 0),), store=tmp_path)
    assert (pixels.read_segments, half.read_segments) == (7, 7)


def test_a_changed_file_is_another_video(tmp_path: Path, pixels: Pixels) -> None:
    path = clip(tmp_path / "a.mp4", 2.0)
    one = pipeline.states(path, pixels, (Site("residual", 0),), store=tmp_path)
    clip(path, 5.0)
    two = pipeline.states(path, pixels, (Site("residual", 0),), store=tmp_path)
    assert (len(one.starts), len(two.starts)) == (2, 4)
    assert one.video_id != two.video_id


def test_batch_size_makes_no_difference_and_progress_is_reported(
    monkeypatch: pytest.MonkeyPatch, pixels: Pixels, ten_seconds: Path
) -> None:
    reported: list[tuple[str, int]] = []
    found = []
    for size in (1, 3, 8):
        monkeypatch.setattr(pixels, "batch", size)
        found.append(
            pipeline.states(
                ten_seconds,
                pixels,
                (Site("residual", 0),),
                progress=lambda path, segment: reported.append((path, segment.index)),
            )
        )
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    assert [index for _, index in reported] == [0, 1, 2, 3, 4, 5, 6, 2, 5, 6, 6]
    assert {path for path, _ in reported} == {str(ten_seconds)}


@pytest.mark.parametrize("seconds", [0.1, 0.2, 1.5, 1.6, 1.7, 3.2, 4.3, 10.0])
def test_every_frame_is_scored_including_the_last_segment(
    tmp_path: Path, pixels: Pixels, flat_probe: Probe, seconds: float
) -> None:
    path = clip(tmp_path / "a.mp4", seconds)
    result = hiprobe.detect(path, pixels, flat_probe, explain=False)
    times = video.frame_times(path)
    assert len(times) == round(seconds * 10)
    assert result.scores is not None
    assert (result.scores.at(times) == 0.5).all()
    assert result.scores.ends[-1] == pytest.approx(seconds)
    assert [(event.start, event.end) for event in result.events] == [(0.0, pytest.approx(seconds))]


# -- labels


def test_segments_are_labelled_by_the_share_inside_an_event(
    pixels: Pixels, ten_seconds: Path
) -> None:
    """A segment is 1 if at least half of it is inside an event, 0 if none is, else left out.

    The second and third event fill half of none: the segment that holds most of one is 1.

    The segments start at 0, 1.6, 3.2, 4.8, 6.4, 8.0 and 9.6 s.
    """
    events = (Event(1.0, 4.1), Event(8.5, 9.2), Event(9.9, np.inf))
    ((found, labels),) = hiprobe.extract([Video(str(ten_seconds), events)], pixels)
    np.testing.assert_allclose(found.starts, np.arange(7) * 1.6)
    assert labels.tolist() == [-1, 1, 1, 0, 0, 1, 1]
    ((_, normal),) = hiprobe.extract([Video(str(ten_seconds), ())], pixels)
    ((_, unknown),) = hiprobe.extract([Video(str(ten_seconds))], pixels)
    assert (set(normal.tolist()), set(unknown.tolist())) == ({0}, {-1})


def test_an_event_after_the_end_of_the_video_is_a_label_error(
    pixels: Pixels, ten_seconds: Path
) -> None:
    frames_for_seconds = Video(str(ten_seconds), (Event(0.0, 2.0), Event(120, 180)))
    with pytest.raises(
        LabelError, match=r"ten\.mp4: an event starts at 120 s, but the video ends at 10\.000 s"
    ):
        list(hiprobe.extract([frames_for_seconds], pixels))
    just_inside = Video(str(ten_seconds), (Event(9.9, 10.5),))
    assert len(list(hiprobe.extract([just_inside], pixels))) == 1


def test_the_method_decides_which_layers_are_read(pixels: Pixels, ten_seconds: Path) -> None:
    for method, layers in (("hiprobe", [0, 1, 2]), ("output_layer", [2]), ("one_class", [1])):
        ((found, _),) = hiprobe.extract([Video(str(ten_seconds))], pixels, method=method)
        assert [site.layer for site in found.sites] == layers
    with pytest.raises(UsageError, match="no method 'nonsense'"):
        list(hiprobe.extract([Video(str(ten_seconds))], pixels, method="nonsense"))


# -- failures


def test_extract_reports_unreadable_videos_and_continues_with_the_others(
    pixels: Pixels, ten_seconds: Path, bad_videos: dict[str, Path], tmp_path: Path
) -> None:
    videos = [Video(str(path), ()) for path in bad_videos.values()]
    failed: list[tuple[str, str]] = []
    late, sound = Video(str(ten_seconds), (Event(99, 100),)), tmp_path / "sound.mp4"
    sound.write_bytes(ten_seconds.read_bytes() + b"\0\0\0\x08free")  # other content
    pairs = list(
        hiprobe.extract(
            [*videos, late, Video(str(sound), ())],
            pixels,
            failed=lambda path, error: failed.append((Path(path).name, type(error).__name__)),
        )
    )
    assert len(pairs) == 1
    assert failed == [*((f"{name}.mp4", name) for name in bad_videos), ("ten.mp4", "LabelError")]
    with pytest.raises(MissingVideo):
        list(hiprobe.extract(videos, pixels))


def test_detect_all_reports_failed_videos_without_scores(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path, bad_videos: dict[str, Path]
) -> None:
    reported: list[str] = []
    results = list(
        hiprobe.detect_all(
            [*bad_videos.values(), ten_seconds],
            pixels,
            flat_probe,
            explain=False,
            failed=lambda _path, error: reported.append(type(error).__name__),
        )
    )
    assert reported == list(bad_videos)
    for name, result in zip(bad_videos, results, strict=False):
        assert (result.status, result.scores, result.events) == ("failed", None, ())
        assert result.reason is not None
        assert result.reason.startswith(f"{name}: ")
        assert (result.video_id == "") == (name == "MissingVideo")
    assert [result.status for result in results] == ["failed"] * len(bad_videos) + ["done"]
    with pytest.raises(VideoError):
        hiprobe.detect(bad_videos["EmptyVideo"], pixels, flat_probe)


def test_out_of_memory_fails_one_video_and_a_model_error_ends_the_run(
    tmp_path: Path, pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    pixels.refuses = OutOfMemory("segment 0 does not fit into memory, even alone")
    run = hiprobe.detect_all(
        [ten_seconds, ten_seconds], pixels, flat_probe, explain=False, store=tmp_path
    )
    first = next(run)
    assert (first.status, first.reason) == (
        "failed",
        "OutOfMemory: segment 0 does not fit into memory, even alone",
    )
    pixels.refuses = None
    assert next(run).status == "done"
    pixels.refuses = ModelError("hidden states overflow")
    with pytest.raises(ModelError):
        list(hiprobe.detect_all([ten_seconds], pixels, flat_probe))


def test_damage_in_the_middle_gives_a_partial_result_with_gaps(
    tmp_path: Path, pixels: Pixels, flat_probe: Probe
) -> None:
    data = bytearray(clip(tmp_path / "whole.mp4", 8.0).read_bytes())
    half = len(data) // 2
    data[half : half + 3000] = bytes(3000)
    (tmp_path / "hurt.mp4").write_bytes(data)
    result = hiprobe.detect(
        tmp_path / "hurt.mp4", pixels, flat_probe, explain=False, store=tmp_path
    )
    assert result.status == "partial"
    assert result.reason is not None
    assert result.scores is not None
    times = video.frame_times(tmp_path / "hurt.mp4")
    lost = np.isnan(result.scores.at(times))
    assert all(
        any(gap.start <= time < gap.end for gap in result.scores.gaps) for time in times[lost]
    )
    again = hiprobe.detect(tmp_path / "hurt.mp4", pixels, flat_probe, explain=False, store=tmp_path)
    assert (again.status, again.reason, again.scores.gaps if again.scores else None) == (
        "partial",
        result.reason,
        result.scores.gaps,
    )


def test_a_damaged_file_of_the_store_is_a_store_error(
    tmp_path: Path, pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    hiprobe.detect(ten_seconds, pixels, flat_probe, store=tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(hiprobe.errors.StoreError, match=path.name):
        list(hiprobe.detect_all([ten_seconds], pixels, flat_probe, store=tmp_path))


# -- probes


@pytest.mark.parametrize(
    ("change", "said"), [({"model": "other"}, "model"), ({"revision": "r2"}, "revision")]
)
def test_a_probe_of_another_model_is_refused_before_reading(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path, change: dict[str, Any], said: str
) -> None:
    other = replace(flat_probe, recipe=replace(flat_probe.recipe, **change))
    for call in (
        lambda: hiprobe.detect(ten_seconds, pixels, other),
        lambda: list(hiprobe.detect_all([ten_seconds], pixels, other)),
    ):
        with pytest.raises(RecipeMismatch, match=said):
            call()
    assert pixels.read_segments == 0


def test_a_probe_of_a_deeper_model_is_refused(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    deep = replace(flat_probe, sites=(Site("residual", 7),))
    with pytest.raises(RecipeMismatch, match="layer 7 of 3 layers"):
        hiprobe.detect(ten_seconds, pixels, deep)


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": ("Else?",)},
        {"frames": 5},
        {"segment_s": 2.0},
        {"size": (16, 16)},
        {"model": "other"},
        {"revision": "r2"},
    ],
)
def test_states_of_another_recipe_are_neither_scored_nor_mixed(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path, change: dict[str, Any]
) -> None:
    other = Pixels(**change)
    with pytest.raises(RecipeMismatch):
        flat_probe.score(pipeline.states(ten_seconds, other, flat_probe.sites))
    pairs = [
        next(iter(hiprobe.extract([Video(str(ten_seconds), ())], model)))
        for model in (pixels, other)
    ]
    with pytest.raises(RecipeMismatch):
        hiprobe.fit("hiprobe", pairs)


def test_fit_needs_four_segments_of_each_class(pixels: Pixels, ten_seconds: Path) -> None:
    # All normal, all anomalous, only three anomalous segments, and unlabelled.
    for events in ((), (Event(0, np.inf),), (Event(0, 4.8),), None):
        with pytest.raises(LabelError, match="at least 4 anomalous and 4 normal"):
            hiprobe.fit("hiprobe", hiprobe.extract([Video(str(ten_seconds), events)], pixels))
    with pytest.raises(LabelError, match="no video"):
        hiprobe.fit("hiprobe", [])
    pairs = list(
        hiprobe.extract([Video(str(ten_seconds), (Event(0, 6.4),))], pixels, method="output_layer")
    )
    with pytest.raises(ProbeError, match="not read"):
        hiprobe.fit("one_class", pairs, sites=(Site("residual", 1),))


def test_facts_about_the_model_are_stored_in_the_probe(shipped: Backbone, fitted: Fitted) -> None:
    assert fitted.probe.provenance["states"]["dtype"] == shipped.provenance["dtype"]
    assert fitted.probe.provenance["states"]["device"] == "cpu"


# -- events and explanations


def test_a_localization_given_to_detect_overrides_the_probes(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    never = Localization(rule="fixed", threshold=0.6)
    assert hiprobe.detect(ten_seconds, pixels, flat_probe, localization=never).events == ()
    assert pixels.shown == []


def test_explain_shows_the_model_the_part_of_the_event_around_its_peak(
    pixels: Pixels, ten_seconds: Path
) -> None:
    cases = {
        Event(2.0, 8.0, peak=5.0): (4.2, 5.8),
        Event(2.0, 8.0, peak=7.9): (6.4, 8.0),
        Event(2.0, 8.0, peak=2.0): (2.0, 3.6),
        Event(2.0, 3.0, peak=2.5): (2.0, 3.0),
        Event(2.0, 8.0): (4.2, 5.8),
    }
    for event, span in cases.items():
        hiprobe.explain(ten_seconds, pixels, event)
        assert pixels.shown[-1][:2] == pytest.approx(span)
        assert pixels.shown[-1][2] == pixels.recipe.frames
    pixels.explain_span_s = None  # type: ignore[assignment]
    hiprobe.explain(ten_seconds, pixels, Event(2.0, 8.0, peak=5.0))
    assert pixels.shown[-1][:2] == pytest.approx((2.0, 8.0))


def test_explanations_use_the_given_limits_and_can_be_left_out(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    (event,) = hiprobe.detect(ten_seconds, pixels, flat_probe, max_tokens=7, deadline_s=2.5).events
    assert event.explanation == "What happens? 7 2.5"
    assert hiprobe.explain(ten_seconds, pixels, event, prompt="Why?", max_tokens=1) == (
        "Why? 1 60.0",
        True,
    )
    (event,) = hiprobe.detect(ten_seconds, pixels, flat_probe, explain=False).events
    assert event.explanation is None
    assert len(pixels.shown) == 2


def test_a_result_names_its_model_probe_and_recipe(
    pixels: Pixels, flat_probe: Probe, ten_seconds: Path
) -> None:
    found = hiprobe.detect(ten_seconds, pixels, flat_probe)
    assert isinstance(found, Result)
    assert found.video_id == video.digest(ten_seconds)
    assert found.provenance["model"] == {
        "name": "pixels",
        "id": "pixels",
        "revision": None,
        "sites": ["residual/layer1/prompt0"],
    }
    assert found.provenance["probe"] == flat_probe.digest
    assert found.provenance["recipe"] == pixels.recipe.digest
    json.dumps(dict(found.provenance))


def test_a_probe_learns_the_spans_of_a_csv(tmp_path: Path, pixels: Pixels) -> None:
    """Two videos are dark, then bright where the CSV has an event; the probe finds the event."""
    rows = [["path", "label", "start", "end"]]
    for name in "ab":
        write(
            tmp_path / f"{name}.mp4",
            steady(128, 10),
            rate=10,
            pictures=lambda i: (
                np.full((64, 64, 3), 200 if i >= 64 else 40, np.uint8) // 2 + noisy(i) // 8
            ),
        )
        rows.append([f"{name}.mp4", "light", "6.4", "12.8"])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    probe = hiprobe.fit(
        "hiprobe", hiprobe.extract(hiprobe.datasets.load("folder", tmp_path), pixels)
    )
    (event,) = hiprobe.detect(tmp_path / "a.mp4", pixels, probe, explain=False).events
    assert (event.start, event.end) == pytest.approx((6.4, 12.8), abs=0.1)
    assert store.find_states(tmp_path / "none", "x", pixels.recipe, (), "float32") is None


# -- pairs that are used again


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> list[Video]:
    """Two dark normal videos and two bright anomalous ones."""
    folder, found = tmp_path_factory.mktemp("coloured"), []
    for n in range(4):

        def picture(i: int, n: int = n) -> NDArray[np.uint8]:
            return np.asarray(noisy(i + n) // 4 + np.uint8(90 * (n % 2)))

        path = write(folder / f"{n}.mp4", steady(70, 10), rate=10, pictures=picture)
        found.append(Video(str(path), (Event(0.0, np.inf),) if n % 2 else ()))
    return found


def test_the_pairs_of_extract_can_be_fitted_twice_from_a_store(
    tmp_path: Path, pixels: Pixels, coloured: list[Video]
) -> None:
    pairs = hiprobe.extract(coloured, pixels, store=tmp_path / "store")
    first = hiprobe.fit("hiprobe", pairs, permutations=0)
    read = pixels.read_segments
    assert hiprobe.fit("hiprobe", pairs, permutations=0).to_bytes() == first.to_bytes()
    assert pixels.read_segments == read  # the model did not run again


def test_without_a_store_the_second_use_of_pairs_is_an_error_that_says_so(
    pixels: Pixels, coloured: list[Video]
) -> None:
    pairs = hiprobe.extract(coloured, pixels)
    hiprobe.fit("hiprobe", pairs, permutations=0)
    with pytest.raises(UsageError, match=r"used once without a store.*give extract a store, or"):
        hiprobe.fit("hiprobe", pairs, permutations=0)
    used_up = iter(list(hiprobe.extract(coloured, pixels)))
    hiprobe.fit("hiprobe", used_up, permutations=0)
    with pytest.raises(LabelError, match="a generator gives its pairs only once"):
        hiprobe.fit("hiprobe", used_up, permutations=0)
