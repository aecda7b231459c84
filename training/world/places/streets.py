"""Make outdoor places with traffic: streets, car parks, petrol stations, motorways.

Knows no lights and no cameras. Each maker fills a build with boxes and returns its plan. Pavements
and marks lie 1 cm above the ground, so that people stand on them.
"""

from __future__ import annotations

import itertools

import numpy as np

from training.world.places import furniture as f
from training.world.places.build import Build, Plan, flat

WHITE = flat((0.85, 0.85, 0.82))
Lane = tuple[tuple[float, float], tuple[float, float]]


def houses(b: Build, x: float, length: float, side: int, count: int) -> None:
    """Build a row of houses along y; `side` says on which side of x they stand."""
    edges = np.linspace(-length / 2, length / 2, count + 1)
    for low, high in itertools.pairwise(edges):
        depth, height = 8.0, b.rng.uniform(4, 14)
        back = x + side * (depth / 2 + b.rng.uniform(0, 0.8))
        look = b.look("facade", metres=min(height, 10) * b.rng.uniform(0.7, 1.1))
        b.box(back, (low + high) / 2, 0, (depth, high - low - 0.1, height), look)
        if b.rng.random() < 0.55:
            front = b.at(x + side * 0.02, (low + high) / 2, -side * np.pi / 2)
            wide = min(high - low, 7) * 0.9
            front.box(0, 0, 0, (wide, 0.25, 3.0), b.look("shopfront", None, 3.0))
            if b.rng.random() < 0.4:
                front.box(0, -0.7, 2.5, (wide, 1.4, 0.08), b.plain(0.2, 0.9, 0.7))


def _marks(b: Build, x: float, length: float, turn: float = 0.0, y: float = 0.0) -> None:
    """Paint a line along y, broken or not."""
    look = b.look("mark", 0.95 * np.ones(3), b.rng.uniform(3, 6))
    solid = b.rng.random() < 0.3
    f.decal(b, x, y, (length, 0.15), WHITE if solid else look, np.pi / 2 + turn)


def _lanes(x: float, half: float, length: float) -> list[Lane]:
    """Return one lane in each direction along y; traffic keeps to the right."""
    far = length / 2
    return [
        ((x + half / 2, -far), (x + half / 2, far)),
        ((x - half / 2, far), (x - half / 2, -far)),
    ]


def _zebra(b: Build, x: float, y: float, width: float, turn: float = 0.0) -> None:
    f.decal(b, x, y, (width, 2.8), b.look("zebra", np.ones(3), 4.0), turn)


def kerbside(b: Build, x: float, length: float, count: int) -> None:
    """Put lamp posts, trees, signs, bins and bollards along a kerb."""
    for _ in range(count):
        spot = b.at(
            x + b.rng.uniform(-0.3, 0.3), b.rng.uniform(-0.5, 0.5) * length, b.rng.uniform(0, 6.3)
        )
        what = b.rng.integers(0, 6)
        if what == 0:
            f.lamp_post(spot, b.rng.uniform(4, 7))
        elif what == 1:
            f.tree(spot, b.rng.uniform(3, 7))
        elif what == 2:
            f.sign(spot)
        elif what == 3:
            f.bin_(spot)
        elif what == 4:
            f.pole(spot, 0.9, f.DARK, 0.14)
        else:
            f.railing(b.at(spot.x, spot.y, np.pi / 2), 3.0, b.plain(0.1, 0.9))


def worn(b: Build, x: float, y: float, count: int) -> None:
    """Lay stains, patches, covers and grates on the ground within x and y of the middle."""
    for _ in range(count):
        size = b.rng.uniform(0.4, 2.5, 2) if b.rng.random() < 0.6 else (0.7, 0.7)
        look = b.look("asphalt", metres=3.0) if b.rng.random() < 0.5 else b.plain(0.15, 0.4, 0.0)
        at = b.rng.uniform(-1, 1, 2) * (x, y)
        f.decal(
            b, at[0], at[1], (float(size[0]), float(size[1])), look, b.rng.choice([0.0, 0.0, 0.6])
        )


