"""Define a place: what stands in it, how it is lit, where people can be and who films it.

Knows no pixels. Lengths are metres, headings radians counterclockwise from above, colours 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.world.camera import Camera
from training.world.shapes import Array

Rng = np.random.Generator
BOX = 12
FLAT = -1.0  # the texture of a plain colour


@dataclass(frozen=True)
class Light:
    """The light of a place.

    `sun` (3,) is the unit direction towards the main light (z > 0), `colour` (3,) its colour and
    strength, `ambient` (3,) the light from everywhere. `lamps` (n, 7): x y z reach red green blue,
    pools of light that fade to nothing at their reach. `shadow` in 0..1 is how dark shadows are.
    """

    sun: Array
    colour: Array
    ambient: Array
    lamps: Array = field(default_factory=lambda: np.zeros((0, 7), np.float32))
    shadow: float = 0.4


@dataclass
class Place:
    """One place and its camera.

    `boxes` (n, 12): centre x y z, half sizes x y z, heading, texture, red green blue, metres that
    one repeat of the texture covers. `textures` (k, 128, 128, 3) are multiplied with the colour.
    `ground` is (texture, red, green, blue, metres). `ceiling` is its height or None. `area` is
    (x0, y0, x1, y1), where people may be. `lanes` are ((x, y), (x, y)) from start to end of
    traffic; `seats` (x, y, height, heading).
    """

    name: str
    camera: Camera
    light: Light
    area: tuple[float, float, float, float]
    boxes: Array = field(default_factory=lambda: np.zeros((0, BOX), np.float32))
    textures: Array = field(default_factory=lambda: np.ones((1, 128, 128, 3), np.float32))
    ground: tuple[float, float, float, float, float] = (FLAT, 0.5, 0.5, 0.5, 2.0)
    ceiling: float | None = None
    sky: tuple[float, float, float] = (0.6, 0.7, 0.8)
    lanes: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)
    seats: list[tuple[float, float, float, float]] = field(default_factory=list)
    indoor: bool = True
    infrared: bool = False
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    levels: tuple[Array, ...] = ()  # the textures at smaller sizes, once they are made

    def blocked(self, x: float, y: float, room: float) -> bool:
        """Tell whether a person at (x, y) with `room` around would touch a box or another act."""
        near = any(np.hypot(x - a, y - b) < room + c for a, b, c in self.taken)
        return near or bool(self._in_box(x, y, room))

    def _in_box(self, x: float, y: float, room: float) -> bool:
        if not len(self.boxes):
            return False
        b = self.boxes
        low = (b[:, 2] - b[:, 5] < 1.5) & (b[:, 2] + b[:, 5] > 0.25)  # not flat on the floor
        c, s = np.cos(b[:, 6]), np.sin(b[:, 6])
        dx, dy = x - b[:, 0], y - b[:, 1]
        along, across = np.abs(dx * c + dy * s), np.abs(dy * c - dx * s)
        return bool((low & (along < b[:, 3] + room) & (across < b[:, 4] + room)).any())

    def seen(self, x: float, y: float, margin: float = 0.06) -> bool:
        """Tell whether feet and head of a person at (x, y) are in the picture."""
        where, depth = self.camera.project(np.array([[x, y, 0.1], [x, y, 1.6]]))
        inside = (where > margin) & (where < 1 - margin)
        return bool((depth > 0.5).all() and inside[:, 0].all() and inside.all(1).any())

    def spot(self, rng: Rng, room: float = 0.6, *, take: bool = True) -> tuple[float, float]:
        """Draw a place on the floor that is free and in the picture, and take it."""
        x0, y0, x1, y1 = self.area
        best = (0.5 * (x0 + x1), 0.5 * (y0 + y1))
        for attempt in range(200):
            x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
            best = (x, y) if self.seen(x, y) else best
            if self.seen(x, y) and not self.blocked(x, y, room * (1 - attempt / 250)):
                break
        if take:
            self.taken.append((best[0], best[1], room))
        return best

    def course(self, rng: Rng, length: float) -> tuple[float, float, float]:
        """Draw the middle (x, y) and the heading of a walk of `length` metres with nothing in it.

        The walker moves along (cos heading, sin heading). If the place is too full, the least bad
        of 60 tries is used.
        """
        best, fewest = (0.0, 0.0, 0.0), 99
        for _ in range(60):
            x, y = self.spot(rng, 0.3, take=False)
            heading = rng.uniform(-np.pi, np.pi)
            steps = np.linspace(-length / 2, length / 2, max(3, int(length / 0.4)))
            hits = sum(
                self.blocked(x + d * np.cos(heading), y + d * np.sin(heading), 0.25) for d in steps
            )
            if hits < fewest:
                best, fewest = (x, y, heading), hits
            if not hits:
                break
        return best
