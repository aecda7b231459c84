"""Measure how fast a device computes the blocks of a model, by the width of their vectors.

A block of the usual form is run: attention, two products of which the inner one is four times as
wide, and norms. So its speed includes what `_counting` does not count (norms, activations, memory),
in about the share that it has in a model. Knows no model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Clock = Callable[[], float]
ROWS = {"cpu": 512}  # in a run; more are not faster
MANY_ROWS = 8192  # that keep a card busy
HEAD = 64
LEAST_S, LEAST_RUNS = 0.05, 2


class _Block(nn.Module):
    """A block of a transformer with vectors of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, rows: Tensor) -> Tensor:
        parts = self.qkv(self.before(rows)).unflatten(-1, (3, self.heads, -1)).permute(1, 2, 0, 3)
        seen = functional.scaled_dot_product_attention(*parts[:, None])[0]
        rows = rows + self.out(seen.transpose(0, 1).flatten(1))
        inner = functional.gelu(self.up(self.between(rows)), approximate="tanh")
        made: Tensor = rows + self.down(inner)
        return made


def time_block(width: int, device: str, dtype: str, clock: Clock = time.perf_counter) -> float:
    """Return how many operations a second a block takes whose vectors have `width` numbers."""
    kind, precision = torch.device(device), getattr(torch, dtype)
    rows = ROWS.get(kind.type, MANY_ROWS)
    # A measurement must not change what a seeded program draws.
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        block = _Block(width).to(kind, precision).eval()
        given = torch.randn(rows, width).to(kind, precision)
        count = 24.0 * rows * width**2 + 4.0 * rows * rows * width
        _spent(lambda: block(given), kind, clock)  # finds memory and kernels
        return count / min(_runs(lambda: block(given), kind, clock))


def _runs(run: Callable[[], Tensor], device: torch.device, clock: Clock) -> Iterator[float]:
    """Yield the seconds of some runs; the shortest is the least disturbed by other programs."""
    began, runs = clock(), 0
    while runs < LEAST_RUNS or clock() - began < LEAST_S:
        yield _spent(run, device, clock)
        runs += 1


def _spent(run: Callable[[], Tensor], device: torch.device, clock: Clock) -> float:
    began = clock()
    made = run()
    if device.type != "cpu":
        made.sum().item()  # waits for the device
    return clock() - began
