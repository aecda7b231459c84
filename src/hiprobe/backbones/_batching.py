"""Choose how many segments a forward pass takes, and prepare the next ones meanwhile.

The batch follows from memory, measured once. Equal bytes need equal batches, so nothing that varies
from run to run may choose it: not a clock, and not what other processes leave of a card's memory. A
CPU gets a fixed batch, as a larger one is not faster there. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

ON_CPU = 8
# Segments held decoded at a time: 0.3 GB at 16 frames of 448 x 448 pixels.
MOST = 32
# Share of the card's memory; the rest is for fragments and for other libraries.
SHARE = 0.8

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetched(make: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """Yield `make(item)` of every item, in order, making the next one in a thread meanwhile."""
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
    """Return the most segments in one pass on `device`, if they fit."""
    return MOST if device.type == "cuda" else ON_CPU


def fitting_batch(one: int, room: int) -> int:
    """Return how many segments of `one` bytes fit in `room` bytes: a power of two, 1 to `MOST`.

    A pass takes at most in proportion to its segments, so this never promises too much.

    >>> fitting_batch(10, 100), fitting_batch(10, 5)
    (8, 1)
    """
    count = min(max(room // max(one, 1), 1), MOST)
    return int(2 ** (count.bit_length() - 1))


def card_room(device: torch.device) -> int:
    """Return the bytes of the card that passes may take beside the weights allocated now."""
    total = torch.cuda.get_device_properties(device).total_memory
    return int(SHARE * total) - torch.cuda.memory_allocated(device)


def bytes_taken(run: Callable[[], Any], device: torch.device) -> int:
    """Return the most bytes that `run` takes on a card, beside what is allocated before it."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before
