"""Make outdoor places without traffic: yards, parks, alleys and squares.

Knows no lights and no cameras. Each maker fills a build with boxes and returns its plan. Pavements
and marks lie 1 cm above the ground, so that people stand on them.
"""

from __future__ import annotations

import numpy as np

from training.world.places import furniture as f
from training.world.places.build import Build, Plan, flat
from training.world.places.streets import houses, worn


def yard(b: Build) -> Plan:
    """Make a yard between walls: doors, bins, boxes, a fence."""
    rng = b.rng
    w, d = rng.uniform(6, 14), rng.uniform(6, 14)
    room, height = (-w / 2, -d / 2, w / 2, d / 2), rng.uniform(2.2, 7)
    for side in "NSEW":
        kind = str(rng.choice(["wall", "stone", "facade", "metal", "leaves"]))
        f.walls(b, room, height * rng.uniform(0.5, 1.1), b.look(kind), side)
    f.decorate(b, room, 2.6, int(rng.integers(3, 8)))
    for _ in range(int(rng.integers(2, 6))):
        spot = f.on_wall(b, room, str(rng.choice(list("NSEW"))), rng.uniform(0.1, 0.9)).moved(
            0, -0.6
        )
        (f.bin_ if rng.random() < 0.5 else f.plant)(spot)
    for _ in range(int(rng.integers(0, 4))):
        f.cartons(
            b.at(rng.choice([-1, 1]) * w * 0.38, rng.uniform(-0.4, 0.4) * d),
            int(rng.integers(1, 3)),
        )
    area = (room[0] + 1.3, room[1] + 1.3, room[2] - 1.3, room[3] - 1.3)
    worn(b, w / 2, d / 2, int(rng.integers(1, 4)))
    f.scatter(b, room, int(rng.integers(3, 9)))
    plan = Plan(room, area, b.look(str(rng.choice(["ground", "paving", "grass"]))))
    plan.eyes, plan.size = (2.3, 5.0), 0.3
    return plan


def park(b: Build) -> Plan:
    """Make a park: grass, a path, trees, benches, hedges."""
    rng = b.rng
    wide, turn, seats = rng.uniform(1.8, 4.5), rng.uniform(-0.6, 0.6), []
    f.decal(b, 0, 0, (wide, 60), b.look(str(rng.choice(["ground", "paving"]))), turn)
    for _ in range(int(rng.integers(3, 7))):
        f.tree(
            b.at(rng.choice([-1, 1]) * rng.uniform(4, 14), rng.uniform(-14, 14)), rng.uniform(3, 8)
        )
    for side in (-1, 1):
        if rng.random() < 0.6:
            spot = b.at(0, rng.uniform(-4, 4), turn).moved(
                side * (wide / 2 + 0.6), 0, -side * np.pi / 2
            )
            seats.append(f.bench(spot, 1.7, b.look("wood")))
            f.bin_(spot.moved(1.6, 0))
    if rng.random() < 0.6:
        b.box(rng.uniform(-5, 5), 13, 0, (24, 1.2, rng.uniform(1, 3)), b.look("leaves"))
    if rng.random() < 0.4:
        f.railing(b.at(-wide / 2 - 0.4, 0, turn + np.pi / 2), 14, b.plain())
    f.lamp_post(b.at(wide / 2 + 0.8, rng.uniform(-5, 5), -np.pi / 2), 4.5)
    plan = Plan((-10, -12, 10, 12), (-3, -7, 3, 7), b.look("grass"), seats=seats)
    plan.eyes, plan.size = (2.6, 7.0), 0.25
    return plan


def alley(b: Build) -> Plan:
    """Make an alley between high walls: doors, bins, pipes."""
    rng = b.rng
    half, long = rng.uniform(1.2, 2.6), rng.uniform(10, 26)
    room = (-half, -long / 2, half, long / 2)
    for side in "EW":
        kind = str(rng.choice(["wall", "stone", "facade"]))
        f.walls(b, room, rng.uniform(4, 10), b.look(kind), side)
    if rng.random() < 0.6:
        f.walls(
            b, room, rng.uniform(2, 8), b.look(str(rng.choice(["wall", "facade", "metal"]))), "N"
        )
    f.decorate(b, room, 2.8, int(rng.integers(4, 9)), "EW")
    for _ in range(int(rng.integers(2, 6))):
        spot = f.on_wall(b, room, str(rng.choice(list("EW"))), rng.random()).moved(0, -0.35)
        f.bin_(spot) if rng.random() < 0.6 else f.cartons(spot, 2)
    area = (-half + 0.5, -long / 2 + 1.5, half - 0.5, long / 2 - 1.5)
    worn(b, half, long / 3, int(rng.integers(1, 4)))
    f.scatter(b, room, int(rng.integers(3, 9)), "EW")
    plan = Plan(room, area, b.look(str(rng.choice(["asphalt", "ground", "paving"]))))
    plan.eyes, plan.size = (2.3, 5.0), 0.32
    plan.moods = ("overcast", "overcast", "night", "night", "dusk", "infrared", "day")
    return plan


