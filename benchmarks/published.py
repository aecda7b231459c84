"""The published sizes of the checkpoints in `hiprobe models`, to build them without weights.

They are meant to be those of each checkpoint's config.json. tests/backbones/test_catalogue.py
compares them with counts of parameters and configurations that others have published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import transformers
from tests.support import tiny_models

Ids = dict[str, int]
INTERN = {
    "attention_bias": True,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": [448, 448],
    "patch_size": [14, 14],
}
SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
}


def text(
    width: int, layers: int, inner: int, heads: int, keys: int, words: int, **more: Any
) -> dict[str, Any]:
    """The part of a configuration that describes the decoder."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": words,
        "tie_word_embeddings": False,
        **more,
    }


def _qwen_ids(ids: Ids) -> dict[str, Any]:
    return dict(tiny_models.qwen_ids(ids))


def qwen2_5(inner: int, words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """Qwen2.5-VL; `inner` is the inner width of its vision encoder."""
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": inner,
        "num_heads": 16,
        "patch_size": 14,
        "out_hidden_size": words["hidden_size"],
    }
    return lambda ids: transformers.Qwen2_5_VLConfig(
        text_config=words, vision_config=vision, tie_word_embeddings=tied, **_qwen_ids(ids)
    )


def _qwen3_vision(small: bool, out: int) -> dict[str, Any]:
    sizes = (24, 1024, 4096) if small else (27, 1152, 4304)
    return {
        "depth": sizes[0],
        "hidden_size": sizes[1],
        "intermediate_size": sizes[2],
        "num_heads": 16,
        "out_hidden_size": out,
        "num_position_embeddings": 2304,
        "patch_size": 16,
    }


