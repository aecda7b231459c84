"""Act out traffic: vehicles that drive, pass each other, queue, stop, park and deliver.

Each act is `name(rng, place, t)` with seconds `t` since the onset. Knows no pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.bodies.body import figure, random_body
from training.world.daily import actors
from training.world.daily.paths import Steps
from training.world.daily.things import at, axes, block, placed, solid
from training.world.fire import effects
from training.world.fire.sites import dark
from training.world.place import Place
from training.world.shapes import Array, Shapes
from training.world.traffic import collisions, struck
from training.world.traffic.driven import car, rider
from training.world.traffic.road import (
    Track,
    passing,
    pick,
    point,
    shuttle,
    stop_and_go,
    tracks,
)
from training.world.traffic.vehicles import Vehicle, open_doors, random_car

Rng = np.random.Generator
BUSY = ("saloon", "hatchback", "suv", "estate", "saloon", "hatchback", "suv", "van", "lorry", "bus",
        "minibus")  # fmt: skip


def lamps(rng: Rng, place: Place) -> float:
    """Draw how bright the lamps of a vehicle are."""
    return float(rng.uniform(0.7, 1.0) if dark(place) else rng.choice([0.0, 0.0, 0.35]))


def _act(shapes: list[Shapes], state: str, where: Any, on: Array, size: float, count: int) -> Act:
    """Make an act of vehicles around x and y, with a centre above the ground."""
    x, y = where
    return Act(
        Shapes.join(shapes), state, np.stack([x, y, np.full(len(x), 0.7)], -1), size, 0, count, on
    )


def _pass(
    rng: Rng, place: Place, t: Array, way: Track, look: Vehicle, along: Array, aside: float = 0.0,
    braking: Any = 0.0,
) -> Shapes:  # fmt: skip
    """Draw a vehicle on a lane, with the light that it throws on the road at night."""
    x, y = way.at(along, aside)
    lit = lamps(rng, place)
    out = car(look, x, y, way.heading, braking=braking, lit=lit, eye=place.camera.eye)
    if not dark(place):
        return out
    front = look.size[0] / 2
    px, py = x + front * np.cos(way.heading), y + front * np.sin(way.heading)
    beam = effects.beam(px, py, np.full(len(t), way.heading), 0.8 * lit)
    return Shapes.join([out, Shapes.of(len(t), puffs=beam)])


# --- ordinary ---


def drive(rng: Rng, place: Place, t: Array) -> Act:
    """A vehicle drives by, and others later."""
    return _drives(rng, place, t, random_car(rng, BUSY), rng.uniform(0.3, 1.2))


def fast(rng: Rng, place: Place, t: Array) -> Act:
    """A car drives by fast."""
    return _drives(rng, place, t, random_car(rng), rng.uniform(1.3, 2.2))


def _drives(rng: Rng, place: Place, t: Array, look: Vehicle, hurry: float) -> Act:
    """Let a vehicle pass again and again, in a hurry or not."""
    way = pick(rng, place)
    speed = float(np.clip(hurry * way.seen / 1.8, 3.0, 9.0 * max(hurry, 1.0)))
    gap, shift = rng.uniform(2, 30), rng.uniform(0, 0.6) * way.seen + 8
    along = passing(way, t, speed, gap, shift)
    shapes = _pass(rng, place, t, way, look, along)
    return _act([shapes], "drive", way.at(along), way.shows(along), look.size[0] / 2, 1)


def drive_many(rng: Rng, place: Place, t: Array) -> Act:
    """Several vehicles drive on all lanes."""
    parts, on, first = [], np.zeros(len(t), bool), None
    ways = tracks(place)
    best = max(way.free for way in ways)
    for way in [way for way in ways if way.free > best - 0.1]:
        speed, count = rng.uniform(3.5, 9), int(rng.integers(1, 4))
        space = rng.uniform(9, 16)
        for index in range(count):
            look = random_car(rng, BUSY[:8] if index else BUSY)
            shift = rng.uniform(0, 2) - index * space - (look.size[0] > 6) * 3
            along = passing(way, t, speed, max(10.0, count * 16.0 - way.seen), shift)
            parts.append(_pass(rng, place, t, way, look, along))
            on |= way.shows(along)
            first = way.at(along) if first is None else first
    return _act(parts, "drive", first, on, 2.3, len(parts))


def bus(rng: Rng, place: Place, t: Array) -> Act:
    """A bus or a lorry comes, stops for some seconds and goes on."""
    way = pick(rng, place)
    look = random_car(rng, ("bus", "bus", "minibus", "lorry"))
    speed, stop, wait = rng.uniform(4, 8), rng.uniform(0.5, 2), rng.uniform(4, 9)
    seconds = wait + 2 * (way.seen + 12) / speed + 5
    clock = np.mod(t + seconds / 3, seconds) - seconds / 3
    off, braking = stop_and_go(clock, speed, stop, stop + wait, 2.0, 1.2)
    along = point(rng, way) + off
    shapes = _pass(rng, place, t, way, look, along, braking=braking)
    return _act([shapes], "drive", way.at(along), way.shows(along), look.size[0] / 2, 1)


def park(rng: Rng, place: Place, t: Array) -> Act:
    """A car manoeuvres slowly, ahead and back."""
    way, look = pick(rng, place), random_car(rng)
    seconds, side = rng.uniform(7, 13), float(rng.choice([-1.0, 1.0]))
    phase = 2 * np.pi * (t / seconds + rng.uniform(0, 1))
    radius, swing = rng.uniform(4.5, 7), side * rng.uniform(0.25, 0.6) * (1 - np.cos(phase))
    heading = way.heading + swing
    x0, y0 = way.at(point(rng, way), side * radius)
    x, y = x0 + side * radius * np.sin(heading), y0 - side * radius * np.cos(heading)
    back = (np.sin(phase) < 0).astype(float)
    shapes = car(look, x, y, heading, braking=0.7 * back, lit=lamps(rng, place),
                 eye=place.camera.eye)  # fmt: skip
    return _act([shapes], "drive", (x, y), np.ones(len(t), bool), 2.3, 1)


def ridden(
    rng: Rng, place: Place, t: Array, look: Vehicle, way: Track, along: Array, speed: Any
) -> tuple[Shapes, Any]:
    """Draw a two-wheeler with its rider on a lane; returns the rider's pose and body as well."""
    aside = rng.uniform(-0.8, 0.8) + 0.1 * np.sin(0.8 * t + rng.uniform(0, 6))
    x, y = way.at(along, aside)
    who, roll = random_body(rng), 0.05 * np.sin(1.1 * t + rng.uniform(0, 6))
    pose = rider(look, x, y, way.heading, along / 0.9 * (speed > 0), roll)
    bike = car(look, x, y, way.heading, roll=roll, lit=lamps(rng, place) if not look.crank else 0,
               eye=place.camera.eye)  # fmt: skip
    return Shapes.join([bike, figure(pose, who)]), (pose, who)


