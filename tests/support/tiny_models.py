"""Tiny random models of the true architectures, saved to disk as checkpoints.

Each family's folder holds what `save_pretrained` writes: config, safetensors, tokenizer, chat
template, video processor settings. Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PROMPTS = ["is anything wrong here", "describe the scene", "answer yes or no"]
WORDS = [
    "is", "anything", "wrong", "here", "describe", "the", "scene", "answer", "yes", "no",
    "or", "user", "assistant", "a", "b", "c", ".", ":", ",", "<", ">", "seconds",
]  # fmt: skip
LAYERS = 4

TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'video' %}VIDEO {% else %}{{ part['text'] }}{% endif %}{% endfor %}</s>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant {% endif %}"
)


@dataclass(frozen=True)
class Family:
    """How to make one architecture: its configuration, special tokens and processor files."""

    config: Callable[[dict[str, int]], Any]
    video: str  # what the chat template writes for a video
    video_settings: dict[str, Any]
    specials: tuple[str, ...] = ()
    # Tokens that the processor reads by attribute name.
    named: dict[str, str] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    frames: int = 4
    size: tuple[int, int] = (32, 32)


def tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """A word-level tokenizer with the family's special tokens."""
    specials = ["<unk>", "<s>", "</s>", *family.specials, *family.named.values()]
    characters = [chr(code) for code in range(33, 127)]
    vocabulary = {
        word: index for index, word in enumerate(dict.fromkeys([*specials, *WORDS, *characters]))
    }
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.add_special_tokens(specials)
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(True)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        eos_token="</s>",
        pad_token="</s>",
        extra_special_tokens=family.named,
        model_input_names=["input_ids", "attention_mask"],
    )


