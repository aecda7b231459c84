"""Make footage of coloured rectangles, as `training.world.clips` makes it of people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from training.world.filming.recording import record

KINDS = {"fight": "anomaly", "fire": "anomaly", "hug": "look_alike", "walk": "ordinary"}
COLOURS = {
    "fight": (200, 30, 30),
    "fire": (250, 150, 20),
    "hug": (30, 200, 60),
    "walk": (40, 60, 220),
}


@dataclass(frozen=True)
class Shown:
    state: str
    kind: str
    box: NDArray[np.float32]
    on: NDArray[np.bool_]
    people: int
    vehicles: int


@dataclass(frozen=True)
class Footage:
    data: bytes
    acts: list[Shown]
    trace: NDArray[np.int8] | None = None


def act(state: str, box: NDArray[np.float32], on: NDArray[np.bool_] | None = None) -> Shown:
    """Make one act with a box (8, 4)."""
    people = 2 if state in ("fight", "hug") else 1 if state == "walk" else 0
    return Shown(state, KINDS[state], box, np.ones(8, bool) if on is None else on, people, 0)


def still(left: float, top: float, right: float, bottom: float) -> NDArray[np.float32]:
    """Make a box (8, 4) that does not move."""
    return np.tile(np.array([left, top, right, bottom], np.float32), (8, 1))


def render_clip(rng: np.random.Generator) -> Footage:
    """Draw a rectangle that drifts, in the colour of its state."""
    state = str(rng.choice(list(KINDS)))
    x, y = rng.uniform(0.05, 0.7, 2)
    shift = rng.uniform(-0.01, 0.01) * np.arange(8, dtype=np.float32)
    box = still(x, y, x + 0.25, y + 0.3)
    box[:, [0, 2]] += shift[:, None]
    frames = np.full((8, 192, 192, 3), rng.integers(60, 180), np.uint8)
    for frame, (left, top, right, bottom) in zip(frames, (box * 192).astype(int), strict=True):
        frame[max(0, top) : bottom, max(0, left) : right] = COLOURS[state]
    return Footage(record(frames, quality=26), [act(state, box)])
