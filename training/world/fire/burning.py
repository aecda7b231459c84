"""Act out fire, smoke and explosions.

Each act is `name(rng, place, t)` with seconds `t` since the onset, when it begins. Knows no
pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.acts import Act
from training.world.daily.things import at, axes, block, solid
from training.world.fire import effects, shining
from training.world.fire.effects import Smoke
from training.world.fire.sites import dark, lifted, metres, on_furniture, soot, stage, wind
from training.world.place import Place
from training.world.shapes import Array, Shapes
from training.world.traffic.driven import car
from training.world.traffic.vehicles import random_car

Rng = np.random.Generator


def fire(rng: Rng, place: Place, t: Array) -> Act:
    """Something catches fire, and the fire grows."""
    point, prop = _fuel(rng, place, t)
    tall = metres(place, point, float(np.exp(rng.uniform(np.log(0.10), np.log(0.6)))))
    tall = float(np.clip(tall, 0.3, 1.6 if place.indoor else 3.5))
    wide = float(np.clip(tall * rng.uniform(0.4, 1.5), 0.2, 3.0))
    power = _growth(rng, t)
    parts = [_hearths(rng, place, t, point, (wide, tall), power)]
    if rng.random() < 0.75:
        colour, glow = soot(rng, place)
        kind = Smoke(
            colour, 0.5 + 0.6 * tall**0.5, wind(rng, place), rng.uniform(3, 6),
            rng.uniform(0.2, 0.4) * (wide * tall) ** 0.5, 4.0, rng.uniform(0.2, 0.6), glow=glow,
        )  # fmt: skip
        top = lifted(point, 0.55 * tall)
        parts.append(
            effects.smoke(rng, t, top, kind, power=power, ceiling=place.ceiling, start=0.2)
        )
    glow = (0.10 if dark(place) else 0.03) * min(tall, 2) * rng.uniform(0.3, 1)
    flash = power * glow * (0.75 + 0.25 * np.sin(t * 11 + rng.uniform(0, 6) + 2 * np.sin(7 * t)))
    shapes = Shapes.join(
        [prop, Shapes.of(len(t), puffs=effects.before(np.concatenate(parts, 1), place.camera.eye))]
    )
    size = np.array([0, 0, 0.4]) * tall * power[:, None]
    return Act(shapes, "fire", point + size, 0.55 * max(wide, tall), on=t >= 0, flash=flash)


def _growth(rng: Rng, t: Array) -> Array:
    """Return the power (frames,) of a fire that starts at 0, grows and then goes up and down."""
    first, seconds = rng.uniform(0.15, 0.6), rng.uniform(0.4, 6)
    grown = first + (1 - first) * np.clip(t / seconds, 0, 1)
    waver = 1 + 0.12 * np.sin(0.9 * t + rng.uniform(0, 6)) + 0.08 * np.sin(2.3 * t)
    return np.asarray((t >= 0) * np.clip(grown * waver, 0, 1.2))


def _hearths(
    rng: Rng, place: Place, t: Array, point: Array, size: tuple[float, float], power: Array
) -> Array:
    """Return the flames of a fire that burns at one to four points side by side."""
    wide, tall = size
    count = int(np.clip(round(wide / tall * rng.uniform(1, 2.5)), 1, 4))
    white, way = rng.uniform(0.9, 1.35), rng.uniform(0, np.pi)
    parts = []
    for index in range(count):
        off = (index - (count - 1) / 2) / count * wide * rng.uniform(0.8, 1.1)
        where = point + np.array([off * np.cos(way), off * np.sin(way), 0.0])
        late = np.clip(power * rng.uniform(0.9, 1.3) - 0.12 * index, 0, 1)
        share = rng.uniform(0.75, 1.1) if index else 1.0
        parts.append(
            effects.flames(
                rng, t, where, 1.3 * wide / count**0.7, share * tall, power=late, white=white,
                eye=place.camera.eye, count=(80, 60, 45, 40)[count - 1],
            )
        )  # fmt: skip
    return np.concatenate(parts, 1)


def _fuel(rng: Rng, place: Place, t: Array) -> tuple[Array, Shapes]:
    """Draw where it burns (3,) and the thing that burns: furniture, a car, a bin or nothing."""
    draw, frames = rng.random(), len(t)
    on_top = on_furniture(rng, place) if draw < 0.35 else None
    if on_top is not None:
        return on_top, Shapes.of(frames)
    if draw > 0.75 and not place.indoor:
        point = stage(rng, place, 0.3, 0.3, 2.3, 6.5)
        if not place.blocked(point[0], point[1], 0.5) or len(place.taken) == 1:
            heading = rng.uniform(-np.pi, np.pi)
            x, y = np.full(frames, point[0]), np.full(frames, point[1])
            end = rng.choice([-1.3, 0.0, 1.4])
            burn = point + np.array([end * np.cos(heading), end * np.sin(heading), 0.5])
            return burn, car(random_car(rng), x, y, heading)
    point = stage(rng, place, 0.02, 0.05)
    if draw < 0.6:
        return point, Shapes.of(frames)
    half = rng.uniform(0.15, 0.4, 3)
    middle = at(frames, point[0], point[1], half[2])
    colour = rng.uniform(0.05, 0.6) * rng.uniform(0.6, 1.2, 3)
    thing = solid(quads=[block(middle, axes(frames, rng.uniform(0, 6)), half, colour)])
    return lifted(point, 1.7 * half[2]), thing


def smoke(rng: Rng, place: Place, t: Array) -> Act:
    """Smoke comes out of something and fills the place; no flame is seen."""
    furniture = on_furniture(rng, place) if rng.random() < 0.4 else None
    point = stage(rng, place, 0.05, 0.6) if furniture is None else furniture
    size = float(np.clip(metres(place, point, rng.uniform(0.05, 0.15)), 0.15, 1.0))
    colour, glow = soot(rng, place)
    kind = Smoke(
        colour, rng.uniform(0.6, 1.8) * size**0.4, wind(rng, place), rng.uniform(3, 8), size,
        rng.uniform(3, 5.5), rng.uniform(0.5, 0.8), 70, glow,
    )  # fmt: skip
    power = (t >= 0) * np.clip(0.6 + 0.25 * t, 0, 1)
    gush = effects.burst(
        rng, t, lifted(point, size), 2.2 * size, colour=colour, count=24, life=2.5, dense=0.6,
        way=(*kind.wind, 0.8 * kind.rise), glow=glow,
    )  # fmt: skip
    parts = [
        gush,
        effects.smoke(rng, t, point, kind, power=power, ceiling=place.ceiling, start=-0.5),
    ]
    if place.indoor and rng.random() < 0.6:
        parts.append(_haze(rng, place, t, colour))
    rise = np.clip(0.5 + 0.4 * kind.rise * np.maximum(t, 0), 0, 2.0) * size
    where = point + rise[:, None] * np.array([0, 0, 1.0])
    shapes = Shapes.of(len(t), puffs=effects.before(np.concatenate(parts, 1), place.camera.eye))
    return Act(shapes, "smoke", where, 2.5 * size, on=t >= 0)


def _haze(rng: Rng, place: Place, t: Array, colour: tuple[float, float, float]) -> Array:
    """Return puffs that slowly fill a room with haze."""
    x0, y0, x1, y1 = place.area
    x, y = rng.uniform(x0, x1, 9), rng.uniform(y0, y1, 9)
    high = place.ceiling or 3.0
    seconds = rng.uniform(3, 15)
    alpha = rng.uniform(0.1, 0.4) * np.clip(t / seconds, 0, 1)[:, None] * rng.uniform(0.4, 1, 9)
    drift = 0.3 * np.sin(0.3 * t[:, None] + rng.uniform(0, 6, 9))
    z = high - 1.0 + 0.1 * drift - 0.6 * np.clip(t / 20, 0, 1)[:, None]
    return effects.puffs(x + drift, y - drift, z, rng.uniform(0.9, 1.8, 9), colour, alpha, 0.0)


def explosion(rng: Rng, place: Place, t: Array) -> Act:
    """Something explodes at t = 0; smoke, debris and often a fire remain."""
    furniture = on_furniture(rng, place) if rng.random() < 0.3 else None
    point = stage(rng, place, 0.1, 1.2) if furniture is None else furniture
    away = float(np.linalg.norm(place.camera.eye - point))
    size = float(np.clip(metres(place, point, rng.uniform(0.12, 0.45)), 0.5, min(5.0, 0.4 * away)))
    colour, glow = soot(rng, place)
    after = Smoke(colour, 1.0, wind(rng, place), 5.0, 0.4 * size, 3.0, 0.5, 50, glow)
    fade = np.clip(1.2 - np.maximum(t - 4, 0) / 20, 0.35, 1)
    parts = [
        effects.fireball(rng, t, point, size, eye=place.camera.eye, ceiling=place.ceiling),
        effects.burst(rng, t, point, 1.3 * size, colour=colour, count=24, life=3.0, glow=glow),
        effects.smoke(rng, t, point, after, power=fade, ceiling=place.ceiling, start=0.15),
    ]
    if rng.random() < (1.0 if dark(place) else 0.6):
        low = np.array([point[0], point[1], 0.05])
        power = (t >= 0.1) * np.clip(t / 1.5, 0.3, 1) * fade
        parts.append(_hearths(rng, place, t, low, (0.6 * size, 0.6 * size), power))
    if rng.random() < 0.4:
        parts.append(_sparks(rng, t, point, size))
    pieces = effects.debris(rng, t, point, 36, 3.5 * size**0.5 + 2, 0.03 + 0.05 * size**0.5,
                            [(0.08, 0.08, 0.08), (0.35, 0.3, 0.25), (0.6, 0.6, 0.6)])  # fmt: skip
    flash = effects.flash(t, rng.uniform(0.35, 1.1), rng.uniform(0.08, 0.25))
    shapes = Shapes.of(
        len(t), quads=pieces, puffs=effects.before(np.concatenate(parts, 1), place.camera.eye)
    )
    return Act(shapes, "explosion", lifted(point, 0.4 * size), 1.2 * size, on=t >= 0, flash=flash)


def _sparks(rng: Rng, t: Array, point: Array, size: float) -> Array:
    """Return sparks that fly from an explosion during its first second."""
    jet = (rng.normal(), rng.normal(), 4 + 2 * size**0.5)
    return effects.spray(rng, t, point, jet, spread=0.6, count=60, colour=(1.0, 0.85, 0.5),
                         glow=1.0, size=0.03 + 0.02 * size, start=0.0, stop=0.7)  # fmt: skip


Maker = Callable[[Rng, Place, Array], Act]
BURNING: dict[str, Maker] = {"fire": fire, "smoke": smoke, "explosion": explosion}
BURNING_LIKE: dict[str, Maker] = {
    "steam": shining.steam,
    "lamp": shining.lamp,
    "cloth": shining.cloth,
    "screen": shining.screen,
    "blue_light": shining.blue_light,
    "reflections": shining.reflections,
    "plant": shining.plant,
    "leaves": shining.leaves,
}
