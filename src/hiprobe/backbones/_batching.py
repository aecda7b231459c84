"""How many segments a forward pass takes, and the next ones made ready meanwhile. Knows no model.

How many is found from memory, measured once. The batch is part of what makes equal bytes, so nothing that varies from
run to run may choose it: not a clock, and not what other processes leave of a card's memory. A CPU gets a fixed batch:
there a larger one is no faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

ON_CPU = 8
MOST = 32  # segments that are held decoded at a time: 0.3 GB at 16 frames of 448 x 448
SHARE = 0.8  # of the card's memory; the rest is for fragments and for what other libraries take


Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """`make` of every item, in order; the next one is made in a thread while the caller works on the last."""
    if (
        len(items) < 2
    ):  # nothing to make meanwhile, and a thread takes memory that a small machine may lack
        yield from map(make, items)
        return
    with ThreadPoolExecutor(1) as maker:
        coming = [maker.submit(make, item) for item in items[:1]]
        for place in range(len(items)):
            coming += [maker.submit(make, item) for item in items[place + 1 : place + 2]]
            yield coming.pop(0).result()


def largest(device: torch.device) -> int:
    """The most segments a read on `device` puts into one pass, if they fit."""
    return MOST if device.type == "cuda" else ON_CPU


def fitting(one: int, room: int) -> int:
    """The largest power of two, 1 to `MOST`, of passes over one segment, `one` bytes each, that `room` bytes hold.

    What a pass takes grows at most in proportion to its segments, so this never promises too much.
    """
    count = min(max(room // max(one, 1), 1), MOST)
    return int(2 ** (count.bit_length() - 1))


def batch_room(device: torch.device) -> int:
    """Bytes of the card that passes may take beside what is allocated now: its weights."""
    total = torch.cuda.get_device_properties(device).total_memory
    return int(SHARE * total) - torch.cuda.memory_allocated(device)


def taken(run: Callable[[], Any], device: torch.device) -> int:
    """Bytes that `run` takes at most on a card, beside what is allocated before it."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before