def street(b: Build) -> Plan:
    """Make a street: a road, pavements, houses, parked cars."""
    rng = b.rng
    length, half, walk = 40.0, rng.uniform(2.8, 4.2), rng.uniform(2.0, 4.0)
    paving = b.look("paving")
    for side in (-1, 1):
        f.decal(b, side * (half + walk / 2), 0, (walk, length), paving)
        f.decal(b, side * half, 0, (0.18, length), flat((0.6, 0.6, 0.58)))
        if rng.random() < 0.8:
            houses(b, side * (half + walk), length, side, int(rng.integers(3, 6)))
        else:
            f.decal(b, side * (half + walk + 8), 0, (16, length), b.look("grass"))
            kerbside(b, side * (half + walk + 2), 30, 4)
    _marks(b, 0, length)
    if rng.random() < 0.4:
        _zebra(b, 0, rng.uniform(-6, 6), 2 * half)
    for y in rng.uniform(-14, 14, int(rng.integers(0, 6))):
        f.car(b.at(rng.choice([-1, 1]) * (half - 0.9), y, np.pi / 2))
    for side in (-1, 1):
        kerbside(b, side * (half + 0.4), 20, int(rng.integers(1, 5)))
    worn(b, half, 10, int(rng.integers(1, 6)))
    edge = half + walk - 0.6
    plan = Plan((-edge - 0.4, -18, edge + 0.4, 18), (-edge, -10, edge, 10), b.look("asphalt"))
    plan.lanes, plan.eyes, plan.size = _lanes(0, half, length), (2.6, 7.0), 0.28
    return plan


def crossroad(b: Build) -> Plan:
    """Make a crossroad: two roads, pavement corners, zebra crossings, houses at the corners."""
    rng = b.rng
    half, length = rng.uniform(3.0, 5.0), 50.0
    paving = b.look("paving")
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (half + 9), sy * (half + 9)
            f.decal(b, x, y, (18, 18), paving if rng.random() < 0.8 else b.look("grass"))
            if rng.random() < 0.7:
                high = rng.uniform(4, 14)
                b.box(x + sx * 3, y + sy * 3, 0, (16, 16, high), b.look("facade", metres=8.0))
            f.sign(b.at(sx * (half + 0.5), sy * (half + 1)), 2.6)
    for turn in (0.0, np.pi / 2):
        for side in (-1, 1):
            c, s = np.cos(turn), np.sin(turn)
            way = side * (half + 13)
            f.decal(b, -s * way, c * way, (22, 0.15), WHITE, turn + np.pi / 2)
            way = side * (half + 1.6)
            if rng.random() < 0.7:
                _zebra(b, -s * way, c * way, 2 * half, turn)
    kerbside(b, half + 0.6, 30, 3)
    worn(b, half, half, int(rng.integers(1, 6)))
    plan = Plan(
        (-half - 5, -half - 5, half + 5, half + 5), (-half, -half, half, half), b.look("asphalt")
    )
    across = [((a[1], a[0]), (c[1], c[0])) for a, c in _lanes(0, -half, length)]
    plan.lanes, plan.eyes, plan.size = _lanes(0, half, length) + across, (3.5, 10.0), 0.18
    return plan


def car_park(b: Build) -> Plan:
    """Make a car park: rows of parked cars, marks, lamp posts."""
    rng = b.rng
    half = rng.uniform(2.6, 4.0)
    for side in (-1, 1):
        for y in np.arange(-11, 11.5, rng.uniform(2.5, 2.9)):
            f.decal(b, side * (half + 2.5), y + 1.3, (5.0, 0.1), WHITE)
            if rng.random() < 0.45:
                f.car(b.at(side * (half + 2.5), y, rng.choice([0, np.pi])))
        if rng.random() < 0.6:
            houses(b, side * (half + 7), 40, side, int(rng.integers(1, 4)))
        else:
            f.decal(b, side * (half + 13), 0, (15, 40), b.look("grass"))
            kerbside(b, side * (half + 7), 24, 3)
    worn(b, half, 9, int(rng.integers(1, 6)))
    f.lamp_post(b.at(half + 5.2, rng.uniform(-6, 6), rng.choice([-1, 1]) * np.pi / 2), 6)
    plan = Plan((-half - 6, -16, half + 6, 16), (-half + 0.3, -8, half - 0.3, 8), b.look("asphalt"))
    plan.lanes, plan.eyes, plan.size = _lanes(0, half, 44), (2.6, 8.0), 0.22
    return plan


