"""Build vehicles at rest: cars, vans, lorries, buses, motorbikes and bicycles.

A vehicle has its own axes: x ahead, y to its left, z up, the ground at z = 0. Knows no road, no
camera and no time; `driven` draws a vehicle over frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from training.world.shapes import Array

Rng = np.random.Generator
PAINTS = (
    ((0.86, 0.86, 0.85), 6), ((0.60, 0.62, 0.64), 6), ((0.10, 0.10, 0.11), 5),
    ((0.30, 0.31, 0.33), 5), ((0.12, 0.20, 0.42), 3), ((0.55, 0.08, 0.08), 3),
    ((0.72, 0.66, 0.52), 1), ((0.14, 0.30, 0.20), 1), ((0.85, 0.65, 0.12), 1),
    ((0.25, 0.45, 0.62), 1), ((0.35, 0.10, 0.14), 1),
)  # fmt: skip
GLASS = (0.07, 0.09, 0.11)
REFLECTION = (0.22, 0.27, 0.32)  # how much brighter glass may look that mirrors the sky
TYRE = (0.05, 0.05, 0.055)
HUB = (0.45, 0.46, 0.48)
BUMPER = (0.13, 0.13, 0.14)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle at rest, in its own axes.

    `quads` (m, 4, 3) have the colours `colours` (m, 3); `painted` (m,) marks those that have the
    colour of the body. `rods` (n, 2, 3) are capsules with radii (n,) and colours (n, 3). `head` and
    `tail` (k, 3) are where its lights are. `size` is length, width and height. A vehicle that is
    ridden has a `saddle`, a `grip` and a `pedal` (3,), and turns its pedals if `crank` > 0.
    """

    kind: str
    size: tuple[float, float, float]
    quads: Array
    colours: Array
    painted: Array
    rods: Array = field(default_factory=lambda: np.zeros((0, 2, 3)))
    radii: Array = field(default_factory=lambda: np.zeros(0))
    rod_colours: Array = field(default_factory=lambda: np.zeros((0, 3)))
    head: Array = field(default_factory=lambda: np.zeros((0, 3)))
    tail: Array = field(default_factory=lambda: np.zeros((0, 3)))
    saddle: Array | None = None
    grip: Array | None = None
    pedal: Array | None = None
    crank: float = 0.0


# --- parts ---


@dataclass
class _Parts:
    """Collect quads; a colour of None is the colour of the body."""

    body: tuple[float, float, float]
    quads: list[Array] = field(default_factory=list)
    colours: list[tuple[float, float, float]] = field(default_factory=list)
    painted: list[bool] = field(default_factory=list)

    def add(self, corners: Any, colour: tuple[float, float, float] | None = None) -> None:
        """Add one quad (4, 3)."""
        self.quads.append(np.asarray(corners, float))
        self.colours.append(self.body if colour is None else colour)
        self.painted.append(colour is None)

    def loft(self, stations: Any, colour: tuple[float, float, float] | None = None) -> None:
        """Add a hull through stations (k, 4): x, half width, bottom and top."""
        x, w, low, high = np.asarray(stations, float).T
        rings = np.stack(
            [np.stack(p, -1) for p in ((x, -w, low), (x, -w, high), (x, w, high), (x, w, low))], 1
        )
        for a, b in itertools.pairwise(rings):
            for edge in range(3):
                self.add((a[edge], a[edge + 1], b[edge + 1], b[edge]), colour)
        self.add(rings[0], colour)
        self.add(rings[-1], colour)

    def cabin(self, base: Any, roof: Any, panes: Sequence[float]) -> None:
        """Add a cabin between two rectangles (rear x, front x, half width, z).

        `panes` are the edges, in 0..1 from the rear, between posts and panes of its sides.
        """
        (r0, f0, w0, z0), (r1, f1, w1, z1) = base, roof
        for side in (-1.0, 1.0):
            low = [(r0 + f * (f0 - r0), side * w0, z0) for f in (0.0, *panes, 1.0)]
            high = [(r1 + f * (f1 - r1), side * w1, z1) for f in (0.0, *panes, 1.0)]
            for i in range(len(low) - 1):
                self.add((low[i], low[i + 1], high[i + 1], high[i]), GLASS if i % 2 else None)
        self.add([(r0, -w0, z0), (r0, w0, z0), (r1, w1, z1), (r1, -w1, z1)], GLASS)
        self.add([(f0, -w0, z0), (f0, w0, z0), (f1, w1, z1), (f1, -w1, z1)], GLASS)
        self.add([(r1, -w1, z1), (r1, w1, z1), (f1, w1, z1), (f1, -w1, z1)])

    def wheels(self, axles: Sequence[float], half: float, radius: float) -> None:
        """Add the discs of the wheels on both sides."""
        for x in axles:
            for side in (-1.0, 1.0):
                for corners in _disc(x, side * (half + 0.03), radius):
                    self.add(corners, TYRE)
                self.add(_plate(x, side * (half + 0.06), radius, 0.45 * radius), HUB)

    def ends(self, front: float, rear: float, half: float, z: float, tall: float = 0.16) -> None:
        """Add lamps, number plates and a grille at the front and at the rear."""
        for x, lamp, plate in (
            (front + 0.03, (0.90, 0.91, 0.86), (0.75, 0.75, 0.72)),
            (rear - 0.03, (0.50, 0.04, 0.03), (0.80, 0.76, 0.55)),
        ):
            for side in (-1.0, 1.0):
                self.add(_face(x, side * 0.62 * half, z, 0.2 * half, tall / 2), lamp)
            self.add(_face(x, 0, z - 0.2, 0.26, 0.07), plate)
        self.add(_face(front + 0.02, 0, z, 0.38 * half, 0.4 * tall), BUMPER)


