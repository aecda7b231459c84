"""Draw what people hold in fights and everyday life: sticks, bottles, chairs, bags, boxes, phones.

Things hang on hands, so they follow the joints of whoever holds them. Lengths are metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.world.bodies.skeleton import J
from training.world.contact.tracks import Rng
from training.world.daily.things import block, rod, solid
from training.world.shapes import Array, Shapes

LONG = {"stick": 0.75, "bat": 0.8, "bottle": 0.26, "belt": 0.6, "knife": 0.22}
DOWN = np.array([0.0, 0.0, -1.0])


def unit(v: Array) -> Array:
    """Scale vectors (..., 3) to length 1."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


def colour(rng: Rng) -> tuple[float, float, float]:
    """Draw the colour of a thing, mostly dull."""
    base = rng.choice([0.08, 0.25, 0.5, 0.8])
    red, green, blue = np.clip(base + rng.normal(0, 0.12, 3), 0.02, 0.95)
    return float(red), float(green), float(blue)


def club(kind: str, points: Array, side: str, hue: Any) -> Shapes:
    """Draw a stick or the like (see LONG) in a hand of joints (frames, 18, 3)."""
    grip, elbow = points[:, J[f"{side}_hand"]], points[:, J[f"{side}_elbow"]]
    fore = unit(grip - elbow)
    up = unit(points[:, J["head"]] - points[:, J["pelvis"]])
    way = unit(fore + 0.55 * up)
    start, end = grip - 0.1 * way, grip + LONG[kind] * way
    thick = {"bat": 0.035, "bottle": 0.035, "belt": 0.012, "knife": 0.015}.get(kind, 0.018)
    parts = [rod(start, end, thick, hue)]
    if kind == "bottle":
        parts = [
            rod(grip - 0.02 * way, grip + 0.08 * way, 0.016, hue),
            rod(grip + 0.1 * way, end, 0.036, hue),
        ]
    return solid(parts)


def chair(middle: Array, up: Array, ahead: Array, hue: Any) -> Shapes:
    """Draw a chair that is held or flies; `up` and `ahead` (frames, 3) are its own directions."""
    up = unit(up)
    right = unit(np.cross(ahead, up))
    ahead = np.cross(up, right)
    frame = np.stack([right, ahead, up], 1)
    seat = block(middle, frame, (0.21, 0.21, 0.02), hue)
    back = block(middle - 0.2 * ahead + 0.24 * up, frame, (0.2, 0.015, 0.2), hue)
    legs = []
    for a in (-0.18, 0.18):
        for b in (-0.18, 0.18):
            top = middle + a * right + b * ahead
            legs.append(rod(top, top - 0.43 * up, 0.015, hue))
    return solid(legs, [seat, back])


def bag(first: Array, second: Array, hue: Any, big: float = 0.12) -> Shapes:
    """Draw a bag whose strap is held at one or two places (frames, 3)."""
    middle = 0.5 * (first + second)
    low = middle + 0.22 * DOWN
    strap = [rod(first, low, 0.012, hue), rod(second, low, 0.012, hue)]
    across = unit((first - second) * [1.0, 1.0, 0.0] + np.array([1e-3, 0.0, 0.0]))
    body = rod(low + 0.1 * across + 0.06 * DOWN, low - 0.1 * across + 0.06 * DOWN, big, hue)
    return solid([*strap, body])


def box(middle: Array, ahead: Array, half: tuple[float, float, float], hue: Any) -> Shapes:
    """Draw a box with its middle and the horizontal direction it looks to (frames, 3)."""
    ahead = unit(ahead * [1.0, 1.0, 0.0])
    up = np.broadcast_to(-DOWN, ahead.shape)
    frame = np.stack([np.cross(ahead, up), ahead, up], 1)
    return solid([], [block(middle, frame, half, hue)])


def flying(release: float, start: Array, end: Array, t: Array, speed: float) -> tuple[Array, Array]:
    """Return where a thrown thing is (frames, 3) and how far it has spun (frames,) in radians.

    It flies from `start` (3,) to `end` (3,), which is on the ground, bounces and lies there.
    """
    far = float(np.linalg.norm((end - start)[:2]))
    seconds = max(far / speed, 0.2)
    u = (t - release) / seconds
    way = np.clip(u, 0, 1)
    slide = 0.25 * (1 - np.exp(-2.5 * np.maximum(u - 1, 0)))
    out = start + (way + slide)[:, None] * (end - start)
    lift = 4.9 * seconds**2 * way * (1 - way) + 0.15 * np.abs(np.sin(6 * u)) * np.exp(
        -3 * np.maximum(u - 1, 0)
    ) * (u > 1)
    out[:, 2] = np.maximum(start[2] + way * (end[2] - start[2]) + lift, end[2])
    return out, 9.0 * np.clip(u, 0, 1.4) * seconds