def bridge(b: Build) -> Plan:
    """Make a foot bridge or a quay: railings on both sides, water or a road beside it."""
    rng = b.rng
    half, long = rng.uniform(1.6, 3.5), 36.0
    rail = b.plain(0.1, 0.95, 0.4)
    for side in (-1, 1):
        for y in (-12, -4, 4, 12):
            f.railing(b.at(side * half, y, np.pi / 2), 8, rail)
        low = b.look("metal", rng.uniform(0.1, 0.4) * np.array([0.7, 0.9, 1.0]), 6.0)
        f.decal(b, side * (half + 12), 0, (23.8, long), low)
    f.lamp_post(b.at(half - 0.2, rng.uniform(-6, 6), -np.pi / 2), 4.5)
    b.box(0, 26, 0, (60, 4, rng.uniform(4, 12)), b.look("facade", metres=9.0))
    plan = Plan(
        (-half + 0.1, -14, half - 0.1, 14), (-half + 0.5, -9, half - 0.5, 9), b.look("ground")
    )
    plan.eyes, plan.size = (2.4, 6.0), 0.27
    return plan


def playground(b: Build) -> Plan:
    """Make a playground: a swing, a slide, a sandpit, benches, a fence."""
    rng = b.rng
    f.decal(b, 1, 0, (5, 5), flat((0.75, 0.65, 0.45)))
    frame = b.plain(0.3, 0.95, 0.9)
    for x in (-4.5, -1.5):
        for y in (2.4, 3.6):
            b.box(x, y, 0, (0.1, 0.1, 2.3), frame)
    b.box(-3, 3, 2.3, (3.2, 0.1, 0.1), frame)
    for x in (-3.6, -2.4):
        b.box(x, 3, 0.5, (0.45, 0.2, 0.05), f.DARK)
    b.box(4.5, 3, 0, (1.0, 1.0, 1.5), b.plain(0.3, 0.9, 0.9))
    for k in range(4):
        b.box(4.5, 2.3 - 0.45 * k, 0, (0.6, 0.45, 1.3 - 0.32 * k), flat((0.8, 0.2, 0.15)))
    seats = [f.bench(b.at(x, -4.2, np.pi), 1.7, b.look("wood")) for x in (-3, 3)]
    for x in (-6, 0, 6):
        f.railing(b.at(x, 7, 0), 6, b.plain())
    for _ in range(int(rng.integers(1, 4))):
        f.tree(b.at(rng.uniform(-10, 10), rng.choice([-9, 9.5])), rng.uniform(3, 7))
    if rng.random() < 0.5:
        b.box(0, 17, 0, (40, 8, rng.uniform(5, 15)), b.look("facade", metres=9.0))
    plan = Plan(
        (-9, -8, 9, 8), (-3.5, -3.2, 3.5, 1.8), b.look(str(rng.choice(["grass", "ground"])))
    )
    plan.seats, plan.eyes, plan.size = seats, (2.5, 6.0), 0.25
    return plan


def square(b: Build) -> Plan:
    """Make a square or a court seen from high above."""
    rng, seats = b.rng, []
    for _ in range(int(rng.integers(1, 4))):
        size = (rng.uniform(3, 12), rng.uniform(3, 12))
        look = b.look(str(rng.choice(["paving", "grass", "ground"])))
        f.decal(b, rng.uniform(-7, 7), rng.uniform(-7, 7), size, look, rng.choice([0, 0.8]))
    for _ in range(int(rng.integers(1, 5))):
        spot = b.at(rng.choice([-1, 1]) * rng.uniform(4, 9), rng.uniform(-8, 8), rng.uniform(0, 6))
        seats.append(f.bench(spot, 1.8, b.look("wood"), back=False))
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.choice([-1, 1]) * rng.uniform(3, 9), rng.uniform(-9, 9)
        wide = rng.uniform(1, 4)
        b.box(x, y, 0, (wide, rng.uniform(0.8, 1.6), 0.6), b.look("leaves"), rng.choice([0, 1.57]))
    for x in (-14, 14):
        houses(b, x, 44, int(np.sign(x)), int(rng.integers(2, 4)))
    for _ in range(int(rng.integers(1, 4))):
        f.lamp_post(b.at(rng.choice([-1, 1]) * rng.uniform(4, 9), rng.uniform(-8, 8)), 5)
    worn(b, 7, 7, int(rng.integers(1, 6)))
    for x in np.arange(-6, 7, rng.uniform(1.5, 4)):
        f.pole(b.at(x, -9), 0.8, f.DARK, 0.2)
    plan = Plan((-13, -16, 13, 16), (-6, -6, 6, 6), b.look("paving"), seats=seats)
    plan.eyes, plan.size = (7.0, 15.0), 0.14
    return plan


MAKERS = {yard: 2, park: 1.5, alley: 1.5, bridge: 0.8, playground: 0.8, square: 1.5}