def petrol(b: Build) -> Plan:
    """Make a petrol station: pumps under a roof, a shop, cars."""
    rng = b.rng
    look = b.plain(0.3, 0.95, 0.7)
    for x in (-3.5, 3.5):
        f.decal(b, x, 0, (1.2, 7), flat((0.6, 0.6, 0.6)))
        for y in (-2.0, 2.0):
            b.box(x, y, 0.1, (0.6, 1.0, 1.5), b.look("poster", None, 1.5))
            b.box(x, y, 1.6, (0.62, 1.02, 0.3), look)
        b.box(x, 0, 0, (0.35, 0.35, 4.4), flat((0.85, 0.85, 0.85)))
    b.box(0, 0, 4.4, (12, 11, 0.8), look)
    b.box(0, 0, 4.36, (9, 8, 0.03), flat((1.7, 1.7, 1.65)))
    b.box(rng.uniform(-2, 2), 11, 0, (12, 6, 3.4), b.look("shopfront", None, 3.4))
    for x in rng.choice([-5.3, -1.7, 1.7, 5.3], int(rng.integers(0, 3)), replace=False):
        f.car(b.at(x, rng.uniform(-3, 3), np.pi / 2))
    f.bin_(b.at(-4.3, 0.3))
    worn(b, 6, 6, int(rng.integers(1, 6)))
    f.cartons(b.at(rng.uniform(-4, 4), 7.3), 2)
    plan = Plan((-8, -9, 8, 7), (-6, -6, 6, 6), b.look(str(rng.choice(["asphalt", "ground"]))))
    plan.lanes = _lanes(0, 3.2, 40)
    plan.eyes, plan.size = (2.6, 4.2), 0.26
    return plan


def bus_stop(b: Build) -> Plan:
    """Make a bus stop: a shelter with a bench at a road."""
    rng = b.rng
    paving, half = b.look("paving"), 3.2
    f.decal(b, -4.5, 0, (5.5, 40), paving)
    f.decal(b, -1.7, 0, (0.18, 40), flat((0.6, 0.6, 0.58)))
    frame = b.plain(0.05, 0.8, 0.3)
    for y in (-1.9, 1.9):
        b.box(-5.9, y, 0, (0.08, 0.08, 2.4), frame)
    b.box(-5.3, 0, 2.4, (1.6, 4.2, 0.1), frame)
    b.box(-5.9, 0, 0.3, (0.05, 3.7, 1.9), b.look("window", rng.uniform(0.3, 0.9, 3), 1.9))
    b.box(-5.3, 2.0, 0.3, (1.2, 0.1, 1.8), b.look("poster", 1.3 * np.ones(3), 1.8))
    seats = [f.bench(b.at(-5.5, -0.3, np.pi / 2), 2.4, b.plain(), back=False)]
    f.sign(b.at(-2.2, 3.0, np.pi / 2), 2.8)
    f.bin_(b.at(-2.6, -2.8))
    houses(b, -7.4, 40, -1, int(rng.integers(2, 5)))
    if rng.random() < 0.7:
        houses(b, 2 * half + 1.5, 40, 1, int(rng.integers(2, 5)))
    _marks(b, 1.6, 40)
    kerbside(b, 5.4, 20, 2)
    plan = Plan((-7.2, -10, 7, 10), (-4.8, -5, -1.9, 5), b.look("asphalt"), seats=seats)
    plan.lanes, plan.eyes, plan.size = _lanes(1.6, half, 40), (2.5, 5.5), 0.3
    return plan


