"""Copy inputs to a card from pinned memory, in a queue beside that of the model.

A copy from pinned memory does not keep the processor waiting, and a queue of its own lets it run
while the card computes. On other devices nothing is queued. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

Made = TypeVar("Made")


def to_device(value: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return `value` on `device` and in `dtype`; a card may still be copying it.

    What is queued on the card afterwards, in the same queue, comes after the copy.
    """
    if device.type != "cuda" or value.is_cuda:
        return value.to(device, dtype)
    return value.pin_memory().to(device, dtype, non_blocking=True)


@dataclass(frozen=True)
class Ready(Generic[Made]):
    """What was prepared, and the event after which a card has it; None on other devices."""

    made: Made
    event: torch.cuda.Event | None

    def take(self) -> Made:
        """Return it; what the caller queues from now on waits until the card has it."""
        if self.event is not None:
            queue = torch.cuda.current_stream()
            queue.wait_event(self.event)
            for value in tensors(self.made):
                if value.is_cuda:  # its memory must not be used again before this queue is done
                    value.record_stream(queue)
        return self.made


class Lane:
    """A queue of a card for what is prepared while the model runs."""

    def __init__(self, device: torch.device) -> None:
        self._queue: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._queue = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def prepare(self, make: Callable[[], Made]) -> Ready[Made]:
        """Call `make`, in this queue on a card; raises its errors."""
        if self._queue is None:
            return Ready(make(), None)
        with torch.cuda.stream(self._queue):
            return Ready(make(), self._queue.record_event())


def tensors(made: Any) -> Iterator[Tensor]:
    """Yield the tensors in lists and mappings inside each other."""
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, list | dict):
        for part in made.values() if isinstance(made, dict) else made:
            yield from tensors(part)
