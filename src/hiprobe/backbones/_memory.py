"""Tell how much memory is free, what fits into it, and when it ran out. Knows no model."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from accelerate.utils import get_max_memory

from hiprobe import environment
from hiprobe.errors import EnvironmentFailed, OutOfMemory
from hiprobe.types import Segment

# Share of free memory that weights may take; the rest is for what a pass computes.
ROOM = 0.85
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
    """Raise every error about exhausted memory as torch.OutOfMemoryError.

    This includes a CPU's memory, for which torch has no class.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError) or not ran_out(error):
            raise
        raise torch.OutOfMemoryError(str(error)) from error


def ran_out(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on a card or on the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def free() -> dict[Place, int]:
    """Return how many bytes weights may take, by card number, and under "cpu" for the machine."""
    return {
        "cpu" if place == "mps" else place: int(ROOM * size)
        for place, size in get_max_memory().items()
    }


def fits(need: int, device: torch.device, spread: bool, free: Mapping[Place, int]) -> str | None:
    """Tell where weights of `need` bytes go: "one" place, "all" cards and the machine, or None.

    None means that they fit nowhere. `spread` allows others than `device`. A card that is large
    enough takes all, as nothing is faster.
    """
    # mps shares the machine's memory
    where = (device.index or 0) if device.type == "cuda" else "cpu"
    if need <= free.get(where, 0):
        return "one"
    return "all" if spread and device.type == "cuda" and need <= sum(free.values()) else None


def too_large(segment: Segment, error: BaseException) -> OutOfMemory | EnvironmentFailed:
    """Make the error for a segment that does not fit the memory, of which `error` told.

    A limit that the user set on the machine's memory is no fault of the video.
    """
    of_card = any(sign in str(error) for sign in ("CUDA", "CUBLAS"))
    if not of_card and environment.memory_limit() is not None:
        return environment.failed(errno.ENOMEM, "the model needs more")
    return OutOfMemory(
        f"segment {segment.index} ({segment.start:.2f} to {segment.end:.2f} s) "
        "does not fit into memory, even alone",
        cure="use a smaller model, fewer or smaller frames, or 16 bits",
    )
