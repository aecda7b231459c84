"""Act out what is not a fire but can be taken for one: steam, lamps, screens, cloth, leaves.

Each act is `name(rng, place, t)`; it goes on at all times. Knows no pictures.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.daily.things import at, axes, block, placed, rod, sheet, solid
from training.world.fire import effects
from training.world.fire.effects import Smoke
from training.world.fire.sites import (
    bright,
    brightness,
    dark,
    hue,
    lifted,
    metres,
    on_furniture,
    stage,
    wind,
)
from training.world.place import Place
from training.world.shapes import Array, Shapes
from training.world.traffic.driven import car
from training.world.traffic.vehicles import motor

Rng = np.random.Generator
WARM = ((0.85, 0.20, 0.06), (0.95, 0.50, 0.06), (0.95, 0.80, 0.15), (0.75, 0.08, 0.10))


def steam(rng: Rng, place: Place, t: Array) -> Act:
    """Steam rises from a pot, a kettle, a grate or a pipe, and dissolves."""
    furniture = on_furniture(rng, place) if rng.random() < 0.5 else None
    point = stage(rng, place, 0.02, 0.9) if furniture is None else furniture
    size = float(np.clip(metres(place, point, rng.uniform(0.04, 0.12)), 0.08, 0.6))
    white = rng.uniform(0.75, 1.0) * np.array([0.97, 0.98, 1.0]) * (0.65 if bright(place) else 1.0)
    kind = Smoke(hue(white), rng.uniform(0.5, 1.4), wind(rng, place), rng.uniform(0.9, 2.0), size,
                 rng.uniform(2, 3.5), rng.uniform(0.2, 0.5), 45, 0.15 * dark(place))  # fmt: skip
    base, parts = point, []
    if point[2] > 0.3 and furniture is None:
        parts.append(_stand(rng, point, len(t), 0.5 * size + 0.1))
    gusts = np.clip(0.75 + 0.5 * np.sin(t * rng.uniform(0.5, 2) + rng.uniform(0, 6)), 0.1, 1)
    parts.append(Shapes.of(len(t), puffs=effects.smoke(rng, t, base, kind, power=gusts)))
    where = lifted(point, 1.5 * size)
    return Act(Shapes.join(parts), "steam", where, 2.5 * size)


def _stand(rng: Rng, point: Array, frames: int, half: float) -> Shapes:
    """Return a block below a point, that something stands on."""
    middle = at(frames, point[0], point[1], point[2] / 2)
    colour = rng.uniform(0.1, 0.6) * rng.uniform(0.8, 1.1, 3)
    frame = axes(frames, rng.uniform(0, 6))
    return solid(quads=[block(middle, frame, (half, half, point[2] / 2 - 0.02), colour)])


def lamp(rng: Rng, place: Place, t: Array) -> Act:
    """A lamp flickers, or is switched on."""
    top = min(place.ceiling or 4.5, 4.5)
    point = stage(rng, place, 0.45 * top, 0.97 * top, 0.2)
    colour = np.array([(1.0, 0.85, 0.6), (0.95, 0.98, 1.0), (1.0, 0.6, 0.25)][rng.integers(3)])
    if rng.random() < 0.6:
        power = effects.flicker(rng, t, rng.uniform(4, 14))
    else:
        power = (np.mod(t + rng.uniform(0, 2), rng.uniform(2, 5)) > 1.0).astype(float)
    size = float(np.clip(metres(place, point, rng.uniform(0.04, 0.12)), 0.1, 0.9))
    puffs = effects.lamp(point, colour, power, size)
    parts = [Shapes.of(len(t), puffs=puffs)]
    if rng.random() < 0.5 and not place.indoor:
        post = rod(at(len(t), *point), at(len(t), point[0], point[1], 0.0), 0.05, (0.3, 0.3, 0.3))
        parts.append(solid(capsules=[post]))
    strong = 0.22 if dark(place) else 0.12 if place.indoor else 0.02
    flash = rng.uniform(0.1, 1.0) * strong * (power - 0.4)
    return Act(Shapes.join(parts), "lamp", point, 2 * size, flash=flash)


def cloth(rng: Rng, place: Place, t: Array) -> Act:
    """A flag, a curtain or a tape in the colours of fire waves in the wind."""
    point = stage(rng, place, 0.9, 2.4, 0.6)
    tall = float(np.clip(metres(place, point, rng.uniform(0.12, 0.4)), 0.4, 2.2))
    heading = rng.uniform(-np.pi, np.pi)
    along = np.array([np.cos(heading), np.sin(heading), 0.0]) * tall * rng.uniform(0.5, 1.6)
    colours = np.array(WARM)[rng.permutation(4)[: rng.integers(1, 4)]] * rng.uniform(0.7, 1.0)
    down = np.array([0.0, 0.0, -tall * rng.uniform(0.3, 1.0)])
    down[2] = max(down[2], -point[2])
    quads = effects.cloth(rng, t, point, along, down, colours, rng.uniform(0.08, 0.25) * tall)
    pole = rod(at(len(t), *point), at(len(t), point[0], point[1], 0.0), 0.025, (0.5, 0.5, 0.5))
    shapes = Shapes.of(len(t), capsules=pole, quads=quads)
    return Act(shapes, "cloth", point + along / 2 + down / 2, 0.6 * tall)


def screen(rng: Rng, place: Place, t: Array) -> Act:
    """A television or an advertisement shows changing pictures."""
    point = stage(rng, place, 1.0, 1.0)
    wide = float(np.clip(metres(place, point, rng.uniform(0.12, 0.4)), 0.4, 2.5))
    eye = place.camera.eye
    face = np.arctan2(eye[1] - point[1], eye[0] - point[0]) + rng.uniform(-0.9, 0.9)
    low, tall, frame = rng.uniform(0.5, 1.4), 0.58 * wide, axes(len(t), face)
    middle = at(len(t), point[0], point[1], low + tall / 2)
    gain = float(np.clip(0.6 / brightness(place), 1, 6))
    picture, light = _pictures(rng, t, middle, frame, (wide, tall), gain)
    stand = placed(at(len(t), point[0], point[1], low / 2), frame, (0.0, -0.05, 0.0))
    quads = [
        block(middle, frame, (0.53 * wide, 0.03, 0.55 * tall), (0.03, 0.03, 0.03)),
        block(stand, frame, (0.06, 0.03, low / 2), (0.1, 0.1, 0.1)),
        picture,
    ]
    front = middle + 0.2 * frame[:, 1]
    shine = effects.lamp(front, (0.7, 0.8, 1.0), 0.6 * light, 0.45 * wide)[:, 1:]
    shapes = Shapes.of(len(t), quads=np.concatenate(quads, 1), puffs=shine)
    return Act(shapes, "screen", middle, 0.6 * wide, flash=0.06 * (light - 0.3) * dark(place))


def _pictures(
    rng: Rng, t: Array, middle: Array, frame: Array, size: tuple[float, float], gain: float
) -> tuple[Array, Array]:
    """Return the quads of a picture that changes now and then, and its brightness (frames,)."""
    rows, columns = 3, 4
    scene = np.floor(t / rng.uniform(0.4, 2.5) + rng.uniform(0, 1))[:, None]
    moves = scene + 0.02 * np.floor(t * 5)[:, None]
    quads, light = [], 0.0 * t
    for row, column in itertools.product(range(rows), range(columns)):
        colour = np.mod(np.sin(rng.uniform(0, 1e3, 3) + scene * 7.7) * 43758.5, 1.0)
        colour = colour * np.mod(np.sin(moves * 9.1) * 4375.5, 1)
        corners = [
            placed(
                middle, frame, (size[0] * (u / columns - 0.5), 0.06, size[1] * (v / rows - 0.5))
            )
            for u, v in (
                (column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)
            )
        ]  # fmt: skip
        quads.append(sheet(corners, gain * (0.25 + 1.1 * colour[:, None])))
        light = light + colour.mean(1) / (rows * columns)
    return np.concatenate(quads, 1), light


def blue_light(rng: Rng, place: Place, t: Array) -> Act:
    """The lights of a police car or an ambulance flash, or a warning light turns."""
    rate, phase = rng.uniform(1.2, 3.0), rng.uniform(0, 1)
    blink = [(np.mod(t * rate + phase + k / 2, 1) < 0.4) * 1.0 for k in range(2)]
    colours = [((0.15, 0.3, 1.0), (0.15, 0.3, 1.0)), ((0.1, 0.25, 1.0), (1.0, 0.1, 0.08)),
               ((1.0, 0.5, 0.05), (1.0, 0.5, 0.05))][rng.integers(3)]  # fmt: skip
    if place.indoor:
        point = stage(rng, place, 0.8, 2.4, 0.3)
        shapes, heading, gap = Shapes.of(len(t)), 0.0, 0.0
    else:
        point = stage(rng, place, 1.7, 1.7, 2.2, 6.5)
        heading, gap = rng.uniform(-np.pi, np.pi), 0.5
        kind, white = str(rng.choice(["saloon", "estate", "van"])), rng.uniform(0.7, 0.9)
        look = motor(kind, (white, white, white))
        point[2] = look.size[2] + 0.12
        x, y = np.full(len(t), point[0]), np.full(len(t), point[1])
        shapes = car(look, x, y, heading, lit=0.4, eye=place.camera.eye)
    size = float(np.clip(metres(place, point, 0.07), 0.15, 0.7))
    side = gap * np.array([-np.sin(heading), np.cos(heading), 0])
    puffs = [
        effects.lamp(point + s * side, hue, power, size)
        for s, hue, power in zip((-1.0, 1.0), colours, blink, strict=True)
    ]
    flash = 0.05 * (blink[0] - 0.4) * dark(place)
    lights = Shapes.of(len(t), puffs=np.concatenate(puffs, 1))
    return Act(Shapes.join([shapes, lights]), "blue_light", point, 2.5 * size, flash=flash)


def reflections(rng: Rng, place: Place, t: Array) -> Act:
    """Patches of sunlight or of coloured lights wander and twinkle on the floor."""
    point = stage(rng, place, 0.05, 0.3, 0.3)
    size = float(np.clip(metres(place, point, rng.uniform(0.1, 0.3)), 0.3, 2.5))
    count = int(rng.integers(5, 18))
    whites = ((1.0, 0.9, 0.7), (1.0, 0.65, 0.3), (1.0, 1.0, 1.0))
    hue = np.array((1.0, 0.6, 0.2) if bright(place) else whites[rng.integers(3)])
    hues = rng.uniform(0.1, 1.0, (count, 3)) if rng.random() < 0.3 else np.tile(hue, (count, 1))
    x, y = (point[k] + size * rng.normal(0, 0.6, count) for k in range(2))
    clock = t[:, None] * rng.uniform(0.5, 4) + rng.uniform(0, 6, count)
    alpha = rng.uniform(0.2, 0.8) * np.clip(
        0.4 + 0.7 * np.sin(clock * rng.uniform(0.5, 2, count)), 0, 1
    )
    radius = size * rng.uniform(0.05, 0.25, count)
    move = 0.15 * size * np.sin(0.4 * clock)
    puffs = effects.puffs(x + move, y + 0.5 * move, radius + 0.02, radius, hues, alpha, 1.0)
    return Act(Shapes.of(len(t), puffs=puffs), "reflections", point, size)


def plant(rng: Rng, place: Place, t: Array) -> Act:
    """A plant moves in the wind."""
    point = stage(rng, place, 0.5, 0.5, 0.5)
    tall = float(np.clip(metres(place, point, rng.uniform(0.2, 0.5)), 0.5, 2.5))
    shapes = effects.plant(rng, t, point[0], point[1], tall, rng.uniform(0.04, 0.14))
    return Act(shapes, "plant", np.array([point[0], point[1], tall / 2]), 0.6 * tall)


def leaves(rng: Rng, place: Place, t: Array) -> Act:
    """The wind blows leaves or paper around."""
    point = stage(rng, place, 0.3, 0.3, 0.3)
    reach = float(np.clip(metres(place, point, rng.uniform(0.2, 0.5)), 0.6, 4))
    size = float(np.clip(metres(place, point, 0.02), 0.05, 0.2))
    brown = [(0.55, 0.3, 0.1), (0.75, 0.45, 0.1), (0.35, 0.2, 0.1)]
    white = [(0.85, 0.85, 0.82), (0.7, 0.7, 0.75)]
    hues: Any = brown if rng.random() < 0.6 else white
    shapes = Shapes.of(len(t), quads=effects.leaves(rng, t, point[0], point[1], reach, size, hues))
    return Act(shapes, "leaves", point, reach)
