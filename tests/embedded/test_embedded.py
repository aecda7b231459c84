"""Test that the shipped model is small, stock, frozen and exact when it stops early."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from hiprobe import backbones, datasets, embedded, video
from hiprobe.methods import load as load_method
from hiprobe.types import Site


@pytest.fixture(scope="module")
def model():
    return backbones.load("embedded", device="cpu")


@pytest.fixture(scope="module")
def segments(model):
    return list(video.segments(embedded.VIDEO, model.recipe))


def test_everything_shipped_is_at_most_12_mb() -> None:
    assert sum(path.stat().st_size for path in embedded.HERE.rglob("*") if path.is_file()) <= 12e6


def test_a_stock_class_loads_the_model_without_code_of_hiprobe() -> None:
    found = AutoModelForImageTextToText.from_pretrained(embedded.MODEL)
    assert type(found).__module__.startswith("transformers.models.qwen2_5_vl")
    assert not {path.suffix for path in embedded.MODEL.iterdir()} - {
        ".json",
        ".jinja",
        ".safetensors",
    }
    assert json.loads((embedded.MODEL / "config.json").read_text())["architectures"] == [
        type(found).__name__
    ]


def test_early_exit_equals_the_full_pass_at_every_layer(model, segments) -> None:
    sites = load_method("hiprobe").sites(model.layers, model.heads)
    full = model.read(segments[:8], sites)
    for layer in range(model.layers):
        alone = model.read(segments[:8], (Site("residual", layer),))
        np.testing.assert_array_equal(alone[:, 0], full[:, layer])


def test_reading_runs_no_deeper_layer_and_no_language_head(model, segments) -> None:
    ran: list[int] = []
    layers = model._model.get_decoder().layers
    hooks = [
        layer.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(layers)
    ]
    hooks.append(model._model.lm_head.register_forward_hook(lambda *_: ran.append(99)))
    model.read(segments[:2], (Site("residual", 3),))
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1, 2, 3]


def test_the_notice_says_rendered_scenes_only_and_names_a_real_model(model) -> None:
    assert "rendered" in model.notice
    assert "Qwen" in model.notice


def test_the_shipped_clips_are_readable_and_labelled_in_both_classes(model) -> None:
    clips = list(datasets.load("folder", embedded.CLIPS))
    assert {bool(clip.events) for clip in clips} == {True, False}
    assert len(clips) >= 16
    for clip in clips:
        assert len(list(video.segments(clip.path, model.recipe))) == 8


def test_explaining_twice_gives_the_same_words(model, segments) -> None:
    with torch.inference_mode():
        one, two = (model.explain(segments[4], model.explain_prompt, 24, 60.0) for _ in range(2))
    assert one == two
    assert one[0]