def cycle(rng: Rng, place: Place, t: Array) -> Act:
    """Somebody rides a bicycle."""
    return _rides(rng, place, t, "bicycle", rng.uniform(2.5, 6))


def motorbike(rng: Rng, place: Place, t: Array) -> Act:
    """Somebody rides a motorbike."""
    return _rides(rng, place, t, "motorbike", rng.uniform(4, 11))


def _rides(rng: Rng, place: Place, t: Array, kind: str, speed: float) -> Act:
    way, look = pick(rng, place), random_car(rng, (kind,))
    along = passing(way, t, speed, rng.uniform(0, 20), rng.uniform(0, 0.6) * way.seen + 8)
    shapes, (pose, _) = ridden(rng, place, t, look, way, along, speed)
    act = _act([shapes], "drive", pose.root[:, :2].T, way.shows(along), 1.2, 1)
    act.people = 1
    return act


def delivery(rng: Rng, place: Place, t: Array) -> Act:
    """Somebody carries boxes from a van with open doors."""
    way = pick(rng, place)
    aside = float(rng.choice([-1.0, 1.0]) * rng.uniform(0, 1.5))
    spot, look = point(rng, way), open_doors(random_car(rng, ("van",)))
    x, y = way.at(np.full(len(t), spot), aside)
    van = car(look, x, y, way.heading)
    far, speed = rng.uniform(3, 6), rng.uniform(0.9, 1.3)
    turn = way.heading + np.pi + rng.uniform(-0.9, 0.9)
    seconds = 2 * far / speed + 2
    u = np.mod(t / seconds + rng.uniform(0, 1), 1)
    out = np.clip(np.minimum(u, 1 - u) * seconds - 0.5, 0, far / speed) * speed
    moving = (out > 0.02) & (out < far - 0.02)
    rear = way.at(spot - look.size[0] / 2 - 0.5, aside)
    px, py = rear[0] + out * np.cos(turn), rear[1] + out * np.sin(turn)
    steps = Steps(px, py, np.where(u < 0.5, turn, turn + np.pi), u * 2 * far, speed * moving)
    who = random_body(rng)
    pose = actors.go(actors.random_gait(rng), steps, t, who.scale)
    frame = axes(len(t), steps.heading)
    middle = placed(at(len(t), px, py, 1.0), frame, (0.0, 0.35, 0.0))
    box = solid(quads=[block(middle, frame, (0.22, 0.18, 0.16), (0.55, 0.42, 0.28))])
    act = _act([van, figure(pose, who), box], "drive", (x, y), np.ones(len(t), bool), 2.6, 1)
    act.people = 1
    return act


