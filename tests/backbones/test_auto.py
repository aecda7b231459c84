"""Pixels and prompts of AutoBackbone against closed forms and torchvision; what it refuses."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.support import tiny_models
from tests.support.reference_reading import clips, one_prompt, raising_at, residuals

from hiprobe import backbones
from hiprobe.backbones import _pixels, _video
from hiprobe.backbones._processing import collate, make_inputs, prompt_text
from hiprobe.errors import ModelError, OutOfMemory, RecipeMismatch
from hiprobe.types import Site

NAMES = tuple(tiny_models.FAMILIES)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- pixels and prompts


def test_patches_equal_a_calculation_by_hand() -> None:
    settings = {
        "patch_size": 4,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "size": {"shortest_edge": 64, "longest_edge": 4096},
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.25, 0.5],
    }
    frames = clips(1, frames=3, size=(16, 24))[0].frames
    processor = _video.Qwen2VL(settings)
    packed = processor.pack([processor.pixels(frames)])
    assert packed["video_grid_thw"].tolist() == [[2, 4, 6]]  # the third frame is repeated
    rows = packed["pixel_values_videos"].numpy()
    scaled = (frames / 255 - settings["image_mean"]) / settings["image_std"]
    scaled = np.concatenate([scaled, scaled[-1:]])
    # Rows run over merge blocks of 2 x 2 patches: row 0 is patch (0, 0), 1 is (0, 1), 2 is (1, 0),
    # 4 is (0, 2).
    for row, (t, y, x) in {
        0: (0, 0, 0),
        1: (0, 0, 1),
        2: (0, 1, 0),
        4: (0, 0, 2),
        24: (1, 0, 0),
    }.items():
        patch = scaled[2 * t : 2 * t + 2, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        np.testing.assert_allclose(rows[row], patch.transpose(3, 0, 1, 2).ravel(), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "low", "high", "expected"),
    [
        ((280, 560), 1, 10**9, (280, 560)),  # already multiples of 28
        ((290, 550), 1, 10**9, (280, 560)),  # nearest multiples
        (
            (1080, 1920),
            100352,
            602112,
            (560, 1008),
        ),  # floor(side * sqrt(602112 / (1080 * 1920)) / 28) * 28
        ((56, 56), 100352, 602112, (336, 336)),  # ceil(56 * sqrt(100352) / 56 / 28) * 28
    ],
)
def test_the_pixel_budget_equals_a_calculation_by_hand(
    size: tuple[int, int], low: int, high: int, expected: tuple[int, int]
) -> None:
    assert _pixels.fit_budget(size, 28, low, high) == expected


def test_frames_that_are_too_long_are_refused() -> None:
    with pytest.raises(ModelError, match="200 times"):
        _pixels.fit_budget((1, 201), 28, 1, 10**9)


def test_a_still_scene_keeps_one_token_a_frame(loaded: Callable[[str], Any]) -> None:
    segment = clips(1)[0]
    still = dataclasses.replace(segment, frames=np.repeat(segment.frames[:1], 4, axis=0))
    inputs = make_inputs(loaded("video_llama_3")._processor, still, "describe the scene")
    assert inputs["video_compression_mask"].view(4, 16).sum(dim=1).tolist() == [16, 1, 1, 1]


def test_unequal_lengths_in_one_read(loaded: Callable[[str], Any]) -> None:
    backbone = loaded("video_llama_3")
    moving, other, second = clips(3)
    still = dataclasses.replace(other, frames=np.repeat(other.frames[:1], 4, axis=0))
    sites = residuals(backbone)
    together = backbone.read([moving, still, second], sites)
    alone = np.concatenate([backbone.read([segment], sites) for segment in (moving, still, second)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6 * np.abs(alone).max())


def test_times_in_the_prompt_are_the_segments_own(loaded: Callable[[str], Any]) -> None:
    processor = loaded("glm46v")._processor
    segment = dataclasses.replace(
        clips(1)[0], start=100.0, end=101.6, times=np.array([100.0, 100.3, 100.7, 101.2])
    )
    inputs = make_inputs(processor, segment, "describe the scene")
    text = processor.tokenizer.decode(inputs["input_ids"][0]).replace(" ", "")
    assert "<|end_of_image|>0.0seconds" in text
    assert "<|end_of_image|>0.7seconds" in text


def test_qwen_gets_the_seconds_of_a_temporal_patch(qwen: Any) -> None:
    inputs = make_inputs(qwen._processor, clips(1)[0], "describe the scene")
    assert inputs["second_per_grid_ts"].tolist() == pytest.approx([0.8])  # 2 of 4 frames in 1.6 s


def test_a_prompt_with_a_video_token_is_refused(qwen: Any) -> None:
    with pytest.raises(ModelError, match="control token"):
        qwen.explain(clips(1)[0], "describe <|video_pad|> the scene", 3, 5.0)


def test_the_prompt_ends_where_the_answer_starts(qwen: Any) -> None:
    text = prompt_text(qwen._processor, "describe the scene")
    assert text.endswith("describe the scene</s><s>assistant ")


def test_collate_joins_single_inputs(qwen: Any) -> None:
    one, two = (make_inputs(qwen._processor, segment, "describe the scene") for segment in clips(2))
    both = collate([one, two])
    assert both["input_ids"].shape[0] == 2
    torch.testing.assert_close(
        both["pixel_values_videos"][len(one["pixel_values_videos"]) :], two["pixel_values_videos"]
    )


SIZES = [(32, 32), (48, 80), (97, 61), (240, 320), (31, 200), (6, 13)]
PIXELS = list(itertools.product(NAMES, SIZES, [False, True]))
CAPPED = list(itertools.product(["Qwen2VLVideoProcessor", "Qwen3VLVideoProcessor"], [2, 5, 40]))


def test_pixels_equal_transformers_own(folders: Callable[[str], Path]) -> None:
    """One test, so that one line says how much was not compared where torchvision is missing."""
    try:
        import torchvision  # noqa: F401
    except (
        ImportError,
        RuntimeError,
    ) as error:  # PyPI's build raises RuntimeError beside a CPU torch
        count = len(PIXELS) + len(CAPPED)
        pytest.skip(f"{count} comparisons did not run: torchvision does not import: {error}")
    for name, size, defaults in PIXELS:
        check_pixels(name, folders(name), size, defaults)
    for kind, count in CAPPED:
        check_capped_pixels(kind, count)


def check_pixels(name: str, folder: Path, size: tuple[int, int], defaults: bool) -> None:
    frames = clips(1, frames=5, size=size)[0].frames
    settings = json.loads((folder / "video_preprocessor_config.json").read_text())
    kind = settings["video_processor_type"]
    if defaults:
        settings = {"video_processor_type": kind}
    elif name == "gemma4":
        settings["max_soft_tokens"] = 70  # transformers refuses other budgets
    theirs = getattr(transformers, kind)(**settings)
    truth = theirs([frames], do_sample_frames=False, return_tensors="pt")
    made = _video.video_processor(settings, name)([frames], video_metadata=[None])
    compared = [key for key, value in truth.items() if isinstance(value, torch.Tensor)]
    assert any(key.startswith("pixel_values") for key in compared)
    for key in compared:
        torch.testing.assert_close(torch.as_tensor(made[key]), truth[key], rtol=0, atol=0)


def check_capped_pixels(kind: str, count: int) -> None:
    frames = clips(1, frames=count, size=(120, 90))[0].frames
    settings = {
        "video_processor_type": kind,
        "cap_pixels_per_frame": True,
        "max_video_tokens": 30,
        "size": {"shortest_edge": 900, "longest_edge": 40000},
    }
    truth = getattr(transformers, kind)(**settings)(
        [frames], do_sample_frames=False, return_tensors="pt"
    )
    made = _video.video_processor(settings, "")([frames], video_metadata=[None])
    torch.testing.assert_close(made["video_grid_thw"], truth["video_grid_thw"])
    torch.testing.assert_close(
        made["pixel_values_videos"], truth["pixel_values_videos"], rtol=0, atol=0
    )


# --- reading: refusals and memory


def test_a_full_accelerator_halves_the_batch(qwen: Any) -> None:
    segments, sites = clips(7), residuals(qwen)
    truth = qwen.read(segments, sites, one_prompt(qwen))
    with raising_at(qwen, batch=2) as seen:
        values = qwen.read(segments, sites, one_prompt(qwen))
    assert seen.count(1) == 7
    np.testing.assert_allclose(values, truth, rtol=0, atol=2e-6 * np.abs(truth).max())


def test_a_segment_that_never_fits_is_named(qwen: Any) -> None:
    with (
        raising_at(qwen, batch=1),
        pytest.raises(OutOfMemory, match=r"segment 1 \(1\.60 to 3\.20 s\)"),
    ):
        qwen.read(clips(2)[1:], residuals(qwen))
    with raising_at(qwen, batch=1), pytest.raises(OutOfMemory, match="segment 0"):
        qwen.explain(clips(1)[0], "describe the scene", 3, 5.0)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (Site("residual", 4), "has 4 blocks"),
        (Site("residual", 0, prompt=3), "has 3 prompts"),
        (Site("head", 0, 4), "has 4 heads"),
    ],
)
def test_a_site_that_the_model_lacks_is_refused(qwen: Any, site: Site, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        qwen.read(clips(1), [site])


def test_a_block_without_attention_heads_is_refused(loaded: Callable[[str], Any]) -> None:
    with pytest.raises(ModelError, match=r"in blocks \(1, 3\)"):
        loaded("qwen3_5").read(clips(1), [Site("head", 0, 0)])


@pytest.mark.parametrize("other", [Site("head", 0, 0), Site("logit", 3)])
def test_sites_of_two_widths_are_refused(qwen: Any, other: Site) -> None:
    with pytest.raises(ModelError, match="one width"):
        qwen.read(clips(1), [Site("residual", 0), other])


def test_segments_of_another_recipe_are_refused(qwen: Any) -> None:
    with pytest.raises(RecipeMismatch, match="5 frames"):
        qwen.read(clips(1, frames=5), residuals(qwen))
    with pytest.raises(RecipeMismatch, match="48"):
        qwen.read(clips(1, size=(48, 32)), residuals(qwen))
    with pytest.raises(RecipeMismatch, match="is for model"):
        qwen.read(clips(1), residuals(qwen), dataclasses.replace(qwen.recipe, model="other/model"))


def test_no_segments_read_as_an_empty_array(qwen: Any) -> None:
    assert qwen.read([], residuals(qwen)).shape == (0, 4, 32)


def test_overflow_is_an_error_not_a_number(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    key = next(key for key in weights if key.endswith("layers.0.mlp.down_proj.weight"))
    weights[key] = torch.full_like(weights[key], float("inf"))
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    broken = backbones.load(str(checkpoint), device="cpu")
    with pytest.raises(ModelError, match="overflow"):
        broken.read(clips(1), [Site("residual", 0)])
