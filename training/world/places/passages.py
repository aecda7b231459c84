"""Make indoor places that people pass through: corridors, lifts, stairs, buses, stations.

Knows no lights and no cameras. Each maker fills a build with boxes and returns its plan.
"""

from __future__ import annotations

import numpy as np

from training.world.places import furniture as f
from training.world.places.build import Build, Plan, Rect, flat


def _shell(b: Build, room: Rect, height: float, sides: str = "NSEW") -> None:
    f.walls(b, room, height, b.wall(), sides)
    if b.rng.random() < 0.45:  # a painted or tiled lower part
        f.walls(b, _grown(room, -0.03), b.rng.uniform(0.15, 1.4), b.look("wall"), sides)


def _grown(room: Rect, by: float) -> Rect:
    return room[0] - by, room[1] - by, room[2] + by, room[3] + by


def bus(b: Build) -> Plan:
    """Make the inside of a bus or a train: seats on both sides, poles, windows, an aisle."""
    rng = b.rng
    half, long, height = rng.uniform(1.1, 1.35), rng.uniform(5.0, 10.0), rng.uniform(2.15, 2.4)
    room = (-half, -long / 2, half, long / 2)
    f.walls(b, room, height, b.plain(0.2, 0.9, 0.3))
    glass = b.look(
        "window", rng.uniform(0.2, 1.6) * rng.uniform(0.8, 1.0, 3), rng.uniform(1.4, 2.5)
    )
    for wall in "EW":
        f.on_wall(b, room, wall, 0.5).box(0, 0, 0.85, (long * 0.95, 0.04, 1.0), glass)
    f.hang(f.on_wall(b, room, "N", 0.5), "clutter", 0.1, 2 * half - 0.2, 1.9)
    look, pole, seats = b.look("fabric"), b.plain(0.3, 1.0, 0.6), []
    step, facing = rng.uniform(0.75, 1.0), rng.choice([0.0, np.pi])
    gap = int(rng.integers(0, 4))
    for k, y in enumerate(np.arange(room[1] + 0.6, room[3] - 0.5, step)):
        for side in (-1, 1):
            if k % 5 != gap or side < 0:
                seats.append(f.seat(b.at(side * (half - 0.3), y, facing), look, 0.5))
        if k % 2 == 0:
            f.pole(b.at(rng.choice([-1, 1]) * (half - 0.62), y), height, pole)
    for side in (-1, 1):
        b.box(side * (half - 0.6), 0, height - 0.35, (0.05, long * 0.9, 0.05), pole)
    b.box(0, 0, height - 0.05, (0.2, long * 0.9, 0.04), flat((1.8, 1.8, 1.7)))
    aisle = half - 0.62
    plan = Plan(room, (-aisle, room[1] + 0.7, aisle, room[3] - 0.7), b.look("floor"), height)
    plan.eyes, plan.seats, plan.size = (1.9, height - 0.1), seats, 0.5
    plan.moods = (
        "fluorescent",
        "fluorescent",
        "windows",
        "backlight",
        "dim",
        "infrared",
        "overcast",
    )
    return plan


def corridor(b: Build) -> Plan:
    """Make a long corridor with doors on both sides."""
    rng = b.rng
    half, long, height = rng.uniform(0.9, 1.8), rng.uniform(7, 22), rng.uniform(2.4, 3.2)
    room = (-half, -long / 2, half, long / 2)
    _shell(b, room, height)
    kind = str(rng.choice(["door", "door", "lockers", "window"]))
    for side in "EW":
        for along in np.arange(0.08, 0.95, rng.uniform(1.8, 3.5) / long):
            if rng.random() < 0.8:
                f.hang(f.on_wall(b, room, side, along), kind, 0, rng.uniform(0.9, 1.4), 2.1)
    f.hang(
        f.on_wall(b, room, "N", 0.5),
        str(rng.choice(["door", "window"])),
        0,
        1.6,
        2.1,
        rng.uniform(0.5, 2),
    )
    f.decorate(b, room, height, int(rng.integers(1, 4)), "EW")
    f.ceiling_things(b, room, height, int(rng.integers(2, 6)))
    for _ in range(int(rng.integers(0, 3))):
        f.bin_(f.on_wall(b, room, str(rng.choice(list("EW"))), rng.random()).moved(0, -0.3))
    area = (-half + 0.4, room[1] + 0.8, half - 0.4, room[3] - 0.8)
    f.scatter(b, room, int(rng.integers(0, 7)), "EW")
    return Plan(room, area, b.look("floor"), height, (2.1, height - 0.1))


