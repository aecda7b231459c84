"""Count the operations and bytes of a run, and measure what the machine can do of both.

Knows no model. Operations: two per multiplication and addition in matrix products, convolutions and
attention (half of that for causal attention). Bytes: what every operation reads and writes, as if
nothing stayed in a cache; views are free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass
class Counts:
    """Numbers of operations and of bytes."""

    operations: int = 0
    bytes: int = 0


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, counts: Counts) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with self:  # in inference mode a linear layer is one operation that consists of others
            parts = (
                NotImplemented
                if "scaled_dot_product" in str(func)
                else func.decompose(*args, **(kwargs or {}))
            )
        if parts is not NotImplemented:
            return parts
        result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if not func.is_view:
            self.counts.bytes += sum(tensor.nbytes for tensor in (*given, *made))
        self.counts.operations += _operations(func, args, kwargs or {}, result)
        return result


def _operations(func: Any, args: Any, kwargs: Any, result: Any) -> int:
    if "scaled_dot_product" in str(func):
        return _attention(func, args, kwargs)
    formula = flop_registry.get(func.overloadpacket)
    return int(formula(*args, **kwargs, out_val=result)) if formula else 0


def _attention(func: Any, args: Any, kwargs: Any) -> int:
    """Count two products of (queries, keys) by the width of a head; half if causal."""
    names = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    batch, heads, queries, width = given["query"].shape
    whole = int(4 * batch * heads * queries * given["key"].shape[-2] * width)
    return whole // 2 if given.get("is_causal") else whole


def count(run: Callable[[], Any]) -> Counts:
    """Count what `run` needs."""
    counts = Counts()
    with _Counting(counts):
        run()
    return counts


def product_rate(
    device: str, dtype: torch.dtype, sides: tuple[int, ...], seconds: float = 1.0
) -> float:
    """Measure the most operations per second that a product of square matrices reaches.

    The best of several sizes counts.
    """
    return max(
        _rate(_product(side, device, dtype), 2 * side**3, device, seconds / len(sides))
        for side in sides
    )


def copy_rate(device: str, size: int, seconds: float = 0.5) -> float:
    """Measure the bytes per second, read and written, of a copy of `size` bytes."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return _rate(lambda: target.copy_(source), 2 * size, device, seconds)


def _product(side: int, device: str, dtype: torch.dtype) -> Callable[[], Any]:
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    target = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=target)


def _rate(run: Callable[[], Any], work: int, device: str, seconds: float) -> float:
    """Measure work per second: the best of runs of eight, for about `seconds`."""
    best, end = float("inf"), time.perf_counter() + seconds
    for _ in range(2):
        run()
    # At least once, however busy the machine is.
    while best == float("inf") or time.perf_counter() < end:
        wait(device)
        start = time.perf_counter()
        for _ in range(8):
            run()
        wait(device)
        best = min(best, (time.perf_counter() - start) / 8)
    return work / best


def wait(device: str) -> None:
    """Wait until a GPU has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def synchronised(result: Any, device: str) -> Any:
    """Return `result` once a GPU has computed it."""
    wait(device)
    return result
