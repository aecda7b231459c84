"""The counted work of every family against torch's own counter of what really runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from tests.support import tiny_models
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from hiprobe.backbones import SegmentWork, noise_segments
from hiprobe.backbones._counting import _block
from hiprobe.estimate import blocks_read
from hiprobe.types import Site

# torch does not count attention on a CPU by itself
ON_CPU: Any = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, out_shape=None, **__: sdpa_flop_count(query, key, value)
    )
}
# What is left out on purpose: the state of linear attention, LLaVA's projector before pooling,
# Gemma's prefix of one block; in true sizes it is below 5 %.
LOOSE = {"qwen3_5": 0.20, "llava_onevision": 0.06, "gemma4": 0.17, "internvl": 0.002}


def counted(model: Any, layer: int, asked: Any = None) -> int:
    """The operations that run when one segment is read at one layer, by torch's counter."""
    recipe = asked or replace(model.recipe, prompts=model.recipe.prompts[:1])
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        model.read(noise_segments(recipe), [Site("residual", layer)], recipe)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("family", sorted(tiny_models.FAMILIES))
def test_what_is_counted_is_what_runs(family: str, loaded: Any) -> None:
    model = loaded(family)
    recipe = replace(model.recipe, prompts=model.recipe.prompts[:1])
    work: SegmentWork = model.work(recipe)
    for layer in (0, model.layers - 1):
        blocks = blocks_read(work, [Site("residual", layer)])
        assert blocks == layer + 1
        found = work.operations(blocks)
        assert found == pytest.approx(counted(model, layer), rel=LOOSE.get(family, 1e-9))


@pytest.mark.parametrize("family", ["qwen2_5_vl", "gemma4", "llava_onevision"])
def test_every_parameter_is_counted_once(family: str, loaded: Any) -> None:
    model = loaded(family)
    work: SegmentWork = model.work()
    assert work.parameters(model.layers) == sum(one.numel() for one in model._model.parameters())
    assert work.parameters(1) == work.parameters(2) - work.block_parameters


def test_the_logits_need_all_blocks(qwen: Any) -> None:
    work: SegmentWork = qwen.work()
    assert blocks_read(work, [Site("logit", qwen.layers - 1)]) == qwen.layers


def test_twice_the_frames_are_twice_the_vision(qwen: Any) -> None:
    once: SegmentWork = qwen.work(qwen.recipe)
    twice: SegmentWork = qwen.work(replace(qwen.recipe, frames=2 * qwen.recipe.frames))
    assert twice.vision == 2 * once.vision
    assert twice.block > 1.5 * once.block


TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16, "head_dim": 8,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 10.0, "mrope_section": [1, 1, 2]}
EXPERTS = 16


def of_glm(used: int) -> Any:
    from transformers.models.glm4v_moe.modeling_glm4v_moe import Glm4vMoeTextModel

    return Glm4vMoeTextModel(
        transformers.Glm4vMoeTextConfig(
            **TEXT, n_routed_experts=EXPERTS, num_experts_per_tok=used, first_k_dense_replace=0,
            n_shared_experts=1, rope_parameters=ROPE,
        )
    )  # fmt: skip


def of_qwen(used: int) -> Any:
    from transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe import Qwen3VLMoeTextModel

    return Qwen3VLMoeTextModel(
        transformers.Qwen3VLMoeTextConfig(
            **TEXT, num_experts=EXPERTS, num_experts_per_tok=used, rope_parameters=ROPE
        )
    )


def of_gemma(used: int) -> Any:
    from transformers.models.gemma4.modeling_gemma4 import Gemma4TextModel

    return Gemma4TextModel(
        transformers.Gemma4TextConfig(
            **TEXT, enable_moe_block=True, num_experts=EXPERTS, top_k_experts=used
        )
    )


@pytest.mark.parametrize("made", [of_glm, of_qwen, of_gemma])
def test_only_the_experts_that_a_token_uses_are_counted(made: Any) -> None:
    with torch.device("meta"):
        few, all_of_them = made(2), made(EXPERTS)
    parts = few.layers[-1].named_parameters()
    expert = sum(one.numel() for name, one in parts if ".experts." in f".{name}") / EXPERTS
    counts = [_block(model.config, model.layers[-1], 10) for model in (few, all_of_them)]
    assert expert == 3 * 32 * 16
    assert counts[1] - counts[0] == pytest.approx(2 * 10 * (EXPERTS - 2) * expert)
