"""What a command says before it begins, from real videos and a real store."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.test_commands import Ran, run
from tests.conftest import Fitted

from hiprobe import estimate, pipeline, video
from hiprobe.backbones import Backbone, noise_segments
from hiprobe.estimate import ModelSpeed
from hiprobe.live import plan as planning
from hiprobe.types import Site, Video

__all__ = ["Ran", "run"]
SITES = (Site("residual", 3),)


@pytest.fixture
def videos(clips: Path, tmp_path: Path) -> list[Video]:
    found = sorted(clips.glob("*.mp4"))[:3]
    copies = [shutil.copy(path, tmp_path / path.name) for path in found]
    return [Video(str(path), name=Path(path).name) for path in copies]


def test_the_time_is_the_length_of_the_videos_times_that_of_a_segment(
    shipped: Backbone, videos: list[Video]
) -> None:
    found = estimate.forecast(shipped, SITES, shipped.recipe, videos, None)
    assert found is not None
    assert found.videos == 3
    lengths = sum(video.info(one.path).duration or 0 for one in videos)
    assert found.total_s == pytest.approx(found.segment_s * lengths / shipped.recipe.segment_s)
    assert found.segment_s > estimate.expected_segment_s(shipped, SITES, shipped.recipe)  # type: ignore[operator]


def test_what_is_stored_is_not_counted(
    shipped: Backbone, videos: list[Video], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    pipeline.states(videos[0].path, shipped, SITES, store=store)
    some = estimate.forecast(shipped, SITES, shipped.recipe, videos, store)
    assert some is not None
    assert some.videos == 2
    assert estimate.forecast(shipped, SITES, shipped.recipe, videos[:1], store) is None
    other = estimate.forecast(shipped, (Site("residual", 5),), shipped.recipe, videos[:1], store)
    assert other is not None


def test_an_estimate_on_a_busy_machine_says_so(
    shipped: Backbone, videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    def speeds(device: str, dtype: str, widths: Any) -> estimate.Speeds:
        return estimate.Speeds(device, dtype, ((64, 1e10),), busy=True)

    monkeypatch.setattr(sys.modules["hiprobe.estimate.forecast"], "measured_speeds", speeds)
    found = estimate.forecast(shipped, SITES, shipped.recipe, videos, None)
    assert str(found).endswith(" for these 3 videos (rough: other programs use the processors now)")
    assert "rough" not in str(replace(found, busy=False))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("family", "passes"), [("qwen3_5", 3), ("gemma4", 3), ("qwen3_vl", 1), ("internvl", 1)]
)
def test_each_prompt_is_a_pass_of_the_decoder_unless_the_model_shares_them(
    family: str, passes: int, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speeds(device: str, dtype: str, widths: Any) -> estimate.Speeds:
        return estimate.Speeds(device, dtype, ((64, 1.0),))

    monkeypatch.setattr(sys.modules["hiprobe.estimate.forecast"], "measured_speeds", speeds)
    model = loaded(family)
    recipe = replace(model.recipe, prompts=("Is it odd?", "Is it rare?", "Is it new?"))
    sites = [Site("residual", layer, prompt=at) for at in range(3) for layer in (0, 1)]
    ran: list[int] = []
    hook = (
        model._model.get_decoder()
        .layers[1]
        .register_forward_pre_hook(lambda _, given: ran.append(given[0].shape[1]))
    )
    model.read(noise_segments(recipe), sites, recipe)
    hook.remove()
    work = model.work(recipe)
    long = [rows for rows in ran if rows > work.tokens / 2]
    assert len(long) == passes
    expected = estimate.expected_segment_s(model, sites, recipe)
    assert expected == pytest.approx(work.vision + passes * 2 * work.block)


def test_many_videos_are_asked_for_some(
    shipped: Backbone, videos: list[Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = video.info
    monkeypatch.setattr(video, "info", lambda path: asked.append(path) or real(path))
    found = estimate.forecast(shipped, SITES, shipped.recipe, videos * 100, None)
    assert found is not None
    assert found.videos == 300
    assert 30 <= len(asked) <= 40


def test_nothing_is_said_of_what_cannot_be_known(
    shipped: Backbone, videos: list[Video], bad_videos: dict[str, Path]
) -> None:
    unknown: Any = SimpleNamespace(provenance=shipped.provenance, recipe=shipped.recipe)
    assert estimate.forecast(unknown, SITES, shipped.recipe, videos, None) is None
    spread: Any = SimpleNamespace(
        provenance={**shipped.provenance, "device": "cuda:0, cpu"},
        work=shipped.work,  # type: ignore[attr-defined]
    )
    assert estimate.forecast(spread, SITES, shipped.recipe, videos, None) is None
    lost = [Video(str(path), name=name) for name, path in bad_videos.items()]
    assert estimate.forecast(shipped, SITES, shipped.recipe, lost, None) is None
    assert estimate.forecast(shipped, SITES, shipped.recipe, [], None) is None


def test_commands_say_it_before_they_begin_and_not_again(
    run: Any, fitted: Fitted, videos: list[Video], tmp_path: Path
) -> None:
    paths = [one.path for one in videos[:2]]
    detect = ("detect", *paths, "-p", fitted.path, "-o", tmp_path / "out", "--no-explain")
    first = run(*detect)
    assert [line for line in first.err.splitlines() if line.startswith("about ")] != []
    assert "per segment, " in first.err
    assert "for these 2 videos" in first.err
    assert "per segment, " not in run(*detect).err  # all were finished before
    assert run(*detect, "--again", "--quiet").err.startswith("The embedded model is")
    extract = ("extract", *paths, "--store", tmp_path / "store", "--json")
    again = run(*extract)
    assert "for these 2 videos" in again.err
    assert len(again.objects) == 2
    assert "per segment" not in run(*extract).err
    shutil.rmtree(tmp_path / "store")
    assert "per segment" not in run(*extract, "--quiet").err


def test_a_plan_estimates_a_model_that_would_be_measured_for_minutes(
    shipped: Backbone, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "expected_segment_s", lambda *_: 36.0)
    speeds, measured = planning._speeds(shipped, fitted.probe)
    assert (len(speeds), speeds[0].wall_s, measured) == (1, 36.0, False)
    plan = planning.Plan(speeds, 0.1, "yard", 2, 1.6, measured)
    assert plan.cameras == 0
    assert "was not measured" in plan.lines()[0]
    monkeypatch.setattr(planning, "measure_model", lambda *given: ModelSpeed(given[-1], 1.0, 1.0))
    monkeypatch.setattr(planning, "expected_segment_s", lambda *_: 3.0)
    assert [one.batch for one in planning._speeds(shipped, fitted.probe)[0]] == [1, 4]
    monkeypatch.setattr(planning, "expected_segment_s", lambda *_: None)
    assert [one.batch for one in planning._speeds(shipped, fitted.probe)[0]] == [1, 4, 8]


def test_the_measured_speed_is_that_of_the_model(shipped: Backbone) -> None:
    recipe = replace(shipped.recipe, prompts=shipped.recipe.prompts[:1])
    found = estimate.measure_model(shipped, SITES, recipe, 2, seconds=0.05)
    assert found.batch == 2
    assert found.cpu_s > 0
    assert found.wall_s > 0
