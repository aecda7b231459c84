"""Say what lies between a scene and a sensor: lens, dirt, fog, rain, and a camera that moves.

Knows no sensor. Positions are fractions of the picture's sides, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.world.filming.filters import resize

Array = NDArray[Any]
Rng = np.random.Generator
COARSE = 48
SWEEP = 8.0  # seconds in which a camera pans or zooms there and back


@dataclass(frozen=True)
class Lens:
    """What the lens and the air take away and add.

    `vignette` in 0..1 is the loss of light in the corners, `fog` the share of the far (upper)
    picture that is hidden, `haze` its brightness, `spots` the number of dirty spots, `wet` whether
    they are bright drops, `flare` the strength of a stray light.
    """

    vignette: float = 0.0
    fog: float = 0.0
    haze: float = 0.6
    spots: int = 0
    wet: bool = False
    flare: float = 0.0


@dataclass(frozen=True)
class Weather:
    """Streaks in the air: how many, their length, half width in pixels, slope and strength."""

    count: int = 0
    length: float = 0.05
    half: float = 0.3
    slope: float = 0.1
    strength: float = 0.3


@dataclass(frozen=True)
class Motion:
    """How a camera moves: `sway` and `jitter` are fractions of the picture, `roll` radians.

    `period` is that of the sway in seconds, `pan` (x, y) and `zoom` are the fastest
    speeds per second.
    """

    sway: float = 0.0
    period: float = 2.0
    jitter: float = 0.0
    roll: float = 0.0
    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0

    @property
    def still(self) -> bool:
        """Tell whether the camera does not move at all."""
        return not (self.sway or self.jitter or self.roll or any(self.pan) or self.zoom)


def lens_maps(lens: Lens, seed: int, height: int, width: int) -> tuple[Array, Array]:
    """Return what light is multiplied with (height, width) and what is added (height, width, 3)."""
    if lens == Lens(haze=lens.haze, wet=lens.wet):
        return np.ones((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[0:COARSE, 0:COARSE] + 0.5) / COARSE
    keep = 1.0 - lens.vignette * np.minimum(((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2, 1) ** 1.2
    add = np.zeros((COARSE, COARSE, 3))
    for _ in range(lens.spots):
        spot, shade = _spot(rng, x, y, 0.015, 0.1), rng.uniform(0.2, 0.7)
        keep *= 1.0 - shade * spot
        if lens.wet:
            add += (spot * shade * rng.uniform(0.3, 0.8))[..., None]
    if lens.flare > 0:
        add += (lens.flare * _spot(rng, x, y, 0.15, 0.6))[..., None] * rng.uniform(0.6, 1.0, 3)
    if lens.fog > 0:
        far = lens.fog * (1.0 - rng.uniform(0.2, 0.8) * y)
        keep *= 1.0 - far
        add = add + (far * lens.haze)[..., None] * rng.uniform(0.92, 1.0, 3)
    maps = np.concatenate([keep[..., None], add], -1)[None].astype(np.float32)
    wide = np.concatenate(
        [resize(maps[..., :3], height, width), resize(maps[..., 1:], height, width)], -1
    )[0]
    return np.ascontiguousarray(wide[..., 0]), np.ascontiguousarray(wide[..., 3:])


def _spot(rng: Rng, x: Array, y: Array, least: float, most: float) -> Array:
    cx, cy, angle = rng.uniform(-0.05, 1.05), rng.uniform(-0.05, 1.05), rng.uniform(0, np.pi)
    a, b = rng.uniform(least, most, 2)
    c, s = np.cos(angle), np.sin(angle)
    u, v = ((x - cx) * c + (y - cy) * s) / a, ((y - cy) * c - (x - cx) * s) / b
    return np.asarray(np.exp(-((u * u + v * v) ** rng.choice([1, 3]))))


def streak_lines(weather: Weather, rng: Rng, frames: int) -> Array:
    """Draw lines (frames, count, 6) for `filters.streaks`, new ones in each frame."""
    shape = (frames, weather.count)
    near = rng.uniform(0.4, 1.0, shape) ** 2
    length = weather.length * near
    return np.stack(
        [
            rng.uniform(-0.1, 1.1, shape), rng.uniform(-0.1, 1.0, shape),
            length * weather.slope, length,
            weather.half * near, weather.strength * rng.uniform(0.2, 1.0, shape),
        ],
        -1,
    ).astype(np.float32)  # fmt: skip


def motion_maps(motion: Motion, seed: int, times: Array, rng: Rng) -> Array:
    """Return the maps (frames, 3, 3) for `filters.warp` of a camera that moves."""
    draw = np.random.default_rng(seed)
    phase, speed = draw.uniform(0, 2 * np.pi, (3, 2)), draw.uniform(0.7, 1.4, (3, 2))
    turns = 2 * np.pi * times[:, None, None] / motion.period * speed * (1.0, 2.3) + phase
    waves = (np.sin(turns) * (0.75, 0.25)).sum(-1)
    moved = SWEEP / (2 * np.pi) * np.sin(2 * np.pi * times / SWEEP + phase[0, 0])
    shift = motion.sway * waves[:, :2] + moved[:, None] * np.array(motion.pan)
    shift = shift + motion.jitter * rng.normal(0, 1, (len(times), 2))
    room = 1.2 * motion.sway + 0.8 * max(np.abs(motion.pan)) + abs(motion.zoom)
    zoom = np.exp(-motion.zoom * moved) * (1.0 - room)
    angle = motion.roll * waves[:, 2]
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    maps = np.zeros((len(times), 3, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 0, 2] = c, -s, 0.5 - 0.5 * (c - s) + shift[:, 0]
    maps[:, 1, 0], maps[:, 1, 1], maps[:, 1, 2] = s, c, 0.5 - 0.5 * (c + s) + shift[:, 1]
    maps[:, 2, 2] = 1.0
    return maps.astype(np.float32)
