"""Draw textures of things from random numbers: goods, fronts of furniture, facades and signs.

Knows no places. A texture is (128, 128, 3) float32 in 0..1 and repeats in both directions.
"""

from __future__ import annotations

import numpy as np

from training.world.place import Rng
from training.world.places.patterns import (
    SIDE,
    U,
    V,
    blocks,
    bricks,
    cells,
    cloud,
    grey,
    laid,
    panelled,
    plaster,
    speckle,
    wood,
)  # fmt: skip
from training.world.shapes import Array

INKS = (
    (0.9, 0.1, 0.1), (0.95, 0.5, 0.1), (1.0, 0.85, 0.15), (0.2, 0.6, 0.25), (0.1, 0.3, 0.75),
    (0.45, 0.3, 0.18), (1.0, 1.0, 1.0), (1.0, 1.0, 0.95), (0.06, 0.06, 0.08), (0.95, 0.85, 0.7),
    (0.85, 0.15, 0.2), (0.15, 0.2, 0.4), (0.6, 0.75, 0.9), (0.9, 0.5, 0.6), (0.5, 0.5, 0.5),
)  # fmt: skip


def hue(rng: Rng, low: float = 0.1, high: float = 0.95) -> Array:
    """Draw the colour (3,) of a package or a sign; its strongest channel is in low to high."""
    red, green, blue = INKS[rng.integers(0, len(INKS))]
    pale = rng.random() ** 2 * 0.8
    colour = np.array([red, green, blue]) * (1 - pale) + pale
    colour = np.clip(colour + rng.normal(0, 0.06, 3), 0.02, None)
    return np.asarray(colour * rng.uniform(low, high) ** 0.6 / max(float(colour.max()), 0.5))