# --- look-alikes ---


def pass_by(rng: Rng, place: Place, t: Array) -> Act:
    """Two cars pass each other closely."""
    way, other, gap = _opposite(rng, place)
    meet, when = point(rng, way, 0.35), rng.uniform(0.2, 2.5)
    speed = rng.uniform(0.35, 0.8) * max(way.seen, 6) / 1.6
    speed = float(np.clip(speed, 3.0, 10.0))
    seconds = max(2.4, (way.seen + 2 * 6) / speed)
    clock = shuttle(t - when, seconds)
    x, y = way.at(meet)
    c, s = np.cos(other.heading), np.sin(other.heading)
    there = float((x - other.x) * c + (y - other.y) * s)
    along = meet + speed * clock
    second = there + speed * rng.uniform(0.8, 1.2) * clock
    parts = [
        _pass(rng, place, t, way, random_car(rng), along, gap),
        _pass(rng, place, t, other, random_car(rng), second, gap),
    ]
    middle = way.at(np.full(len(t), meet), gap)
    on = (t >= -1) & way.shows(along)
    return _act(parts, "pass_by", middle, on, 3.0, 2)


def _opposite(rng: Rng, place: Place) -> tuple[Track, Track, float]:
    """Draw two ways in opposite directions, and how far to the left to drive on both."""
    way = pick(rng, place)
    for other in tracks(place):
        x, y = way.at(way.middle)
        across = (y - other.y) * np.cos(other.heading) - (x - other.x) * np.sin(other.heading)
        opposite = np.cos(other.heading - way.heading) < -0.9
        if opposite and 1.5 < abs(across) < 5.5:
            return way, other, float(np.sign(across) * (abs(across) / 2 - rng.uniform(1.1, 1.4)))
    return way, way.back(), float(rng.choice([-1.0, 1.0]) * rng.uniform(1.1, 1.5))


def queue(rng: Rng, place: Place, t: Array) -> Act:
    """Cars stop closely behind each other, wait and go on."""
    way, count = pick(rng, place), int(rng.integers(2, 5))
    line, speed = way.near + way.seen * rng.uniform(0.55, 0.9), rng.uniform(4, 9)
    stop, wait, parts = rng.uniform(-0.5, 3.0), rng.uniform(3, 7), []
    clock = np.mod(t + 6, 26.0) - 6
    middle = 0.0 * t
    for index in range(count):
        look = random_car(rng)
        line -= look.size[0] / 2
        late = index * rng.uniform(0.7, 1.2)
        off, braking = stop_and_go(clock, speed, stop + late, stop + wait + 1.5 * index, 4.5)
        parts.append(_pass(rng, place, t, way, look, line + off, braking=braking))
        middle = middle + (line + off) / count
        line -= look.size[0] / 2 + rng.uniform(0.8, 2.0)
    return _act(parts, "queue", way.at(middle), way.shows(middle), 2.5 * count**0.5, count)


