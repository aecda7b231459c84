"""Make backgrounds: where things are, where people walk and where cars drive.

Knows no actors and no events. There are three families: SEEN (training), UNSEEN (never trained on)
and FINAL, rendered once for the last table of the card. `random_scene` makes scenes that belong to
no family; only training uses it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.drawn.draw import Array, box, capsule, ellipse, rect

Rng = np.random.Generator


@dataclass
class Scene:
    """One background.

    Primitives (1, n, 12) behind and in front of the actors, lanes (y, direction), and the range of
    y in which people may walk.
    """

    name: str
    horizon: float
    near: float = 1.1
    far: float = 0.75
    base: tuple[float, float, float] = (0.5, 0.5, 0.5)
    behind: list[Array] = field(default_factory=list)
    before: list[Array] = field(default_factory=list)
    lanes: list[tuple[float, float]] = field(default_factory=list)
    walk: tuple[float, float] = (0.5, 0.93)
    texture: float = 0.04

    def scale(self, y: Any) -> Any:
        """Return the scale of things whose feet are at height y of the frame."""
        return self.far + (self.near - self.far) * np.clip(
            (y - self.horizon) / (1 - self.horizon), 0, 1
        )


def _grey(rng: Rng, low: float, high: float, tint: float = 0.05) -> Array:
    return np.clip(rng.uniform(low, high) + rng.uniform(-tint, tint, 3), 0, 1)


def _houses(rng: Rng, s: Scene, count: int = 4) -> None:
    edges = np.sort(np.concatenate([[-0.3, 1.3], rng.uniform(0, 1, count - 1)]))
    for left, right in itertools.pairwise(edges):
        wall = rng.uniform(0.35, 0.75) * np.array([1.0, rng.uniform(0.75, 1), rng.uniform(0.6, 1)])
        s.behind.append(rect(left, -0.3, right, s.horizon + 0.02, wall))
        for x in np.arange(left + 0.03, right - 0.05, 0.085):
            for y in np.arange(0.02, s.horizon - 0.08, 0.1):
                s.behind.append(rect(x, y, x + 0.045, y + 0.055, wall * rng.uniform(0.3, 0.6)))


def _road(rng: Rng, s: Scene, top: float, bottom: float, *, marks: bool = True) -> None:
    s.behind.append(rect(-0.3, top, 1.3, bottom, _grey(rng, 0.22, 0.4)))
    s.behind.append(rect(-0.3, top - 0.012, 1.3, top, _grey(rng, 0.6, 0.75)))
    middle = (top + bottom) / 2
    for x in np.arange(-0.3, 1.3, 0.16) if marks else ():
        s.behind.append(rect(x, middle - 0.006, x + 0.08, middle + 0.006, (0.85, 0.85, 0.8)))
    width = bottom - top
    s.lanes += [(top + 0.42 * width, -1.0), (top + 0.9 * width, 1.0)]


def _tree(rng: Rng, x: float, y: float, size: float) -> list[Array]:
    trunk, leaf = (0.32, 0.22, 0.14), np.array([0.15, 0.4, 0.15]) + rng.uniform(-0.08, 0.12, 3)
    crown = [
        ellipse(
            x + rng.uniform(-0.3, 0.3) * size,
            y - size * rng.uniform(0.75, 1.15),
            0.34 * size,
            0.3 * size,
            np.clip(leaf * rng.uniform(0.8, 1.2), 0, 1),
        )
        for _ in range(4)
    ]
    return [capsule(x, y, x, y - 0.7 * size, 0.05 * size, trunk), *crown]


def street(rng: Rng) -> Scene:
    """Houses, pavement, a two-lane road, pavement."""
    s = Scene("street", rng.uniform(0.26, 0.34), base=tuple(_grey(rng, 0.5, 0.66)))
    _houses(rng, s)
    top = s.horizon + rng.uniform(0.16, 0.2)
    _road(rng, s, top, top + rng.uniform(0.26, 0.32))
    s.walk = (s.horizon + 0.08, 0.96)
    return s


def plaza(rng: Rng) -> Scene:
    """A paved square in front of houses, with a kiosk or a fountain."""
    s = Scene("plaza", rng.uniform(0.24, 0.32), base=tuple(_grey(rng, 0.5, 0.72)))
    _houses(rng, s, 3)
    for y in s.horizon + (1 - s.horizon) * np.linspace(0, 1, 7) ** 1.5:
        s.behind.append(rect(-0.3, y, 1.3, y + 0.006, _grey(rng, 0.35, 0.5)))
    for x in np.linspace(-0.6, 1.6, 12):
        s.behind.append(
            capsule(0.5 + (x - 0.5) * 0.5, s.horizon, x, 1.3, 0.004, _grey(rng, 0.38, 0.5))
        )
    x = rng.uniform(0.1, 0.9)
    s.behind.append(
        rect(x - 0.06, s.horizon - 0.1, x + 0.06, s.horizon + 0.07, rng.uniform(0.2, 0.8, 3))
    )
    s.walk = (s.horizon + 0.12, 0.96)
    return s


def parking(rng: Rng) -> Scene:
    """Marked parking bays, some occupied, and a lane in front of them."""
    s = Scene("parking", rng.uniform(0.18, 0.26), base=tuple(_grey(rng, 0.3, 0.46)))
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, _grey(rng, 0.45, 0.7, 0.12)))
    for x in np.arange(-0.2, 1.25, 0.2):
        s.behind.append(
            capsule(x, s.horizon + 0.02, x - 0.03, s.horizon + 0.2, 0.007, (0.85, 0.85, 0.8))
        )
        if rng.random() < 0.5:
            paint = rng.uniform(0.1, 0.85, 3)
            s.behind.append(rect(x + 0.03, s.horizon + 0.03, x + 0.15, s.horizon + 0.12, paint))
            s.behind.append(
                rect(x + 0.045, s.horizon + 0.0, x + 0.135, s.horizon + 0.05, paint * 0.4)
            )
    s.lanes = [(s.horizon + 0.42, -1.0), (s.horizon + 0.6, 1.0)]
    s.walk = (s.horizon + 0.26, 0.96)
    return s


def park(rng: Rng) -> Scene:
    """Grass, a path, trees and a bench."""
    green = np.array([0.3, 0.48, 0.22]) * rng.uniform(0.8, 1.2)
    s = Scene("park", rng.uniform(0.2, 0.3), base=tuple(green), texture=0.07)
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, (0.6, 0.74, 0.88)))
    for _ in range(rng.integers(3, 7)):
        s.behind += _tree(
            rng, rng.uniform(0, 1), s.horizon + rng.uniform(0, 0.06), rng.uniform(0.16, 0.26)
        )
    y = s.horizon + rng.uniform(0.2, 0.35)
    s.behind.append(
        capsule(
            -0.3,
            y,
            1.3,
            y + rng.uniform(-0.05, 0.2),
            rng.uniform(0.05, 0.09),
            _grey(rng, 0.6, 0.75),
        )
    )
    x = rng.uniform(0.1, 0.8)
    s.behind.append(rect(x, s.horizon + 0.09, x + 0.13, s.horizon + 0.11, (0.36, 0.25, 0.15)))
    s.walk = (s.horizon + 0.14, 0.96)
    return s


def shop(rng: Rng) -> Scene:
    """Shelves with goods and a tiled floor, indoors."""
    s = Scene("shop", rng.uniform(0.3, 0.38), base=tuple(_grey(rng, 0.62, 0.85)))
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, _grey(rng, 0.6, 0.85)))
    for left in np.arange(-0.1, 1.1, rng.uniform(0.3, 0.42)):
        s.behind.append(rect(left, 0.06, left + 0.26, s.horizon + 0.03, (0.4, 0.36, 0.32)))
        for y in np.arange(0.08, s.horizon - 0.04, 0.09):
            for x in np.arange(left + 0.01, left + 0.24, 0.04):
                s.behind.append(rect(x, y, x + 0.032, y + 0.065, rng.uniform(0.1, 0.9, 3)))
    for y in np.linspace(s.horizon, 1.3, 8):
        s.behind.append(rect(-0.3, y, 1.3, y + 0.005, _grey(rng, 0.5, 0.6)))
    s.walk = (s.horizon + 0.12, 0.96)
    return s


def platform(rng: Rng) -> Scene:
    """A station platform: tracks, a yellow line, pillars."""
    s = Scene("platform", rng.uniform(0.3, 0.36), base=tuple(_grey(rng, 0.5, 0.64)))
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, _grey(rng, 0.25, 0.4)))
    s.behind.append(rect(-0.3, s.horizon - 0.09, 1.3, s.horizon, (0.16, 0.14, 0.13)))
    s.behind.append(rect(-0.3, s.horizon + 0.02, 1.3, s.horizon + 0.045, (0.85, 0.72, 0.15)))
    for x in np.arange(rng.uniform(0, 0.2), 1.1, 0.38):
        s.behind.append(rect(x, -0.3, x + 0.045, s.horizon + 0.12, _grey(rng, 0.6, 0.72)))
    s.walk = (s.horizon + 0.14, 0.96)
    return s


def crossroad(rng: Rng) -> Scene:
    """A junction: a road across, one towards the camera, zebra stripes."""
    s = Scene("crossroad", rng.uniform(0.2, 0.28), base=tuple(_grey(rng, 0.48, 0.6)))
    _houses(rng, s, 3)
    x = rng.uniform(0.25, 0.75)
    for step in np.linspace(0, 1, 16):
        y = s.horizon + step * (1.2 - s.horizon)
        s.behind.append(
            rect(x - 0.06 - 0.2 * step, y, x + 0.06 + 0.2 * step, y + 0.07, (0.3, 0.3, 0.31))
        )
    _road(rng, s, s.horizon + 0.22, s.horizon + 0.5, marks=False)
    for stripe in np.arange(-0.2, 0.22, 0.06):
        s.behind.append(
            rect(
                x + stripe,
                s.horizon + 0.52,
                x + stripe + 0.03,
                s.horizon + 0.62,
                (0.86, 0.86, 0.84),
            )
        )
    s.walk = (s.horizon + 0.12, 0.96)
    return s


def lobby(rng: Rng) -> Scene:
    """An office lobby: glass front, carpet, desk, plants."""
    s = Scene("lobby", rng.uniform(0.28, 0.36), base=(0.42, 0.3, 0.28), texture=0.06)
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, (0.72, 0.8, 0.84)))
    for x in np.arange(-0.1, 1.2, 0.17):
        s.behind.append(rect(x, -0.3, x + 0.012, s.horizon, (0.3, 0.32, 0.34)))
    x = rng.uniform(0.1, 0.7)
    s.behind.append(rect(x, s.horizon - 0.02, x + 0.26, s.horizon + 0.1, (0.45, 0.3, 0.18)))
    s.behind += _tree(rng, rng.uniform(0.05, 0.95), s.horizon + 0.06, 0.14)
    s.walk = (s.horizon + 0.17, 0.96)
    return s


def warehouse(rng: Rng) -> Scene:
    """Pallet racks and a concrete floor with painted lanes."""
    s = Scene("warehouse", rng.uniform(0.3, 0.38), base=tuple(_grey(rng, 0.45, 0.58)))
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, (0.3, 0.33, 0.38)))
    for x in np.arange(-0.1, 1.1, 0.24):
        s.behind.append(rect(x, -0.3, x + 0.015, s.horizon + 0.04, (0.85, 0.4, 0.1)))
        for y in np.arange(0.0, s.horizon, 0.13):
            s.behind.append(
                rect(
                    x + 0.03,
                    y,
                    x + 0.21,
                    y + 0.085,
                    np.array([0.6, 0.46, 0.3]) * rng.uniform(0.7, 1.2),
                )
            )
    s.behind.append(capsule(-0.2, s.horizon + 0.16, 1.2, s.horizon + 0.18, 0.008, (0.9, 0.8, 0.1)))
    s.walk = (s.horizon + 0.14, 0.96)
    return s


def station(rng: Rng) -> Scene:
    """A filling station at night: dark ground, a lit canopy, pumps."""
    s = Scene("station", rng.uniform(0.24, 0.32), base=(0.2, 0.2, 0.24))
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, (0.05, 0.06, 0.12)))
    s.behind.append(rect(0.1, 0.04, 0.9, 0.11, (0.85, 0.85, 0.8)))
    for x in (0.2, 0.5, 0.8):
        s.behind.append(rect(x - 0.012, 0.1, x + 0.012, s.horizon + 0.08, (0.5, 0.5, 0.55)))
        s.behind.append(
            rect(x - 0.03, s.horizon - 0.02, x + 0.03, s.horizon + 0.08, rng.uniform(0.3, 0.8, 3))
        )
    _road(rng, s, s.horizon + 0.24, s.horizon + 0.52)
    s.walk = (s.horizon + 0.14, 0.96)
    return s


def snow(rng: Rng) -> Scene:
    """A yard covered in snow, with a fence and bare trees."""
    s = Scene("snow", rng.uniform(0.2, 0.3), base=(0.86, 0.88, 0.92), texture=0.03)
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, (0.66, 0.7, 0.76)))
    for x in np.arange(-0.1, 1.1, 0.06):
        s.behind.append(rect(x, s.horizon - 0.07, x + 0.02, s.horizon + 0.03, (0.42, 0.34, 0.28)))
    for x in rng.uniform(0, 1, 3):
        s.behind.append(
            capsule(x, s.horizon + 0.05, x + 0.02, 0.02, 0.012, (0.2, 0.16, 0.14), 0.004)
        )
    _road(rng, s, s.horizon + 0.26, s.horizon + 0.5, marks=False)
    s.walk = (s.horizon + 0.12, 0.96)
    return s


def random_scene(rng: Rng) -> Scene:
    """Random bands, blocks, stripes and clutter, for training only."""
    s = Scene(
        "random",
        rng.uniform(0.12, 0.42),
        near=rng.uniform(1.0, 1.25),
        far=rng.uniform(0.65, 0.95),
        base=tuple(np.clip(rng.uniform(0.15, 0.9) + rng.uniform(-0.2, 0.2, 3), 0, 1)),
        texture=rng.uniform(0, 0.09),
    )
    s.behind.append(rect(-0.3, -0.3, 1.3, s.horizon, rng.uniform(0, 1, 3)))
    for _ in range(rng.integers(0, 14)):
        x, y = rng.uniform(-0.1, 1.1), rng.uniform(-0.05, s.horizon)
        w, h = rng.uniform(0.01, 0.2), rng.uniform(0.01, 0.15)
        s.behind.append(box(x, y, w, 0.0, h, rng.uniform(0, 1, 3), rng.uniform(0.5, 1)))
    colour, width = rng.uniform(0, 1, 3), rng.uniform(0.003, 0.02)
    if rng.random() < 0.4:
        for y in np.arange(s.horizon, 1.3, rng.uniform(0.05, 0.2)):
            s.behind.append(rect(-0.3, y, 1.3, y + width, colour, 0.7))
    if rng.random() < 0.4:
        for x in np.arange(-0.6, 1.6, rng.uniform(0.08, 0.3)):
            s.behind.append(
                capsule(0.5 + (x - 0.5) * 0.5, s.horizon, x, 1.3, width / 2, colour, alpha=0.7)
            )
    if rng.random() < 0.6:
        _road(
            rng,
            s,
            s.horizon + rng.uniform(0.12, 0.25),
            s.horizon + rng.uniform(0.42, 0.55),
            marks=rng.random() < 0.5,
        )
        s.behind[-1][..., 7:10] = rng.uniform(0.1, 0.9, 3)
    clutter(rng, s, int(rng.integers(0, 7)))
    s.walk = (s.horizon + 0.12, 0.97)
    return s


def clutter(rng: Rng, s: Scene, count: int) -> None:
    """Add `count` random still objects to the ground behind the actors."""
    for _ in range(count):
        x, y = rng.uniform(-0.05, 1.05), rng.uniform(s.horizon, 0.98)
        w, h = rng.uniform(0.01, 0.07), rng.uniform(0.01, 0.1)
        square, colour = rng.random() < 0.6, rng.uniform(0, 1, 3)
        s.behind.append(
            box(x, y - h, w, 0.0, h, colour) if square else ellipse(x, y - h, w, h, colour)
        )
        if rng.random() < 0.15:
            s.behind += _tree(rng, x, y, rng.uniform(0.1, 0.2))


def recolour(rng: Rng, s: Scene) -> None:
    """Change the colours of a scene: mix channels, change brightness and tint."""
    mix = np.eye(3)[rng.permutation(3)] * 0.6 + 0.4 * rng.dirichlet(np.ones(3), 3)
    tint = rng.uniform(0.7, 1.25, 3)
    for part in s.behind:
        part[..., 7:10] = np.clip(part[..., 7:10] @ mix.T * tint, 0, 1)
    s.base = tuple(np.clip(mix @ np.array(s.base) * tint, 0, 1))


SEEN: tuple[Callable[[Rng], Scene], ...] = (street, plaza, parking, park, shop)
UNSEEN: tuple[Callable[[Rng], Scene], ...] = (platform, crossroad, lobby)
FINAL: tuple[Callable[[Rng], Scene], ...] = (warehouse, station, snow)
