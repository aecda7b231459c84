"""Draw how a place is lit.

Knows no furniture. Each mood takes the generator, the camera, the room and its height; it returns
the light and the colour of the sky. Colours are strengths: 1 shows a white wall white.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.world.camera import Camera
from training.world.place import Light, Rng
from training.world.places.build import Rect
from training.world.shapes import Array

Sky = tuple[float, float, float]


@dataclass(frozen=True)
class Lit:
    """What the light depends on: the camera, the part of the place in view and its height."""

    camera: Camera
    area: Rect
    height: float

    @property
    def away(self) -> float:
        """Return the distance in metres from the camera to the middle of the area."""
        x0, y0, x1, y1 = self.area
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1.0])
        return float(np.linalg.norm(self.camera.eye - middle))


def _sun(rng: Rng, low: float = 0.35, high: float = 1.0) -> Array:
    turn, z = rng.uniform(-np.pi, np.pi), rng.uniform(low, high)
    level = np.sqrt(1 - z * z)
    return np.array([level * np.cos(turn), level * np.sin(turn), z])


def _tint(rng: Rng, blue: float, spread: float = 0.05) -> Array:
    """Return a colour (3,) of mean 1; `blue` above 0 is cold, below 0 warm."""
    colour = np.array([1 - blue, 1.0, 1 + blue]) + rng.uniform(-spread, spread, 3)
    return np.asarray(colour / colour.mean())


def _lamps(rng: Rng, lit: Lit, count: int, strength: tuple[float, float], tint: Array) -> Array:
    """Hang lamps (n, 7) over and around the area."""
    x0, y0, x1, y1 = lit.area
    wide, deep = (x1 - x0) * 0.5 + 2, (y1 - y0) * 0.5 + 2
    out = np.empty((count, 7), np.float32)
    out[:, 0] = (x0 + x1) / 2 + rng.uniform(-1, 1, count) * wide
    out[:, 1] = (y0 + y1) / 2 + rng.uniform(-1, 1, count) * deep
    out[:, 2] = rng.uniform(0.75, 1.0, count) * lit.height
    out[:, 3] = lit.height * rng.uniform(1.3, 3.0, count)
    out[:, 4:] = rng.uniform(*strength, count)[:, None] * tint
    return out


def fluorescent(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    tint = _tint(rng, rng.uniform(-0.06, 0.12)) * np.array([1, rng.uniform(1, 1.08), 1])
    level = rng.uniform(0.45, 0.85)
    lamps = _lamps(rng, lit, int(rng.integers(0, 4)), (0.1, 0.5), tint)
    light = Light(_sun(rng, 0.75), level * rng.uniform(0.3, 0.8) * tint, level * tint, lamps, 0.25)
    return light, (0.7, 0.75, 0.8)


def bright(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    """Draw a room that is overexposed."""
    tint = _tint(rng, rng.uniform(-0.05, 0.1))
    lamps = _lamps(rng, lit, int(rng.integers(1, 4)), (0.2, 0.7), tint)
    return Light(_sun(rng, 0.8), rng.uniform(0.3, 0.6) * tint, 0.85 * tint, lamps, 0.2), (1, 1, 1)


def warm(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    tint = _tint(rng, -rng.uniform(0.15, 0.4))
    lamps = _lamps(rng, lit, int(rng.integers(1, 5)), (0.25, 0.8), tint)
    level = rng.uniform(0.25, 0.6)
    return Light(_sun(rng, 0.7), 0.4 * level * tint, level * tint, lamps, 0.3), (0.1, 0.1, 0.15)


def dim(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    tint = _tint(rng, rng.uniform(-0.3, 0.25), 0.1)
    lamps = _lamps(rng, lit, int(rng.integers(1, 4)), (0.15, 0.5), tint)
    level = rng.uniform(0.12, 0.3)
    return Light(_sun(rng, 0.6), 0.5 * level * tint, level * tint, lamps, 0.25), (0.2, 0.22, 0.25)


def coloured(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    """Draw a bar or a disco: pools of strongly coloured light."""
    count = int(rng.integers(2, 5))
    lamps = _lamps(rng, lit, count, (0.3, 0.9), np.ones(3))
    lamps[:, 4:] *= rng.uniform(0.1, 1.2, (count, 3))
    ambient = rng.uniform(0.1, 0.35) * _tint(rng, rng.uniform(-0.4, 0.4), 0.25)
    return Light(_sun(rng, 0.6), 0.3 * ambient, ambient, lamps, 0.2), (0.05, 0.05, 0.1)


def windows(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    """Draw a room with daylight from one side."""
    tint = _tint(rng, rng.uniform(-0.05, 0.15))
    lamps = _lamps(rng, lit, 1, (0.3, 0.8), tint)
    level = rng.uniform(0.3, 0.6)
    return (
        Light(_sun(rng, 0.25, 0.6), rng.uniform(0.4, 0.9) * tint, level * tint, lamps, 0.35),
        (0.95, 0.97, 1.0),
    )


def backlight(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    """Draw bright light behind the area, so that what is in front is dark."""
    ahead = lit.camera.axes[2]
    level = np.hypot(ahead[0], ahead[1])
    far = lit.camera.eye[:2] + ahead[:2] / max(level, 1e-3) * lit.away * rng.uniform(1.3, 2.0)
    glow = rng.uniform(1.0, 2.2) * _tint(rng, rng.uniform(0, 0.1))
    lamp = [*far, lit.height * 0.6, lit.away * rng.uniform(0.6, 1.1), *glow]
    ambient = rng.uniform(0.15, 0.4) * _tint(rng, 0.05)
    sun = np.array([*(ahead[:2] / max(level, 1e-3) * 0.8), 0.6])
    return Light(sun, 0.4 * glow / 2, ambient, np.array([lamp], np.float32), 0.4), (1.4, 1.45, 1.5)


def infrared(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    """Draw a pool of light around the axis of the camera."""
    eye, ahead = lit.camera.eye, lit.camera.axes[2]
    pool = eye + ahead * lit.away * rng.uniform(0.1, 0.6)
    reach = lit.away * rng.uniform(1.0, 2.0)
    lamps = [[*pool, reach, *np.full(3, rng.uniform(0.7, 1.5))]]
    if rng.random() < 0.3:
        lamps += _lamps(rng, lit, 1, (0.2, 0.6), np.ones(3)).tolist()
    ambient = np.full(3, rng.uniform(0.04, 0.2))
    light = Light(_sun(rng, 0.6), ambient * 0.3, ambient, np.array(lamps, np.float32), 0.15)
    return light, (0.03, 0.03, 0.03)


def day(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    sun = rng.uniform(0.6, 1.1) * _tint(rng, -rng.uniform(0.02, 0.2))
    ambient = rng.uniform(0.3, 0.55) * _tint(rng, rng.uniform(0.02, 0.2))
    grey = rng.uniform(0, 1)
    sky = grey * np.array([0.95, 0.96, 0.98]) + (1 - grey) * np.array([0.45, 0.65, 0.95])
    return Light(_sun(rng, 0.3), sun, ambient, shadow=rng.uniform(0.3, 0.6)), _sky(sky)


def overcast(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    level, tint = rng.uniform(0.5, 0.85), _tint(rng, rng.uniform(-0.03, 0.15))
    light = Light(_sun(rng, 0.8), 0.35 * level * tint, level * tint, shadow=0.12)
    return light, _sky(rng.uniform(0.75, 1.1) * tint)


def dusk(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    tint = _tint(rng, rng.uniform(-0.1, 0.3), 0.1)
    level = rng.uniform(0.15, 0.4)
    lamps = _lamps(rng, lit, int(rng.integers(0, 3)), (0.3, 0.8), _tint(rng, -0.25))
    return Light(_sun(rng, 0.5), 0.3 * level * tint, level * tint, lamps, 0.15), _sky(level * tint)


def night(rng: Rng, lit: Lit) -> tuple[Light, Sky]:
    tint = _tint(rng, -rng.uniform(0.0, 0.5))
    lamps = _lamps(rng, lit, int(rng.integers(2, 5)), (0.5, 1.4), tint)
    ambient = rng.uniform(0.05, 0.16) * _tint(rng, rng.uniform(-0.2, 0.3))
    return Light(_sun(rng, 0.5), 0.2 * ambient, ambient, lamps, 0.2), (0.02, 0.02, 0.04)


def _sky(colour: Array) -> Sky:
    return float(colour[0]), float(colour[1]), float(colour[2])


MOODS: dict[str, Callable[[Rng, Lit], tuple[Light, Sky]]] = {
    one.__name__: one
    for one in (
        fluorescent, bright, warm, dim, coloured, windows, backlight, infrared, day, overcast, dusk,
        night,
    )
}  # fmt: skip
INSIDE = ("fluorescent",) * 6 + ("bright", "bright", "warm", "warm", "dim", "dim") + (
    "windows", "windows", "backlight", "infrared", "infrared", "infrared", "night",
)  # fmt: skip
OUTSIDE = ("day",) * 5 + ("overcast",) * 4 + ("night",) * 3 + ("dusk", "infrared", "infrared")
