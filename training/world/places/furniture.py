"""Put furniture, machines, plants and parked cars together from boxes.

Knows no rooms. A piece stands at a spot with its width along x and its front towards -y; lengths
are metres. Pieces to sit on return their seats as (x, y, height, heading).
"""

from __future__ import annotations

import numpy as np

from training.world.places.build import Build, Look, Rect, Spot, flat

Seat = tuple[float, float, float, float]
DARK = flat((0.06, 0.06, 0.07))


def walls(b: Build, room: Rect, height: float, look: Look, sides: str = "NSEW") -> None:
    """Put walls around a room; N is at the largest y and E at the largest x."""
    x0, y0, x1, y1 = room
    x, y, w, d = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    if "N" in sides:
        b.box(x, y1 + 0.1, 0, (w + 0.4, 0.2, height), look)
    if "S" in sides:
        b.box(x, y0 - 0.1, 0, (w + 0.4, 0.2, height), look)
    if "E" in sides:
        b.box(x1 + 0.1, y, 0, (0.2, d, height), look)
    if "W" in sides:
        b.box(x0 - 0.1, y, 0, (0.2, d, height), look)


def on_wall(b: Build, room: Rect, side: str, along: float) -> Spot:
    """Return the spot on a wall at the fraction `along` of it, that looks into the room."""
    x0, y0, x1, y1 = room
    x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    return {
        "N": b.at(x, y1, 0.0), "S": b.at(x, y0, np.pi),
        "E": b.at(x1, y, -np.pi / 2), "W": b.at(x0, y, np.pi / 2),
    }[side]  # fmt: skip


def hang(spot: Spot, kind: str, z: float, width: float, height: float, glow: float = 1.0) -> None:
    """Hang a picture, a screen, a window or a door flat on a wall."""
    colour = glow * spot.rng.uniform(0.8, 1.05, 3)
    look = spot.build.look(kind, colour, max(width, height))
    spot.box(0, -0.02, z, (width, 0.06, height), look)


def decorate(b: Build, room: Rect, height: float, count: int, sides: str = "NSEW") -> None:
    """Hang doors, posters, boards, windows and pipes on the walls."""
    rng = b.rng
    for _ in range(count):
        spot = on_wall(b, room, str(rng.choice(list(sides))), rng.uniform(0.08, 0.92))
        what = rng.integers(0, 8)
        if what <= 1:
            hang(spot, "door", 0, rng.uniform(0.9, 1.8), min(2.1, height))
        elif what <= 3:
            hang(
                spot, "poster", rng.uniform(0.7, 1.5), rng.uniform(0.5, 1.6), rng.uniform(0.5, 1.1)
            )
        elif what == 4:
            hang(
                spot,
                "window",
                0.9,
                rng.uniform(0.8, 2.5),
                min(1.3, height - 1),
                rng.uniform(0.6, 2),
            )
        elif what == 5:
            hang(spot, "clutter", rng.uniform(0, 0.6), rng.uniform(1, 3), min(1.8, height - 0.6))
        elif what == 6:
            spot.box(0, -0.1, 0.02, (rng.uniform(0.08, 0.4), 0.15, height - 0.05), b.plain())
        else:
            spot.box(0, -0.15, 0, (rng.uniform(0.3, 1.2), 0.4, rng.uniform(0.4, 1.8)), b.plain())


def ceiling_things(b: Build, room: Rect, height: float, count: int) -> None:
    """Hang lamps, beams and ducts under the ceiling."""
    rng, (x0, y0, x1, y1) = b.rng, room
    glow = flat(rng.uniform(1.2, 3.0) * rng.uniform(0.85, 1.0, 3))
    for _ in range(count):
        x, y = rng.uniform(x0 + 0.3, x1 - 0.3), rng.uniform(y0 + 0.3, y1 - 0.3)
        if rng.random() < 0.7:
            b.box(x, y, height - 0.06, (0.3, 1.2, 0.05), glow)
        else:
            b.box(
                (x0 + x1) / 2, y, height - 0.3, (x1 - x0, rng.uniform(0.15, 0.5), 0.28), b.plain()
            )


