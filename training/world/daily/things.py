"""Make the things that people push, carry, ride or break: blocks, wheels, rods.

Knows no people. Positions and directions may be given once or per frame; lengths are metres,
headings radians counterclockwise from above.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from training.world.shapes import Array, Shapes

# The corners of the six sides of a block, as signs of right, ahead and up.
SIDES = np.array(
    [[(s, a, b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))] for s in (-1, 1)]
    + [[(a, s, b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))] for s in (-1, 1)]
    + [[(a, b, s) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))] for s in (-1, 1)],
    float,
)


def at(frames: int, x: Any, y: Any, z: Any) -> Array:
    """Make points (frames, 3) from scalars or arrays."""
    return np.stack([np.broadcast_to(np.asarray(v, float), frames) for v in (x, y, z)], -1)


def axes(frames: int, heading: Any, tilt: Any = 0.0) -> Array:
    """Return the directions right, ahead and up (frames, 3, 3) of a thing.

    It looks along `heading`; `tilt` leans it forwards.
    """
    c, s, ct, st = (f(v) for v in (heading, tilt) for f in (np.cos, np.sin))
    right, zero = at(frames, s, -c, 0.0), np.zeros(frames)
    ahead = at(frames, c * ct, s * ct, -st + zero)
    return np.stack([right, ahead, at(frames, c * st, s * st, ct + zero)], 1)


def placed(base: Array, frame: Array, offset: Sequence[Any]) -> Array:
    """Return the points (frames, 3) at an offset right, ahead and up of a base."""
    parts = at(len(base), *offset)
    return np.asarray(base + (parts[..., None] * frame).sum(1))


def block(middle: Array, frame: Array, half: Any, colour: Any) -> Array:
    """Return the quads (frames, 6, 15) of a block with its middle (frames, 3) and half sizes."""
    corners = SIDES * np.asarray(half, float)
    points = middle[:, None, None] + corners @ frame[:, None]
    flat = points.reshape(len(middle), 6, 12)
    return np.concatenate([flat, np.broadcast_to(colour, (*flat.shape[:2], 3))], -1)


def sheet(corners: Sequence[Array], colour: Any) -> Array:
    """Return one quad (frames, 1, 15) with four corners, each (frames, 3)."""
    points = np.concatenate(list(corners), -1)[:, None]
    return np.concatenate([points, np.broadcast_to(colour, (len(points), 1, 3))], -1)


def rod(start: Array, end: Array, radius: float, colour: Any) -> Array:
    """Return a capsule (frames, 1, 11) between two points (frames, 3)."""
    thick = np.full((len(start), 1), radius)
    hue = np.broadcast_to(colour, (len(start), 3))
    return np.concatenate([start, thick, end, thick, hue], -1)[:, None]


def wheel(middle: Array, frame: Array, radius: float, colour: Any, parts: int = 8) -> Array:
    """Return the capsules (frames, parts, 11) of a thin wheel that rolls along `ahead`."""
    angles = np.linspace(0, 2 * np.pi, parts + 1)
    rim = [placed(middle, frame, (0.0, radius * np.cos(a), radius * np.sin(a))) for a in angles]
    return np.concatenate([rod(a, b, 0.022, colour) for a, b in itertools.pairwise(rim)], 1)


def solid(capsules: Sequence[Array] = (), quads: Sequence[Array] = ()) -> Shapes:
    """Make shapes of some capsules and quads."""
    frames = len((list(capsules) + list(quads))[0])
    return Shapes.of(
        frames,
        capsules=np.concatenate(list(capsules), 1) if len(capsules) else None,
        quads=np.concatenate(list(quads), 1) if len(quads) else None,
    )
