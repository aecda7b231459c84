"""Cheaper recipes: what each family's processor makes of small frames, and what is said of them."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.count_models import cheaper
from benchmarks.published import SETTINGS
from benchmarks.shapes import _write_files
from tests.cli.test_commands import run
from tests.estimate.test_counting import LOOSE, counted
from tests.support import tiny_models

from hiprobe import backbones, estimate
from hiprobe.backbones import Backbone
from hiprobe.backbones._folder import Checkpoint
from hiprobe.backbones._processing import load_processor, make_inputs
from hiprobe.backbones._sizes import check_size
from hiprobe.errors import ModelError, UsageError
from hiprobe.estimate import Cheaper
from hiprobe.pipeline import RecipeOptions
from hiprobe.types import Recipe, Segment, Site, Video

__all__ = ["run"]
# The size of frames that each family's processor makes, with the published settings: of 16 frames
# of 448, of 16 of 256 and of 4 of 256 pixels.
MADE = {
    "qwen2_5_vl": (448, 336, 336),
    "qwen3_vl": (448, 256, 256),
    "qwen3_5": (448, 256, 256),
    "internvl": (448, 448, 448),
    "llava_onevision": (384, 384, 384),
    "smolvlm": (512, 512, 512),
    "glm4v": (448, 252, 252),
    "glm46v": (448, 252, 252),
    "video_llama_3": (168, 168, 336),
    "gemma4": (384, 384, 384),
}
PUBLISHED = {**SETTINGS, "glm46v": SETTINGS["glm4v"], "gemma4": {}}
FEW = {**LOOSE, "qwen3_5": 0.25}  # the state of linear attention weighs more on a few tokens
ASKED = ((16, 448), (16, 256), (4, 256))


def processor_of(family: str, folder: Path) -> Any:
    """The family's own processor, with the settings of published checkpoints."""
    base = tiny_models.FAMILIES[family]
    kind = base.video_settings["video_processor_type"]
    form = dataclasses.replace(
        base, video_settings={"video_processor_type": kind, **PUBLISHED[family]}
    )
    files = _write_files(folder, form, tiny_models.tokenizer(form))
    return load_processor(Checkpoint(files, family, None), family)


def pixels_made(processor: Any, frames: int, side: int) -> int:
    """How many pixels of three colours the model really gets of a segment."""
    pictures = np.zeros((frames, side, side, 3), np.uint8)
    times = (np.arange(frames) + 0.5) * 1.6 / frames
    made = make_inputs(processor, Segment(pictures, times, 0.0, 1.6, 0), "is anything wrong here")
    given = next(value for name, value in made.items() if name.startswith("pixel_values"))
    padded = made.get("video_position_ids")
    if padded is not None:  # Gemma's patches beyond the picture are at -1
        given = given[(padded >= 0).all(-1)]
    return given.numel() // 3


@pytest.mark.parametrize("family", sorted(MADE))
def test_what_a_familys_processor_makes_of_small_frames(family: str, tmp_path: Path) -> None:
    if family == "smolvlm":
        pytest.importorskip("num2words")
    processor = processor_of(family, tmp_path)
    scaler = processor.video_processor
    for (frames, side), made in zip(ASKED, MADE[family], strict=True):
        recipe = Recipe("org/model", ("a",), frames=frames, size=(side, side))
        assert scaler.target(frames, (side, side)) == (made, made)
        if made < side + scaler.grain:
            check_size(scaler, recipe)
            continue
        with pytest.raises(
            UsageError, match=f"{frames} frames of {side}x{side} up to {made}x{made}"
        ):
            check_size(scaler, recipe)
    assert pixels_made(processor, 4, 256) == 4 * MADE[family][2] ** 2


def test_every_family_is_looked_at() -> None:
    assert set(MADE) == set(tiny_models.FAMILIES) == backbones.PROVEN


@pytest.mark.parametrize("family", sorted(MADE))
def test_fewer_and_smaller_frames_are_read_and_counted(family: str, loaded: Any) -> None:
    model = loaded(family)
    recipe = replace(model.recipe, prompts=model.recipe.prompts[:1], frames=2, size=(16, 16))
    work = model.work(recipe)
    found = counted(model, 1, recipe)
    assert work.operations(2) == pytest.approx(found, rel=FEW.get(family, 1e-9))
    assert work.vision <= model.work(model.recipe).vision
    height, width = model.seen_size(recipe)
    assert (height * width <= 16 * 16) == (
        family not in ("internvl", "llava_onevision", "smolvlm", "gemma4")
    )


def test_a_size_that_would_be_scaled_up_is_refused_by_name(loaded: Any, shipped: Backbone) -> None:
    for family, size, reason in (
        ("internvl", (16, 32), "4 frames of 16x32 up to 32x32"),
        ("qwen2_5_vl", (8, 8), "4 frames of 8x8 up to 16x16"),
    ):
        with pytest.raises(UsageError, match=reason):
            RecipeOptions(size=size).recipe("hiprobe", loaded(family))
    with pytest.raises(UsageError, match="multiples of 16 pixels, got 50 x 64"):
        RecipeOptions(size=(50, 64)).recipe("hiprobe", shipped)
    with pytest.raises(ModelError, match="aspect ratio"):
        RecipeOptions(size=(8, 8000)).recipe("hiprobe", loaded("qwen3_vl"))
    assert RecipeOptions(size=(64, 64)).recipe("hiprobe", shipped).size == (64, 64)
    assert RecipeOptions(size=(16, 16)).recipe("hiprobe", loaded("qwen3_vl")).size == (16, 16)


