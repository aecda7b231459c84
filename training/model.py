"""Define the shape and files of the embedded MLLM, and a forward pass for training.

The pass gives the same values as the stock one. Knows no rendering.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from training.segments import FRAMES, GRID, SEGMENT_S, SIZE
from training.text import PROMPT, tokenizer

PATCH, MERGE = 8, 2
MEAN, STD = 0.45, 0.25
TOKENS = GRID * GRID
HEAD = 32  # width of an attention head


@dataclass(frozen=True)
class Shape:
    """The sizes of a model: pixels of its input, and depth and width of its two parts.

    The input's side is a multiple of 16, the widths are multiples of 32.
    """

    size: int = SIZE
    vision_depth: int = 5
    vision_width: int = 160
    depth: int = 8
    width: int = 160

    @property
    def tokens(self) -> int:
        """How many video tokens a segment has."""
        return (self.size // (PATCH * MERGE)) ** 2


def _feed(width: int) -> int:
    """Return the width of the feed-forward part: 2.8 times as wide, in steps of 32."""
    return round(width * 2.8 / 32) * 32


def config(words: PreTrainedTokenizerFast, shape: Shape | None = None) -> Qwen2_5_VLConfig:
    """Make a stock Qwen2.5-VL configuration.

    One temporal patch holds the 8 frames, and every vision block attends to all of them.
    """
    ids, shape = words.get_vocab(), shape or Shape()
    text = {
        "vocab_size": len(words),
        "hidden_size": shape.width,
        "intermediate_size": _feed(shape.width),
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.width // HEAD,
        "num_key_value_heads": 1,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-6,
        "use_sliding_window": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 4.0, "mrope_section": [4, 6, 6]},
        "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<pad>"],
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": shape.vision_depth,
        "hidden_size": shape.vision_width,
        "intermediate_size": _feed(shape.vision_width),
        "num_heads": shape.vision_width // HEAD,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": FRAMES,
        "window_size": shape.size,
        "out_hidden_size": shape.width,
        "fullatt_block_indexes": list(range(shape.vision_depth)),
        "tokens_per_second": 1,
        "in_channels": 3,
        "rope_parameters": {"rope_type": "axial", "rope_theta": 20.0},
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def prefix_positions(model: Any, ids: Tensor) -> Tensor:
    """Return the rotary positions (3, 1, length) of the text before the questions.

    The video tokens have the positions of a grid.
    """
    kinds = (ids == model.config.video_token_id).int() * 2
    rows = _side(model) // PATCH
    grid = torch.tensor([[1, rows, rows]])
    positions: Tensor = model.model.get_rope_index(ids, kinds, video_grid_thw=grid)[0]
    return positions


def _side(model: Any) -> int:
    """Return the side of the model's input in pixels."""
    side: int = model.config.vision_config.window_size
    return side


def cells(states: Tensor) -> Tensor:
    """Return what each video token shows (clips, tokens, states).

    Each token is one of the cells of 16 x 16 pixels, so this is the input.
    """
    return states


def by_patch(motion: Tensor) -> Tensor:
    """Bring cells (clips, side * side, values), row by row, into the order of the patches."""
    n, count, values = motion.shape
    side = round(count**0.5) // MERGE
    cut = motion.view(n, side, MERGE, side, MERGE, values).transpose(2, 3)
    return cut.reshape(n, count, values)