def _face(x: float, y: float, z: float, half: float, tall: float) -> list[Any]:
    """Return an upright rectangle across the vehicle."""
    low, high = z - tall, z + tall
    return [(x, y - half, low), (x, y + half, low), (x, y + half, high), (x, y - half, high)]


def _plate(x: float, y: float, z: float, half: float) -> list[Any]:
    """Return an upright square along the vehicle."""
    return [(x - half, y, z), (x, y, z - half), (x + half, y, z), (x, y, z + half)]


def _disc(x: float, y: float, radius: float) -> list[Any]:
    """Return three quads that make an eight-sided disc which stands on the ground."""
    turn = np.pi / 8 + np.arange(8) * np.pi / 4
    rim = [(x + radius * np.cos(a), y, radius * (1 + np.sin(a))) for a in turn]
    return [[rim[i] for i in four] for four in ((0, 1, 2, 3), (0, 3, 4, 7), (4, 5, 6, 7))]


# --- vehicles at rest ---


@dataclass(frozen=True)
class _Form:
    """Measures of a motor car in metres; `panes` as in `_Parts.cabin`."""

    length: float
    width: float
    height: float
    belt: float
    hood: float
    boot: float
    rakes: tuple[float, float]
    panes: tuple[float, ...]
    wheel: float = 0.32


FORMS = {
    "saloon": _Form(4.6, 1.80, 1.45, 0.92, 1.15, 0.85, (0.75, 0.60), (0.1, 0.46, 0.52, 0.92)),
    "hatchback": _Form(4.0, 1.74, 1.50, 0.94, 0.95, 0.12, (0.75, 0.38), (0.14, 0.48, 0.54, 0.92)),
    "estate": _Form(4.7, 1.82, 1.50, 0.94, 1.15, 0.10, (0.75, 0.30), (0.06, 0.3, 0.36, 0.92)),
    "suv": _Form(4.6, 1.88, 1.75, 1.10, 1.10, 0.10, (0.65, 0.28), (0.08, 0.46, 0.52, 0.93), 0.37),
    "van": _Form(5.2, 1.98, 2.25, 1.25, 0.80, 0.03, (0.70, 0.05), (0.72, 0.96), 0.36),
    "minibus": _Form(
        5.4, 1.98, 2.3, 1.2, 0.75, 0.03, (0.7, 0.05), (0.05, 0.32, 0.36, 0.64, 0.7, 0.96), 0.36
    ),
    "bus": _Form(
        11.0, 2.50, 2.55, 1.25, 0.03, 0.03, (0.18, 0.05),
        (0.03, 0.17, 0.19, 0.33, 0.35, 0.49, 0.51, 0.65, 0.67, 0.81, 0.83, 0.97), 0.48,
    ),
}  # fmt: skip


def motor(kind: str, body: tuple[float, float, float]) -> Vehicle:
    """Build a motor car of a kind in FORMS."""
    form, parts = FORMS[kind], _Parts(body)
    _shell(parts, form, 0.0)
    half, end = form.width / 2, form.length / 2
    parts.wheels((0.6 * end, -0.6 * end), half, form.wheel)
    if kind == "bus":
        top = [(-end + 0.1, 0.94 * half, 2.55, 2.95), (end - 0.3, 0.94 * half, 2.55, 2.95)]
        parts.loft(top)
        parts.add(_face(end - 0.25, 0, 2.75, 0.7 * half, 0.12), (0.85, 0.55, 0.08))
    roof = form.boot + form.rakes[1] - end, end - form.hood - form.rakes[0]
    size = form.length, form.width, form.height
    return _vehicle(kind, parts, size, end, 0.68 * form.belt, roof)


