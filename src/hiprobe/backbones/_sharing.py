"""Compute once what several prompts about one video share: its keys and values.

Everything up to the last video token is the same for every prompt. One pass over it fills a cache;
each prompt then costs only its own words. Mathematically exact, but not to the last bits: a product
of fewer rows is rounded differently. Knows no frames and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from hiprobe.backbones._processing import prompt_text
from hiprobe.backbones._reading import Inputs, run_to_keys

# Families for which the tests compare this with the plain pass. Elsewhere a block may hold a state
# that cannot be cut back (linear attention), share keys with another block, or look ahead.
PROVEN = frozenset(
    {
        "glm46v",
        "glm4v",
        "internvl",
        "llava_onevision",
        "qwen2_5_vl",
        "qwen3_vl",
        "smolvlm",
        "video_llama_3",
    }
)

# What positions in seconds are made of.
SECONDS = "second_per_grid_ts"
PLACED = ("input_ids", "mm_token_type_ids", "video_grid_thw", SECONDS)


def shares_prefix(config: Any, processor: Any) -> bool:
    """Tell whether the video's part of the prompt can be computed once.

    That needs a proven family, full attention, and the video before the text.
    """
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if config.model_type not in PROVEN or kinds != {"full_attention"}:
        return False
    words = "where the words go"
    return processor.video_token in prompt_text(processor, words).partition(words)[0]


def prefix_length(input_ids: Tensor, config: Any) -> int:
    """Count the tokens of `input_ids` (batch, positions) up to the last video token."""
    marks = [getattr(config, name, None) for name in ("image_token_id", "video_token_id")]
    known = torch.tensor([mark for mark in marks if mark is not None], device=input_ids.device)
    return int(torch.isin(input_ids[0], known).nonzero()[-1]) + 1


def prefix_cache(
    model: Any, inputs: Mapping[str, Tensor], length: int, deepest: int
) -> DynamicCache:
    """Compute keys and values of the first `length` positions in blocks 0 to `deepest`."""
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


def suffix(model: Any, inputs: Inputs, cache: DynamicCache, length: int) -> Inputs:
    """Make the arguments of a prompt's own pass, after the first `length` positions.

    `inputs` need no pixels. The cache is cut back to these positions. Those of the words follow
    from its length and, in families with positions in space, from what the first pass left in the
    model. With positions in seconds they are computed for the whole prompt: words begin after the
    size of a picture, however long the video is. Without padding no mask is needed.
    """
    layers: list[Any] = cache.layers
    # Each layer by itself: a prompt that stopped at a lower block did not extend the upper ones.
    for layer in layers:
        layer.crop(length - layer.get_seq_length())
    words = {"input_ids": inputs["input_ids"][:, length:], "past_key_values": cache}
    if SECONDS in inputs:
        places = model.base_model.get_rope_index(**{name: inputs[name] for name in PLACED})[0]
        words["position_ids"] = places[:, :, length:]
    return {**words, "use_cache": True}
