"""Choose how many segments a forward pass takes, and prepare the next ones meanwhile.

On a card the batch size follows from memory, measured once. Equal bytes need equal batches, so it
must not depend on anything that varies from run to run, such as a clock or the card memory that
other processes use. On a CPU it follows from the size of a segment: a large segment fills the
processor alone, and several would only take memory. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

ON_CPU = 8
# Pixels of the frames of a pass on a CPU: 8 segments of the embedded model have 0.6 million.
CPU_PIXELS = 2_000_000
# Segments held decoded at a time: 0.3 GB at 16 frames of 448 x 448 pixels. A pass on a card takes
# half of them at most, so that the other half is prepared meanwhile.
MOST = 32
IN_A_PASS = MOST // 2
# Share of the card's memory; the rest is for fragments and for other libraries.
SHARE = 0.8

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetched(make: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Yield `make(item)` for every item, in order, while a thread makes the next one."""
    # A single item needs no thread, whose memory a small machine may lack.
    if len(items) < 2:
        yield from map(make, items)
        return
    with ThreadPoolExecutor(1) as maker:
        coming = [maker.submit(make, item) for item in items[:1]]
        for place in range(len(items)):
            coming += [maker.submit(make, item) for item in items[place + 1 : place + 2]]
            yield coming.pop(0).result()


def largest_batch(device: torch.device) -> int:
    """Return the most segments that a pass on `device` may take, if they fit into memory."""
    return MOST if device.type == "cuda" else ON_CPU


def cpu_batch(frames: int, height: int, width: int) -> int:
    """Return how many segments a pass on a CPU takes: a power of two, 1 to 8.

    They have at most two million pixels together, unless one segment alone has more.

    >>> cpu_batch(8, 96, 96), cpu_batch(4, 256, 256), cpu_batch(16, 448, 448)
    (8, 4, 1)
    """
    count = min(max(CPU_PIXELS // (frames * height * width), 1), ON_CPU)
    return int(2 ** (count.bit_length() - 1))


def fitting_batch(one: int, room: int) -> int:
    """Return how many segments of `one` bytes fit in `room` bytes: a power of two, 1 to 16.

    A pass takes at most this many bytes for each of its segments, so the batch always fits.

    >>> fitting_batch(10, 100), fitting_batch(10, 5)
    (8, 1)
    """
    count = min(max(room // max(one, 1), 1), IN_A_PASS)
    return int(2 ** (count.bit_length() - 1))


def card_room(device: torch.device) -> int:
    """Return how many bytes of the card passes may take beside the weights allocated now."""
    total = torch.cuda.get_device_properties(device).total_memory
    return int(SHARE * total) - torch.cuda.memory_allocated(device)


def bytes_taken(run: Callable[[], Any], device: torch.device) -> int:
    """Return the peak of bytes that `run` takes on a card, beside what was allocated before."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before