def _shell(parts: _Parts, form: _Form, shift: float) -> None:
    """Add the body and the cabin of a motor car, moved ahead by `shift`."""
    half, end, belt = form.width / 2, form.length / 2, form.belt
    floor, nose = 0.55 * form.wheel, end - form.hood
    rear, front = shift - end, shift + end
    blunt = form.hood < 0.9
    parts.loft(
        [
            (rear, 0.90 * half, 1.6 * floor, 0.86 * belt),
            (rear + 0.12, half, floor, belt),
            (shift + nose, half, floor, belt),
            (front - 0.22, 0.96 * half, floor, (0.92 if blunt else 0.84) * belt),
            (front, 0.84 * half, 1.5 * floor, (0.85 if blunt else 0.70) * belt),
        ]
    )
    back = rear + form.boot
    base = (back, shift + nose + 0.12, 0.95 * half, 0.99 * belt)
    roof = (back + form.rakes[1], shift + nose - form.rakes[0], 0.78 * half, form.height)
    if form.height > 2:
        roof = (roof[0], roof[1], 0.92 * half, form.height)
    parts.cabin(base, roof, form.panes)
    parts.ends(front, rear, half, 0.6 * belt, 0.16 if form.height < 2 else 0.26)


def lorry(body: tuple[float, float, float], load: tuple[float, float, float]) -> Vehicle:
    """Build a lorry with a cab and a box behind it."""
    parts = _Parts(body)
    cab = _Form(1.9, 2.3, 2.7, 1.55, 0.03, 0.03, (0.25, 0.02), (0.35, 0.9), 0.48)
    _shell(parts, cab, 2.75)
    parts.loft([(-3.7, 1.2, 0.95, 3.3), (1.65, 1.2, 0.95, 3.3)], load)
    parts.loft([(-3.7, 0.5, 0.55, 0.95), (1.8, 0.5, 0.55, 0.95)], BUMPER)
    parts.wheels((2.7, -2.4), 1.15, 0.48)
    for side in (-1.0, 1.0):
        parts.add(_face(-3.75, side * 0.9, 0.85, 0.15, 0.1), (0.5, 0.04, 0.03))
    return _vehicle("lorry", parts, (7.4, 2.4, 3.3), 3.7, 0.9, (-3.7, 1.6))


def _vehicle(
    kind: str,
    parts: _Parts,
    size: tuple[float, float, float],
    end: float,
    z: float,
    roof: tuple[float, float],
) -> Vehicle:
    """Make a vehicle of parts, with two lamps at each end; its roof is between two x."""
    y = 0.31 * size[1]
    head = np.array([(end + 0.06, -y, z), (end + 0.06, y, z)])
    tail = np.array([(-end - 0.06, -y, z), (-end - 0.06, y, z)])
    x, half = 0.86 * end, size[1] / 2
    parts.add([(-x, -half, 0.02), (x, -half, 0.02), (x, half, 0.02), (-x, half, 0.02)], GLASS)
    quads, colours, painted = map(np.array, (parts.quads, parts.colours, parts.painted))
    rods, radii = _stuffing(size, z, roof)
    dark = np.zeros((len(rods), 3))
    return Vehicle(kind, size, quads, colours, painted, rods, radii, dark, head, tail)


def _stuffing(
    size: tuple[float, float, float], z: float, roof: tuple[float, float]
) -> tuple[Array, Array]:
    """Return rods (n, 2, 3) and radii (n,) inside the hull, which throw the vehicle's shadow."""
    length, width, height = size
    low, x = 0.42 * z, length / 2 - 0.6
    top = min(0.5, 0.15 * height)
    lines = [(-x, x, s * (width / 2 - low - 0.06), 0.8 * z + 0.05, low) for s in (-1.0, 0.0, 1.0)]
    start, end = roof[0] + 1.5 * top, roof[1] - 1.1 * top
    lines += [(start, end, s * (0.36 * width - top), height - 1.4 * top, top) for s in (-1.0, 1.0)]
    rods = [((x0, y, at), (x1, y, at)) for x0, x1, y, at, _ in lines]
    return np.array(rods), np.array([line[4] for line in lines])


