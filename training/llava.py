"""Build a second MLLM of the same size with another architecture: LLaVA-OneVision.

It is not shipped, only trained to compare layer curves. A SigLIP encoder sees each frame alone and
makes 9 tokens of it, so it is the language model that has to find motion.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from training.model import MEAN, STD, Shape, recipe, write_weights
from training.segments import FRAMES, GRID, SIZE
from training.text import tokenizer

PATCH, SIDE = 16, 3  # a frame has 6 x 6 patches, pooled to 3 x 3 tokens
TOKENS = FRAMES * SIDE * SIDE + 1  # the last one ends the video


def config(words: PreTrainedTokenizerFast) -> LlavaOnevisionConfig:
    """Make a stock LLaVA-OneVision configuration.

    Its decoder has the depth and width of the embedded model.
    """
    ids = words.get_vocab()
    text = {
        "model_type": "qwen2",
        "vocab_size": len(words),
        "hidden_size": 160,
        "intermediate_size": 448,
        "num_hidden_layers": 8,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-6,
        "use_sliding_window": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
        "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<pad>"],
        "tie_word_embeddings": True,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIZE,
        "patch_size": PATCH,
        "vision_use_head": False,
    }
    return LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision,
        image_token_index=ids["<|image_pad|>"],
        video_token_index=ids["<|video_pad|>"],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )


def prefix_positions(model: Any, ids: Tensor) -> Tensor:
    """Return the rotary positions (1, length) of the text before the questions.

    These are plain indices, for video tokens too.
    """
    return torch.arange(ids.shape[1])[None]


def by_patch(motion: Tensor) -> Tensor:
    """Return nothing to learn of what moves: see `Trainee.watch`."""
    return motion.new_zeros(len(motion), 0, 0)


def cells(states: Tensor) -> Tensor:
    """Convert what each of 6 x 6 cells shows at any time to what each video token shows.

    Returns (clips, TOKENS - 1, states).
    """
    n, _, kinds = states.shape
    grid = (
        states.view(n, SIDE, GRID // SIDE, SIDE, GRID // SIDE, kinds)
        .amax((2, 4))
        .view(n, SIDE * SIDE, kinds)
    )
    return grid.repeat(1, FRAMES, 1)


class Trainee(nn.Module):
    """The stock model, called in two steps, with a head for the vision labels."""

    def __init__(self, model: Any, states: int) -> None:
        super().__init__()
        self.model = model
        self.tokens = TOKENS
        self.state_head = nn.Linear(160, states)

    def see(self, frames: Tensor) -> Tensor:
        """Encode uint8 frames (clips, 8, 96, 96, 3) to video tokens (clips, 73, 160)."""
        pixels = (frames.permute(0, 1, 4, 2, 3).float() / 255 - MEAN) / STD
        seen: Tensor = self.model.model.get_video_features(pixel_values_videos=pixels).pooler_output
        return seen

    def watch(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the video tokens and an empty tensor: a tower of single frames sees no motion."""
        seen = self.see(frames)
        return seen, seen.new_zeros(len(seen), 0, 0)

    def look(self, seen: Tensor) -> Tensor:
        """Return the logits (clips, 72, states) of what each token shows."""
        logits: Tensor = self.state_head(seen[:, :-1])
        return logits

    def speak(
        self,
        seen: Tensor,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        want: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states (clips, length, 160), after the final norm, of token ids.

        The video is at tokens 3..75. With `want` (clips, length), return (wanted, 160): only the
        states at which it is true.
        """
        lm = self.model.model.language_model
        h = lm.embed_tokens(ids)
        h = torch.cat((h[:, :3], seen.to(h.dtype), h[:, 3 + TOKENS :]), 1)
        states: Tensor = lm(
            inputs_embeds=h,
            attention_mask=mask.to(h.dtype)[None, None],
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        return states if want is None else states[want]


def build(seed: int, shape: Shape | None = None) -> tuple[Any, PreTrainedTokenizerFast]:
    """Make a new model and its tokenizer. Raises ValueError for other sizes than the default."""
    if shape not in (None, Shape()):
        raise ValueError(f"llava_onevision has only the default sizes, got {shape}")
    torch.manual_seed(seed)
    words = tokenizer()
    model: Any = LlavaOnevisionForConditionalGeneration(config(words))
    # The fused kernel's backward pass is slow on CPUs at these sizes.
    model.set_attn_implementation("eager")
    return model, words


def save(model: Any, words: PreTrainedTokenizerFast, folder: Path, style: str = "name") -> None:
    """Write the model (float16 safetensors), tokenizer, processor files and default recipe."""
    write_weights(model, words, folder)
    pixels = {
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "do_resize": True,
        "size": {"height": SIZE, "width": SIZE},
    }
    video = pixels | {
        "video_processor_type": "LlavaOnevisionVideoProcessor",
        "do_sample_frames": False,
    }
    processor = {
        "processor_class": "LlavaOnevisionProcessor",
        "num_image_tokens": (SIZE // PATCH) ** 2,
        "vision_feature_select_strategy": "full",
        "video_token": "<|video_pad|>",
        "image_token": "<|image_pad|>",
    }
    for name, value in (
        ("video_preprocessor_config.json", video),
        ("processor_config.json", processor),
        ("hiprobe.json", recipe(SIZE, style)),
    ):
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")
