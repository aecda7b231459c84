"""Define ordinary acts with things: trolleys, boxes, bicycles, doors and animals.

Knows no camera and no words. An act is `name(rng, place, t)` with t (frames,) in seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import random_body
from training.world.bodies.rig import rig
from training.world.bodies.skeleton import Pose
from training.world.daily import actors, space, things
from training.world.daily.paths import Leg, Path, Steps
from training.world.place import Place, Rng
from training.world.shapes import Array, Shapes

PEDAL = 0.17


def dull(rng: Rng) -> Array:
    """Draw a colour of an ordinary thing; most are greyish."""
    grey, vivid = rng.uniform(0.05, 0.85), rng.uniform(0.05, 0.9, 3)
    share = rng.uniform(0, 1) ** 2
    return np.asarray(grey + share * (vivid - grey))


def trolley(rng: Rng, place: Place, t: Array) -> Act:
    """One person pushes a trolley, a pram or a cleaning cart."""
    who, gait, t = random_body(rng), actors.random_gait(rng), t + rng.uniform(0, 15)
    path = actors.wander(rng, place, rng.uniform(0.6, 1.1), pause=0.3, leave=0.2)
    steps = path.at(t)
    bar, half = rng.uniform(0.9, 1.05), rng.uniform((0.2, 0.28, 0.14), (0.32, 0.5, 0.28))
    pose = actors.go(gait, steps, t, who.scale)
    pose = _hold(pose, steps, who, 0.36, bar, 0.5 * half[0])
    shape = _cart(rng, steps, 0.4 + half[1], bar, half)
    return actors.act([(pose, who)], "walk", extra=shape, reach=1.15)


def _hold(pose: Pose, steps: Steps, who: Any, ahead: float, high: float, wide: float) -> Pose:
    """Put both hands on something in front of a walker."""
    base = things.at(len(steps.x), steps.x, steps.y, 0.0)
    frame = things.axes(len(base), steps.heading)
    for side, sign in (("l", -1.0), ("r", 1.0)):
        aim = things.placed(base, frame, (sign * wide, ahead, high))
        pose = motion.reach(pose, side, aim, 1.0, who.lengths, who.scale)
    return pose


def _cart(rng: Rng, steps: Steps, ahead: float, bar: float, half: Array) -> Shapes:
    frames = len(steps.x)
    base, frame = things.at(frames, steps.x, steps.y, 0.0), things.axes(frames, steps.heading)
    metal, goods = rng.uniform(0.2, 0.75) * np.ones(3), dull(rng)
    low = bar - 0.1 - half[2]
    quads = [things.block(things.placed(base, frame, (0, ahead, low)), frame, half, metal)]
    load = half * np.array([0.85, rng.uniform(0.3, 0.85), 0.6])
    spot = (0, ahead, low + half[2])
    quads.append(things.block(things.placed(base, frame, spot), frame, load, goods))
    rods = []
    for side in (-1.0, 1.0):
        top = things.placed(base, frame, (side * half[0], 0.36, bar))
        back, front = (
            things.placed(base, frame, (side * half[0], ahead + k * half[1], 0.06)) for k in (-1, 1)
        )
        rods += [
            things.rod(top, back, 0.018, 0.6 * metal),
            things.rod(back, front, 0.03, 0.3 * metal),
        ]
    return things.solid(rods, quads)


def carry(rng: Rng, place: Place, t: Array) -> Act:
    """One person carries a box, a crate or a pile in front of the body."""
    who, gait, t = random_body(rng), actors.random_gait(rng), t + rng.uniform(0, 15)
    steps = actors.wander(rng, place, rng.uniform(0.7, 1.4), pause=0.2, leave=0.3).at(t)
    half = rng.uniform((0.13, 0.08, 0.06), (0.25, 0.18, 0.2))
    high = rng.uniform(0.95, 1.2) * who.scale
    pose = _hold(actors.go(gait, steps, t, who.scale), steps, who, 0.3, high, half[0])
    frame = things.axes(len(t), steps.heading)
    middle = things.placed(
        things.at(len(t), steps.x, steps.y, 0.0), frame, (0, 0.2 + half[1], high)
    )
    colour = (
        np.array([0.6, 0.45, 0.28]) * rng.uniform(0.6, 1.2) if rng.random() < 0.5 else dull(rng)
    )
    box = things.solid(quads=[things.block(middle, frame, half, colour)])
    return actors.act([(pose, who)], "walk", extra=box)


def cycle(rng: Rng, place: Place, t: Array) -> Act:
    """One person rides a bicycle; indoors somebody pushes a trolley instead."""
    if place.indoor:
        return trolley(rng, place, t)
    path = actors.there_and_back(rng, place, rng.uniform(2.2, 4.5), 7.0)
    who, steps = random_body(rng), path.at(t + rng.uniform(0, 15))
    angle = steps.travelled / 0.8
    feet = tuple(
        (sign * 0.09, 0.1 + PEDAL * np.cos(angle + k), 0.3 + PEDAL * np.sin(angle + k))
        for sign, k in ((-1.0, 0.0), (1.0, np.pi))
    )
    hands = ((-0.22, 0.52, 1.05), (0.22, 0.52, 1.05))
    lean = rng.uniform(0.2, 0.6)
    pose = rig(len(t), height=0.98, y=-0.18, pelvis=0.3, lean=lean, curl=-0.3 * lean, hands=hands,
               feet=(feet[0], feet[1]), toes=((0, 1, -0.1),) * 2)  # fmt: skip
    shape = _bicycle(rng, steps)
    return actors.act([(actors.along(pose, steps), who)], "walk", extra=shape, reach=1.1)


def _bicycle(rng: Rng, steps: Steps) -> Shapes:
    base = things.at(len(steps.x), steps.x, steps.y, 0.0)
    frame = things.axes(len(base), steps.heading)
    colour, black = rng.uniform(0.03, 0.8, 3), np.full(3, 0.06)

    def spot(ahead: float, up: float) -> Array:
        return things.placed(base, frame, (0.0, ahead, up))

    seat, pedals, bars = spot(-0.18, 0.85), spot(0.1, 0.3), spot(0.45, 1.0)
    back, front = spot(-0.45, 0.34), spot(0.6, 0.34)
    pairs = (seat, pedals), (pedals, back), (seat, bars), (pedals, bars), (bars, front)
    rods = [things.rod(a, b, 0.022, colour) for a, b in pairs]
    wheels = [things.wheel(middle, frame, 0.33, black) for middle in (back, front)]
    return things.solid(rods + wheels)


def door(rng: Rng, place: Place, t: Array) -> Act:
    """One person goes through a door in a wall; where there is no wall somebody carries a box."""
    x, y, heading, wall = space.beside(rng, place, 2.0, (0.06, 0.08))
    if not wall:
        return carry(rng, place, t)
    place.taken.append((x, y, 0.9))
    speed, wait, before = rng.uniform(0.8, 1.3), rng.uniform(0.5, 6), rng.uniform(1.5, 3.0)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    a, b = np.array([x, y]) - before * ahead, np.array([x, y]) + 1.2 * ahead
    seconds = (before + 1.2) / speed
    loop = [Leg(seconds, b), Leg(wait, b), Leg(seconds, a), Leg(wait, a)]
    path = Path(a, heading, before=loop, after=loop)
    who, gait, t = random_body(rng), actors.random_gait(rng), t + rng.uniform(0, 12)
    steps = path.at(t)
    near = np.clip(1.6 - 1.2 * np.hypot(steps.x - x, steps.y - y), 0, 1)
    pose = actors.go(gait, steps, t, who.scale)
    shape = _doorway(rng, x, y, heading, near)
    return actors.act([(pose, who)], "walk", extra=shape, reach=1.2)


def _doorway(rng: Rng, x: float, y: float, heading: float, opened: Array) -> Shapes:
    """Return a doorway in a wall and its leaf; `opened` (frames,) is in 0..1."""
    frames = len(opened)
    base, frame = things.at(frames, x, y, 0.0), things.axes(frames, heading)
    grey, leaf = rng.uniform(0.4, 0.85) * np.ones(3), rng.uniform(0.1, 0.7, 3)
    quads = []
    for side in (-1.0, 1.0):
        spot = things.placed(base, frame, (side * 0.55, 0, 1.1))
        quads.append(things.block(spot, frame, (0.05, 0.05, 1.1), grey))
    corners = [
        things.placed(base, frame, (a, 0.02, b))
        for a, b in ((-0.5, 0), (0.5, 0), (0.5, 2.1), (-0.5, 2.1))
    ]
    quads.append(things.sheet(corners, rng.uniform(0.02, 0.3) * np.ones(3)))
    swing = things.axes(frames, heading + 1.5 * opened)
    hinge = things.placed(base, frame, (-0.5, 0.0, 1.05))
    middle = things.placed(hinge, swing, (0.48, 0, 0))
    quads.append(things.block(middle, swing, (0.47, 0.02, 1.04), leaf))
    return things.solid(quads=quads)


def pet(rng: Rng, place: Place, t: Array) -> Act:
    """A dog or a cat runs or strolls through the place."""
    size, speed = rng.uniform(0.45, 1.1), rng.uniform(0.5, 2.6)
    path = actors.wander(rng, place, speed, pause=0.3, leave=0.3)
    steps = path.at(t + rng.uniform(0, 15))
    where = things.at(len(t), steps.x, steps.y, 0.35 * size)
    return Act(_animal(rng, steps, size), "pet", where, 0.6 * size)


def _animal(rng: Rng, steps: Steps, size: float) -> Shapes:
    base = things.at(len(steps.x), steps.x, steps.y, 0.0)
    frame = things.axes(len(base), steps.heading)
    fur = np.array([0.5, 0.4, 0.3]) * rng.uniform(0.1, 1.7)
    phase = steps.travelled / (0.22 * size)
    pace = 0.16 * np.clip(steps.speed, 0, 1)

    def spot(right: Any, ahead: Any, up: Any) -> Array:
        return things.placed(base, frame, (right * size, ahead * size, up * size))

    neck, rump = spot(0.0, 0.3, 0.55), spot(0.0, -0.3, 0.5)
    rods = [
        things.rod(spot(0.0, 0.22, 0.48), spot(0.0, -0.25, 0.48), 0.12 * size, fur),
        things.rod(neck, spot(0.0, 0.52, 0.7), 0.075 * size, fur * 0.85),
        things.rod(rump, spot(0.05 * np.sin(9 * phase), -0.55, 0.65), 0.03 * size, fur),
    ]
    for index, (right, ahead) in enumerate(
        ((-0.08, 0.22), (0.08, 0.22), (-0.08, -0.25), (0.08, -0.25))
    ):
        swing = pace * np.sin(phase + np.pi * (index in (0, 3)))
        rods.append(
            things.rod(spot(right, ahead, 0.42), spot(right, ahead + swing, 0.04), 0.04 * size, fur)
        )
    return things.solid(rods)
