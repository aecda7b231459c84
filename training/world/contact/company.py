"""Draw people in company: who stands near whom, how they gesture, meet and walk side by side.

For look-alikes of fights. Lengths are metres, angles radians; a turn of 0 looks along +y. Knows no
acts and no pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.world.bodies.body import Body, random_body
from training.world.contact.hands import Hand, hand
from training.world.contact.players import Player
from training.world.contact.stance import mover
from training.world.contact.tracks import GRID, STEP, Rng, ease, ramp, wander
from training.world.shapes import Array

# Where hands are that do nothing: left and right place in the own frame, how much they are there.
IDLE = (
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0),
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0),
    ((-0.05, 0.2, 0.0), (-0.05, 0.22, 0.04), 1.0),
    ((0.03, 0.13, -0.28), (0.03, 0.14, -0.28), 1.0),
    ((0.16, 0.02, -0.3), (0.16, 0.02, -0.3), 1.0),
    ((0.05, -0.16, -0.28), (0.05, -0.16, -0.28), 1.0),
    ((0.0, 0.0, 0.0), (0.06, 0.3, 0.1), 0.6),
)


def turn_to(spot: Any, goal: Any) -> Array:
    """Return the turns (grid,) with which somebody at a spot looks to a goal.

    Both are (grid, 2) or (2,).
    """
    x, y = np.broadcast_to(np.subtract(goal, spot), (len(GRID), 2)).T
    return np.unwrap(np.arctan2(-x, y))


def beats(rng: Rng, share: float, shortest: float = 0.6, longest: float = 3.0) -> Array:
    """Draw when something goes on that comes and goes: a track of 0 and 1 with soft edges."""
    lengths = rng.uniform(shortest, longest, 90)
    number = np.searchsorted(np.cumsum(lengths), GRID - GRID[0]).clip(0, 89)
    return ease((rng.random(90) < share).astype(float)[number], 0.25)


def gestures(rng: Rng, energy: float) -> tuple[Hand, Hand]:
    """Draw two hands that idle and gesture; `energy` 0 is calm, 1 lively."""
    left, right, much = IDLE[rng.integers(len(IDLE))]
    both = rng.random() < 0.4
    talks = beats(rng, 0.2 + 0.6 * energy)
    out = []
    for side, rest in enumerate((left, right)):
        active = talks if both or side == 1 else beats(rng, 0.2 * energy)
        size = 0.06 + 0.16 * energy
        goal = np.array([0.12, 0.32, 0.0]) + rng.normal(0, 0.06, 3)
        own = [
            r + active * (g - r + wander(rng, rng.uniform(0.5, 1.1), size))
            for r, g in zip(rest, goal, strict=True)
        ]
        out.append(hand(own, np.maximum(much * (1 - active), active)))
    return (out[0], out[1]) if rng.random() < 0.5 else (out[1], out[0])


def person(
    rng: Rng, spot: Any, turned: Any, hands: tuple[Hand, Hand] | None = None, *,
    other: int = -1, lean: Any = 0.0, drop: Any = 0.0, side: Any = 0.0, twist: Any = 0.0,
    curl: Any = 0.1, lively: float = 1.0, body: Body | None = None, child: bool = False,
    quick: float = 0.42,
) -> Player:  # fmt: skip
    """Draw somebody who follows tracks and sways a little, with hands or with gestures.

    `spot` is (grid, 2) or (2,), where the person is.
    """
    move = mover(
        random_body(rng, child=child) if body is None else body,
        spot + np.stack([wander(rng, 3.0, 0.03 * lively) for _ in range(2)], -1),
        turned + wander(rng, 3.5, 0.12 * lively), drop=drop,
        lean=lean + 0.05 + wander(rng, 2.0, 0.05 * lively),
        side=side + wander(rng, 2.5, 0.05 * lively), twist=twist + wander(rng, 2.0, 0.1 * lively),
        curl=curl + wander(rng, 1.6, 0.1 * lively), quick=quick,
        ahead=rng.uniform(-0.12, 0.12), width=rng.uniform(0.1, 0.15),
    )  # fmt: skip
    return Player(move, hands or gestures(rng, rng.uniform(0, 1) * lively), other=other)


def meeting(
    rng: Rng, x: float, y: float, gap: Array, *, far: float, speed: float, spin: Array | float = 0.0
) -> tuple[Array, Array]:
    """Let two people come together at time 0 and be `gap` (grid,) apart.

    Returns their places (grid, 2). One of them stood there before.
    """
    before = np.minimum(far, speed * np.maximum(0.0, -GRID))
    angle = rng.uniform(-np.pi, np.pi) + np.cumsum(np.zeros(len(GRID)) + spin) * STEP
    ahead = np.stack([np.cos(angle), np.sin(angle)], -1)
    middle = np.array([x, y])
    first = middle - (gap / 2 + ease(before, 0.3))[:, None] * ahead
    return first, middle + gap[:, None] / 2 * ahead


def turns(places: Sequence[Array]) -> list[Array]:
    """Return where each of two people looks who look at each other."""
    one, two = places
    return [turn_to(one, two), turn_to(two, one)]


def held_together(begin: float, seconds: float) -> Array:
    """Return how much two people touch: from `begin` on for some seconds, again later."""
    out = np.zeros(len(GRID))
    for k in range(8):
        start = begin + k * (seconds + 2.5)
        out = np.maximum(out, ramp(start, 0.4) * (1 - ramp(start + seconds, 0.5)))
    return out
