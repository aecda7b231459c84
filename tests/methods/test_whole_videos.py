"""Fit on one vector of each whole video (HeadHunt-VAD's protocol); detection reads segments."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.numbered_videos import steady, write

from hiprobe import pipeline, video
from hiprobe.backbones import Backbone
from hiprobe.errors import RecipeMismatch
from hiprobe.pipeline import RecipeOptions
from hiprobe.probe import Probe, fit
from hiprobe.store import find_states, save_states
from hiprobe.types import Event, HiddenStates, Recipe, Site, Video
from hiprobe.video.whole_video import WholeVideo

RECIPE = Recipe("org/model", ("Is anything abnormal?",), frames=4, size=(16, 16))


def test_the_frames_of_a_whole_video_are_spread_over_all_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", steady(100, 10))
    (one,) = WholeVideo(path, replace(RECIPE, unit="video"))
    times = video.frame_times(path)
    segments = video.segments(path, RECIPE)
    assert list(segments)
    length = segments.duration
    assert times[-1] < length < times[-1] + 0.11
    want = [times[times <= (i + 0.5) * length / 4 + 1e-6][-1] for i in range(4)]
    assert (one.start, one.end) == (0.0, pytest.approx(length))
    np.testing.assert_allclose(one.times, want)
    same = video.span(path, 0.0, length, 4, (16, 16))
    assert (one.frames == same.frames).all()


def test_the_end_of_a_whole_video_is_that_of_its_frames_not_the_stated_one(tmp_path: Path) -> None:
    long = write(tmp_path / "long.mkv", steady(400, 10), rate=10)
    data = bytearray(long.read_bytes())
    duration, tag = data.index(b"\x44\x89\x88") + 3, data.index(b"00:00:40")
    data[duration : duration + 8], data[tag : tag + 8] = struct.pack(">d", 10_000), b"00:00:10"
    long.write_bytes(data)
    assert video.info(long).duration == pytest.approx(10.0)
    reader = WholeVideo(long, replace(RECIPE, unit="video"))
    (one,) = reader
    assert (one.end, reader.duration) == pytest.approx((40.0, 40.0), abs=1e-3)
    assert one.times == pytest.approx([5.0, 15.0, 25.0, 35.0], abs=1e-3)

    cut = write(tmp_path / "cut.mp4", steady(400, 10), rate=10, muxer={"movflags": "+faststart"})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    reader = WholeVideo(cut, replace(RECIPE, unit="video"))
    (one,) = reader
    left = video.frame_times(cut)[-1] + 0.1
    assert left < 35.0
    assert one.end == pytest.approx(left, abs=1e-3)
    assert np.diff(one.times) == pytest.approx([left / 4] * 3, abs=0.11)
    (gap,) = reader.gaps
    assert (gap.start, gap.end) == pytest.approx((left, 40.0), abs=1e-3)
    assert reader.duration == one.end


@pytest.mark.parametrize("count", [1, 20])
def test_a_whole_video_that_states_no_length_ends_after_its_last_frame(
    tmp_path: Path, count: int
) -> None:
    path = write(tmp_path / "v.h264", steady(count, 25), rate=25)
    assert video.info(path).duration is None
    (one,) = WholeVideo(path, replace(RECIPE, unit="video"))
    assert one.end == pytest.approx(count * 0.04)  # a raw stream counts 25 frames a second


def test_a_recipe_of_segments_keeps_the_digest_that_was_stored() -> None:
    assert "unit" not in RECIPE.to_json()
    assert RECIPE.digest.startswith("9c989051cb44d1938af3ac615db7d4b7")  # computed without a unit
    whole = replace(RECIPE, unit="video")
    assert whole.digest != RECIPE.digest
    assert Recipe.from_json(whole.to_json()) == whole
    with pytest.raises(ValueError, match="unit must be one of"):
        replace(RECIPE, unit="frame")  # type: ignore[arg-type]


def test_the_states_of_whole_videos_are_stored_beside_those_of_segments(
    shipped: Backbone, tmp_path: Path
) -> None:
    path, site = write(tmp_path / "v.mp4", steady(40, 10)), (Site("residual", 2),)
    whole = RecipeOptions(unit="video").recipe("hiprobe", shipped)
    one = pipeline.states(path, shipped, site, recipe=whole, store=tmp_path / "store")
    many = pipeline.states(path, shipped, site, store=tmp_path / "store")
    assert (len(one.starts), len(many.starts)) == (1, 3)
    kept = find_states(tmp_path / "store", one.video_id, whole, site, "float32")
    assert kept is not None
    assert (kept.values == one.values).all()
    span = video.span(path, 0.0, one.ends[0], whole.frames, whole.size)
    np.testing.assert_array_equal(one.values, shipped.read([span], site, whole))


def pairs(unit: str, segments: int, apart: float) -> list[tuple[HiddenStates, np.ndarray]]:
    recipe, times, found = replace(RECIPE, unit=unit), np.arange(segments + 1) * 1.6, []
    rng = np.random.default_rng(0)
    for n in range(10):
        values = rng.normal(size=(segments, 1, 8)) + apart * (n % 2)
        states = HiddenStates(
            f"v{n}", recipe, (Site("residual", 0),), times[:-1], times[1:], values, times[-1]
        )
        found.append((states, np.full(segments, n % 2, np.int8)))
    return found


def test_a_probe_of_whole_videos_scores_segments_and_says_what_it_was_fitted_on(
    tmp_path: Path,
) -> None:
    probe = fit("hiprobe", pairs("video", 1, 3.0))
    assert probe.recipe == RECIPE
    assert probe.provenance["unit"] == "video"
    assert probe.provenance["segments"] == {"anomalous": 5, "normal": 5, "left_out": 0}
    probe.save(tmp_path / "p.safetensors")
    read = Probe.load(tmp_path / "p.safetensors")
    assert "unit" not in read.recipe.to_json()
    (normal, _), (anomalous, _) = pairs("segment", 6, 3.0)[:2]
    assert read.score(anomalous).mean() > read.score(normal).mean()
    assert "unit" not in fit("hiprobe", pairs("segment", 6, 3.0)).provenance


def test_whole_videos_and_segments_are_not_fitted_together() -> None:
    with pytest.raises(RecipeMismatch, match="unit"):
        fit("hiprobe", [*pairs("video", 1, 3.0)[:5], *pairs("segment", 6, 3.0)[5:]])


def test_events_are_checked_on_segments(shipped: Backbone) -> None:
    whole = RecipeOptions(unit="video").recipe("hiprobe", shipped)
    assert pipeline.answer_plan(shipped, whole).recipe.unit == "segment"


def test_states_and_probes_that_know_no_answers_are_read(tmp_path: Path) -> None:
    """A header without the keys of later versions is that of their defaults."""
    site = Site("logit", 7)
    assert site.to_json() == {"kind": "logit", "layer": 7, "head": None, "prompt": 0}
    digits = Site("logit", 7, answers=("0", "1", "2"))
    for one in (site, digits):
        assert Site.from_json(json.loads(json.dumps(one.to_json()))) == one
        states = replace(
            pairs("segment", 3, 0.0)[0][0],
            video_id="ab" * 32,
            sites=(one,),
            values=np.zeros((3, 1, 3), np.float32),
        )
        save_states(tmp_path, states, "float32")
        kept = find_states(tmp_path, states.video_id, RECIPE, (one,), "float32")
        assert kept is not None
        assert kept.sites == (one,)


def test_a_labelled_event_makes_the_whole_video_anomalous(
    shipped: Backbone, tmp_path: Path
) -> None:
    path = write(tmp_path / "v.mp4", steady(60, 10))
    whole = RecipeOptions(unit="video").recipe("hiprobe", shipped)
    video_of = Video(str(path), events=(Event(1.0, 1.5),))
    ((_, labels),) = pipeline.extract([video_of], shipped, recipe=whole)
    assert labels.tolist() == [1]