def two_wheeler(kind: str, body: tuple[float, float, float]) -> Vehicle:
    """Build a "motorbike" or a "bicycle"."""
    heavy = kind == "motorbike"
    base, radius, tyre = (0.7, 0.31, 0.06) if heavy else (0.54, 0.34, 0.025)
    parts = _Parts(body)
    if heavy:
        parts.loft([(-0.2, 0.1, 0.3, 0.62), (0.35, 0.13, 0.3, 0.7)], BUMPER)
        parts.loft([(-0.05, 0.12, 0.65, 0.85), (0.3, 0.16, 0.65, 0.95), (0.5, 0.1, 0.7, 0.9)])
        parts.loft([(-0.85, 0.1, 0.7, 0.85), (-0.1, 0.14, 0.62, 0.8)], BUMPER)
    top = (0.45, 0, 0.95) if heavy else (0.38, 0, 0.9)
    seat = (-0.25, 0, 0.78) if heavy else (-0.22, 0, 0.9)
    grips = ((top[0] - 0.1, -0.32, 1.02), (top[0] - 0.1, 0.32, 1.02))
    low = (0.0, 0.0, 0.3)
    lines = [((base, 0, radius), top), (low, top), (low, seat), (low, (-base, 0, radius)), grips]
    lines += [(seat, (-base, 0, radius))]
    rods = [*lines, *_rim(base, radius - tyre / 2), *_rim(-base, radius - tyre / 2)]
    dark = [(0.12, 0.12, 0.13)] * len(lines) if heavy else [body] * len(lines)
    count, empty = len(rods) - len(lines), np.zeros((0, 4, 3))
    return Vehicle(
        kind, (2 * base + 2 * radius, 0.65, 1.05),
        np.array(parts.quads) if heavy else empty,
        np.array(parts.colours) if heavy else empty[:, 0],
        np.array(parts.painted, bool),
        np.array(rods, float),
        np.array([0.03 if heavy else 0.022] * len(lines) + [tyre] * count),
        np.array(dark + [TYRE] * count),
        np.array([(top[0] + 0.12, 0, 0.85)]) if heavy else np.zeros((0, 3)),
        np.array([(-0.85, 0, 0.75)]) if heavy else np.zeros((0, 3)),
        np.array(seat) + np.array([0, 0, 0.08]), np.array(grips[1]), np.array([0.05, 0.13, 0.32]),
        0.0 if heavy else 0.17,
    )  # fmt: skip


def _rim(x: float, radius: float) -> list[Any]:
    """Return eight lines around a wheel."""
    turn = np.arange(9) * np.pi / 4
    rim = [(x + radius * np.cos(a), 0.0, 0.03 + radius * (1 + np.sin(a))) for a in turn]
    return list(itertools.pairwise(rim))


def random_paint(rng: Rng) -> tuple[float, float, float]:
    """Draw a colour as cars have it."""
    share = np.array([weight for _, weight in PAINTS], float)
    colour = np.array(PAINTS[rng.choice(len(PAINTS), p=share / share.sum())][0])
    red, green, blue = np.clip(colour * rng.uniform(0.85, 1.12) + rng.uniform(-0.02, 0.02, 3), 0, 1)
    return float(red), float(green), float(blue)


def random_car(rng: Rng, kinds: Sequence[str] = ()) -> Vehicle:
    """Draw a vehicle, of one of `kinds` or mostly a car."""
    usual = ("saloon", "hatchback", "estate", "suv", "saloon", "hatchback", "suv", "van", "minibus")
    kind = str(rng.choice(tuple(kinds) or usual))
    paint, grey, mirror = random_paint(rng), float(rng.uniform(0.4, 0.85)), rng.random() ** 2
    if kind in ("motorbike", "bicycle"):
        return two_wheeler(kind, paint)
    look = lorry(paint, (grey, grey, 0.97 * grey)) if kind == "lorry" else motor(kind, paint)
    glass = (look.colours == GLASS).all(1) & (look.quads[..., 2].max(1) > 0.1)
    look.colours[glass] += mirror * np.array(REFLECTION)
    return look


def open_doors(look: Vehicle) -> Vehicle:
    """Return a van or lorry whose two rear doors stand open."""
    length, width, height = look.size
    rear, half, low = -length / 2 - 0.05, 0.48 * width, 0.5
    doors = [
        [(rear, s * half, low), (rear - 0.75, s * half * 1.35, low),
         (rear - 0.75, s * half * 1.35, 0.95 * height), (rear, s * half, 0.95 * height)]
        for s in (-1.0, 1.0)
    ]  # fmt: skip
    hole = [_face(rear, 0, 0.5 * (low + 0.95 * height), 0.9 * half, 0.42 * height)]
    body = look.colours[look.painted][0] if look.painted.any() else np.array(HUB)
    return replace(
        look,
        quads=np.concatenate([look.quads, doors, hole]),
        colours=np.concatenate([look.colours, [0.9 * body, 0.9 * body, (0.04, 0.04, 0.04)]]),
        painted=np.append(look.painted, [False] * 3),
    )
