"""Hidden states by hooks: what a decoder block puts out, what its `o_proj` takes in. Knows no text, frames or files.

The forward pass stops right after the deepest block that is asked for, or inside it where only its heads are, by an
exception out of a hook: exact, because nothing that is computed before is changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

States = dict[tuple[str, int], Tensor]
Inputs = dict[str, Any]


class _DeepEnough(Exception):
    """What was asked for has been computed."""


def last_states(
    forward: Callable[[], Any],
    layers: nn.ModuleList,
    residual: Collection[int],
    heads: Collection[int],
) -> States:
    """Run `forward` up to the deepest block needed: `("residual" | "head", layer)` to a tensor (batch, width).

    The last position of each block's output, and of each `o_proj` input, copied. The hooks are removed whatever
    happens.
    """
    with _hooked(layers, residual, heads) as states:
        try:
            forward()
        except _DeepEnough:
            return states
    raise RuntimeError("the deepest block asked for never ran")


def run_to_keys(forward: Callable[[], Any], layer: nn.Module) -> None:
    """Run `forward` until block `layer` has its keys and values: its output product and its MLP are left out."""
    handle = _projection(layer).register_forward_pre_hook(_stop)
    try:
        forward()
    except _DeepEnough:
        return
    finally:
        handle.remove()
    raise RuntimeError("the block asked for never ran")


def _projection(layer: nn.Module) -> nn.Module:
    """What joins a block's heads."""
    attention: Any = layer.self_attn
    projection: nn.Module = attention.o_proj
    return projection


@contextmanager
def _hooked(
    layers: nn.ModuleList, residual: Collection[int], heads: Collection[int]
) -> Iterator[States]:
    states: States = {}
    handles = []
    try:
        for layer in set(residual):
            handles.append(layers[layer].register_forward_hook(_store_output(states, layer)))
        for layer in set(heads):
            handles.append(
                _projection(layers[layer]).register_forward_pre_hook(_store_input(states, layer))
            )
        deepest = max({*residual, *heads})
        if deepest in residual:
            handles.append(layers[deepest].register_forward_hook(_stop))
        else:  # hooks run in the order of their registration: its heads are stored by now
            handles.append(_projection(layers[deepest]).register_forward_pre_hook(_stop))
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _store_output(states: States, layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        states["residual", layer] = hidden[:, -1].clone()

    return hook


def _store_input(states: States, layer: int) -> Callable[..., None]:
    def hook(module: nn.Module, given: tuple[Any, ...]) -> None:
        states["head", layer] = given[0][:, -1].clone()

    return hook


def _stop(*_: Any) -> None:
    raise _DeepEnough


def encode_video(model: Any, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """The vision encoder's output for the pixels in `inputs`, as the model's forward takes it back."""
    made = model._prepare_multimodal_encoder_kwargs_for_generation(dict(inputs))
    return dict(made["mm_encoder_outputs"])


def with_features(inputs: Mapping[str, Tensor], features: Mapping[str, Any]) -> Inputs:
    """The inputs with encoded features in the place of pixels."""
    rest = {name: value for name, value in inputs.items() if not name.startswith("pixel_")}
    return {
        **rest,
        "mm_encoder_outputs": {kind: copy.copy(output) for kind, output in features.items()},
    }
