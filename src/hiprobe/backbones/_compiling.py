"""Compile the blocks of a model with torch.compile, for the shapes that are read most.

A compiled block differs from the plain one by rounding. A block runs as it is where compiled code
would not see what happens: with a hook on one of its parts (heads are read), with a cache (a text
is generated, several prompts share their video), and on smaller inputs than before (the end of a
video), which would have to be compiled again. Knows no text and no frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hiprobe.backbones._weights import is_spread
from hiprobe.errors import ModelError

Backend = str | Callable[..., Any]
LEAST_BLOCKS = 2  # of one class in a list, to be taken for the blocks of a network
CURE = "leave out --compile"
NEEDS = {"cpu": "a C++ compiler such as g++", "cuda": "Triton and a C compiler"}


def compile_blocks(model: Any, name: str, backend: Backend = "inductor") -> None:
    """Compile the blocks of the decoder and of the vision encoder, each when it is first run.

    Raises ModelError for a quantised model, one that is spread over devices, and where nothing can
    be compiled, such as without a compiler.
    """
    if getattr(model.config, "quantization_config", None) is not None:
        raise ModelError("a quantised model cannot be compiled", where=name, cure=CURE)
    if is_spread(model):
        raise ModelError(
            "a model that is spread over devices cannot be compiled", where=name, cure=CURE
        )
    _require_compiler(model.device, name, backend)
    for block in blocks_of(model):
        block.forward = _Compiled(block, name, backend)


def blocks_of(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the blocks of a model: the parts of its lists of modules of one class."""
    for part in model.modules():
        if isinstance(part, nn.ModuleList) and len({type(one) for one in part}) == 1:
            yield from part if len(part) >= LEAST_BLOCKS else ()


def _require_compiler(device: torch.device, name: str, backend: Backend) -> None:
    """Compile a line of code; raises ModelError with what is missing if that fails."""
    try:
        torch.compile(lambda x: x.sin() + 1, backend=backend)(torch.ones(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        raise _refused(error, name, NEEDS.get(device.type, "another device")) from error


def _refused(error: Exception, name: str, needs: str) -> ModelError:
    first = " ".join(str(error).strip().partition("\n\n")[0].split())
    return ModelError(
        f"cannot be compiled here ({type(error).__name__}: {first[:200]})",
        where=name,
        cure=f"{CURE}, or install {needs}",
    )


class _Compiled:
    """The forward pass of a block: compiled where that is safe, else as it is."""

    def __init__(self, block: nn.Module, name: str, backend: Backend) -> None:
        self._block, self._name, self._plain = block, name, block.forward
        self._fast = torch.compile(block.forward, dynamic=False, backend=backend)
        self._largest = 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        size = _size(given, named)
        if size < self._largest or _has_cache(named) or _watched(self._block):
            return self._plain(*given, **named)
        self._largest = size
        try:
            return self._fast(*given, **named)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise _refused(error, self._name, "another version of torch") from error


def _size(given: tuple[Any, ...], named: Mapping[str, Any]) -> int:
    """Count the numbers in the tensors of a call."""
    return sum(one.numel() for one in (*given, *named.values()) if isinstance(one, Tensor))


def _has_cache(named: Mapping[str, Any]) -> bool:
    return named.get("past_key_values") is not None


def _watched(block: nn.Module) -> bool:
    """Tell whether a hook is set on a part of the block; compiled code would not call it."""
    return any(
        part._forward_hooks or part._forward_pre_hooks
        for part in block.modules()
        if part is not block
    )