def give_way(rng: Rng, place: Place, t: Array) -> Act:
    """A car stops for somebody who crosses the road, sometimes at the last moment."""
    way, look = pick(rng, place), random_car(rng)
    cross, speed = point(rng, way, 0.3), rng.uniform(4, 9)
    pace, side = rng.uniform(1.0, 1.7), float(rng.choice([-1.0, 1.0]))
    stop = rng.uniform(0.3, 1.8)
    go = stop + rng.uniform(2.5, 4)
    off, braking = stop_and_go(t, speed, stop, go, rng.uniform(3.5, 7))
    room = rng.uniform(0.8, 2.0)
    along = cross - room - look.size[0] / 2 + off
    gone = pace * (t - stop - rng.uniform(-0.3, 1.2))
    x, y = way.at(cross + 0 * t, side * gone)
    heading = np.full(len(t), way.heading + side * np.pi / 2)
    who = random_body(rng)
    steps = Steps(x, y, heading, gone, np.full(len(t), pace))
    pose = actors.go(actors.random_gait(rng), steps, t, who.scale)
    shapes = [_pass(rng, place, t, way, look, along, braking=braking), figure(pose, who)]
    act = _act(shapes, "give_way", way.at(cross - 1 + 0 * t), t > -0.6, 3.0, 1)
    act.people = 1
    return act


def headlights(rng: Rng, place: Place, t: Array) -> Act:
    """A vehicle comes towards the camera with bright headlights."""
    ways = [way for lane in tracks(place) for way in (lane, lane.back())]
    eye = place.camera.eye

    def towards(way: Track) -> float:
        x, y = way.at(way.middle)
        turn = np.arctan2(eye[1] - y, eye[0] - x) - way.heading
        return float(np.cos(turn) + 0.02 * min(way.seen, 15) + way.free)

    way = max(ways, key=towards)
    speed = float(np.clip(rng.uniform(0.3, 0.8) * way.seen / 1.8, 2.5, 9))
    gap, look = rng.uniform(0, 6), random_car(rng)
    along = passing(way, t, speed, gap, rng.uniform(0, 0.4) * way.seen + 6)
    x, y = way.at(along)
    turn = way.heading + 0.6 * np.clip(1 - np.abs(along - way.middle) / 6, 0, 1) * rng.normal()
    shapes = car(look, x, y, turn, lit=1.0, eye=eye)
    front = look.size[0] / 2
    px, py = x + front * np.cos(turn), y + front * np.sin(turn)
    night = dark(place)
    beam = effects.beam(px, py, turn, (1.0 if night else 0.3) * np.ones(len(t)))
    facing = np.clip(np.cos(np.arctan2(eye[1] - y, eye[0] - x) - turn), 0, 1) ** 4
    near = 1 / (1 + (np.hypot(eye[0] - x, eye[1] - y) / 9) ** 2)
    dazzle = effects.lamp(
        np.stack([px, py, np.full(len(t), 0.65)], -1), (1.0, 0.97, 0.88),
        facing * (0.6 if night else 0.3), rng.uniform(0.4, 0.9),
    )  # fmt: skip
    flash = rng.uniform(0.1, 0.4) * facing * near * (1.0 if night else 0.25) * way.shows(along)
    light = Shapes.of(len(t), puffs=np.concatenate([beam, dazzle], 1))
    act = _act([shapes, light], "headlights", (px, py), way.shows(along), 1.6, 1)
    act.flash = flash
    return act


Maker = Callable[[Rng, Place, Array], Act]
TRAFFIC: dict[str, tuple[Maker, float]] = {
    "drive": (drive, 3.0),
    "drive_many": (drive_many, 3.0),
    "cycle": (cycle, 1.5),
    "motorbike": (motorbike, 1.0),
    "park": (park, 1.0),
    "bus": (bus, 0.8),
    "fast": (fast, 0.5),
    "delivery": (delivery, 0.5),
}
TRAFFIC_LIKE: dict[str, Maker] = {
    "pass_by": pass_by,
    "queue": queue,
    "give_way": give_way,
    "headlights": headlights,
}
CRASHES: dict[str, Maker] = {
    "crash": collisions.crash,
    "hit": struck.hit,
    "skid": collisions.skid,
}
NEEDS_LANES = frozenset({*TRAFFIC, *TRAFFIC_LIKE, *CRASHES})
