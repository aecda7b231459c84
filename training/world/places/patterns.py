"""Draw textures of floors, walls and the ground from random numbers.

Knows no places. A texture is (128, 128, 3) float32 in 0..1 and repeats in both directions.
All but grass and leaves are grey, so that a place can give them any colour.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from training.world.place import Rng
from training.world.shapes import Array

SIDE = 128
V, U = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")


@functools.cache
def _clouds(power: float, stretch: float) -> Array:
    """Return 6 pictures of noise (6, 128, 128), of mean 0 and deviation 1."""
    one = np.fft.fftfreq(SIDE)
    frequency = np.hypot(one[:, None] / stretch, one[None] * stretch)
    white = np.random.default_rng(6).standard_normal((6, SIDE, SIDE))
    spectrum = np.fft.fft2(white) / np.maximum(frequency, 1 / SIDE) ** power
    fields = np.real(np.fft.ifft2(spectrum))
    fields -= fields.mean((1, 2), keepdims=True)
    return np.asarray(fields / fields.std((1, 2), keepdims=True))


def cloud(rng: Rng, power: float = 1.2, stretch: float = 1.0) -> Array:
    """Draw noise (128, 128) of mean 0 and deviation 1; `stretch` above 1 makes it streaky in u."""
    fields = _clouds(power, stretch)
    shift = rng.integers(0, SIDE, 2)
    return np.roll(fields[rng.integers(0, len(fields))], (int(shift[0]), int(shift[1])), (0, 1))


def speckle(rng: Rng, amount: float) -> Array:
    """Draw noise (128, 128) without any structure, of deviation `amount`."""
    return rng.standard_normal((SIDE, SIDE)) * amount


def grey(field: Any) -> Array:
    return np.repeat(np.clip(field, 0.0, 1.0)[..., None], 3, -1)


def cells(rows: int, columns: int, shift: float = 0.0) -> tuple[Array, Array, Array, Array]:
    """Return row, column and the distances in pixels to the edges of the cells of a grid."""
    high, wide = SIDE / rows, SIDE / columns
    row = (V // high).astype(int)
    u = (U + shift * wide * (row % 2)) % SIDE
    column = (u // wide).astype(int)
    across = np.minimum(u % wide, wide - 1 - u % wide)
    along = np.minimum(V % high, high - 1 - V % high)
    return row, column, along, across


def laid(rng: Rng, rows: int, columns: int, *, shift: float, gap: float, vary: float) -> Array:
    row, column, along, across = cells(rows, columns, shift)
    tone = rng.normal(0.8, vary, (rows, columns))
    field = tone[row, column] + 0.03 * cloud(rng) + speckle(rng, 0.02)
    joint = (np.minimum(along, across) < gap) & (gap > 0)
    return np.where(joint, rng.choice([0.35, 0.55, 0.98]), field)


def tiles(rng: Rng) -> Array:
    n = int(rng.choice([2, 4, 4, 8]))
    return grey(laid(rng, n, n, shift=0, gap=rng.uniform(1, 3), vary=rng.uniform(0.01, 0.08)))


def checker(rng: Rng) -> Array:
    n = int(rng.choice([2, 4, 8]))
    row, column, along, across = cells(n, n)
    dark, kind = rng.uniform(0.1, 0.7), int(rng.integers(0, 3))
    on = ((row + column) % 2, (row % 2) * (column % 2), (row % 2) | (column % 2))[kind]
    field = np.where(on == 1, dark, 0.92) + 0.02 * cloud(rng)
    return grey(np.where(np.minimum(along, across) < 1, 0.5, field))


def bricks(rng: Rng) -> Array:
    rows = int(rng.choice([8, 12, 16]))
    field = laid(rng, rows, rows // 2, shift=0.5, gap=1.2, vary=rng.uniform(0.04, 0.12))
    return grey(field - 0.05)


def blocks(rng: Rng) -> Array:
    return grey(laid(rng, 4, 2, shift=0.5, gap=1.2, vary=0.03) + 0.04 * cloud(rng))


def planks(rng: Rng) -> Array:
    rows = int(rng.choice([4, 8, 16]))
    field = laid(rng, rows, 2, shift=0.5, gap=1.0, vary=rng.uniform(0.03, 0.1))
    return grey(field + 0.06 * cloud(rng, 1.0, 3.0))


def parquet(rng: Rng) -> Array:
    n = int(rng.choice([4, 8]))
    row, column, _, _ = cells(n, n)
    turned = (row + column) % 2 == 0
    stripe = np.where(turned, U, V) // (SIDE // n // 4)
    return grey(0.75 + 0.1 * np.sin(stripe * 2.4 + row + 2 * column) + 0.04 * cloud(rng))


def terrazzo(rng: Rng) -> Array:
    field = rng.uniform(0.7, 0.9) + 0.02 * cloud(rng)
    chips = cloud(rng, 0.6)
    field = np.where(chips > 1.3, rng.uniform(0.2, 0.5), field)
    return grey(np.where(chips < -1.4, 1.0, field))


def concrete(rng: Rng) -> Array:
    field = 0.72 + rng.uniform(0.03, 0.1) * cloud(rng, 1.5) + speckle(rng, 0.03)
    return grey(np.where((U < 1) & (rng.random() < 0.4), 0.35, field))


def carpet(rng: Rng) -> Array:
    field = 0.7 + speckle(rng, rng.uniform(0.04, 0.12)) + 0.03 * cloud(rng)
    period, deep = int(rng.choice([8, 16, 32])), rng.choice([0.0, 0.0, 0.15])
    return grey(field + deep * np.sin(2 * np.pi * (U + V) / period))


def asphalt(rng: Rng) -> Array:
    field = 0.62 + speckle(rng, 0.09) + rng.uniform(0.03, 0.09) * cloud(rng, 1.4)
    crack = np.abs(cloud(rng, 1.8)) < rng.choice([0.0, 0.02])
    return grey(np.where(crack, 0.3, field))


def paving(rng: Rng) -> Array:
    rows = int(rng.choice([4, 6, 8]))
    return grey(laid(rng, rows, rows, shift=float(rng.choice([0, 0.5])), gap=1.3, vary=0.07))


def cobbles(rng: Rng) -> Array:
    row, column, along, across = cells(16, 16, 0.5)
    tone = rng.normal(0.7, 0.1, (16, 16))[row, column]
    return grey(tone * (0.45 + 0.55 * np.clip(np.minimum(along, across) / 2.5, 0, 1)))


def gravel(rng: Rng) -> Array:
    return grey(0.65 + 0.14 * cloud(rng, 0.5) + 0.06 * cloud(rng, 1.5))


def plaster(rng: Rng) -> Array:
    field = 0.88 + rng.uniform(0.01, 0.05) * cloud(rng, 1.6) + speckle(rng, 0.01)
    low = rng.random() < 0.3
    return grey(field - (0.25 * (V > SIDE * 0.65) if low else 0.0))


def panelled(rng: Rng) -> Array:
    n = int(rng.choice([4, 8, 16]))
    _, _, along, across = cells(1, n)
    field = 0.82 + 0.04 * cloud(rng, 1.0, 0.4)
    return grey(np.where(np.minimum(along, across) < 1.5, 0.5, field))


def wallpaper(rng: Rng) -> Array:
    a, b = rng.integers(1, 9, 2)
    wave = np.sin(2 * np.pi * a * U / SIDE) * (np.cos(2 * np.pi * b * V / SIDE) if b > 4 else 1)
    field = np.where(wave > rng.uniform(-0.3, 0.6), 0.9, rng.uniform(0.5, 0.8))
    return grey(field + speckle(rng, 0.02))


def wood(rng: Rng) -> Array:
    grain = np.sin(V / SIDE * 2 * np.pi * rng.integers(2, 9) + 1.3 * cloud(rng, 1.6, 2.5))
    return grey(0.72 + rng.uniform(0.05, 0.15) * grain + 0.04 * cloud(rng, 0.8, 3.0))


def corrugated(rng: Rng) -> Array:
    n = int(rng.choice([8, 16, 32]))
    wave = np.sin(2 * np.pi * n * (U if rng.random() < 0.5 else V) / SIDE)
    return grey(0.68 + 0.25 * wave + 0.05 * cloud(rng, 1.5))


def brushed(rng: Rng) -> Array:
    return grey(0.75 + 0.08 * cloud(rng, 0.8, 4.0) + 0.06 * cloud(rng, 1.6))


def grille(rng: Rng) -> Array:
    n = int(rng.choice([8, 16]))
    _, _, along, across = cells(n if rng.random() < 0.5 else 1, n)
    return grey(np.where(np.minimum(along, across) < 1.6, 0.85, 0.15) + speckle(rng, 0.03))


def fabric(rng: Rng) -> Array:
    n = int(rng.choice([4, 8, 16]))
    stripe = np.sin(2 * np.pi * n * U / SIDE) * rng.choice([0.0, 0.12, 0.3])
    check = np.sin(2 * np.pi * n * V / SIDE) * rng.choice([0.0, 0.12])
    return grey(0.68 + stripe + check + speckle(rng, 0.05))


def grass(rng: Rng) -> Array:
    field = 0.6 + 0.13 * cloud(rng, 0.7) + 0.08 * cloud(rng, 1.6)
    dry = np.clip(0.5 + 0.3 * cloud(rng, 1.6), 0, 1)[..., None] * rng.uniform(0, 0.8)
    colour = np.array([0.42, 0.68, 0.25]) * (1 - dry) + np.array([0.75, 0.68, 0.42]) * dry
    return np.clip(field[..., None] * colour * 1.3, 0, 1)


def leaves(rng: Rng) -> Array:
    field = np.clip(0.45 + 0.28 * cloud(rng, 0.8), 0.02, 1)[..., None]
    colour = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.55, 0.85), rng.uniform(0.15, 0.35)])
    return np.asarray(field * colour)


def dashes(rng: Rng) -> Array:
    worn = np.clip(0.85 + 0.12 * cloud(rng, 1.0), 0, 1)
    return grey(np.where(U < SIDE // 2, worn, 0.3 + speckle(rng, 0.04)))


def zebra(rng: Rng) -> Array:
    worn = np.clip(0.85 + 0.12 * cloud(rng, 1.0), 0, 1)
    return grey(np.where(U % 32 < 16, worn, 0.28 + speckle(rng, 0.04)))
