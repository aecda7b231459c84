"""Act out how a vehicle knocks somebody down who walks, runs or rides.

An act is `name(rng, place, t)`; the impact is at t = 0. Knows no pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.bodies.body import Body, figure, random_body
from training.world.bodies.posture import posture
from training.world.bodies.skeleton import Pose, blend, joints
from training.world.daily import actors
from training.world.daily.paths import Steps
from training.world.fire import effects
from training.world.fire.sites import dark
from training.world.place import Place
from training.world.shapes import Array, Shapes
from training.world.traffic.collisions import Push, Wreck
from training.world.traffic.driven import car, rider
from training.world.traffic.road import Track, pick, point, slide
from training.world.traffic.vehicles import random_car

Rng = np.random.Generator


def hit(rng: Rng, place: Place, t: Array) -> Act:
    """A vehicle knocks somebody down, who walks, runs or rides a bicycle, and who then lies."""
    way, kinds = pick(rng, place), ("saloon", "suv", "hatchback", "van", "estate", "motorbike")
    look = random_car(rng, (str(rng.choice(kinds)),))
    spot, aside = point(rng, way, 0.3) - 0.1 * way.seen, float(rng.uniform(-0.6, 0.6))
    speed = float(np.clip(rng.uniform(0.4, 1.0) * way.seen / 1.5, 3.5, 12.0))
    h, front = way.heading, look.size[0] / 2
    x, y = (float(v) for v in way.at(spot - front - 0.15, 0.0))
    brake, parts = rng.uniform(4.5, 8), []
    push = Push(0, 0.93 * speed, h, 0.25 * float(rng.normal()), brake)
    dents = [(0.0, 0.15, 0.0)] if look.saddle is None else []
    striker = Wreck(look, x, y, h, speed, [push], dents, braking=float(rng.uniform(-0.3, 0.2)))
    who, launch = random_body(rng), speed * float(rng.uniform(0.75, 1.05))
    mark = way.at(spot, aside)
    people = 1
    if look.saddle is not None:
        parts.append(_upset(rng, t, striker))
        people = 2
    else:
        lit = float(rng.uniform(0.6, 1)) if dark(place) else 0.0
        parts.append(striker.draw(t, lit, place.camera.eye))
    if look.saddle is None and rng.random() < 0.3:
        pose, bike = _cyclist(rng, t, way, mark, who, launch)
        parts.append(bike)
    else:
        pose = _walker(rng, t, way, mark, who, launch)
    parts += [figure(pose, who)]
    if rng.random() < 0.5:
        parts.append(_shoes(rng, t, mark, speed, h))
    where = pose.root * [1, 1, 0.9]
    return Act(Shapes.join(parts), "hit", where, 1.6, people, 1, t >= 0)


def _shoes(rng: Rng, t: Array, mark: Any, speed: float, way: float) -> Shapes:
    """Return a few things that fly away from somebody who is hit."""
    hues = rng.uniform(0.05, 0.7, (4, 3))
    push = (0.5 * speed * np.cos(way), 0.5 * speed * np.sin(way), 1.5)
    start = (float(mark[0]), float(mark[1]), 0.8)
    return Shapes.of(len(t), quads=effects.debris(rng, t, start, 7, 2.5, 0.14, hues, push))


def _walker(rng: Rng, t: Array, way: Track, mark: Any, who: Body, launch: float) -> Pose:
    """Pose somebody who crosses the road, is hit at t = 0, flies, falls and lies."""
    pace, side = float(rng.choice([0.8, 1.3, 1.6, 3.0])), float(rng.choice([-1.0, 1.0]))
    turn = way.heading + side * np.pi / 2 + rng.uniform(-0.5, 0.5)
    gone = pace * np.minimum(t, 0.03)
    x, y = mark[0] + gone * np.cos(turn), mark[1] + gone * np.sin(turn)
    steps = Steps(x, y, np.full(len(t), turn), gone, np.full(len(t), pace))
    upright = actors.go(actors.random_gait(rng), steps, np.minimum(t, 0.03), who.scale)
    return tumble(rng, t, upright, way.heading, launch, who)


def _cyclist(
    rng: Rng, t: Array, way: Track, mark: Any, who: Body, launch: float
) -> tuple[Pose, Shapes]:
    """Pose a cyclist who is hit at t = 0, and draw the bicycle."""
    look, pace = random_car(rng, ("bicycle",)), rng.uniform(2, 4)
    turn = way.heading + float(rng.choice([-1.0, 1.0, 0.15])) * rng.uniform(1.0, 1.6)
    gone = pace * np.minimum(t, 0)
    x, y = mark[0] + gone * np.cos(turn), mark[1] + gone * np.sin(turn)
    seated = rider(look, x, y, turn, gone / 0.9)
    far = slide(t, 0.8 * launch, 5.0)
    spin = np.clip(t / 0.9, 0, 1) * rng.uniform(1, 4) * rng.choice([-1.0, 1.0])
    roll = np.clip(t / 0.35, 0, 1) * 1.45 * rng.choice([-1.0, 1.0])
    bike = car(look, x + far * np.cos(way.heading), y + far * np.sin(way.heading), turn + spin,
               z=0.25 * np.clip(t / 0.1, 0, 1) * np.exp(-np.maximum(t, 0) / 0.3) + 0.05,
               roll=roll)  # fmt: skip
    return tumble(rng, t, seated, way.heading, launch, who), bike


def _upset(rng: Rng, t: Array, one: Wreck) -> Shapes:
    """Draw a motorbike whose rider falls with it after the impact."""
    x, y, turn = one.moves(t)
    side = float(rng.choice([-1.0, 1.0]))
    roll = side * 1.4 * np.clip(t / 0.5, 0, 1) ** 1.5
    who = random_body(rng)
    seated = rider(one.look, x, y, turn, 0 * t, 0.0)
    held = Pose(seated.root, seated.bones)
    fallen = tumble(rng, t, held, one.heading, 0.0, who, base_moves=True)
    bike = car(one.look, x, y, turn + 0.8 * side * np.clip(t, 0, 1), z=0.12 * np.abs(roll),
               roll=roll)  # fmt: skip
    return Shapes.join([bike, figure(fallen, who)])


def tumble(
    rng: Rng, t: Array, upright: Pose, way: float, speed: float, who: Body,
    *, base_moves: bool = False,
) -> Pose:  # fmt: skip
    """Throw somebody at t = 0 along `way` with `speed`: they turn over, fall, slide and lie.

    `upright` is the pose until then. With `base_moves` it goes on moving by itself.
    """
    s = np.maximum(t, 0)
    rising = float(rng.uniform(0.8, 1.8) + 0.14 * speed)
    high = 1.0
    down = (rising + (rising**2 + 2 * effects.GRAVITY * (high - 0.25)) ** 0.5) / effects.GRAVITY
    fly = np.minimum(s, down)
    lift = rising * fly - 0.5 * effects.GRAVITY * fly**2
    hop = 0.25 * np.sin(np.pi * np.clip((s - down) / 0.3, 0, 1)) * min(speed / 8, 1)
    far = 0.0 * s if base_moves else speed * fly * 0.95 + slide(s - down, 0.7 * speed, 6.0)
    drift = float(rng.normal(0, 0.06))
    root = upright.root + np.stack([far * np.cos(way + drift), far * np.sin(way + drift),
                                    lift + hop], -1)  # fmt: skip
    whole = float(rng.choice([1.0, -1.0], p=[0.7, 0.3])) * np.pi / 2
    if speed > 6 and rng.random() < 0.4:
        whole *= 5.0
    turned = whole * np.clip(s / (down + 0.1), 0, 1) ** 0.9
    across = np.array([-np.sin(way), np.cos(way), 0.0])
    loose = _limp(rng, t, upright)
    pose = Pose(root, _spun(loose.bones, across, -turned))
    lying = _lying(rng, way, float(whole), root)
    pose = blend(pose, lying, np.clip((s - down + 0.12) / 0.35, 0, 1))
    return _above_ground(
        Pose(np.where((t >= 0)[:, None], pose.root, upright.root), pose.bones), who
    )


def _limp(rng: Rng, t: Array, pose: Pose) -> Pose:
    """Fling arms and legs about after t = 0."""
    s = np.maximum(t, 0)
    rate, phase = rng.uniform(4, 9, (17, 3)), rng.uniform(0, 6, (17, 3))
    size = np.full(17, 0.75)
    size[:3] = 0.25
    wild = np.sin(s[:, None, None] * rate + phase) * size[:, None]
    share = np.clip(s / 0.15, 0, 1)[:, None, None]
    bones = pose.bones + share * wild
    return Pose(pose.root, bones / np.linalg.norm(bones, axis=-1, keepdims=True))


def _spun(bones: Array, axis: Array, angle: Array) -> Array:
    """Turn bones (frames, 17, 3) about an axis (3,) by an angle (frames,)."""
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along = (bones @ axis)[..., None] * axis
    return np.asarray(along + (bones - along) * c + np.cross(axis, bones) * s)


def _lying(rng: Rng, way: float, whole: float, root: Array) -> Pose:
    """Return somebody who lies where they ended, the head as the turn left it."""
    name = str(rng.choice(["lie_back", "lie_front", "lie_side", "curl"]))
    flat = posture(name, 1)
    head = way + (np.pi if whole > 0 else 0.0) + rng.uniform(-0.6, 0.6)
    c, s = np.cos(head - np.pi / 2), np.sin(head - np.pi / 2)
    x, y, z = np.moveaxis(flat.bones, -1, 0)
    bones = np.stack([x * c - y * s, x * s + y * c, z], -1)
    frames = len(root)
    low = np.column_stack([root[:, :2], np.full(frames, flat.root[0, 2])])
    return Pose(low, np.repeat(bones, frames, 0))


def _above_ground(pose: Pose, who: Body) -> Pose:
    """Lift poses of which a part would be in the ground."""
    lowest = joints(pose, who.lengths, who.scale)[..., 2].min(1) - 0.07
    lift = np.maximum(-lowest, 0)[:, None] * np.array([0, 0, 1.0])
    return Pose(pose.root + lift, pose.bones)
