"""Define what one person does that looks like an anomaly and is none.

Bending, crouching, exercise, running, stumbling and the like. Knows no camera and no words. An act
is `name(rng, place, t)` with t (frames,) in seconds since its onset; most go on for ever.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import random_body
from training.world.bodies.rig import STAND, rig
from training.world.bodies.skeleton import Pose, blend, mirror, turn
from training.world.daily import actors, space, things
from training.world.daily.antics import adult, dress, exercise, jump, sweep, throw, wave_arms
from training.world.daily.paths import Leg, Path
from training.world.daily.timing import again, held, soft, to_and_fro
from training.world.place import Place, Rng
from training.world.shapes import Array, Shapes

Maker = Callable[[Rng, Place, Array], Act]


def _lower(frames: int, down: Array, knees: float, lean: float, sway: Array) -> Pose:
    """Return a person who goes down by `down` (frames,): with the knees, with the back."""
    height = STAND - 0.55 * knees * down - 0.12 * (1 - knees) * down
    bent = lean * down
    out = 0.25 + 0.25 * down
    low = 0.06 + 0.1 * sway
    hands = tuple((s * (0.12 + 0.05 * sway), out, low + (1 - down) * 0.75) for s in (-1.0, 1.0))
    pose = rig(frames, height=height, y=-0.24 * down * (1 - 0.3 * knees), pelvis=0.5 * bent,
               lean=bent, curl=0.2 * down, hands=(hands[0], hands[1]),
               feet=((-0.12, 0.05, 0.09), (0.12, -0.12, 0.09)))  # fmt: skip
    return blend(rig(frames, height=STAND), pose, np.clip(4 * down, 0, 1))


def bend(rng: Rng, place: Place, t: Array) -> Act:
    """One person bends down, picks something up or looks at it, and comes up again."""
    who = adult(rng)
    if rng.random() < 0.4:
        clip = motion.library()[f"bend_{int(rng.integers(1, 7))}"]
        pose = motion.play(clip, to_and_fro(t + rng.uniform(0, 2), clip.seconds))
    else:
        down = held(again(rng, t, rng.uniform(1.4, 4.0)), rng.uniform(0.25, 0.45))
        sway = np.sin(2 * np.pi * rng.uniform(0.5, 2) * t)
        pose = _lower(len(t), down, rng.uniform(0.0, 0.7), rng.uniform(0.9, 1.7), sway)
    return actors.solo(rng, place, pose, "bend", who)


def crouch(rng: Rng, place: Place, t: Array) -> Act:
    """One person squats down, ties a shoe or looks into a low shelf for some seconds."""
    who = adult(rng)
    down = held(again(rng, t, rng.uniform(4, 9)), 0.12)
    sway = np.sin(2 * np.pi * rng.uniform(0.8, 2.5) * t + rng.uniform(0, 6))
    pose = _lower(len(t), down, rng.uniform(0.85, 1.1), rng.uniform(0.5, 1.0), sway)
    return actors.solo(rng, place, pose, "crouch", who)


def kneel(rng: Rng, place: Place, t: Array) -> Act:
    """One person kneels and works with the hands on the floor: cleans, repairs or plays."""
    who, frames = adult(rng), len(t)
    lean = rng.uniform(0.1, 1.1) + 0.15 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * t)
    low = rng.random() < 0.5
    rub = 0.15 * np.sin(2 * np.pi * rng.uniform(0.5, 1.6) * t)
    legs = ((-0.12, -0.4, 0.08), (0.12, -0.4, 0.08)), ((0, -0.7, -0.5),) * 2
    knees = ((-0.15, 1, -0.7), (0.15, 1, -0.7))
    height = 0.42 if low else 0.53
    shoulder = height + 0.5 * np.cos(lean)
    reach = 0.35 + 0.5 * np.sin(lean)
    hands = tuple(
        (s * 0.15 + rub, reach + 0.7 * s * rub, np.maximum(0.06, shoulder - 0.55))
        for s in (-1.0, 1.0)
    )
    pose = rig(frames, height=height, y=-0.1, lean=lean, pelvis=0.4 * lean, curl=0.2,
               hands=(hands[0], hands[1]), feet=legs[0], toes=legs[1], knees=knees)  # fmt: skip
    return actors.solo(rng, place, pose, "kneel", who)


def sit_down(rng: Rng, place: Place, t: Array) -> Act:
    """One person sits down on the floor or on something low, stays and gets up again."""
    who, frames = adult(rng), len(t)
    seat = rng.choice([0.13, 0.13, rng.uniform(0.3, 0.5)])
    down = held(again(rng, t, rng.uniform(3.5, 9)), 0.15)
    back = -0.35 * down
    ahead = 0.05 + 0.28 * down * (seat < 0.2)
    lean = 0.9 * np.sin(np.pi * down) - 0.1 * down
    feet = ((-0.13, ahead, 0.09), (0.13, ahead, 0.09))
    pose = rig(frames, height=STAND - (STAND - seat) * down, y=back, lean=lean, pelvis=0.4 * lean,
               arms=((-0.12, 0.05 + 0.3 * down, -0.55 + 0.15 * down),
                     (0.12, 0.05 + 0.3 * down, -0.55 + 0.15 * down)), feet=feet)  # fmt: skip
    colour = rng.uniform(0.1, 0.7, 3)

    def stool(n: int, x: float, y: float, heading: float) -> Shapes:
        base, frame = things.at(n, x, y, 0.0), things.axes(n, heading)
        half = (0.25, 0.22, max(seat - 0.1, 0.02) / 2)
        middle = things.placed(base, frame, (0, -0.38 * who.scale, half[2]))
        return things.solid(quads=[things.block(middle, frame, half, colour)])

    return actors.solo(rng, place, pose, "sit_down", who, extra=stool if seat > 0.2 else None)


def run(rng: Rng, place: Place, t: Array) -> Act:
    """One person runs for a bus or jogs, to and fro; where there is no room it jumps."""
    speed = rng.uniform(2.4, 5.5)
    path = actors.there_and_back(rng, place, speed, 6.0)
    if path.longest() < 3.0:
        return jump(rng, place, t)
    who, gait = random_body(rng, child=bool(rng.random() < 0.15)), actors.random_gait(rng)
    steps = path.at(t + rng.uniform(0, 10))
    return actors.act([(actors.go(gait, steps, t, who.scale), who)], "run")


def stumble(rng: Rng, place: Place, t: Array) -> Act:
    """One person trips while walking, catches the balance and goes on."""
    path = actors.there_and_back(rng, place, rng.uniform(1.0, 1.8), 4.5)
    who, gait, period = adult(rng), actors.random_gait(rng), rng.uniform(2.2, 4.5)
    u = np.mod(t + rng.uniform(0, 0.4), period)
    trip = np.clip(u / 0.3, 0, 1) * np.clip((1.3 - u) / 0.7, 0, 1)
    steps = path.at(t + rng.uniform(0, 10))
    walk = actors.go(gait, steps, t, who.scale)
    quick = np.sin(2 * np.pi * 2.2 * u)
    stride = 0.42 * quick * trip
    sides = rng.normal(0, 0.25)
    wide = 0.35 + 0.2 * np.sin(9 * t)
    arms = tuple((s * wide, 0.4 + 0.15 * s * quick, 0.15 * s * quick - 0.15) for s in (-1.0, 1.0))
    lean = rng.uniform(0.6, 1.2) * trip
    caught = rig(
        len(t),
        height=STAND - 0.17 * trip,
        y=-0.1 * trip,
        lean=lean,
        pelvis=0.3 * trip,
        side=sides * trip,
        arms=(arms[0], arms[1]),
        feet=(
            (-0.12, stride + 0.1, 0.09 + 0.1 * np.maximum(quick, 0)),
            (0.12, -stride + 0.1, 0.09 + 0.1 * np.maximum(-quick, 0)),
        ),
    )
    pose = blend(walk, actors.along(caught, steps), np.clip(1.4 * trip, 0, 1))
    return actors.act([(pose, who)], "stumble")


def lie_down(rng: Rng, place: Place, t: Array) -> Act:
    """One person lies down on a bench or a mattress calmly and rests there."""
    who, frames, top = adult(rng), len(t), rng.choice([0.42, 0.15, 0.45])
    down = soft((t + rng.uniform(1, 5)) / rng.uniform(1.5, 3)) if rng.random() < 0.8 else 0 * t
    sit = rig(frames, height=top + 0.12, y=0.0, lean=0.1 + 0.1 * np.sin(0.7 * t),
              feet=((-0.14, 0.4, 0.09), (0.14, 0.4, 0.09)))  # fmt: skip
    sort = ("lie_back", "lie_back", "lie_side", "curl")[int(rng.integers(4))]
    lie = turn(motion.posture(sort, frames), np.pi / 2 * rng.choice([-1.0, 1.0]))
    breath = 0.01 * np.sin(2 * np.pi * 0.3 * t)
    lie = Pose(lie.root + things.at(frames, 0, 0, (top + breath) / who.scale), lie.bones)
    colour = rng.uniform(0.1, 0.7, 3)

    def bench(n: int, x: float, y: float, heading: float) -> Shapes:
        frame = things.axes(n, heading)
        middle = things.at(n, x, y, top / 2)
        return things.solid(quads=[things.block(middle, frame, (1.05, 0.33, top / 2), colour)])

    pose = blend(sit, lie, down)
    return actors.solo(rng, place, pose, "lie_down", who, extra=bench, room=1.1, reach=1.1)


def child(rng: Rng, place: Place, t: Array) -> Act:
    """A small child crawls, or a child runs about and plays."""
    who, clip = random_body(rng, child=True), motion.library()["crawl"]
    if rng.random() < 0.5:
        path, gait = (
            actors.wander(rng, place, rng.uniform(1.6, 3.2), count=4),
            actors.random_gait(rng),
        )
        steps = path.at(t + rng.uniform(0, 9))
        hop = actors.go(gait, steps, t, who.scale)
        return actors.act([(hop, who)], "play", reach=0.8)
    speed = rng.uniform(0.3, 0.7) * who.scale
    steps = actors.there_and_back(rng, place, speed, 1.5).at(t + rng.uniform(0, 5))
    crawl = motion.in_place(motion.play(clip, steps.travelled / (clip.speed * who.scale)))
    return actors.act([(actors.along(crawl, steps), who)], "crawl", reach=0.6)


def stairs(rng: Rng, place: Place, t: Array) -> Act:
    """One person hurries up and down some stairs."""
    x, y = (float(v) for v in space.spots(rng, place, 1, 1.2)[0])
    place.taken.append((x, y, 1.3))
    heading, speed = rng.uniform(-np.pi, np.pi), rng.uniform(1.0, 2.4)
    count, rise, tread = int(rng.integers(4, 9)), rng.uniform(0.14, 0.19), rng.uniform(0.26, 0.32)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    length = count * tread + 1.4
    a, b = (np.array([x, y]) + k * length / 2 * ahead for k in (-1, 1))
    loop = [Leg(length / speed, b), Leg(rng.uniform(0.2, 1.5), b), Leg(length / speed, a)]
    steps = Path(a, heading, before=loop, after=loop).at(t + rng.uniform(0, 6))
    far = (np.stack([steps.x, steps.y], -1) - a) @ ahead
    up = rise * np.clip((far - 0.6) / tread + 0.5, 0, count)
    who, gait = adult(rng), actors.random_gait(rng)
    pose = actors.go(gait, steps, t, who.scale)
    pose = Pose(pose.root + things.at(len(t), 0, 0, up / who.scale), pose.bones)

    def spot(along: float) -> tuple[float, float]:
        x_, y_ = a + (0.6 + along) * ahead
        return float(x_), float(y_)

    frame, colour = things.axes(len(t), heading), rng.uniform(0.25, 0.7) * np.ones(3)
    quads = [
        things.block(
            things.at(len(t), *spot((k + 0.5) * tread), (k + 1) * rise / 2),
            frame, (0.6, tread / 2, (k + 1) * rise / 2), colour * (0.85 + 0.15 * (k % 2)),
        )
        for k in range(count)
    ]  # fmt: skip
    high = count * rise / 2
    middle = things.at(len(t), *spot((count + 1.5) * tread), high)
    quads.append(things.block(middle, frame, (0.6, 1.5 * tread, high), colour))
    return actors.act([(pose, who)], "stairs", extra=things.solid(quads=quads), reach=1.1)


def look_around(rng: Rng, place: Place, t: Array) -> Act:
    """One person sneaks, ducks or looks for something."""
    who = adult(rng)
    names = ("prowl", "prowl_2", "duck", "duck_2", "walk_turn", "walk_turn_3")
    clip = motion.library()[names[int(rng.integers(len(names)))]]
    pose = motion.play(clip, to_and_fro(t + rng.uniform(0, 9), clip.seconds))
    pose = mirror(pose) if rng.random() < 0.5 else pose
    return actors.solo(rng, place, pose, "look_around", who, room=0.8)


ALONE: dict[str, Maker] = {
    make.__name__: make
    for make in (
        bend, crouch, kneel, sit_down, exercise, jump, run, stumble, lie_down, child, sweep, throw,
        stairs, wave_arms, dress, look_around,
    )
}  # fmt: skip