def test_the_command_refuses_it_before_any_video_is_read(
    run: Any, clips: Path, tmp_path: Path
) -> None:
    said = run("fit", clips, "--size", "50", "-o", tmp_path / "probe.safetensors")
    assert said.code == 2
    assert "multiples of 16 pixels, got 50 x 50" in said.err


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of which a segment of a tiny model takes minutes."""

    def speeds(device: str, dtype: str, widths: Any) -> estimate.Speeds:
        return estimate.Speeds(device, dtype, ((64, 1e5),))

    monkeypatch.setattr(sys.modules["hiprobe.estimate.forecast"], "measured_speeds", speeds)


def test_long_work_is_told_with_a_cheaper_recipe(slow: None, loaded: Any, clips: Path) -> None:
    model, sites = loaded("internvl"), (Site("residual", 2),)
    recipe = replace(model.recipe, frames=16, size=(448, 448), prompts=("is",))
    videos = [Video(str(min(clips.glob("*.mp4"))))]
    told = estimate.forecast(model, sites, recipe, videos, None)
    then = estimate.forecast(model, sites, replace(recipe, frames=4), videos, None)
    assert told is not None
    assert then is not None
    assert then.total_s < told.total_s / 3
    assert told.cheaper == Cheaper(4, None, pytest.approx(then.total_s))
    assert "for this video; with --frames 4 about " in str(told)
    assert str(replace(told, busy=True)).endswith(
        "(needs a probe fitted with them) (rough: other programs use the processors now)"
    )


def test_short_work_and_work_that_cannot_be_halved_are_told_without(
    slow: None, loaded: Any, shipped: Backbone, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, sites = [Video(str(min(clips.glob("*.mp4"))))], (Site("residual", 2),)
    long = estimate.forecast(shipped, sites, shipped.recipe, videos, None)
    assert long is not None
    assert long.total_s > 600
    assert long.cheaper is None  # it computes as much for 4 frames as for 8
    fast = estimate.Speeds("cpu", "float32", ((64, 1e9),))
    monkeypatch.setattr(
        sys.modules["hiprobe.estimate.forecast"], "measured_speeds", lambda *_: fast
    )
    model = loaded("internvl")
    short = estimate.forecast(model, sites, replace(model.recipe, frames=16), videos, None)
    assert short is not None
    assert short.cheaper is None


def test_a_model_that_scales_up_keeps_its_size(loaded: Any) -> None:
    model = loaded("internvl")
    recipe = replace(model.recipe, frames=16, size=(448, 448))
    assert estimate.cheaper_recipe(model, recipe) == replace(recipe, frames=4)
    unknown: Any = object()
    assert estimate.cheaper_recipe(unknown, recipe) == replace(recipe, frames=4)
    own = replace(recipe, size=None)
    assert estimate.cheaper_recipe(loaded("qwen3_vl"), own) == replace(own, frames=4)


@pytest.mark.parametrize("name", ["OpenGVLab/InternVL3-1B-hf", "Qwen/Qwen2.5-VL-3B-Instruct"])
def test_the_listed_cheaper_work_is_that_of_the_architecture(name: str) -> None:
    entry = next(one for one in backbones.catalogue() if one.model == name)
    assert entry.cheaper is not None
    assert entry.work is not None
    frames, size, work = entry.cheaper
    assert cheaper(entry) == (frames, size, work.vision, work.block)
    assert work.parameters(3) == entry.work.parameters(3)


def test_doctor_offers_a_cheaper_recipe_only_where_there_is_one(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = estimate.Machine.assumed("two cores", 16, "cpu", 1e11)
    monkeypatch.setattr(estimate, "this_machine", lambda: machine)
    monkeypatch.setattr("hiprobe.cli._doctor.arithmetic", lambda: _ARITHMETIC)
    for name, options in (
        ("smolvlm2-256m", "with --frames 4 about 9.1 s (needs a probe fitted with them)"),
        ("qwen3-vl-2b", "with --frames 4 --size 256 about "),
        ("qwen2.5-vl-7b", "with --frames 4 --size 336 about "),
    ):
        assert options in " ".join(run("doctor", "--model", name).out.split())
    assert "--frames" not in run("doctor", "--model", "videollama3-7b").out
    (facts,) = run("doctor", "--json", "--model", "smolvlm2-256m").objects
    assert (facts["model"]["cheaper"]["frames"], facts["model"]["cheaper"]["size"]) == (4, None)


_ARITHMETIC = {"device": "cpu", "busy": False, "float32": 1e11, "bfloat16": 1e11, "by_width": {}}
