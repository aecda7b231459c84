"""Make indoor places in which people buy, eat, train and work.

Knows no lights and no cameras. Each maker fills a build with boxes and returns its plan.
"""

from __future__ import annotations

import numpy as np

from training.world.places import furniture as f
from training.world.places.build import Build, Plan, Rect, Spot

FURNITURE = ("goods", "goods", "goods", "bottles", "books", "fridge", "clothes")


def _room(b: Build, width: tuple[float, float], depth: tuple[float, float]) -> tuple[Rect, float]:
    """Draw a room around (0, 0) and its height; put up its walls."""
    w, d = b.rng.uniform(*width), b.rng.uniform(*depth)
    room, height = (-w / 2, -d / 2, w / 2, d / 2), b.rng.uniform(2.5, 3.6)
    f.walls(b, room, height, b.wall())
    if b.rng.random() < 0.6:  # one wall of another kind
        side = str(b.rng.choice(list("NSEW")))
        spot = f.on_wall(b, room, side, 0.5)
        long = w if side in "NS" else d
        low = b.rng.uniform(0.9, height)
        spot.box(0, 0, 0, (long, 0.04, low), b.look(str(b.rng.choice(["wall", "clutter", "wood"]))))
    return room, height


def _inner(room: Rect, margin: float) -> Rect:
    return room[0] + margin, room[1] + margin, room[2] - margin, room[3] - margin


def _plan(b: Build, room: Rect, height: float, area: Rect, moods: tuple[str, ...] = ()) -> Plan:
    ground = b.look("floor")
    return Plan(room, area, ground, height, (2.2, height - 0.12), moods=moods)


def _aisles(b: Build, room: Rect, height: float, gap: float, kinds: tuple[str, ...]) -> None:
    """Put rows of shelves along y; `gap` is the width of the middle aisle."""
    x0, y0, x1, y1 = room
    tall, length = b.rng.uniform(1.2, min(2.2, height - 0.3)), (y1 - y0) * b.rng.uniform(0.5, 0.8)
    for side in (-1, 1):
        x = side * gap / 2 + side * 0.35
        while abs(x) < (x1 - x0) / 2 - 0.3:
            middle = b.rng.uniform(-0.08, 0.08) * length
            for part in (-0.25, 0.25):
                spot = b.at(x, middle + part * length, np.pi / 2)
                f.shelf(spot, length / 2 - 0.05, tall, 0.6, str(b.rng.choice(kinds)))
            x += side * b.rng.uniform(1.9, 2.6)


def shop(b: Build) -> Plan:
    """Make a small shop: shelves at the walls, a counter, things in the middle."""
    rng = b.rng
    room, height = _room(b, (4.0, 8.0), (4.5, 9.0))
    for side in "NEW":
        spot = f.on_wall(b, room, side, 0.5).moved(0, -0.25)
        long = (room[2] - room[0]) if side in "NS" else (room[3] - room[1])
        for part in (-0.25, 0.25):
            piece = spot.moved(part * long, 0)
            f.shelf(
                piece,
                long / 2 - 0.1,
                rng.uniform(1.4, height - 0.2),
                0.45,
                str(rng.choice(FURNITURE)),
            )
    end = f.on_wall(b, room, "S", rng.uniform(0.25, 0.75)).moved(0, -rng.uniform(0.9, 1.6))
    f.counter(end, rng.uniform(1.5, 3.0))
    for _ in range(int(rng.integers(0, 3))):
        spot = b.at(
            rng.uniform(*room[::2]) * 0.5, rng.uniform(room[1], room[3]) * 0.4, rng.uniform(0, 3.2)
        )
        f.shelf(spot, rng.uniform(0.6, 1.6), rng.uniform(0.7, 1.4), 0.6, str(rng.choice(FURNITURE)))
    f.decorate(b, room, height, int(rng.integers(3, 9)))
    f.ceiling_things(b, room, height, int(rng.integers(1, 5)))
    f.scatter(b, room, int(rng.integers(4, 14)))
    return _plan(b, room, height, _inner(room, 1.0))


