"""EfficientNet-Lite0 as a vision tower of transformers: what a picture's 7 x 7 cells show.

The convolutions are those of the published network without its classifier. Each of the 49 cells is
repeated to 2 x 2 cells, because LLaVA-OneVision halves the grid of a video's frame: the mean of
four equal cells is the cell, so a frame takes exactly 49 tokens.

Source: Tan and Le 2019 (EfficientNet); the Lite variants have no squeeze and excitation, and ReLU6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

SIZE, CELLS, WIDTH = 224, 7, 1280
# kernel, stride, expansion, output channels, blocks
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM = 32
PIXELS = {"image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3}  # as it was trained


class EfficientNetLiteConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of the tower; `image_size // patch_size` is the side of the repeated grid."""

    model_type = "efficientnet_lite"
    base_config_key = "vision_config"

    hidden_size: int = WIDTH
    image_size: int = SIZE
    patch_size: int = SIZE // CELLS // 2


def normalised(channels: int) -> nn.BatchNorm2d:
    """Return the normalisation after each convolution."""
    return nn.BatchNorm2d(channels, eps=1e-3)


def convolution(into: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Any:
    """Return a convolution that keeps the size of its input, divided by the stride."""
    padding = (kernel - 1) // 2
    return nn.Conv2d(into, out, kernel, stride, padding, groups=groups, bias=False)


class Block(nn.Module):
    """Expand the channels, convolve each one, and project back, with a shortcut where it fits."""

    def __init__(self, into: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = into * expansion
        if expansion > 1:
            self.expand = nn.Sequential(convolution(into, inner), normalised(inner), nn.ReLU6())
        else:
            self.expand = nn.Sequential()
        self.depth = nn.Sequential(
            convolution(inner, inner, kernel, stride, inner), normalised(inner), nn.ReLU6()
        )
        self.project = nn.Sequential(convolution(inner, out), normalised(out))
        self.shortcut = stride == 1 and into == out

    def forward(self, maps: Tensor) -> Tensor:
        """Return feature maps (n, out, h / stride, w / stride) of maps (n, into, h, w)."""
        made: Tensor = self.project(self.depth(self.expand(maps)))
        return made + maps if self.shortcut else made


class EfficientNetLiteModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """The tower: pixels (n, 3, 224, 224) to features (n, 196, 1280), each cell four times."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"
    _supports_sdpa = True  # it has no attention, so that any kind will do

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.stem = nn.Sequential(convolution(3, STEM, 3, 2), normalised(STEM), nn.ReLU6())
        blocks, into = [], STEM
        for kernel, stride, expansion, out, count in STAGES:
            for number in range(count):
                blocks.append(Block(into, out, kernel, 1 if number else stride, expansion))
                into = out
        self.blocks = nn.Sequential(*blocks)
        wide = config.hidden_size
        self.head = nn.Sequential(convolution(into, wide), normalised(wide), nn.ReLU6())
        self.post_init()  # type: ignore[no-untyped-call]

    def cells(self, pixel_values: Tensor) -> Tensor:
        """Return features (n, 49, 1280) of the cells, row by row."""
        # In this layout of memory the convolutions of a CPU take half the time.
        pixels = pixel_values.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.head(self.blocks(self.stem(pixels)))
        return maps.flatten(2).transpose(1, 2)

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        """Return the features (n, 196, 1280) as the only and last hidden state."""
        seen = self.cells(pixel_values)
        side = round(seen.shape[1] ** 0.5)
        grid = seen.reshape(len(seen), side, side, -1)
        repeated = grid.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)
        return BaseModelOutput(last_hidden_state=repeated, hidden_states=(repeated,))


def published_names(tower: EfficientNetLiteModel) -> dict[str, str]:
    """Map each tensor of the tower to its name in the published file.

    That file numbers the normalisations of a block by whether it expands.
    """
    places = {"stem.0": "_conv_stem", "stem.1": "_bn0", "head.0": "_conv_head", "head.1": "_bn1"}
    for number, _ in enumerate(tower.blocks):
        ours, theirs = f"blocks.{number}", f"_blocks.{number}"
        places |= {
            f"{ours}.expand.0": f"{theirs}._expand_conv",
            f"{ours}.expand.1": f"{theirs}._bn0",
            f"{ours}.depth.0": f"{theirs}._depthwise_conv",
            f"{ours}.depth.1": f"{theirs}._bn1",
            f"{ours}.project.0": f"{theirs}._project_conv",
            f"{ours}.project.1": f"{theirs}._bn2",
        }
    split = (name.rpartition(".") for name in tower.state_dict())
    return {f"{place}.{what}": f"{places[place]}.{what}" for place, _, what in split}


def register() -> None:
    """Make the tower known to transformers' automatic classes."""
    AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig, exist_ok=True)
    AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel, exist_ok=True)


def frozen(model: Any) -> Any:
    """Return a model in evaluation mode, whose weights are not trained."""
    return model.eval().requires_grad_(False)


def new_tower(published: dict[str, Tensor]) -> Any:
    """Return the tower with the weights of the published file.

    Raises ValueError if a tensor is missing or has another shape.
    """
    tower = EfficientNetLiteModel(EfficientNetLiteConfig())
    names = published_names(tower)
    state = tower.state_dict()
    lacking = [theirs for ours, theirs in names.items() if theirs not in published]
    if lacking:
        raise ValueError(f"the file of the vision tower lacks {lacking[0]}")
    for ours, theirs in names.items():
        if state[ours].shape != published[theirs].shape:
            raise ValueError(f"{theirs} has the shape {tuple(published[theirs].shape)}")
        state[ours].copy_(published[theirs])
    return frozen(tower)