SCATTERED = ("cartons", "goods", "litter", "rack", "poster", "fabric", "metal", "clothes", "screen")


def scatter(b: Build, room: Rect, count: int, sides: str = "NSEW") -> None:
    """Stand and stack all sorts of things along the walls."""
    rng = b.rng
    for _ in range(count):
        spot = on_wall(b, room, str(rng.choice(list(sides))), rng.uniform(0.04, 0.96))
        spot = spot.moved(0, -rng.uniform(0.2, 0.9), rng.normal(0, 0.3))
        w, d, h = rng.uniform(0.25, 1.1), rng.uniform(0.25, 0.6), rng.uniform(0.2, 1.5)
        kind = str(rng.choice(SCATTERED))
        look = b.look(kind, None, max(w, h)) if rng.random() < 0.65 else b.plain()
        spot.box(0, 0, 0, (w, d, h), look)
        if rng.random() < 0.5:
            top = (w * rng.uniform(0.4, 0.9), d * 0.8, rng.uniform(0.1, 0.5))
            spot.box(rng.uniform(-0.1, 0.1), 0, h, top, b.plain(), rng.normal(0, 0.3))


def shelf(spot: Spot, length: float, height: float, depth: float, kind: str = "goods") -> None:
    """Put up shelves full of things; about three boards high."""
    colour = spot.rng.uniform(0.75, 1.25) * spot.rng.uniform(0.85, 1.0, 3)
    look = spot.build.look(kind, colour, max(1.0, height) * spot.rng.uniform(0.7, 1.05))
    spot.box(0, 0, 0.08, (length, depth, height - 0.08), look)
    edge = spot.build.plain(0.1, 0.95, 0.3)
    spot.box(0, 0, 0, (length + 0.04, depth + 0.04, 0.1), edge)
    if spot.rng.random() < 0.6:
        spot.box(0, 0, height, (length + 0.04, depth + 0.04, spot.rng.uniform(0.02, 0.2)), edge)


def counter(spot: Spot, length: float, depth: float = 0.65, height: float = 1.0) -> None:
    """Put up a counter with things on it and a till."""
    b, rng = spot.build, spot.rng
    front = b.look(str(rng.choice(["goods", "wood", "wood", "metal", "poster"])))
    spot.box(0, 0, 0, (length, depth, height), front)
    top = b.look("litter") if rng.random() < 0.6 else b.plain(0.1, 0.95)
    spot.box(0, 0, height, (length + 0.06, depth + 0.06, 0.05), top)
    for _ in range(int(rng.integers(1, 4))):
        till(spot.moved(rng.uniform(-0.42, 0.42) * length, rng.uniform(-0.15, 0.15)), height + 0.05)


def till(spot: Spot, z: float) -> None:
    """Put a till, a screen or a display on a counter."""
    rng = spot.rng
    if rng.random() < 0.5:
        spot.box(0, 0, z, (0.4, 0.3, rng.uniform(0.1, 0.5)), spot.build.look("goods", metres=0.6))
    else:
        spot.box(
            0,
            0,
            z,
            (0.38, 0.06, 0.32),
            spot.build.look("screen", metres=0.4),
            rng.uniform(-0.5, 0.5),
        )


def table(spot: Spot, width: float, depth: float, height: float = 0.74) -> None:
    """Put up a table: a top on two legs or on one."""
    b, rng = spot.build, spot.rng
    look = b.look("litter") if rng.random() < 0.35 else b.look("wood")
    spot.box(0, 0, height - 0.05, (width, depth, 0.05), look)
    if width < 1.0 or rng.random() < 0.3:
        spot.box(0, 0, 0, (0.09, 0.09, height - 0.05), DARK)
        spot.box(0, 0, 0, (0.5, 0.4, 0.04), DARK)
    else:
        for side in (-1, 1):
            spot.box(side * (width / 2 - 0.06), 0, 0, (0.05, depth * 0.85, height - 0.05), DARK)