def _items(rng: Rng, picture: Array, top: int, low: int, wide: tuple[int, int]) -> None:
    """Stand a row of things of random colours on the pixel row `low`."""
    u, colour = 0, hue(rng)
    while u < SIDE:
        step = int(rng.integers(*wide))
        colour = hue(rng) if rng.random() < 0.5 else colour
        head = int(low - (low - top) * rng.uniform(0.55, 0.95))
        picture[head:low, u : u + step - 1] = colour * rng.uniform(0.7, 1.1)
        label = (head + low) // 2
        picture[label : label + max(1, (low - head) // 4), u + 1 : u + step - 2] = hue(rng, 0.4)
        u += step


def _shelf(rng: Rng, rows: int, wide: tuple[int, int], back: float) -> Array:
    picture = np.full((SIDE, SIDE, 3), back) + 0.02 * cloud(rng)[..., None]
    high = SIDE // rows
    board = hue(rng, 0.4) * 0.5 + 0.4 * rng.random()
    for row in range(rows):
        _items(rng, picture, row * high, (row + 1) * high - 2, wide)
        picture[(row + 1) * high - 2 : (row + 1) * high] = board
    return np.asarray(np.clip(picture * (0.9 + 0.1 * rng.random()), 0, 1))


def goods(rng: Rng) -> Array:
    wide = ((4, 9), (6, 14), (10, 26))[rng.integers(0, 3)]
    return _shelf(rng, int(rng.choice([3, 4, 4, 5, 8])), wide, rng.uniform(0.03, 0.4))


def bottles(rng: Rng) -> Array:
    return _shelf(rng, int(rng.choice([3, 4])), (3, 7), rng.uniform(0.02, 0.3))


def books(rng: Rng) -> Array:
    return _shelf(rng, int(rng.choice([4, 5])), (3, 6), 0.08)


def cartons(rng: Rng) -> Array:
    rows = int(rng.choice([2, 3, 4]))
    brown = np.array([0.72, 0.55, 0.37]) * rng.uniform(0.7, 1.1)
    field = laid(rng, rows, rows, shift=0.5, gap=2.0, vary=0.12)
    picture = field[..., None] * brown
    tape = (V % (SIDE // rows)) // (SIDE // rows // 5) == 2
    picture[tape] = picture[tape] * 0.8 + 0.15
    return np.asarray(np.clip(picture, 0, 1))


def clothes(rng: Rng) -> Array:
    picture = np.full((SIDE, SIDE, 3), rng.uniform(0.05, 0.5))
    u = 0
    while u < SIDE:
        step = int(rng.integers(3, 9))
        low = int(rng.integers(84, 126))
        picture[8:low, u : u + step] = hue(rng) * rng.uniform(0.4, 1.0)
        picture[8:low, u] *= 0.5
        u += step
    picture[4:8] = 0.6
    return np.asarray(np.clip(picture, 0, 1))


def fridge(rng: Rng) -> Array:
    picture = _shelf(rng, 4, (4, 8), rng.uniform(0.4, 0.8)) * 0.85 + 0.12
    frame = (U % 64 < 5) | (V < 6) | (V > 120)
    picture[frame] = rng.choice([0.08, 0.5, 0.9])
    return np.asarray(np.clip(picture, 0, 1))


def _panes(rng: Rng, picture: Array, rows: int, columns: int) -> None:
    """Put a grid of windows on a wall; some are lit, some have curtains."""
    high, wide = SIDE // rows, SIDE // columns
    tall, broad = int(high * rng.uniform(0.45, 0.75)), int(wide * rng.uniform(0.4, 0.8))
    frame, glass = rng.choice([0.1, 0.95]), rng.uniform(0.08, 0.5)
    for row in range(rows):
        for column in range(columns):
            v, u = row * high + high // 6, column * wide + (wide - broad) // 2
            picture[v - 1 : v + tall + 1, u - 1 : u + broad + 1] = frame
            tone = glass * rng.uniform(0.5, 1.5) + 0.5 * (rng.random() < 0.12)
            picture[v : v + tall, u : u + broad] = tone * np.array([0.85, 0.95, 1.0])
            picture[v : v + tall, u + broad // 2] = frame


def houses(rng: Rng) -> Array:
    base = (bricks, plaster, blocks, panelled)[rng.integers(0, 4)](rng)
    picture = base * hue(rng, 0.5)
    _panes(rng, picture, int(rng.choice([2, 3, 4])), int(rng.choice([2, 3, 4])))
    return np.asarray(np.clip(picture, 0, 1))


def offices(rng: Rng) -> Array:
    rows, columns = int(rng.choice([2, 4, 6])), int(rng.choice([4, 6, 8]))
    row, column, along, across = cells(rows, columns)
    tone = rng.uniform(0.15, 0.7) * rng.uniform(0.6, 1.4, (rows, columns))[row, column]
    glass = tone[..., None] * np.array([0.8, 0.95, 1.05])
    frame = np.minimum(along, across) < rng.uniform(1, 4)
    return np.asarray(np.clip(np.where(frame[..., None], rng.uniform(0.2, 0.9), glass), 0, 1))


def shopfront(rng: Rng) -> Array:
    picture = goods(rng) * rng.uniform(0.3, 0.9) + 0.05
    picture[:34] = hue(rng, 0.3)
    _letters(rng, picture, 8, 28, hue(rng, 0.7))
    picture[100:] = rng.uniform(0.1, 0.6)
    picture[34:100][:, [0, 1, 62, 63, 64, 126, 127]] = rng.uniform(0.1, 0.9)
    return np.asarray(np.clip(picture, 0, 1))


def _letters(rng: Rng, picture: Array, top: int, low: int, colour: Array) -> None:
    """Write a line that looks like letters: blocks with holes and gaps."""
    u, step = int(rng.integers(4, 20)), max(4, int((low - top) * 0.7))
    while u < SIDE - step - 4:
        picture[top:low, u : u + step - 2] = colour
        v = int(rng.integers(top + 1, max(top + 2, low - 2)))
        picture[v : v + (low - top) // 3, u + 1 : u + step - 3] *= 0.3
        u += step + (step if rng.random() < 0.15 else 0)


def poster(rng: Rng) -> Array:
    picture = np.ones((SIDE, SIDE, 3)) * hue(rng, 0.3)
    for _ in range(int(rng.integers(2, 6))):
        v, u = rng.integers(0, 100, 2)
        high, wide = rng.integers(12, 70, 2)
        picture[v : v + high, u : u + wide] = hue(rng)
    _letters(rng, picture, 8, 8 + int(rng.integers(8, 24)), hue(rng, 0.7))
    _letters(rng, picture, 106, 116, hue(rng, 0.7))
    return np.asarray(np.clip(picture + 0.05 * cloud(rng, 1.5)[..., None], 0, 1))


def board(rng: Rng) -> Array:
    """Draw a notice board or a menu: sheets of text on a plain ground."""
    picture = np.ones((SIDE, SIDE, 3)) * hue(rng, 0.1)
    for u in range(4, 120, 31):
        for v in range(4, 120, 42):
            sheet, ink = (0.9, 0.2) if rng.random() < 0.7 else (0.1, 0.9)
            picture[v : v + 36, u : u + 26] = sheet * (1 - 0.3 * rng.random(3))
            picture[v + 4 : v + 32 : 4, u + 3 : u + int(rng.integers(10, 24))] = ink
    return np.asarray(np.clip(picture, 0, 1))


def window(rng: Rng) -> Array:
    glow = np.linspace(1.0, rng.uniform(0.4, 0.9), SIDE)[:, None] + 0.08 * cloud(rng, 1.7)
    picture = glow[..., None] * np.array([0.9, 0.97, 1.0])
    _, _, along, across = cells(int(rng.choice([1, 2])), int(rng.choice([2, 3, 4])))
    picture[np.minimum(along, across) < 2] = rng.choice([0.1, 0.4, 0.95])
    if rng.random() < 0.3:
        picture[V % 6 < 2] *= 0.6
    return np.asarray(np.clip(picture, 0, 1))


def door(rng: Rng) -> Array:
    picture = wood(rng) * hue(rng, 0.4)
    picture[:, :5] = picture[:, -5:] = picture[:5] = rng.uniform(0.1, 0.9)
    if rng.random() < 0.6:
        picture[14:58, 30:98] = rng.uniform(0.1, 0.9)
    picture[66:72, 100:116] = 0.8
    return np.asarray(np.clip(picture, 0, 1))


def lockers(rng: Rng) -> Array:
    _, _, along, across = cells(int(rng.choice([1, 2, 4])), int(rng.choice([2, 4])))
    field = 0.75 + 0.05 * cloud(rng, 1.6)
    field = np.where(np.minimum(along, across) < 2, 0.3, field)
    field = np.where((along < 14) & (along > 4) & (along % 3 < 1.5) & (across > 8), 0.45, field)
    return grey(field) * hue(rng, 0.5)


def machine(rng: Rng) -> Array:
    """Draw the front of washing machines: two by two with round doors."""
    v, u = V % 64 - 36, U % 64 - 32
    ring = np.hypot(v, u)
    field = np.full((SIDE, SIDE), rng.uniform(0.7, 0.95)) + speckle(rng, 0.01)
    field = np.where(ring < 22, rng.choice([0.5, 0.85]), field)
    field = np.where(ring < 17, 0.15 + 0.02 * u + 0.1 * (v < -4), field)
    field = np.where((v > -34) & (v < -26), rng.uniform(0.2, 0.7), field)
    field = np.where((U % 64 < 1) | (V % 64 < 1), 0.3, field)
    return grey(field)


def rack(rng: Rng) -> Array:
    """Draw things of metal in front of the dark: weights, tools or bicycles."""
    picture = np.full((SIDE, SIDE, 3), rng.uniform(0.03, 0.2))
    for _ in range(26):
        v, u = rng.integers(0, SIDE, 2)
        ring = np.abs(np.hypot(V - v, U - u) - rng.uniform(5, 14)) < 2
        picture[ring] = rng.uniform(0.2, 0.8)
    picture[V % 32 < 3] = rng.uniform(0.3, 0.7)
    picture[U % 64 < 3] = rng.uniform(0.3, 0.7)
    return picture


def screen(rng: Rng) -> Array:
    picture = np.ones((SIDE, SIDE, 3)) * hue(rng, 0.5)
    picture[10:30, 10:118] = hue(rng, 0.7)
    picture[40:110:9, 12 : int(rng.integers(50, 118))] = hue(rng, 0.2)
    picture[:5] = picture[-5:] = picture[:, :5] = picture[:, -5:] = 0.04
    return np.asarray(np.clip(picture, 0, 1))


def litter(rng: Rng) -> Array:
    """Draw a counter or a desk from above, covered with papers and small things."""
    picture = wood(rng) * hue(rng, 0.3)
    for _ in range(int(rng.integers(14, 40))):
        v, u = rng.integers(0, 120, 2)
        high, wide = rng.integers(4, 24, 2)
        picture[v : v + high, u : u + wide] = hue(rng) if rng.random() < 0.6 else 0.92
        picture[v + high : v + high + 2, u : u + wide] *= 0.6
    return np.asarray(np.clip(picture, 0, 1))


def clutter(rng: Rng) -> Array:
    """Draw a wall full of pictures, switches, cupboards and dark openings."""
    picture = plaster(rng) * hue(rng, 0.4)
    for _ in range(int(rng.integers(6, 20))):
        v, u = rng.integers(0, 110, 2)
        high, wide = rng.integers(6, 44, 2)
        edge = rng.uniform(0.05, 0.9)
        picture[v : v + high, u : u + wide] = edge
        picture[v + 1 : v + high - 1, u + 1 : u + wide - 1] = hue(rng) * rng.uniform(0.3, 1)
    return np.asarray(np.clip(picture + 0.02 * cloud(rng)[..., None], 0, 1))