def qwen3(small: bool, words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """Qwen3-VL, with the small or the large vision encoder."""
    stacks = [5, 11, 17] if small else [8, 16, 24]
    vision = {**_qwen3_vision(small, words["hidden_size"]), "deepstack_visual_indexes": stacks}
    return lambda ids: transformers.Qwen3VLConfig(
        text_config={**words, "head_dim": 128},
        vision_config=vision,
        tie_word_embeddings=tied,
        **_qwen_ids(ids),
    )


def qwen3_5(small: bool, words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """Qwen3.5, with the small or the large vision encoder."""
    more = {
        "head_dim": 256,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "tie_word_embeddings": tied,
    }
    return lambda ids: transformers.Qwen3_5Config(
        text_config={**words, **more},
        vision_config=_qwen3_vision(small, words["hidden_size"]),
        tie_word_embeddings=tied,
        **_qwen_ids(ids),
    )


def internvl(words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """InternVL with the vision encoder of 300M parameters."""
    return lambda ids: transformers.InternVLConfig(
        text_config={**words, "tie_word_embeddings": tied},
        vision_config=INTERN,
        tie_word_embeddings=tied,
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=256,
    )


def llava(words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """LLaVA-OneVision."""
    vision = {
        **SO400M,
        "model_type": "siglip_vision_model",
        "num_hidden_layers": 26,
        "vision_use_head": False,
    }
    return lambda ids: transformers.LlavaOnevisionConfig(
        text_config={**words, "model_type": "qwen2", "tie_word_embeddings": tied},
        vision_config=vision,
        tie_word_embeddings=tied,
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
    )


def smolvlm(vision: dict[str, Any], factor: int, words: dict[str, Any]) -> Callable[[Ids], Any]:
    """SmolVLM2; `factor` is how many patches a side make a token."""
    return lambda ids: transformers.SmolVLMConfig(
        text_config={**words, "model_type": "llama", "head_dim": 64},
        vision_config=vision,
        scale_factor=factor,
        tie_word_embeddings=False,
        image_token_id=ids["<image>"],
        pad_token_id=ids["</s>"],
    )


def glm(ids: Ids) -> Any:
    """GLM-4.1V and GLM-4.6V-Flash."""
    vision = {
        "depth": 24,
        "hidden_size": 1536,
        "intermediate_size": 13696,
        "num_heads": 12,
        "image_size": 336,
        "patch_size": 14,
        "out_hidden_size": 4096,
    }
    return transformers.Glm4vConfig(
        text_config=text(4096, 40, 13696, 32, 2, 151552),
        vision_config=vision,
        tie_word_embeddings=False,
        **tiny_models.glm_ids(ids),
    )


def videollama3(words: dict[str, Any], tied: bool = False) -> Callable[[Ids], Any]:
    """VideoLLaMA3."""
    vision = {key: value for key, value in SO400M.items() if key != "image_size"}
    return lambda ids: transformers.VideoLlama3Config(
        text_config={**words, "model_type": "qwen2", "tie_word_embeddings": tied},
        vision_config={**vision, "num_hidden_layers": 27},
        tie_word_embeddings=tied,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
    )


BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
QWEN2_7B = (3584, 28, 18944, 28, 4)
CONFIGS: dict[str, Callable[[Ids], Any]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": qwen2_5(3420, text(2048, 36, 11008, 16, 2, 151936), True),
    "Qwen/Qwen2.5-VL-7B-Instruct": qwen2_5(3420, text(*QWEN2_7B, 152064)),
    "Qwen/Qwen2.5-VL-32B-Instruct": qwen2_5(3456, text(5120, 64, 27648, 40, 8, 152064)),
    "Qwen/Qwen2.5-VL-72B-Instruct": qwen2_5(3456, text(8192, 80, 29568, 64, 8, 152064)),
    "Qwen/Qwen3-VL-2B-Instruct": qwen3(True, text(2048, 28, 6144, 16, 8, 151936), True),
    "Qwen/Qwen3-VL-4B-Instruct": qwen3(True, text(2560, 36, 9728, 32, 8, 151936), True),
    "Qwen/Qwen3-VL-8B-Instruct": qwen3(False, text(4096, 36, 12288, 32, 8, 151936)),
    "Qwen/Qwen3-VL-32B-Instruct": qwen3(False, text(5120, 64, 25600, 64, 8, 151936)),
    "Qwen/Qwen3.5-4B": qwen3_5(True, text(2560, 32, 9216, 16, 4, 248320), True),
    "Qwen/Qwen3.5-9B": qwen3_5(False, text(4096, 32, 12288, 16, 4, 248320)),
    "OpenGVLab/InternVL2_5-2B-MPO-hf": internvl(
        text(2048, 24, 8192, 16, 8, 92553, model_type="llama")
    ),
    "OpenGVLab/InternVL2_5-8B-MPO-hf": internvl(
        text(4096, 32, 14336, 32, 8, 92553, model_type="llama")
    ),
    "OpenGVLab/InternVL3-1B-hf": internvl(text(896, 24, 4864, 14, 2, 151674, model_type="qwen2")),
    "OpenGVLab/InternVL3-8B-hf": internvl(text(*QWEN2_7B, 151674, model_type="qwen2")),
    "OpenGVLab/InternVL3_5-4B-HF": internvl(
        text(2560, 36, 9728, 32, 8, 151936, model_type="qwen3", head_dim=128)
    ),
    "OpenGVLab/InternVL3_5-8B-HF": internvl(
        text(4096, 36, 12288, 32, 8, 151936, model_type="qwen3", head_dim=128)
    ),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": llava(text(896, 24, 4864, 14, 2, 152000), True),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": llava(text(*QWEN2_7B, 152128)),
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": smolvlm(
        BASE, 4, text(576, 30, 1536, 9, 3, 49280)
    ),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": smolvlm(
        BASE, 4, text(960, 32, 2560, 15, 5, 49280)
    ),
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": smolvlm(
        {**SO400M, "num_hidden_layers": 27}, 3, text(2048, 24, 8192, 32, 32, 49280)
    ),
    "zai-org/GLM-4.1V-9B-Thinking": glm,
    "zai-org/GLM-4.6V-Flash": glm,
    "lkhl/VideoLLaMA3-2B-Image-HF": videollama3(text(1536, 28, 8960, 12, 2, 151936), True),
    "lkhl/VideoLLaMA3-7B-Image-HF": videollama3(text(*QWEN2_7B, 152064)),
}
_PATCHES = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
_SQUARE = {"height": 448, "width": 448}


def _smol_settings(side: int) -> dict[str, Any]:
    return {"size": {"longest_edge": side}, "max_image_size": {"longest_edge": side}}


SETTINGS: dict[str, dict[str, Any]] = {  # of the video processor, by family
    "qwen2_5_vl": _PATCHES,
    "qwen3_vl": {
        **_PATCHES,
        "patch_size": 16,
        "size": {"shortest_edge": 4096, "longest_edge": 25165824},
    },
    "qwen3_5": {
        **_PATCHES,
        "patch_size": 16,
        "size": {"shortest_edge": 4096, "longest_edge": 25165824},
    },
    "internvl": {"size": _SQUARE},
    "llava_onevision": {"size": {"height": 384, "width": 384}},
    "smolvlm": _smol_settings(512),
    "glm4v": _PATCHES,
    "video_llama_3": {**_PATCHES, "temporal_patch_size": 1},
}
_TOKENS: dict[str, dict[str, Any]] = {  # of the processor, by family
    "internvl": {"image_seq_length": 256},
    "llava_onevision": {"num_image_tokens": 729, "vision_feature_select_strategy": "full"},
    "smolvlm": {"image_seq_len": 64},
}


def family_of(model: str, family: str, frames: int = 16) -> tiny_models.Family:
    """Return how to build `model` of a family: the tests' family with the published sizes."""
    large = model.endswith("2.2B-Instruct")
    base = tiny_models.FAMILIES[family]
    kind = base.video_settings["video_processor_type"]
    more = _smol_settings(384) if large else SETTINGS[family]
    sides = more.get("size", {})
    side = sides.get("height") or more.get("max_image_size", {}).get("longest_edge") or 448
    return dataclasses.replace(
        base,
        config=CONFIGS[model],
        processor={"image_seq_len": 81} if large else _TOKENS.get(family, base.processor),
        video_settings={"video_processor_type": kind, **more},
        frames=frames,
        size=(side, side),
    )
