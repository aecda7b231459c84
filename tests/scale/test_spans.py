"""Spans of a long video begin at multiples of the batch and join to an unsplit read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, packet_places, steady, write

from hiprobe import pipeline, video
from hiprobe.scale import spans
from hiprobe.scale.spans import SpanStates
from hiprobe.types import HiddenStates
from hiprobe.video import joining
from hiprobe.video.sampling import Span

MODEL, SITES, RECIPE = (
    fake_backbone.load(),
    fake_backbone.constant_probe().sites,
    fake_backbone.RECIPE,
)
PLAN = (Span(0, 8), Span(8, 16), Span(24, None))
ID = "0" * 64
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "mp4": (".mp4", {}),
    "sound": (".mp4", {"sound_at": 0.0}),
    "matroska": (".mkv", {}),
    "open groups": (".mp4", {"options": {"x264-params": "open-gop=1:keyint=24"}}),
    "no keyframe but one": (".mp4", {"options": {"g": "10000", "x264-params": "scenecut=0"}}),
    "hevc": (
        ".mp4",
        {"codec": "libx265", "options": {"x265-params": "open-gop=1:keyint=24:log-level=none"}},
    ),
}


def whole(path: Path) -> HiddenStates:
    reading, plan = pipeline.Reading(MODEL), pipeline.ReadPlan(SITES, RECIPE)
    return pipeline.read_states(video.segments(path, RECIPE), path, ID, reading, plan)


def parts(path: Path, plan: Sequence[Span] = PLAN) -> list[SpanStates]:
    return [spans.read_span(path, ID, MODEL, SITES, RECIPE, span) for span in plan]


def can_join(found: Sequence[SpanStates]) -> bool:
    return joining.can_join([one.seam for one in found])


def same(one: HiddenStates, two: HiddenStates) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("starts", "ends", "values")
    )
    return arrays and (one.duration, one.gaps, one.damaged_packets) == (
        two.duration,
        two.gaps,
        two.damaged_packets,
    )


def test_a_plan_covers_a_video_once_at_multiples_of_the_batch() -> None:
    for batch in (1, 2, 8, 24, 32):
        plan = spans.plan_spans(36 * 3600.0, 1.6, batch, 600.0)
        assert plan[0].first == 0
        assert plan[-1].count is None
        for one, two in pairwise(plan):
            assert one.count is not None
            assert one.first + one.count == two.first
            assert two.first % batch == 0
        assert 36 * 3600 / 1.6 - plan[-1].first >= 0.5 * (plan[0].count or 0)


@pytest.mark.parametrize("seconds", [None, 0.0, 100.0, 700.0])
def test_a_short_video_is_not_split(seconds: float | None) -> None:
    assert spans.plan_spans(seconds, 1.6, 8, 600.0) == ()


@pytest.mark.parametrize("kind", FILES)
def test_spans_join_to_an_unsplit_read(kind: str, tmp_path: Path) -> None:
    suffix, more = FILES[kind]
    path = write(tmp_path / f"long{suffix}", steady(604, 10), rate=10, pictures=noisy, **more)
    found = parts(path)
    assert can_join(found)
    assert same(spans.join_states(found), whole(path))
    assert len(spans.join_states(found).starts) == 38


def test_a_later_span_is_not_read_from_the_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", steady(604, 10), rate=10, pictures=noisy)
    reader = video.segments(path, RECIPE, first=30, count=2)
    assert [segment.start for segment in reader] == pytest.approx([48.0, 49.6])
    assert reader.frame_count < 80


def test_spans_of_a_folder_of_pictures_join(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "frames").mkdir()
    for index in range(160):
        Image.fromarray(noisy(index)).save(tmp_path / "frames" / f"{index}.png")
    path = Path(f"{tmp_path}/frames@2.5fps")
    found = parts(path)
    assert can_join(found)
    assert same(spans.join_states(found), whole(path))


def test_a_damaged_span_is_not_joined(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", steady(604, 10), rate=10, pictures=noisy)
    data = bytearray(path.read_bytes())
    for _, place, size in packet_places(path)[280:295]:
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    assert not can_join(parts(path))


def test_spans_with_frames_far_apart_are_not_joined(tmp_path: Path) -> None:
    times = [*steady(300, 10), *(33.0 + time for time in steady(300, 10))]
    path = write(tmp_path / "slow.mp4", times, rate=10, pictures=noisy)
    assert not can_join(parts(path))


def test_spans_that_do_not_meet_are_not_joined(tmp_path: Path) -> None:
    one = write(tmp_path / "one.mp4", steady(604, 10), rate=10, pictures=noisy)
    two = write(
        tmp_path / "two.mp4", steady(604, 10), rate=10, pictures=lambda index: noisy(index + 1)
    )
    first, second = parts(one), parts(two)
    assert not can_join([first[0], second[1], first[2]])
    assert not can_join([first[0], first[2]])
    assert can_join(first)


def test_a_span_past_the_end_is_not_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "short.mp4", steady(100, 10), rate=10, pictures=noisy)
    past = spans.read_span(path, ID, MODEL, SITES, RECIPE, Span(64, None))
    assert past.states is None
    assert not past.seam.sound
    assert not spans.read_span(path, ID, MODEL, SITES, RECIPE, Span(0, 8)).seam.sound


def test_a_span_is_kept_apart_from_whole_videos_and_found_again(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", steady(604, 10), rate=10, pictures=noisy)
    part, span = parts(path)[1], PLAN[1]
    assert part.states is not None
    spans.save_span(tmp_path / "store", span, part, "float32")
    found = spans.find_span(tmp_path / "store", span, ID, RECIPE, SITES, "float32")
    assert found is not None
    assert found.states is not None
    assert found.seam == part.seam
    assert same(found.states, part.states)
    assert not list((tmp_path / "store").glob("*/*/*.safetensors"))
    assert (
        spans.find_span(tmp_path / "store", span, ID, replace(RECIPE, frames=3), SITES, "float32")
        is None
    )
    shutil.rmtree(tmp_path / "store")
    assert spans.find_span(tmp_path / "store", span, ID, RECIPE, SITES, "float32") is None