def chair(spot: Spot, look: Look, height: float = 0.45, *, back: bool = True) -> Seat:
    """Put up a chair that looks towards -y."""
    low = height - 0.06 if spot.rng.random() < 0.6 else 0.0
    spot.box(0, 0, low, (0.42, 0.42, height - low), look)
    if low:
        spot.box(0, 0.1, 0, (0.34, 0.06, low), DARK)
    if back:
        spot.box(0, 0.2, height + 0.1, (0.42, 0.04, 0.38), look)
    return (spot.x, spot.y, height, spot.turn - np.pi / 2)


def seat(spot: Spot, look: Look, width: float = 0.45, height: float = 0.45) -> Seat:
    """Put up a seat of a bus or a waiting room, closed down to the floor."""
    spot.box(0, 0, 0.1, (width, 0.45, height - 0.1), look)
    spot.box(0, 0.24, height - 0.05, (width, 0.08, 0.68), look)
    return (spot.x, spot.y, height, spot.turn - np.pi / 2)


def sofa(spot: Spot, width: float, look: Look) -> Seat:
    spot.box(0, 0, 0.05, (width, 0.8, 0.38), look)
    spot.box(0, 0.35, 0.35, (width, 0.18, 0.42), look)
    for side in (-1, 1):
        spot.box(side * (width / 2 - 0.08), 0, 0.05, (0.16, 0.8, 0.55), look)
    return (spot.x, spot.y, 0.43, spot.turn - np.pi / 2)


def bench(spot: Spot, width: float, look: Look, *, back: bool = True) -> Seat:
    spot.box(0, 0, 0.4, (width, 0.42, 0.05), look)
    for side in (-1, 1):
        spot.box(side * width * 0.4, 0, 0, (0.08, 0.4, 0.4), DARK)
    if back:
        spot.box(0, 0.2, 0.5, (width, 0.05, 0.35), look)
    return (spot.x, spot.y, 0.45, spot.turn - np.pi / 2)


def pool_table(spot: Spot) -> None:
    wood = spot.build.look("wood")
    cloth = flat(spot.rng.choice([[0.1, 0.45, 0.2], [0.1, 0.25, 0.55], [0.5, 0.08, 0.08]]))
    spot.box(0, 0, 0.62, (2.6, 1.5, 0.2), wood)
    spot.box(0, 0, 0.8, (2.3, 1.2, 0.04), cloth)
    for side in (-1, 1):
        spot.box(side * 1.0, 0, 0, (0.2, 1.1, 0.62), wood)


def plant(spot: Spot, height: float = 1.3) -> None:
    spot.box(0, 0, 0, (0.34, 0.34, 0.35), spot.build.plain(0.1, 0.8))
    leaves = spot.build.look("leaves", metres=0.7)
    spot.box(0, 0, 0.4, (0.25, 0.6, height - 0.4), leaves, spot.rng.uniform(0, 3))
    spot.box(0, 0, 0.5, (0.65, 0.2, (height - 0.4) * 0.7), leaves, spot.rng.uniform(0, 3))


def tree(spot: Spot, height: float) -> None:
    leaves = spot.build.look("leaves")
    spot.box(0, 0, 0, (0.25, 0.25, height * 0.55), spot.build.look("wood", (0.35 * np.ones(3))))
    wide = height * 0.5
    for k in range(3):
        spot.box(
            spot.rng.uniform(-0.2, 0.2) * wide, spot.rng.uniform(-0.2, 0.2) * wide,
            height * (0.35 + 0.15 * k), (wide, wide * 0.7, height * 0.3), leaves,
            spot.rng.uniform(0, 3),
        )  # fmt: skip


def pole(spot: Spot, height: float, look: Look, thick: float = 0.05) -> None:
    spot.box(0, 0, 0, (thick, thick, height), look)


