"""Read with transformers alone, by hooks of its own: the reference of the backbone tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from hiprobe.types import Recipe, Segment, Site


def clips(
    count: int, frames: int = 4, size: tuple[int, int] = (32, 32), seed: int = 0
) -> list[Segment]:
    rng = np.random.default_rng(seed)
    offsets = (np.arange(frames) + 0.5) * 1.6 / frames
    return [
        Segment(
            frames=rng.integers(0, 256, (frames, *size, 3), dtype=np.uint8),
            times=1.6 * index + offsets,
            start=1.6 * index,
            end=1.6 * (index + 1),
            index=index,
        )
        for index in range(count)
    ]


def residuals(backbone: Any, prompt: int = 0) -> list[Site]:
    return [Site("residual", layer, prompt=prompt) for layer in range(backbone.layers)]


def one_prompt(backbone: Any, prompt: int = 0) -> Recipe:
    """The recipe with one of its prompts: one whole pass, without a shared prefix."""
    return dataclasses.replace(backbone.recipe, prompts=(backbone.recipe.prompts[prompt],))


def plain_model(folder: Path) -> Any:
    """Load the model with transformers alone."""
    return transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32
    ).eval()


def full_pass(
    model: Any, inputs: dict[str, Any]
) -> tuple[Any, dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """Run one whole forward pass: its output, each block's output and each `o_proj` input."""
    blocks: dict[int, torch.Tensor] = {}
    joined: dict[int, torch.Tensor] = {}
    handles = []
    for index, layer in enumerate(model.get_decoder().layers):

        def keep(module: Any, given: Any, output: Any, index: int = index) -> None:
            blocks[index] = output if isinstance(output, torch.Tensor) else output[0]

        def keep_input(module: Any, given: Any, output: Any, index: int = index) -> None:
            joined[index] = given[0]

        handles.append(layer.register_forward_hook(keep))
        if hasattr(layer, "self_attn"):
            handles.append(layer.self_attn.o_proj.register_forward_hook(keep_input))
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    for handle in handles:
        handle.remove()
    return output, blocks, joined


def hook_count(model: torch.nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


class counting:
    """Count the forward calls of a module in a `with` block."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.calls = module, list[int]()

    def __enter__(self) -> list[int]:
        self.handle = self.module.register_forward_hook(lambda *_: self.calls.append(1))
        return self.calls

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


class raising_at:
    """Pretend that the memory is full as soon as a batch holds `batch` segments or more."""

    def __init__(self, backbone: Any, batch: int) -> None:
        self.layer, self.batch, self.seen = backbone._decoder.layers[0], batch, list[int]()

    def _hook(self, module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = given[0] if given else named["hidden_states"]
        self.seen.append(len(hidden))
        if len(hidden) >= self.batch:
            raise torch.OutOfMemoryError("injected")

    def __enter__(self) -> list[int]:
        self.handle = self.layer.register_forward_pre_hook(self._hook, with_kwargs=True)
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.handle.remove()