def lift(b: Build) -> Plan:
    """Make a lift: metal walls, a mirror, a handrail, a door."""
    rng = b.rng
    half, deep, height = rng.uniform(0.85, 1.3), rng.uniform(0.85, 1.4), rng.uniform(2.2, 2.6)
    room = (-half, -deep, half, deep)
    f.walls(b, room, height, b.look(str(rng.choice(["metal", "wood", "wall"]))))
    door = b.look("metal", None, 1.0)
    f.on_wall(b, room, "S", 0.5).box(0, 0, 0, (2 * half * 0.8, 0.06, 2.05), door)
    if rng.random() < 0.5:
        f.on_wall(b, room, "N", 0.5).box(0, 0, 0.9, (1.6 * half, 0.04, 1.1), b.plain(0.3, 0.9))
    rail = b.plain(0.3, 0.95, 0.2)
    for side in "NEW":
        wide = half if side == "N" else deep
        f.on_wall(b, room, side, 0.5).box(0, -0.06, 0.9, (wide * 1.7, 0.05, 0.05), rail)
    f.hang(f.on_wall(b, room, "E", 0.15), "screen", 0.9, 0.25, 0.7)
    f.hang(f.on_wall(b, room, "W", 0.6), "poster", 1.2, 0.5, 0.7)
    b.box(0, 0, height - 0.04, (half, deep, 0.03), flat((2.2, 2.2, 2.1)))
    area = (-half + 0.3, -deep + 0.3, half - 0.3, deep - 0.3)
    plan = Plan(room, area, b.look("floor"), height, (2.0, height - 0.08), 0.65)
    plan.moods = ("fluorescent", "bright", "warm", "fluorescent", "infrared", "dim")
    return plan


def lobby(b: Build) -> Plan:
    """Make the hall of a building: pillars, plants, sofas, glass doors."""
    rng = b.rng
    w, d, height = rng.uniform(5, 12), rng.uniform(5, 11), rng.uniform(2.6, 4.5)
    room = (-w / 2, -d / 2, w / 2, d / 2)
    _shell(b, room, height)
    f.hang(
        f.on_wall(b, room, "N", 0.5),
        "window",
        0,
        w * rng.uniform(0.3, 0.9),
        2.5,
        rng.uniform(0.8, 2.5),
    )
    pillar = b.look("wall")
    for x in (-0.3, 0.3):
        if rng.random() < 0.6:
            b.box(x * w, rng.uniform(-0.3, 0.3) * d, 0, (0.5, 0.5, height), pillar)
    seats, look = [], b.look("fabric")
    for _ in range(int(rng.integers(0, 3))):
        spot = f.on_wall(b, room, str(rng.choice(list("SEW"))), rng.uniform(0.2, 0.8))
        seats.append(f.sofa(spot.moved(0, -0.6), rng.uniform(1.2, 2.2), look))
    for _ in range(int(rng.integers(1, 4))):
        spot = f.on_wall(b, room, str(rng.choice(list("NSEW"))), rng.uniform(0.1, 0.9))
        f.plant(spot.moved(0, -0.5), rng.uniform(0.9, 2.0))
    if rng.random() < 0.6:
        f.counter(f.on_wall(b, room, "E", 0.4).moved(0, -1.2), rng.uniform(1.5, 3.0))
    f.decal(
        b, 0, rng.uniform(-2, 2), (w * 0.3, d * 0.3), b.look(str(rng.choice(["fabric", "floor"])))
    )
    f.decorate(b, room, height, int(rng.integers(4, 10)))
    f.ceiling_things(b, room, height, 4)
    area = (room[0] + 1.4, room[1] + 1.4, room[2] - 1.4, room[3] - 1.4)
    f.scatter(b, room, int(rng.integers(3, 12)))
    return Plan(room, area, b.look("floor"), height, (2.3, height - 0.2), seats=seats)