def shop_front(b: Build) -> Plan:
    """Make the front of a shop or a bar, with a pavement and a road; often seen at night."""
    rng = b.rng
    deep = rng.uniform(3, 6)
    b.box(0, deep + 4, 0, (26, 8, rng.uniform(4, 9)), b.look("facade", metres=7.0))
    for x in (-6.5, 0, 6.5):
        glow = rng.uniform(0.6, 2.2) * rng.uniform(0.8, 1.0, 3)
        b.box(x, deep - 0.02, 0, (5.6, 0.3, 2.9), b.look("shopfront", glow, 2.9))
        if rng.random() < 0.5:
            b.box(
                x,
                deep - 0.2,
                2.9,
                (4.5, 0.2, 0.6),
                b.look("poster", 2 * rng.uniform(0.4, 1, 3), 4.5),
            )
    f.decal(b, 0, -4.5, (40, 8.6), b.look("asphalt"))
    if rng.random() < 0.7:
        f.decal(b, 0, -10.3, (40, 3), b.look("paving"))
        b.box(0, -15, 0, (40, 7, rng.uniform(4, 10)), b.look("facade", metres=8.0))
    worn(b, 7, 3, int(rng.integers(1, 5)))
    f.decal(b, 0, -0.2, (40, 0.18), flat((0.6, 0.6, 0.58)))
    seats = []
    for _ in range(int(rng.integers(1, 6))):
        spot = b.at(rng.uniform(-7, 7), rng.choice([0.5, deep - 1.0]), rng.uniform(0, 0.4))
        what = rng.integers(0, 4)
        if what == 0:
            f.bin_(spot)
        elif what == 1:
            f.plant(spot)
        elif what == 2:
            f.table(spot, 0.7, 0.7)
            seats.append(f.chair(spot.moved(0.8, 0, -np.pi / 2), b.plain()))
        else:
            f.pole(spot, 0.9, f.DARK, 0.14)
    for x in rng.uniform(-9, 9, int(rng.integers(0, 3))):
        f.car(b.at(x, rng.choice([-1.6, -7.6]), 0))
    plan = Plan((-8, -5, 8, deep - 0.3), (-5, 0.4, 5, deep - 0.9), b.look("paving"), seats=seats)
    plan.lanes = [((-20.0, -2.5), (20.0, -2.5)), ((20.0, -5.8), (-20.0, -5.8))]
    plan.eyes, plan.size = (2.4, 5.0), 0.32
    plan.moods = ("night", "night", "night", "dusk", "day", "overcast", "day", "infrared")
    return plan


def motorway(b: Build) -> Plan:
    """Make a motorway or a wide road seen from a bridge or a mast."""
    rng = b.rng
    count, long = int(rng.integers(1, 4)), 90.0
    wide, verge = 3.6 * count, b.look(str(rng.choice(["grass", "ground"])))
    lanes: list[Lane] = []
    for side in (-1, 1):
        for k in range(count):
            x = side * (1.2 + 3.6 * (k + 0.5))
            lanes.append(((x, -side * long / 2), (x, side * long / 2)))
            if k:
                _marks(b, side * (1.2 + 3.6 * k), long)
        for x in (1.2, 1.2 + wide):
            f.decal(b, side * x, 0, (0.18, long), WHITE)
        f.decal(b, side * (wide + 12.5), 0, (20, long), verge)
        b.box(side * (wide + 2.6), 0, 0.4, (0.08, long, 0.35), flat((0.6, 0.62, 0.62)))
        if rng.random() < 0.5:
            b.box(side * (wide + 9), 0, 0, (6, long, rng.uniform(2, 7)), b.look("leaves"))
    for z in (0.35, 0.6):
        b.box(0, 0, z, (0.1, long, 0.12), flat((0.65, 0.66, 0.66)))
    for y in (-20, 5, 30):
        f.lamp_post(b.at(wide + 3.2, y, -np.pi / 2), 9)
    if rng.random() < 0.5:
        b.box(0, 34, 5.5, (2 * wide + 8, 0.4, 1.8), b.look("poster", 0.8 * np.ones(3), 6.0))
    area = (1.6, -9.0, wide + 0.9, 9.0)
    plan = Plan((-wide - 4, -16, wide + 4, 16), area, b.look("asphalt"), lanes=lanes)
    plan.eyes, plan.size = (5.5, 11.0), 0.13
    return plan


MAKERS = {
    street: 4, crossroad: 1.5, car_park: 3, petrol: 1.5, bus_stop: 1, shop_front: 2.5, motorway: 1,
}  # fmt: skip
