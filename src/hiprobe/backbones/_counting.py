"""Count what a model computes for a segment, from its layers and the shapes of its inputs.

Nothing is run, and the weights may be on the meta device. A linear layer with weights (k, m) that
is applied to n rows takes 2 n k m operations, attention of n rows to a rows of width w 4 n a w.
Activations, norms and positions are not counted, nor the state of linear attention.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hiprobe.backbones._work import SegmentWork

# The blocks of a vision encoder, whatever the family calls them.
_STACK = re.compile(r"\.(?:blocks|layers|layer)\.(\d+)\.")
_EXPERT = re.compile(r"\bexperts\b")
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_COLOURS = 3
Layers = Mapping[str, nn.Module]


def count_work(model: Any, inputs: Mapping[str, Tensor]) -> SegmentWork:
    """Count the work of one pass over `inputs`, those of one segment and one prompt."""
    decoder, text = model.get_decoder(), model.config.get_text_config()
    rows, blocks = int(inputs["input_ids"].numel()), list(decoder.layers)
    before = dict(_layers_before(model, decoder))
    encoder = _encoder(model, before, inputs)
    every, held = _size([model]), _size(blocks)
    seen = _size(before.values(), recurse=False)
    return SegmentWork(
        layers=len(blocks),
        vision=encoder.operations(before),
        vision_width=encoder.width,
        vision_parameters=seen,
        block=sum(_block(text, one, rows) for one in blocks) / len(blocks),
        block_width=int(text.hidden_size),
        block_parameters=held // len(blocks),
        other=every - seen - held // len(blocks) * len(blocks),
        tokens=rows,
    )


@dataclass(frozen=True)
class _Encoder:
    """What is known of a vision encoder: the width of its vectors, and how many rows it works on.

    `patches` of `frames` frames go through its blocks, `tokens` leave it. In a block a patch looks
    at those of its frame, or of its `window` except in the blocks `whole`.
    """

    width: int
    patches: int
    frames: int
    tokens: int
    window: int
    whole: frozenset[int]

    def operations(self, layers: Layers) -> float:
        """Return the operations of all layers before the decoder."""
        depths = {int(found[1]) for name in layers if (found := _STACK.search(name))}
        products = sum(2.0 * self._rows(name, part) * _used(part) for name, part in layers.items())
        attended = sum(self._attended(depth) for depth in depths)
        return products + 4.0 * self.patches * attended * self.width

    def _rows(self, name: str, part: nn.Module) -> int:
        embeds = isinstance(part, _CONVOLUTIONS) and part.in_channels == _COLOURS
        inside = embeds or "patch" in name or _STACK.search(name)
        return self.patches if inside and "merger" not in name else self.tokens

    def _attended(self, depth: int) -> int:
        frame = self.patches // self.frames
        return frame if depth in self.whole else min(self.window, frame)


def _encoder(model: Any, layers: Layers, inputs: Mapping[str, Tensor]) -> _Encoder:
    vision = model.config.vision_config
    first: Any = next(
        part for part in layers.values() if isinstance(part, (nn.Linear, *_CONVOLUTIONS))
    )
    patches, frames = _patches(first, inputs)
    names = ("image_token_id", "video_token_id")
    marks = {getattr(model.config, name, None) for name in names} - {None}
    side = getattr(vision, "window_size", None)
    return _Encoder(
        width=int(first.weight.shape[0]),
        patches=patches,
        frames=frames,
        tokens=sum(inputs["input_ids"].flatten().tolist().count(mark) for mark in marks),
        window=patches if side is None else (int(side) // int(vision.patch_size)) ** 2,
        whole=frozenset(getattr(vision, "fullatt_block_indexes", ())),
    )


def _patches(first: Any, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return how many patches the pixels make, and of how many frames.

    Pixels are (..., T, 3, H, W), or cut into patches already: (frames, patches, values), or
    (patches, values) beside a grid of times, rows and columns.
    """
    pixels = next(value for name, value in inputs.items() if name.startswith("pixel_values"))
    if pixels.ndim >= 4:
        frames = math.prod(pixels.shape[:-3])
        sides = zip(pixels.shape[-2:], first.kernel_size[-2:], strict=True)
        return frames * math.prod(pixel // side for pixel, side in sides), frames
    grid = inputs.get("video_grid_thw")
    frames = pixels.shape[0] if grid is None else int(grid[:, 0].sum())
    return math.prod(pixels.shape[:-1]), frames


def _layers_before(model: Any, decoder: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers that hold parameters and are not the decoder's, by their names."""
    inside = {id(part) for part in decoder.modules()}
    for name, part in model.base_model.named_modules():
        if id(part) not in inside and next(part.parameters(recurse=False), None) is not None:
            yield f".{name}", part


def _block(text: Any, block: nn.Module, rows: int) -> float:
    """Return the operations of a decoder's block on `rows` rows, which all look at each other."""
    parts = block.named_modules()
    products = sum(2.0 * rows * _used(part) * _active(text, name) for name, part in parts)
    attention: Any = getattr(block, "self_attn", None)
    width = 0 if attention is None else int(attention.o_proj.in_features)
    return products + 4.0 * rows * rows * width


def _active(text: Any, name: str) -> float:
    """Return the share of a layer that a token uses: less than 1 for one of several experts."""
    every, used = (  # whatever the family calls them
        getattr(text, one, None) or getattr(text, other, None)
        for one, other in (
            ("num_experts", "num_local_experts"),
            ("num_experts_per_tok", "top_k_experts"),
        )
    )
    return float(used / every) if every and used and _EXPERT.search(name) else 1.0


def _used(part: nn.Module) -> int:
    """Return how many products a row takes: the weights of this layer itself."""
    if isinstance(part, nn.Linear):
        return part.in_features * part.out_features  # quantised weights are packed
    if isinstance(part, nn.Embedding):
        return 0
    return sum(each.numel() for each in part.parameters(recurse=False) if each.ndim > 1)


def _size(parts: Iterable[nn.Module], recurse: bool = True) -> int:
    """Return the number of parameters of modules, each counted once."""
    every = {id(each): each for part in parts for each in part.parameters(recurse)}
    return sum(each.numel() for each in every.values())