def save(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a random model of family `name` into `folder`, with a `hiprobe.json`."""
    family = FAMILIES[name]
    words = tokenizer(family)
    config = family.config(
        {token: words.convert_tokens_to_ids(token) for token in words.get_vocab()}
    )
    torch.manual_seed(seed)
    model = getattr(transformers, config.architectures[0])(config).eval()
    for parameter in model.parameters():  # large enough for every block and frame to matter
        torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE.replace("VIDEO", family.video))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(family.video_settings))
    (folder / "processor_config.json").write_text(json.dumps(family.processor))
    settings = {
        "prompts": PROMPTS,
        "frames": family.frames,
        "size": list(family.size),
        "segment_s": 1.6,
    }
    (folder / "hiprobe.json").write_text(json.dumps(settings))
    return folder


TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 2048,
}

MROPE = {"rope_type": "default", "rope_theta": 10.0, "mrope_section": [1, 1, 2]}


def qwen_ids(ids: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": ids["<|image_pad|>"], "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"], "vision_end_token_id": ids["<|vision_end|>"],
    }  # fmt: skip


def qwen2_5_vl(ids: dict[str, int]) -> Any:
    return transformers.Qwen2_5_VLConfig(
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        text_config={**TEXT, "rope_parameters": MROPE},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
            "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 32, "fullatt_block_indexes": [1],
            "window_size": 16, "tokens_per_second": 2,
        },
        **qwen_ids(ids),
    )  # fmt: skip


def qwen3_vl(ids: dict[str, int]) -> Any:
    return transformers.Qwen3VLConfig(
        architectures=["Qwen3VLForConditionalGeneration"],
        text_config={**TEXT, "head_dim": 8, "rope_parameters": MROPE},
        vision_config={
            "depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
            "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 32,
            "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1, 2],
        },
        **qwen_ids(ids),
    )  # fmt: skip


def qwen3_5(ids: dict[str, int]) -> Any:
    return transformers.Qwen3_5Config(
        architectures=["Qwen3_5ForConditionalGeneration"],
        text_config={
            **TEXT, "head_dim": 8, "rope_parameters": {**MROPE, "partial_rotary_factor": 1.0},
            "layer_types": ["linear_attention", "full_attention"] * (LAYERS // 2),
            "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 4,
            "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 32, "num_position_embeddings": 64,
        },
        **qwen_ids(ids),
    )  # fmt: skip


def internvl(ids: dict[str, int]) -> Any:
    return transformers.InternVLConfig(
        architectures=["InternVLForConditionalGeneration"],
        text_config={**TEXT, "model_type": "qwen2"},
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": [32, 32], "patch_size": [4, 4],
        },
        image_token_id=ids["<IMG_CONTEXT>"], image_seq_length=16,
    )  # fmt: skip


def llava_onevision(ids: dict[str, int]) -> Any:
    return transformers.LlavaOnevisionConfig(
        architectures=["LlavaOnevisionForConditionalGeneration"],
        text_config={**TEXT, "model_type": "qwen2"},
        vision_config={
            "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 4, "vision_use_head": False,
        },
        image_token_index=ids["<image>"], video_token_index=ids["<video>"],
    )  # fmt: skip


def smolvlm(ids: dict[str, int]) -> Any:
    return transformers.SmolVLMConfig(
        architectures=["SmolVLMForConditionalGeneration"],
        text_config={**TEXT, "model_type": "llama"},
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 32, "patch_size": 4,
        },
        image_token_id=ids["<image>"], scale_factor=2, pad_token_id=ids["</s>"],
    )  # fmt: skip


GLM_VISION = {
    "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "image_size": 32, "patch_size": 4,
    "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 32,
}  # fmt: skip


def glm_ids(ids: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": ids["<|image|>"], "video_token_id": ids["<|video|>"],
        "image_start_token_id": ids["<|begin_of_image|>"], "image_end_token_id": ids["<|end_of_image|>"],
        "video_start_token_id": ids["<|begin_of_video|>"], "video_end_token_id": ids["<|end_of_video|>"],
    }  # fmt: skip


def glm4v(ids: dict[str, int]) -> Any:
    return transformers.Glm4vConfig(
        architectures=["Glm4vForConditionalGeneration"],
        text_config={**TEXT, "rope_parameters": MROPE},
        vision_config=GLM_VISION,
        **glm_ids(ids),
    )


def glm46v(ids: dict[str, int]) -> Any:
    return transformers.Glm46VConfig(
        architectures=["Glm46VForConditionalGeneration"],
        text_config={**TEXT, "model_type": "glm4v_text", "rope_parameters": MROPE},
        vision_config={**GLM_VISION, "model_type": "glm4v_vision"},
        **glm_ids(ids),
    )


def video_llama_3(ids: dict[str, int]) -> Any:
    return transformers.VideoLlama3Config(
        architectures=["VideoLlama3ForConditionalGeneration"],
        text_config={**TEXT, "model_type": "qwen2"},
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "patch_size": 4,
        },
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
    )  # fmt: skip


def gemma4(ids: dict[str, int]) -> Any:
    return transformers.Gemma4Config(
        architectures=["Gemma4ForConditionalGeneration"],
        text_config={
            **TEXT, "head_dim": 8, "global_head_dim": 16, "sliding_window": 64, "num_kv_shared_layers": 1,
            "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
            "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 256, "pad_token_id": 0,
            "use_bidirectional_attention": "vision",
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "head_dim": 16, "patch_size": 4, "pooling_kernel_size": 3,
            "position_embedding_size": 64,
        },
        audio_config=None,
        image_token_id=ids["<image>"], video_token_id=ids["<|video|>"], boi_token_id=ids["<boi>"],
        eoi_token_id=ids["<eoi>"], audio_token_id=ids["<audio>"], boa_token_id=ids["<boa>"],
        eoa_token_index=ids["<eoa>"],
    )  # fmt: skip


QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
GLM = (
    "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>",
)  # fmt: skip
GLM_VIDEO = "<|begin_of_video|><|video|><|end_of_video|>"
PATCHES = {
    "patch_size": 4,
    "merge_size": 2,
    "size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 64 * 8},
}
SQUARE = {"height": 32, "width": 32}

FAMILIES = {
    "qwen2_5_vl": Family(
        config=qwen2_5_vl,
        specials=QWEN,
        video=QWEN_VIDEO,
        video_settings={
            **PATCHES,
            "video_processor_type": "Qwen2VLVideoProcessor",
            "temporal_patch_size": 2,
        },
    ),
    "qwen3_vl": Family(
        config=qwen3_vl,
        specials=QWEN,
        video="<|video_pad|>",
        video_settings={
            **PATCHES,
            "video_processor_type": "Qwen3VLVideoProcessor",
            "temporal_patch_size": 2,
        },
    ),
    "qwen3_5": Family(
        config=qwen3_5,
        specials=QWEN,
        video="<|video_pad|>",
        video_settings={
            **PATCHES,
            "video_processor_type": "Qwen3VLVideoProcessor",
            "temporal_patch_size": 2,
        },
    ),
    "internvl": Family(
        config=internvl,
        video="<video>",
        named={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        processor={"image_seq_length": 16},
        video_settings={"video_processor_type": "InternVLVideoProcessor", "size": SQUARE},
    ),
    "llava_onevision": Family(
        config=llava_onevision,
        specials=("<image>", "<video>"),
        video="<video>",
        processor={"num_image_tokens": 64, "vision_feature_select_strategy": "full"},
        video_settings={"video_processor_type": "LlavaOnevisionVideoProcessor", "size": SQUARE},
    ),
    "smolvlm": Family(
        config=smolvlm,
        specials=(
            "<image>",
            "<video>",
            "<fake_token_around_image>",
            "<global-img>",
            "<end_of_utterance>",
        ),
        video="<video>",
        processor={"image_seq_len": 16},
        video_settings={
            "video_processor_type": "SmolVLMVideoProcessor",
            "size": {"longest_edge": 64},
            "max_image_size": {"longest_edge": 32},
        },
    ),
    "glm4v": Family(
        config=glm4v,
        specials=GLM,
        video=GLM_VIDEO,
        video_settings={
            **PATCHES,
            "video_processor_type": "Glm4vVideoProcessor",
            "temporal_patch_size": 2,
        },
    ),
    "glm46v": Family(
        config=glm46v,
        specials=GLM,
        video=GLM_VIDEO,
        video_settings={
            **PATCHES,
            "video_processor_type": "Glm46VVideoProcessor",
            "temporal_patch_size": 2,
        },
    ),
    "video_llama_3": Family(
        config=video_llama_3,
        specials=QWEN,
        video=QWEN_VIDEO,
        video_settings={
            **PATCHES,
            "video_processor_type": "VideoLlama3VideoProcessor",
            "temporal_patch_size": 1,
        },
    ),
    "gemma4": Family(
        config=gemma4,
        specials=("<|video|>",),
        video="<|video|>",
        named={
            "image_token": "<image>",
            "boi_token": "<boi>",
            "eoi_token": "<eoi>",
            "audio_token": "<audio>",
            "boa_token": "<boa>",
            "eoa_token": "<eoa>",
        },
        video_settings={
            "video_processor_type": "Gemma4VideoProcessor",
            "patch_size": 4,
            "max_soft_tokens": 4,
            "pooling_kernel_size": 3,
        },
    ),
}