def cell(b: Build) -> Plan:
    """Make a bare room: a bunk, a lavatory, bars, little else."""
    rng = b.rng
    w, d, height = rng.uniform(2.4, 5.5), rng.uniform(2.6, 6.0), rng.uniform(2.4, 3.2)
    room = (-w / 2, -d / 2, w / 2, d / 2)
    _shell(b, room, height)
    if rng.random() < 0.3:
        f.walls(b, _grown(room, -0.02), height, b.look("stone"))
    seats = []
    if rng.random() < 0.7:
        spot = f.on_wall(b, room, "W", rng.uniform(0.3, 0.7)).moved(0, -0.4)
        spot.box(0, 0, 0.35, (1.9, 0.75, 0.12), b.look("fabric"))
        seats.append((spot.x, spot.y, 0.47, 0.0))
    if rng.random() < 0.5:
        f.on_wall(b, room, "N", 0.8).box(0, -0.25, 0, (0.4, 0.5, 0.42), flat((0.8, 0.8, 0.8)))
    if rng.random() < 0.4:
        f.on_wall(b, room, "S", 0.5).box(0, 0, 0, (w, 0.03, height), b.look("metal"))
    for _ in range(int(rng.integers(0, 3))):
        f.bench(
            f.on_wall(b, room, str(rng.choice(list("NE"))), 0.4).moved(0, -0.3),
            1.5,
            b.plain(),
            back=False,
        )
    f.decorate(b, room, height, int(rng.integers(1, 7)))
    area = (room[0] + 0.9, room[1] + 0.5, room[2] - 0.5, room[3] - 0.6)
    f.scatter(b, room, int(rng.integers(0, 7)))
    plan = Plan(room, area, b.look("floor"), height, (2.2, height - 0.1), 0.45, seats=seats)
    return plan


def garage(b: Build) -> Plan:
    """Make a parking garage: pillars, parked cars, a lane."""
    rng = b.rng
    w, d, height = rng.uniform(13, 18), rng.uniform(16, 30), rng.uniform(2.5, 3.2)
    room = (-w / 2, -d / 2, w / 2, d / 2)
    _shell(b, room, height)
    pillar, mark = b.look("wall"), b.plain(0.6, 1.0, 0.3)
    for side in (-1, 1):
        for k, y in enumerate(np.arange(room[1] + 2, room[3] - 1.5, rng.uniform(2.6, 3.0))):
            if rng.random() < 0.5:
                f.car(b.at(side * (w / 2 - 2.6), y, rng.choice([0, np.pi])))
            f.decal(b, side * (w / 2 - 2.6), y + 1.35, (4.8, 0.1), mark)
            if k % 3 == 0:
                b.box(side * (w / 2 - 5.4), y + 1.35, 0, (0.5, 0.5, height), pillar)
    f.ceiling_things(b, room, height, 5)
    f.scatter(b, room, int(rng.integers(0, 7)))
    plan = Plan(room, (-2.2, room[1] + 2, 2.2, room[3] - 2), b.look("asphalt"), height)
    plan.eyes, plan.size = (2.2, height - 0.12), 0.27
    plan.lanes = [((-1.2, room[3]), (-1.2, room[1])), ((1.2, room[1]), (1.2, room[3]))]
    plan.moods = ("fluorescent", "dim", "dim", "night", "warm", "infrared")
    return plan


