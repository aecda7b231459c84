"""Memory of the cards and of the machine: how much is free, what fits, when it ran out. Knows no model and no video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from accelerate.utils import get_max_memory

ROOM = 0.85  # the share of free memory that weights may take; the rest is for what a pass computes
GB = 1e9
_SIGNS = (
    "DefaultCPUAllocator",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "bad_alloc",
    "Cannot allocate memory",
)
Place = int | str


@contextmanager
def one_memory_error() -> Iterator[None]:
    """Raise every kind of exhausted memory as torch.OutOfMemoryError, also a CPU's, which torch gives no class."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError) or not ran_out(error):
            raise
        raise torch.OutOfMemoryError(str(error)) from error


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a card or on the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free() -> dict[Place, int]:
    """Bytes that weights may take: of each card by its number, and of the machine as "cpu"."""
    return {
        "cpu" if place == "mps" else place: int(ROOM * size)
        for place, size in get_max_memory().items()
    }


def fits(need: int, device: torch.device, spread: bool, free: Mapping[Place, int]) -> str | None:
    """Where weights of `need` bytes go: "one" place, "all" the cards and the machine's memory, or None if they fit
    nowhere.

    `spread` allows more than `device`. A card that is large enough takes all: nothing is faster.
    """
    where = (
        (device.index or 0) if device.type == "cuda" else "cpu"
    )  # mps shares the machine's memory
    if need <= free.get(where, 0):
        return "one"
    return "all" if spread and device.type == "cuda" and need <= sum(free.values()) else None
