"""Read hidden states with hooks: the output of a decoder block, the input of its `o_proj`.

An exception raised in a hook stops the forward pass right after the deepest block that is needed,
or inside it if only its heads are. That is exact, as nothing computed before is changed. Knows
no text, frames or files.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.errors import ModelError

States = dict[tuple[str, int], Tensor]
Inputs = dict[str, Any]


def decoder_of(model: Any, name: str) -> Any:
    """Return the text decoder of `model`; raises ModelError if it has no list of blocks."""
    decoder = model.get_decoder()
    if not isinstance(getattr(decoder, "layers", None), nn.ModuleList):
        raise ModelError(
            f"{type(model).__name__} has no decoder.layers to read",
            where=name,
            cure="use another model",
        )
    return decoder


class _DeepEnough(Exception):
    """Everything that was asked for has been computed."""


def last_states(
    forward: Callable[[], Any],
    layers: nn.ModuleList,
    residual: Collection[int],
    heads: Collection[int],
) -> States:
    """Run `forward` up to the deepest block needed and return its states at the last position.

    The result maps `("residual" | "head", layer)` to a copied tensor (batch, width): the block's
    output, or its `o_proj` input. The hooks are removed whatever happens.
    """
    with _hooked(layers, residual, heads) as states:
        try:
            forward()
        except _DeepEnough:
            return states
    raise RuntimeError("the deepest block asked for never ran")


def run_to_keys(forward: Callable[[], Any], layer: nn.Module) -> None:
    """Run `forward` until block `layer` has its keys and values; skip its projection and MLP."""
    handle = _projection(layer).register_forward_pre_hook(_stop)
    try:
        forward()
    except _DeepEnough:
        return
    finally:
        handle.remove()
    raise RuntimeError("the block asked for never ran")


def _projection(layer: nn.Module) -> nn.Module:
    """Return the projection that joins a block's heads."""
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
        else:
            # Hooks run in the order of registration, so its heads are stored by now.
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
    """Run the vision encoder on the pixels in `inputs`; the model's forward accepts the result.

    A private method of transformers: tests/backbones/test_transformers_private_apis.py fails when
    it changes.
    """
    made = model._prepare_multimodal_encoder_kwargs_for_generation(dict(inputs))
    return dict(made["mm_encoder_outputs"])


def with_features(inputs: Mapping[str, Tensor], features: Mapping[str, Any]) -> Inputs:
    """Replace the pixels in `inputs` by encoded features."""
    rest = {name: value for name, value in inputs.items() if not name.startswith("pixel_")}
    return {
        **rest,
        "mm_encoder_outputs": {kind: copy.copy(output) for kind, output in features.items()},
    }


def finite_array(values: Tensor, name: str) -> NDArray[np.float32]:
    """Return `values` as float32; raises ModelError, naming the model, if one is not finite."""
    if not bool(torch.isfinite(values).all()):
        raise ModelError(
            "its hidden states overflow", where=name, cure="load it as bfloat16 or float32"
        )
    return np.asarray(values.numpy(), np.float32)
