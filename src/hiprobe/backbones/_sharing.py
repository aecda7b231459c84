"""What several prompts about one video have in common, computed once: its keys and values. Knows no frames, no files.

Everything up to the last video token is the same for every prompt. One pass over it fills a cache; each prompt then
costs only its own words. Exact in mathematics, not in the last bits: a product of fewer rows rounds otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from hiprobe.backbones._processing import prompt_text
from hiprobe.backbones._reading import Inputs, run_to_keys

# Families whose states by this way are compared with the plain pass in the tests. Elsewhere a block may hold a state
# that cannot be cut back (linear attention), share keys with another block, or look ahead inside a video.
PROVEN = frozenset({
    "glm46v", "glm4v", "internvl", "llava_onevision", "qwen2_5_vl", "qwen3_vl", "smolvlm", "video_llama_3",
})  # fmt: skip


def shares_prefix(config: Any, processor: Any) -> bool:
    """Whether a video's part of the prompt can be computed once: a proven family, full attention, video before text."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if config.model_type not in PROVEN or kinds != {"full_attention"}:
        return False
    words = "where the words go"
    return processor.video_token in prompt_text(processor, words).partition(words)[0]


def prefix_length(input_ids: Tensor, config: Any) -> int:
    """How many of the tokens (batch, positions) lie up to the last video token."""
    marks = [getattr(config, name, None) for name in ("image_token_id", "video_token_id")]
    known = torch.tensor([mark for mark in marks if mark is not None], device=input_ids.device)
    return int(torch.isin(input_ids[0], known).nonzero()[-1]) + 1


def prefix_cache(
    model: Any, inputs: Mapping[str, Tensor], length: int, deepest: int
) -> DynamicCache:
    """Keys and values of the first `length` positions in blocks 0 to `deepest`; the pass stops there."""
    whole = inputs["input_ids"].shape
    first = {
        name: value[:, :length] if value.shape == whole else value for name, value in inputs.items()
    }
    cache = DynamicCache()
    layers = model.get_decoder().layers
    run_to_keys(
        lambda: model.base_model(**first, past_key_values=cache, use_cache=True), layers[deepest]
    )
    return cache


def suffix(input_ids: Tensor, cache: DynamicCache, length: int) -> Inputs:
    """The arguments of a prompt's own pass, after the `length` positions that the cache is cut back to.

    Positions follow from the cache's length (and, in families with positions in space, from what the prefix's pass
    left in the model); without padding no mask is needed.
    """
    layers: list[Any] = cache.layers
    for (
        layer
    ) in layers:  # each by itself: a prompt read less deep has left the upper ones as they were
        layer.crop(length - layer.get_seq_length())
    return {"input_ids": input_ids[:, length:], "past_key_values": cache, "use_cache": True}
