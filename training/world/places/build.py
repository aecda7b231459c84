"""Collect the boxes and textures of a place while it is built.

Knows no furniture and no cameras. A look is (texture, red, green, blue, metres per repeat).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.world.place import BOX, FLAT, Rng
from training.world.places.textures import pool
from training.world.shapes import Array

Look = tuple[float, float, float, float, float]
Rect = tuple[float, float, float, float]
MOST = 16  # textures of one place
METRES = {
    "floor": (0.8, 3.0), "wall": (1.0, 3.0), "stone": (1.0, 3.0), "ground": (1.5, 5.0),
    "asphalt": (3.0, 7.0), "paving": (1.5, 4.0), "grass": (2.0, 6.0), "leaves": (0.8, 2.5),
    "wood": (0.6, 1.6),
    "metal": (0.8, 2.5), "fabric": (0.4, 1.2), "litter": (0.9, 1.4), "facade": (5.0, 11.0),
    "rack": (0.9, 1.6), "clutter": (2.2, 3.2), "cartons": (0.7, 1.4), "window": (1.2, 2.6),
    "lockers": (0.9, 2.0), "machine": (1.3, 1.9),
}  # fmt: skip
PALE = {
    "wall": (0.4, 1.0),
    "stone": (0.3, 0.95),
    "floor": (0.25, 1.0),
    "ground": (0.35, 0.95),
    "asphalt": (0.2, 0.75),
}


def shade(rng: Rng, low: float = 0.05, high: float = 0.95, vivid: float = 0.35) -> Array:
    """Draw a colour (3,); with probability `vivid` a strong one, otherwise nearly grey or brown."""
    value = rng.uniform(low, high)
    if rng.random() < vivid:
        missing = rng.uniform(0.3, 0.95) * rng.permutation((0.0, rng.random(), 1.0))
        return np.asarray(value * (1 - missing))
    warm = np.array([0.0, 0.4, 1.0]) if rng.random() < 0.7 else np.array([1.0, 0.4, 0.0])
    return np.asarray(value * (1 - rng.uniform(0, 0.3) * warm))


@dataclass
class Build:
    """A place that is being built: rows of boxes and the textures they use."""

    rng: Rng
    rows: list[tuple[float, ...]] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    _mine: dict[str, list[int]] = field(default_factory=dict)

    def texture(self, kind: str) -> int:
        """Return the place's number of a texture of a kind; half of the time one used before."""
        mine = self._mine.setdefault(kind, [])
        if mine and (len(self.chosen) >= MOST or self.rng.random() < 0.5 or len(mine) > 3):
            return mine[self.rng.integers(0, len(mine))]
        self.chosen.append(pool().pick(self.rng, kind))
        mine.append(len(self.chosen) - 1)
        return mine[-1]

    def look(self, kind: str, colour: Array | None = None, metres: float | None = None) -> Look:
        """Draw a look of a kind of texture; `colour` (3,) multiplies it."""
        if colour is None:
            colour = self._tint(kind)
        if metres is None:
            metres = self.rng.uniform(*METRES.get(kind, (1.0, 2.0)))
        red, green, blue = (float(c) for c in colour)
        return (float(self.texture(kind)), red, green, blue, metres)

    def _tint(self, kind: str) -> Array:
        if kind == "asphalt":
            return shade(self.rng, *PALE[kind], vivid=0) * 0.3 + self.rng.uniform(0.15, 0.5)
        if kind in PALE:
            return shade(self.rng, *PALE[kind], vivid=0.04)
        if kind == "wood":
            return shade(self.rng, 0.1, 1.0, vivid=0.1) * (1.0, 0.85, 0.68)
        if kind in ("metal", "fabric", "paving"):
            return shade(self.rng, 0.1, 1.0, vivid=0.05 if kind == "paving" else 0.3)
        return np.asarray(self.rng.uniform(0.7, 1.15) * self.rng.uniform(0.85, 1.0, 3))

    def wall(self) -> Look:
        """Draw the look of an inner wall: often of one pale colour."""
        return self.plain(0.45, 0.98, 0.12) if self.rng.random() < 0.4 else self.look("wall")

    def plain(self, low: float = 0.05, high: float = 0.95, vivid: float = 0.35) -> Look:
        """Draw a look of one colour."""
        return flat(shade(self.rng, low, high, vivid))

    def box(
        self, x: float, y: float, z: float, size: tuple[float, float, float], look: Look,
        turn: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a box whose bottom is centred at (x, y, z), with its full size."""
        w, d, h = size
        texture, red, green, blue, metres = look
        self.rows.append(
            (x, y, z + h / 2, w / 2, d / 2, h / 2, turn, texture, red, green, blue, metres)
        )

    def at(self, x: float, y: float, turn: float = 0.0) -> Spot:
        """Return a spot at which a piece of furniture can be put together."""
        return Spot(self, x, y, turn)

    def boxes(self) -> Array:
        """Return all boxes (n, 12) float32."""
        return np.array(self.rows, np.float32).reshape(-1, BOX)

    def textures(self) -> Array:
        """Return the textures (k, 128, 128, 3) float32 that the boxes use."""
        pictures = pool().pictures[np.array(self.chosen or [0])]
        return np.asarray(pictures * np.float32(1 / 255))


def flat(colour: Array | tuple[float, float, float]) -> Look:
    """Return the look of one colour."""
    return (FLAT, float(colour[0]), float(colour[1]), float(colour[2]), 1.0)


@dataclass(frozen=True)
class Spot:
    """A point on the floor and a heading, at which furniture is put together.

    Furniture has its width along the local x and its front towards the local -y.
    """

    build: Build
    x: float
    y: float
    turn: float = 0.0

    @property
    def rng(self) -> Rng:
        """Return the generator of the place."""
        return self.build.rng

    def moved(self, x: float, y: float, turn: float = 0.0) -> Spot:
        """Return the spot at local (x, y), turned by `turn` more."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        return Spot(self.build, self.x + x * c - y * s, self.y + x * s + y * c, self.turn + turn)

    def box(
        self, x: float, y: float, z: float, size: tuple[float, float, float], look: Look,
        turn: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a box at local (x, y); see Build.box."""
        spot = self.moved(x, y, turn)
        self.build.box(spot.x, spot.y, z, size, look, spot.turn)


@dataclass
class Plan:
    """What a maker of places says besides the boxes.

    `room` is where the camera may be and `area` where people may be (x0, y0, x1, y1). `eyes` is the
    range of the camera's height, `size` the median height of a person as a fraction of the picture.
    `moods` are names of lights.
    """

    room: Rect
    area: Rect
    ground: Look
    ceiling: float | None = None
    eyes: tuple[float, float] = (2.2, 3.2)
    size: float = 0.35
    moods: tuple[str, ...] = ()
    lanes: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)
    seats: list[tuple[float, float, float, float]] = field(default_factory=list)