def stairs(b: Build) -> Plan:
    """Make a hall with stairs, railings and a landing."""
    rng = b.rng
    w, d, height = rng.uniform(4, 8), rng.uniform(5, 9), rng.uniform(3.0, 4.2)
    room = (-w / 2, -d / 2, w / 2, d / 2)
    _shell(b, room, height)
    look, wide, rise = b.look("floor"), rng.uniform(1.2, 2.0), rng.uniform(0.15, 0.19)
    side = rng.choice([-1, 1])
    x = side * (w / 2 - wide / 2)
    for k in range(13):
        y = -d / 2 + 2.4 + 0.28 * k
        b.box(x, y, 0, (wide, 0.28, rise * (k + 1)), look)
        if k % 3 == 0:
            f.pole(b.at(x - side * wide / 2, y), rise * (k + 1) + 0.9, f.DARK, 0.04)
    f.railing(b.at(-side * w * 0.2, d / 2 - 0.8), w * 0.4, b.plain(0.1, 0.9))
    f.decorate(b, room, height, int(rng.integers(5, 11)))
    f.ceiling_things(b, room, height, 2)
    free = sorted((-side * (w / 2 - 0.5), side * (w / 2 - wide - 0.4)))
    area = (free[0], room[1] + 0.6, free[1], room[3] - 1.4)
    f.scatter(b, room, int(rng.integers(3, 12)))
    return Plan(room, area, b.look("floor"), height, (2.3, height - 0.15))


def platform(b: Build) -> Plan:
    """Make a platform of a station: pillars, benches, signs, a train or a dark track."""
    rng = b.rng
    long, half, height = rng.uniform(16, 30), rng.uniform(2.5, 4.5), rng.uniform(3.0, 4.5)
    room = (-half, -long / 2, half, long / 2)
    f.walls(b, room, height, b.wall(), "NSW")
    b.box(half + 0.05, 0, 0, (0.1, long, 0.02), f.DARK)
    if rng.random() < 0.5:
        b.box(half + 1.6, 0, 0, (2.8, long, 0.9), b.plain())
        b.box(half + 1.6, 0, 0.9, (2.8, long, 0.9), b.look("window", rng.uniform(0.4, 1.5, 3), 2.0))
        b.box(half + 1.6, 0, 1.8, (2.8, long, 0.7), b.plain())
    else:
        f.decal(b, half + 2.0, 0, (3.9, long), flat((0.08, 0.07, 0.07)))
        f.walls(b, (0, -long / 2, half + 4.0, long / 2), height, b.look("wall"), "E")
    f.decal(b, half - 0.5, 0, (0.25, long), flat((0.9, 0.8, 0.15)))
    pillar, seats = b.look("wall"), []
    for y in np.arange(-long / 2 + 2, long / 2, rng.uniform(4, 7)):
        b.box(rng.choice([-0.4, 0.35]) * half, y, 0, (0.4, 0.4, height), pillar)
        spot = b.at(-half + 0.4, y + 1.5, np.pi / 2)
        seats.append(f.bench(spot, 1.8, b.plain()))
        f.hang(f.on_wall(b, room, "W", (y + long / 2) / long), "poster", 0.8, 1.6, 1.2, 1.2)
    b.box(0, 0, height - 0.9, (0.15, 2.2, 0.5), b.look("screen", 1.3 * np.ones(3), 2.2))
    f.ceiling_things(b, room, height, 5)
    area = (-half + 1.0, room[1] + 1.5, half - 0.6, room[3] - 1.5)
    f.scatter(b, room, int(rng.integers(2, 10)), "NSW")
    plan = Plan(room, area, b.look("floor"), height, (2.4, height - 0.15), 0.28, seats=seats)
    plan.moods = ("fluorescent", "fluorescent", "bright", "dim", "overcast", "windows", "infrared")
    return plan


MAKERS = {
    bus: 4, corridor: 4, lift: 3, lobby: 3, cell: 3, garage: 2, stairs: 1.5, platform: 2,
}  # fmt: skip
