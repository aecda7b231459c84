"""Show pictures on a screen that a second camera films at an angle.

Knows nothing of what the pictures show. Pictures are uint8 (frames, height, width, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from training.world.filming.optics import Motion, motion_maps

Array = NDArray[Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Screen:
    """A screen in a room.

    `corners` (4 pairs) are where its upper left, upper right, lower right and lower left corner
    appear, as fractions of the sides. `edge` is the width of its frame as a share of the screen,
    `colour` that of the frame in 0..1, `light` how bright the screen is, `moire` the strength of
    its pattern, `glare` that of a lamp's reflection. The second camera moves by `motion`.
    """

    seed: int
    corners: tuple[float, ...]
    edge: float
    colour: float
    light: float
    moire: float
    glare: float
    motion: Motion


def random_screen(rng: Rng) -> Screen:
    """Draw a screen that fills at least half of the picture."""
    inset = rng.uniform(-0.06, 0.24, (4, 2)) * rng.uniform(0.4, 1.0)
    inset = 0.6 * inset + 0.4 * inset.mean(0)
    signs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = np.where(signs, 1 - inset, inset)
    turn = rng.normal(0, 0.05)
    corners = corners + (corners[:, ::-1] - 0.5) * (-turn, turn)
    moves = rng.random() < 0.75
    motion = Motion(float(rng.uniform(0.002, 0.02)), float(rng.uniform(1.5, 5)),
                    float(rng.uniform(0, 0.003)), float(rng.uniform(0, 0.02)))  # fmt: skip
    return Screen(
        int(rng.integers(2**32)), tuple(float(v) for v in corners.ravel()),
        float(rng.uniform(0.02, 0.09)), float(rng.choice([0.05, 0.1, 0.2, 0.75])),
        float(rng.uniform(0.75, 1.15)), float(rng.choice([0.0, rng.uniform(0, 0.08)])),
        float(rng.choice([0.0, rng.uniform(0.1, 0.5)])), motion if moves else Motion(),
    )  # fmt: skip


def show(screen: Screen, frames: Array, times: Array) -> Array:
    """Return what the second camera films at `times` (t,) in seconds."""
    rng = np.random.default_rng(screen.seed)
    place = np.linalg.inv(_square_to(np.reshape(screen.corners, (4, 2))))
    moved = motion_maps(screen.motion, screen.seed, times, rng)
    maps = (place @ moved.astype(float)).astype(np.float32)
    spot = np.array([*rng.uniform(0, 1, 2), rng.uniform(0.03, 0.2), screen.glare], np.float32)
    moire = np.array([*rng.uniform(-60, 60, 2), screen.moire], np.float32)
    look = np.array([screen.edge, screen.colour * 255, screen.light], np.float32)
    return np.asarray(_film(np.ascontiguousarray(frames), maps, _room(rng), look, spot, moire))


def _square_to(corners: Array) -> Array:
    """Return the homography (3, 3) from the unit square to four corners."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    base = np.array([[x1 - x2, x3 - x2], [y1 - y2, y3 - y2]])
    g, h = np.linalg.solve(base, [sx, sy])
    return np.array(
        [
            [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
            [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            [g, h, 1],
        ]
    )


def _room(rng: Rng) -> Array:
    """Draw what is around the screen (16, 16, 3): a dim wall, perhaps with blinds, and a table."""
    room = np.full((16, 16, 3), rng.uniform(20, 190)) * rng.uniform(0.8, 1.0, 3)
    room *= rng.uniform(0.7, 1.1, (16, 1, 1)) if rng.random() < 0.4 else rng.uniform(0.9, 1)
    room[int(rng.integers(11, 16)) :] *= rng.uniform(0.2, 0.9)
    return np.clip(room * rng.uniform(0.9, 1.1, (16, 16, 1)), 0, 255).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _film(frames: Array, maps: Array, room: Array, look: Array, spot: Array, moire: Array) -> Array:
    count, height, width = frames.shape[:3]
    out = np.empty_like(frames)
    edge, colour, light = look[0], look[1], look[2]
    size = room.shape[0]
    for f in range(count):
        m = maps[f]
        for py in range(height):
            v0 = np.float32((py + 0.5) / height)
            for px in range(width):
                u0 = np.float32((px + 0.5) / width)
                w = np.float32(1.0) / (m[2, 0] * u0 + m[2, 1] * v0 + m[2, 2])
                u = (m[0, 0] * u0 + m[0, 1] * v0 + m[0, 2]) * w
                v = (m[1, 0] * u0 + m[1, 1] * v0 + m[1, 2]) * w
                outside = max(max(-u, u - 1), max(-v, v - 1))
                if outside > edge:
                    cy = min(max(int((v + 1) / 3 * size), 0), size - 1)
                    cx = min(max(int((u + 1) / 3 * size), 0), size - 1)
                    for c in range(3):
                        out[f, py, px, c] = np.uint8(room[cy, cx, c])
                    continue
                if outside > 0:
                    for c in range(3):
                        out[f, py, px, c] = np.uint8(colour)
                    continue
                x = min(max(u * width - 0.5, 0.0), width - 1.001)
                y = min(max(v * height - 0.5, 0.0), height - 1.001)
                x0, y0 = int(x), int(y)
                a, b = np.float32(x - x0), np.float32(y - y0)
                du, dv = u - spot[0], v - spot[1]
                shine = spot[3] * 255 * max(0.0, 1 - (du * du + dv * dv) / (spot[2] * spot[2]))
                gain = light
                if moire[2] > 0:
                    gain *= 1 + moire[2] * np.sin(moire[0] * u + moire[1] * v + u * v * 9)
                for c in range(3):
                    top = frames[f, y0, x0, c] * (1 - a) + frames[f, y0, x0 + 1, c] * a
                    low = frames[f, y0 + 1, x0, c] * (1 - a) + frames[f, y0 + 1, x0 + 1, c] * a
                    value = gain * (top * (1 - b) + low * b) + shine + 4
                    out[f, py, px, c] = np.uint8(min(max(value + 0.5, 0.0), 255.0))
    return out