def aisle(b: Build) -> Plan:
    """Make a supermarket: long rows of shelves with aisles between them."""
    rng = b.rng
    room, height = _room(b, (7.0, 12.0), (8.0, 16.0))
    gap = rng.uniform(1.8, 3.2)
    _aisles(b, room, height, gap, FURNITURE)
    for side in "NS":
        spot = f.on_wall(b, room, side, 0.5).moved(0, -0.3)
        f.shelf(spot, (room[2] - room[0]) * 0.8, 2.0, 0.5, str(rng.choice(["fridge", "goods"])))
    f.ceiling_things(b, room, height, 6)
    f.cartons(b.at(rng.uniform(-0.5, 0.5) * gap, rng.uniform(-3, 3)), int(rng.integers(0, 3)))
    f.scatter(b, room, int(rng.integers(4, 14)))
    return _plan(b, room, height, (-gap / 2 + 0.2, room[1] + 1, gap / 2 - 0.2, room[3] - 1))


def till(b: Build) -> Plan:
    """Make the till of a shop: a long counter, goods behind it, seen from near above."""
    rng = b.rng
    room, height = _room(b, (3.6, 6.0), (3.6, 6.0))
    y = rng.uniform(0.4, 1.0)
    f.counter(b.at(0, y), (room[2] - room[0]) * rng.uniform(0.6, 0.95), rng.uniform(0.5, 0.9))
    f.shelf(f.on_wall(b, room, "N", 0.5).moved(0, -0.2), room[2] - room[0], 2.1, 0.35, "goods")
    for side in "EWS":
        if rng.random() < 0.8:
            spot = f.on_wall(b, room, side, rng.uniform(0.2, 0.6)).moved(0, -0.2)
            f.shelf(spot, rng.uniform(1, 2.4), rng.uniform(1, 2.1), 0.4, str(rng.choice(FURNITURE)))
    if rng.random() < 0.6:
        f.decal(b, rng.uniform(-1, 1), -0.8, (1.4, 1.0), b.look("fabric"))
    f.decorate(b, room, height, int(rng.integers(2, 6)))
    f.ceiling_things(b, room, height, int(rng.integers(0, 3)))
    f.scatter(b, room, int(rng.integers(4, 14)))
    return _plan(b, room, height, (room[0] + 0.6, room[1] + 0.5, room[2] - 0.6, y - 0.7))


def _dining(b: Build, area: Rect, count: int, *, bar: bool) -> list[f.Seat]:
    """Scatter tables with chairs; leave a lane free around x = 0."""
    rng = b.rng
    seats: list[f.Seat] = []
    look, wood = b.look("fabric"), b.plain(0.1, 0.7)
    for _ in range(count):
        x = rng.choice([-1, 1]) * rng.uniform(0.28, 0.46) * (area[2] - area[0])
        spot = b.at(
            x, rng.uniform(area[1], area[3]), rng.choice([0.0, np.pi / 2, rng.uniform(0, 3)])
        )
        if any(np.hypot(spot.x - s[0], spot.y - s[1]) < 1.1 for s in seats):
            continue
        height = 1.05 if bar and rng.random() < 0.3 else 0.74
        f.table(spot, rng.uniform(0.7, 1.3), rng.uniform(0.7, 0.9), height)
        for side in (0.0, np.pi):
            chair = spot.moved(0, 0, side).moved(
                rng.uniform(-0.2, 0.2), 0.65, rng.uniform(-0.3, 0.3)
            )
            seats.append(f.chair(chair, look if rng.random() < 0.7 else wood))
    return seats


