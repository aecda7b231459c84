"""Build models of the true 7-8B shapes with random weights, directly on the device.

Nothing is downloaded. The sizes are those of the checkpoints' config.json. The vocabulary is that
of the tests' tokenizer, since the cost of a model does not depend on it. `small` gives the tests'
tiny models of the same classes instead.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.support import tiny_models
from transformers import AutoModelForImageTextToText

from hiprobe.backbones._folder import Checkpoint
from hiprobe.backbones._processing import load_processor
from hiprobe.backbones.auto import AutoBackbone

SIZE = (448, 448)
FRAMES = 16
LAYER = 20  # of 0 to 27
TEXT = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
}


def qwen2_5_vl_7b(ids: dict[str, int]) -> Any:
    """Configure Qwen/Qwen2.5-VL-7B-Instruct."""
    tokens: Any = tiny_models.qwen_ids(ids)
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    return transformers.Qwen2_5_VLConfig(
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        text_config={**TEXT, "vocab_size": 152064, "rope_parameters": rope},
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "out_hidden_size": 3584,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
            "tokens_per_second": 2,
        },
        tie_word_embeddings=False,
        **tokens,
    )


def internvl3_8b(ids: dict[str, int]) -> Any:
    """Configure OpenGVLab/InternVL3-8B-hf."""
    rope = {"rope_type": "default", "rope_theta": 1e6}
    return transformers.InternVLConfig(
        architectures=["InternVLForConditionalGeneration"],
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": 151674, "rope_parameters": rope},
        vision_config={
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "attention_bias": True,
            "image_size": [448, 448],
            "patch_size": [14, 14],
        },
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=256,
        tie_word_embeddings=False,
    )


LARGE = {
    "Qwen2.5-VL-7B": dataclasses.replace(
        tiny_models.FAMILIES["qwen2_5_vl"],
        config=qwen2_5_vl_7b,
        video_settings={
            "video_processor_type": "Qwen2VLVideoProcessor",
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
        },
        frames=FRAMES,
        size=SIZE,
    ),
    "InternVL3-8B": dataclasses.replace(
        tiny_models.FAMILIES["internvl"],
        config=internvl3_8b,
        processor={"image_seq_length": 256},
        video_settings={
            "video_processor_type": "InternVLVideoProcessor",
            "size": {"height": SIZE[0], "width": SIZE[1]},
        },
        frames=FRAMES,
        size=SIZE,
    ),
}
SMALL = {
    "Qwen2.5-VL-7B": tiny_models.FAMILIES["qwen2_5_vl"],
    "InternVL3-8B": tiny_models.FAMILIES["internvl"],
}


def layer_read(backbone: Any) -> int:
    """Return the block to read: 20 of 28, or the same fraction of another depth."""
    return LAYER * int(backbone.layers) // 28


def build(name: str, small: bool, device: str, dtype: torch.dtype, seed: int = 0) -> Any:
    """Build a backbone of shape `name` with random weights on `device`.

    The backbone is the one that also reads downloaded models.
    """
    return build_family((SMALL if small else LARGE)[name], name, device, dtype, seed)


def build_family(
    family: tiny_models.Family, name: str, device: str, dtype: torch.dtype, seed: int = 0
) -> Any:
    """Build a backbone of a family's configuration; on the device meta it has no weights."""
    words = tiny_models.tokenizer(family)
    ids: Any = words.convert_tokens_to_ids
    config = family.config({token: ids(token) for token in words.get_vocab()})
    torch.manual_seed(seed)
    maker: Any = AutoModelForImageTextToText
    with torch.device(device):
        model = maker.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model.generation_config.eos_token_id = None  # random weights must not end an answer early
    with tempfile.TemporaryDirectory() as folder:
        found = Checkpoint(_write_files(Path(folder), family, words), f"random:{name}", None)
        processor = load_processor(found, config.model_type)
        layers = config.get_text_config().num_hidden_layers
        return AutoBackbone(found, model.eval().requires_grad_(False), processor, layers, False)


def _write_files(folder: Path, family: tiny_models.Family, words: Any) -> Path:
    """Write all files of a checkpoint except its weights."""
    words.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(tiny_models.TEMPLATE.replace("VIDEO", family.video))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(family.video_settings))
    (folder / "processor_config.json").write_text(json.dumps(family.processor))
    settings = {
        "prompts": tiny_models.PROMPTS[:1],
        "frames": family.frames,
        "size": list(family.size),
        "segment_s": 1.6,
    }
    (folder / "hiprobe.json").write_text(json.dumps(settings))
    return folder
