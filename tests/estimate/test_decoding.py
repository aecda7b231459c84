"""How fast videos are decoded here, and how many decoders may run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.numbered_videos import recipe

from hiprobe import estimate, video
from hiprobe.errors import VideoError
from hiprobe.pipeline.reading import Reading
from hiprobe.video import parallel, sample


@pytest.fixture(autouse=True)
def forget_card() -> Iterator[None]:
    yield
    parallel.expect_card(False)


def test_decoding_is_measured_on_a_video_that_is_written_for_it() -> None:
    found = estimate.measure_decoding(recipe(frames=4), False, frames=60)
    assert found.segments_s > 0
    assert found.most == found.segments_s * parallel.decoders()
    assert found.kind.startswith(f"{sample.WIDTH}x{sample.HEIGHT}")


def test_an_estimate_loads_no_decoder() -> None:
    code = "import sys, hiprobe.estimate; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sample_is_an_ordinary_video(tmp_path: Path) -> None:
    facts = video.info(sample.write_sample(tmp_path / "a.mp4", 10))
    assert (facts.codec, facts.width, facts.height) == ("h264", sample.WIDTH, sample.HEIGHT)
    assert facts.duration == pytest.approx(10 / sample.FPS, abs=0.05)


def test_without_an_encoder_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample.av, "codecs_available", frozenset({"mpeg4"}))
    with pytest.raises(VideoError, match="no encoder"):
        sample.write_sample(tmp_path / "a.mp4")


def test_beside_a_card_more_decoders_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert parallel.decoders() == 4
    parallel.expect_card(True)
    assert parallel.decoders() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert parallel.decoders() == 2


@pytest.mark.parametrize(
    ("device", "card"), [("cpu", False), ("cuda:0", True), ("cuda:0, cpu", True), ("mps", False)]
)
def test_a_reading_knows_whether_its_model_is_on_a_card(device: str, card: bool) -> None:
    model: Any = SimpleNamespace(provenance={"device": device})
    assert Reading(model).on_card is card