def bar(b: Build) -> Plan:
    """Make a bar: bottles behind a counter, tables, chairs, perhaps a pool table."""
    rng = b.rng
    room, height = _room(b, (5.5, 8.5), (6.0, 9.5))
    f.shelf(
        f.on_wall(b, room, "N", 0.5).moved(0, -0.2), (room[2] - room[0]) * 0.8, 2.1, 0.3, "bottles"
    )
    f.counter(b.at(0, room[3] - 1.5), (room[2] - room[0]) * 0.75, 0.6, 1.1)
    seats = []
    if rng.random() < 0.5:
        f.pool_table(
            b.at(
                rng.choice([-1, 1]) * rng.uniform(1.6, 2.2), rng.uniform(-2, 0.5), rng.uniform(0, 3)
            )
        )
    seats += _dining(b, _inner(room, 0.8), int(rng.integers(4, 9)), bar=True)
    for k in range(int(rng.integers(0, 4))):
        seats.append(f.chair(b.at(-1.5 + k, room[3] - 2.3), b.plain(), 0.75, back=False))
    f.decorate(b, room, height, int(rng.integers(5, 12)))
    f.ceiling_things(b, room, height, 3)
    moods = ("dim", "coloured", "warm", "warm", "infrared", "fluorescent", "coloured", "night")
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, (-1.8, room[1] + 1, 1.8, room[3] - 2.6), moods)
    plan.seats += seats
    return plan


def restaurant(b: Build) -> Plan:
    """Make a restaurant or a canteen with rows of tables."""
    rng = b.rng
    room, height = _room(b, (5.0, 9.0), (6.0, 10.0))
    seats = _dining(b, _inner(room, 1.0), int(rng.integers(6, 14)), bar=False)
    if rng.random() < 0.6:
        f.counter(f.on_wall(b, room, "N", 0.5).moved(0, -1.0), rng.uniform(2, 4))
    for _ in range(int(rng.integers(0, 3))):
        f.plant(
            f.on_wall(b, room, str(rng.choice(list("SEW"))), rng.uniform(0.1, 0.9)).moved(0, -0.4)
        )
    f.decorate(b, room, height, int(rng.integers(5, 12)))
    f.ceiling_things(b, room, height, 3)
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, (-1.7, room[1] + 1, 1.7, room[3] - 2.0))
    plan.seats += seats
    return plan


def gym(b: Build) -> Plan:
    """Make a gym: machines and racks around a free floor."""
    rng = b.rng
    room, height = _room(b, (6.0, 9.5), (6.0, 10.0))
    for side in "NEW":
        for along in np.arange(0.12, 0.95, rng.uniform(0.2, 0.35)):
            f.gym_machine(f.on_wall(b, room, side, along).moved(0, -0.8, rng.uniform(-0.4, 0.4)))
    for _ in range(int(rng.integers(2, 6))):
        f.gym_bench(
            b.at(
                rng.choice([-1, 1]) * rng.uniform(1.5, 3), rng.uniform(-2.5, 2.5), rng.uniform(0, 3)
            )
        )
    if rng.random() < 0.5:
        f.hang(f.on_wall(b, room, "N", 0.5), "window", 0.4, room[2] - room[0] - 1, 2.0, 0.8)
    f.decorate(b, room, height, 8)
    f.ceiling_things(b, room, height, 2)
    f.scatter(b, room, int(rng.integers(4, 14)))
    return _plan(b, room, height, (-2.0, room[1] + 1.2, 2.0, room[3] - 2.2))


def _desk(spot: Spot, look: tuple[float, float, float, float, float]) -> f.Seat:
    f.table(spot, spot.rng.uniform(1.2, 1.6), 0.75)
    screen = spot.build.look("screen", spot.rng.uniform(0.7, 1.3) * np.ones(3), 0.5)
    spot.box(spot.rng.uniform(-0.2, 0.2), -0.1, 0.76, (0.5, 0.05, 0.38), screen)
    return f.chair(spot.moved(0, 0.75, spot.rng.uniform(-0.4, 0.4)), look)


def office(b: Build) -> Plan:
    """Make an office: desks with screens, cupboards, low partitions."""
    rng = b.rng
    room, height = _room(b, (5.0, 8.5), (5.5, 9.0))
    look, seats = b.look("fabric"), []
    for side in (-1, 1):
        for y in np.arange(room[1] + 1, room[3] - 0.8, rng.uniform(1.7, 2.6)):
            turn = side * np.pi / 2 if rng.random() < 0.7 else 0.0
            seats.append(_desk(b.at(side * (room[2] - 0.9), y, turn), look))
    for wall in "NS":
        spot = f.on_wall(b, room, wall, rng.uniform(0.3, 0.7)).moved(0, -0.25)
        f.shelf(
            spot,
            rng.uniform(1.5, 3.5),
            rng.uniform(1.1, 2.0),
            0.45,
            str(rng.choice(["books", "lockers"])),
        )
    f.decorate(b, room, height, int(rng.integers(4, 10)))
    f.ceiling_things(b, room, height, 4)
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, (room[0] + 2, room[1] + 1, room[2] - 2, room[3] - 1))
    plan.seats += seats
    return plan