def patches(frames: Tensor) -> Tensor:
    """Cut uint8 frames (clips, 8, size, size, 3) into uint8 patches (clips, patches, 1536).

    The order is that of the stock processor.
    """
    n, t, s = frames.shape[0], frames.shape[1], frames.shape[2] // (PATCH * MERGE)
    x = frames.view(n, t, s, MERGE, PATCH, s, MERGE, PATCH, 3)
    return x.permute(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(n, s * s * MERGE * MERGE, -1)


def _turn(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None
) -> Tensor:
    cos, sin = cos.to(q.dtype), sin.to(q.dtype)
    q, k = (q * cos + _turn(q) * sin) * q.shape[-1] ** -0.5, k * cos + _turn(k) * sin
    shape = q.shape
    if k.shape[1] == 1:  # one head of keys for all: one product instead of a copy for each
        q = q.reshape(shape[0], 1, -1, shape[-1])
    # By hand: on CPUs the fused kernel's backward pass takes several times longer at these sizes.
    score = (q @ k.transpose(-1, -2)).view(*shape[:3], -1)
    if mask is not None:
        score = score + mask.to(score.dtype)
    with torch.autocast("cpu", enabled=False):  # which would copy to fp32 and back
        weight = score.softmax(-1)
    seen: Tensor = weight.view(*q.shape[:3], -1).to(v.dtype) @ v
    return seen.view(shape).transpose(1, 2).flatten(2)


def _norm(module: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)


class Trainee(nn.Module):
    """The stock model with a forward pass over batches of equal layout.

    It has a second head for the vision labels.
    """

    def __init__(self, model: Any, states: int) -> None:
        super().__init__()
        self.model = model
        self.state_head = nn.Linear(model.config.text_config.hidden_size, states)
        visual = model.model.visual
        self.motion_head = nn.Linear(model.config.vision_config.hidden_size, FRAMES * 3)
        nn.init.zeros_(self.motion_head.weight)
        nn.init.zeros_(self.motion_head.bias)
        side = _side(model) // (PATCH * MERGE)
        self.tokens = side * side
        rows = torch.arange(side * MERGE)
        grid = torch.stack(torch.meshgrid(rows, rows, indexing="ij"), -1)
        grid = grid.view(side, MERGE, side, MERGE, 2).transpose(1, 2).reshape(-1, 2)
        cos, sin = visual.rotary_pos_emb(torch.zeros(1), grid)
        self.turns = (cos.float(), sin.float())

    def see(self, frames: Tensor) -> Tensor:
        """Encode uint8 frames (clips, 8, size, size, 3) to video tokens (clips, tokens, width)."""
        return self.watch(frames)[0]

    def watch(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the video tokens, and what moves in each patch (clips, 4 * tokens, 8 * 3).

        The patches are in the order of the stock processor: the four of a token together. The
        scaling of the pixels is folded into the weights.
        """
        x, visual = patches(frames), self.model.model.visual
        weight = visual.patch_embed.proj.weight.flatten(1)
        h = F.linear(
            x.to(
                torch.get_autocast_dtype("cpu")
                if torch.is_autocast_enabled("cpu")
                else weight.dtype
            ),
            weight / (255 * STD),
        ) - weight.sum(1) * (MEAN / STD)
        n, length, _width = h.shape
        for block in visual.blocks:
            qkv = block.attn.qkv(_norm(block.norm1, h)).view(n, length, 3, block.attn.num_heads, -1)
            qkv = qkv.permute(2, 0, 3, 1, 4)
            h = h + block.attn.proj(_attend(qkv[0], qkv[1], qkv[2], *self.turns, None))
            h = h + block.mlp(_norm(block.norm2, h))
        merger = visual.merger
        normed = _norm(merger.ln_q, h)
        merged: Tensor = merger.mlp(normed.view(n, self.tokens, -1))
        return merged, self.motion_head(normed)

    def look(self, seen: Tensor) -> Tensor:
        """Return the logits (clips, tokens, states) of what each token shows."""
        logits: Tensor = self.state_head(seen)
        return logits

    def speak(
        self,
        seen: Tensor,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        want: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states (clips, length, width), after the final norm, of token ids.

        The video begins at token 3. With `want` (clips, length), return (wanted, width): only the
        states at which it is true, which saves much of the last layer.
        """
        lm = self.model.model.language_model
        h = lm.embed_tokens(ids)
        h = torch.cat((h[:, :3], seen.to(h.dtype), h[:, 3 + self.tokens :]), 1)
        cos, sin = lm.rotary_emb(h, positions)
        cos, sin = cos[:, None], sin[:, None]
        n, length, _ = h.shape
        for index, layer in enumerate(lm.layers):
            x, attn = _norm(layer.input_layernorm, h), layer.self_attn
            q = attn.q_proj(x).view(n, length, -1, attn.head_dim).transpose(1, 2)
            k = attn.k_proj(x).view(n, length, -1, attn.head_dim).transpose(1, 2)
            v = attn.v_proj(x).view(n, length, -1, attn.head_dim).transpose(1, 2)
            heard = _attend(q, k, v, cos, sin, mask)
            if want is not None and index == len(lm.layers) - 1:
                h, heard = h[want], heard[want]
            h = h + attn.o_proj(heard)
            h = h + layer.mlp(_norm(layer.post_attention_layernorm, h))
        return _norm(lm.norm, h)


def build(seed: int, shape: Shape | None = None) -> tuple[Any, PreTrainedTokenizerFast]:
    """Make a new model and its tokenizer."""
    torch.manual_seed(seed)
    words = tokenizer()
    model = Qwen2_5_VLForConditionalGeneration(config(words, shape))
    return model, words


def recipe(size: int = SIZE, style: str = "name") -> dict[str, Any]:
    """Return the settings that a model of this folder brings along in `hiprobe.json`.

    Only an answer that begins with a name tells by its first word whether all is normal, so the
    verdict is left out in the other style.
    """
    verdict = {"verdict": {"normal": ["normal"]}} if style == "name" else {}
    return {
        "prompts": [PROMPT],
        "frames": FRAMES,
        "size": [size, size],
        "segment_s": SEGMENT_S,
        "explain_prompt": PROMPT,
        "explain_span_s": SEGMENT_S,
        **verdict,
        "notice": "The embedded model is tiny and was trained on rendered scenes. On real footage "
        "it was measured on fights only (docs/embedded.md). For real use take a trained video "
        "MLLM, for example Qwen/Qwen2.5-VL-7B-Instruct or OpenGVLab/InternVL3-8B-hf.",
    }


def write_weights(model: Any, words: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model of either architecture as float16 safetensors, and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.half() for name, value in model.state_dict().items()}
    half: Any = type(model)(model.config)
    half.half()
    half.load_state_dict(state)
    half.generation_config.update(
        eos_token_id=model.config.text_config.eos_token_id,
        pad_token_id=model.config.text_config.pad_token_id,
        do_sample=False,
    )
    half.save_pretrained(folder)
    words.save_pretrained(folder)


def save(model: Any, words: PreTrainedTokenizerFast, folder: Path, style: str = "name") -> None:
    """Write the model (float16 safetensors), tokenizer, processor files and default recipe."""
    write_weights(model, words, folder)
    size = _side(model)
    common = {
        "do_resize": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "patch_size": PATCH,
        "temporal_patch_size": FRAMES,
        "merge_size": MERGE,
        "size": {"shortest_edge": size * size, "longest_edge": size * size},
    }
    video = dict(common, video_processor_type="Qwen2VLVideoProcessor", do_sample_frames=False)
    image = dict(
        common, image_processor_type="Qwen2VLImageProcessorFast", temporal_patch_size=FRAMES
    )
    processor = {"processor_class": "Qwen2_5_VLProcessor"}
    for name, value in (
        ("video_preprocessor_config.json", video),
        ("preprocessor_config.json", image),
        ("processor_config.json", processor),
        ("hiprobe.json", recipe(size, style)),
    ):
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")