def railing(spot: Spot, length: float, look: Look, height: float = 1.05) -> None:
    """Put up a railing of two bars and posts along x."""
    for z in (height - 0.05, height * 0.5):
        spot.box(0, 0, z, (length, 0.05, 0.05), look)
    for along in np.linspace(-0.5, 0.5, int(np.clip(length / 1.5, 2, 4))):
        spot.box(along * length, 0, 0, (0.05, 0.05, height), look)


def lamp_post(spot: Spot, height: float) -> None:
    spot.box(0, 0, 0, (0.14, 0.14, height), DARK)
    spot.box(0, -0.5, height, (0.2, 1.0, 0.1), flat((2.5, 2.3, 1.9)))


def sign(spot: Spot, height: float = 2.2) -> None:
    spot.box(0, 0.05, 0, (0.06, 0.06, height), flat((0.5, 0.5, 0.5)))
    spot.box(0, 0, height - 0.7, (0.7, 0.04, 0.7), spot.build.look("poster", metres=0.7))


def bin_(spot: Spot) -> None:
    look = spot.build.plain(0.08, 0.6)
    spot.box(0, 0, 0, (0.45, 0.45, spot.rng.uniform(0.6, 1.1)), look, spot.rng.uniform(0, 1.5))


def cartons(spot: Spot, count: int) -> None:
    """Pile up some boxes or crates."""
    z = 0.0
    for _ in range(count):
        w, d, h = spot.rng.uniform(0.3, 0.9, 3)
        spot.box(0, 0, z, (w, d, h), spot.build.look("cartons"), spot.rng.uniform(-0.3, 0.3))
        z = z + h if spot.rng.random() < 0.6 else z


def car(spot: Spot) -> None:
    """Park a car, a van or a lorry along x, with its front towards +x."""
    b, rng = spot.build, spot.rng
    paint = b.plain(0.08, 0.9, 0.35)
    glass = flat((0.1, 0.12, 0.15))
    long, wide = rng.uniform(3.8, 4.9), rng.uniform(1.65, 1.85)
    van = rng.random() < 0.2
    spot.box(0, 0, 0.28, (long, wide, 1.5 if van else 0.55), paint)
    if van:
        spot.box(0.12 * long, 0, 1.1, (long * 0.78, wide + 0.02, 0.45), glass)
    else:
        spot.box(-0.06 * long, 0, 0.8, (long * 0.55, wide * 0.9, 0.42), glass)
        spot.box(-0.06 * long, 0, 1.2, (long * 0.42, wide * 0.84, 0.1), paint)
    for end in (-0.31, 0.31):
        spot.box(end * long, 0, 0, (0.62, wide + 0.02, 0.6), flat((0.04, 0.04, 0.04)))


def gym_bench(spot: Spot) -> None:
    frame = spot.build.plain(0.05, 0.9, 0.4)
    spot.box(0, 0, 0.4, (0.3, 1.3, 0.09), spot.build.plain(0.05, 0.8, 0.5))
    spot.box(0, 0, 0, (0.08, 1.1, 0.4), frame)
    for side in (-0.6, 0.6):
        spot.box(side, 0.5, 0, (0.07, 0.07, 1.3), frame)
    spot.box(0, 0.5, 1.0, (1.9, 0.04, 0.04), flat((0.7, 0.7, 0.7)))


def gym_machine(spot: Spot) -> None:
    frame = spot.build.plain(0.05, 0.95, 0.3)
    height = spot.rng.uniform(1.3, 2.1)
    spot.box(0, 0.4, 0, (0.7, 0.25, height), spot.build.look("rack", metres=1.0))
    spot.box(0, 0.4, height, (0.8, 0.35, 0.08), frame)
    spot.box(0, -0.1, 0.35, (0.4, 0.6, 0.12), spot.build.plain(0.05, 0.7, 0.5))
    spot.box(0, -0.1, 0, (0.1, 1.2, 0.08), frame)


def decal(
    b: Build, x: float, y: float, size: tuple[float, float], look: Look, turn: float = 0
) -> None:
    """Lay a rug, a mark or another floor on the ground, 1 cm high."""
    b.box(x, y, 0, (*size, 0.01), look, turn)