def classroom(b: Build) -> Plan:
    """Make a classroom: rows of desks and a board."""
    rng = b.rng
    room, height = _room(b, (6.0, 9.0), (7.0, 10.0))
    look, seats = b.look("wood"), []
    for x in (-0.32, 0.32):
        for y in np.arange(room[1] + 1.2, room[3] - 3.0, rng.uniform(1.5, 1.9)):
            spot = b.at(
                x * (room[2] - room[0]),
                y + rng.uniform(-0.15, 0.15),
                rng.uniform(-0.1, 0.1) + np.pi,
            )
            f.table(spot, rng.uniform(1.1, 1.6), 0.55, 0.72)
            seats.append(f.chair(spot.moved(0.1, -0.6, np.pi), look))
    f.hang(f.on_wall(b, room, "N", 0.5), "poster", 0.9, 3.2, 1.2, rng.choice([0.3, 1.0]))
    f.counter(b.at(rng.uniform(-1.5, 1.5), room[3] - 1.3), 1.5, 0.7, 0.8)
    f.decorate(b, room, height, int(rng.integers(5, 12)))
    f.ceiling_things(b, room, height, 4)
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, (-1.6, room[1] + 1.0, 1.6, room[3] - 2.0))
    plan.seats += seats
    return plan


def laundrette(b: Build) -> Plan:
    """Make a laundrette: rows of machines at the walls, a bench or a table in the middle."""
    rng = b.rng
    room, height = _room(b, (3.5, 6.0), (5.0, 10.0))
    for side in "EWN":
        long = (room[2] - room[0]) if side == "N" else (room[3] - room[1])
        spot = f.on_wall(b, room, side, 0.5).moved(0, -0.35)
        high = rng.choice([0.9, 1.8])
        spot.box(0, 0, 0, (long * 0.9, 0.7, high), b.look("machine", None, 1.8))
    seats = [f.bench(b.at(0.6, rng.uniform(-1.5, 1.5), np.pi / 2), 1.6, b.plain())]
    f.table(b.at(-0.5, rng.uniform(-2.5, -1.2)), 1.2, 0.7, 0.9)
    f.decorate(b, room, height, int(rng.integers(5, 12)))
    f.ceiling_things(b, room, height, 3)
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, _inner(room, 1.1))
    plan.seats += seats
    return plan


def warehouse(b: Build) -> Plan:
    """Make a warehouse: high racks with cartons, pallets on a concrete floor."""
    rng = b.rng
    room, height = _room(b, (5.5, 9.0), (7.0, 16.0))
    height = max(height, rng.uniform(3.5, 5.5))
    f.walls(b, room, height, b.look("metal"))
    for side in (-1, 1):
        for y in np.arange(room[1] + 1.5, room[3] - 1, 2.6):
            spot = b.at(side * (room[2] - 0.7), y, np.pi / 2)
            f.shelf(spot, 2.5, rng.uniform(2.0, height - 0.4), 0.9, "cartons")
    for _ in range(int(rng.integers(3, 9))):
        x = rng.choice([-1, 1]) * rng.uniform(1.0, room[2] - 1.0)
        f.cartons(b.at(x, rng.uniform(room[1] + 1, room[3] - 1)), int(rng.integers(1, 4)))
    f.ceiling_things(b, room, height, 4)
    f.scatter(b, room, int(rng.integers(4, 14)))
    plan = _plan(b, room, height, (-1.8, room[1] + 1, 1.8, room[3] - 1))
    plan.ground = b.look(str(rng.choice(["ground", "asphalt"])))
    plan.eyes = (2.4, height - 0.2)
    return plan


MAKERS = {
    shop: 5, aisle: 3, till: 5, bar: 4, restaurant: 2, gym: 2, office: 2, classroom: 1,
    laundrette: 1, warehouse: 1.5,
}  # fmt: skip
