"""Define the ordinary acts of people: walking, standing, sitting, working.

Knows no camera and no words. An act is `name(rng, place, t)` with t (frames,) in seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import Body, random_body
from training.world.bodies.posture import sway
from training.world.bodies.skeleton import Pose
from training.world.daily import actors, space
from training.world.daily.errands import carry, cycle, door, pet, trolley
from training.world.daily.paths import Leg, Path
from training.world.daily.timing import to_and_fro
from training.world.place import Place, Rng
from training.world.shapes import Array

SITTING = ("sit", "sit", "sit_lean", "sit_text")


def _person(rng: Rng) -> Body:
    return random_body(rng, child=bool(rng.random() < 0.06))


def walk(rng: Rng, place: Place, t: Array) -> Act:
    """One person walks through the place, and sometimes stops for a while."""
    who, gait, speed = _person(rng), actors.random_gait(rng), rng.uniform(0.8, 1.7)
    if rng.random() < 0.35:
        path = actors.there_and_back(rng, place, speed, 4.0)
    else:
        path = actors.wander(rng, place, speed, pause=0.25, leave=0.35)
    t = t + rng.uniform(0, 15)
    pose = actors.go(gait, path.at(t), t, who.scale)
    return actors.act([(pose, who)], "walk")


def walk_group(rng: Rng, place: Place, t: Array) -> Act:
    """Two to four people walk side by side or behind one another."""
    path = actors.wander(rng, place, rng.uniform(0.8, 1.4), leave=0.35)
    t, people = t + rng.uniform(0, 15), []
    steps, turned = path.at(t), path.heading
    for index in range(int(rng.choice([2, 2, 2, 3, 3, 4]))):
        who, gait = _person(rng), actors.random_gait(rng)
        pose = actors.go(gait, steps, t, who.scale)
        angle = turned + np.pi / 2 * rng.choice([1, 1, 1, 0]) + rng.normal(0, 0.2)
        far = (index - 1) * rng.uniform(0.55, 0.7)
        shift = np.array([far * np.cos(angle), far * np.sin(angle), 0.0])
        people.append((Pose(pose.root + shift, pose.bones), who))
    return actors.act(people, "walk", main=len(people), reach=1.2)


def stand(rng: Rng, place: Place, t: Array) -> Act:
    """One person stands, shifts weight and turns now and then."""
    who, poses = _person(rng), motion.stand(rng)
    x, y = _free_spot(rng, place)
    pose = actors.put(poses(t), x, y, _turning(rng, t))
    return actors.act([(pose, who)], "stand")


def _free_spot(rng: Rng, place: Place, room: float = 0.35) -> tuple[float, float]:
    """Draw a free spot in view and take it."""
    x, y = (float(v) for v in space.spots(rng, place, 1, room)[0])
    place.taken.append((x, y, room))
    return x, y


def _turning(rng: Rng, t: Array) -> Array:
    """Draw headings (frames,) of somebody who turns to and fro between two directions."""
    heading = rng.uniform(-np.pi, np.pi)
    other, period = heading + rng.normal(0, 0.9), rng.uniform(5, 14)
    mix = 0.5 + 0.5 * np.tanh(5 * np.sin(2 * np.pi * (t / period + rng.uniform())))
    return np.asarray(heading + (other - heading) * mix)


def gather(rng: Rng, place: Place, t: Array) -> Act:
    """Two to five people stand together, some talk with their hands."""
    x, y = _free_spot(rng, place, 0.8)
    count, start, people = int(rng.integers(2, 6)), rng.uniform(0, 6), []
    for index in range(count):
        who, angle = _person(rng), start + 2 * np.pi * (index + rng.uniform(-0.2, 0.2)) / count
        far = rng.uniform(0.4, 0.6) + 0.09 * count
        pose = _gesture(rng, motion.stand(rng)(t), who, t, rng.choice([0.0, 1.0]))
        people.append((
            actors.put(pose, x + far * np.cos(angle), y + far * np.sin(angle), angle + np.pi
                       + rng.normal(0, 0.3)), who,
        ))  # fmt: skip
    return actors.act(people, "stand", main=count, reach=1.3)


def _gesture(rng: Rng, pose: Pose, who: Body, t: Array, size: float) -> Pose:
    """Let the right hand beat in front of the chest now and then."""
    rate, phase = rng.uniform(0.5, 1.2), rng.uniform(0, 6, 3)
    weight = size * np.clip(2 * np.sin(2 * np.pi * t / rng.uniform(3, 6) + phase[0]), 0, 1)
    beat = 2 * np.pi * rate * t
    aim = np.stack([0.18 + 0.12 * np.sin(beat + phase[1]), 0.35 + 0 * t,
                    1.1 + 0.12 * np.sin(1.3 * beat + phase[2])], -1)  # fmt: skip
    return motion.reach(pose, "r", aim * who.scale, weight, who.lengths, who.scale)


def queue(rng: Rng, place: Place, t: Array) -> Act:
    """Three to six people stand in a line and move up from time to time."""
    x, y = _free_spot(rng, place, 0.5)
    heading, gap = rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 0.95)
    period, moves, people = rng.uniform(6, 14), rng.uniform(0, 6), []
    for index in range(int(rng.integers(3, 7))):
        who, gait = _person(rng), actors.random_gait(rng)
        fold = np.mod(t + moves - 0.3 * index, 2 * period)
        up = gap * (np.clip(fold / 1.2, 0, 1) - np.clip((fold - period) / 1.2, 0, 1))
        far = index * gap - up
        pose = actors.put(gait.stand(t), 0.0, 0.0, heading + rng.normal(0, 0.25))
        shift = np.stack([x - far * np.cos(heading), y - far * np.sin(heading), 0 * far], -1)
        people.append((Pose(pose.root + shift, pose.bones), who))
    return actors.act(people, "stand", main=len(people), reach=1.6)


def sit(rng: Rng, place: Place, t: Array) -> Act:
    """One person sits on a seat of the place, or stands where there is none."""
    points = np.array([seat[:2] for seat in place.seats]).reshape(-1, 2)
    good = (
        space.seen(place, points) & space.visible(place, points) & space.apart(place, points, 0.2)
    )
    if not good.any():
        return stand(rng, place, t)
    x, y, height, heading = place.seats[int(rng.choice(np.flatnonzero(good)))]
    place.taken.append((x, y, 0.3))
    who, base = _person(rng), motion.posture(SITTING[int(rng.integers(4))], 1)
    rates, phases = rng.uniform(0.1, 0.5, 6), rng.uniform(0, 6, 6)
    sizes = np.array([0.01, 0.01, 0.06, 0.06, 0.35, 0.2]) * rng.uniform(0.2, 1.5)
    pose = sway(base, sizes * np.sin(2 * np.pi * rates * t[:, None] + phases))
    low = (height + 0.1) / who.scale - float(base.root[0, 2])
    pose = Pose(pose.root + np.array([0, 0, low]), pose.bones)
    pose = _gesture(rng, pose, who, t, float(rng.random() < 0.3))
    return actors.act([(actors.put(pose, x, y, heading), who)], "sit")


def work(rng: Rng, place: Place, t: Array) -> Act:
    """One person works with the hands at a counter or takes goods from a shelf."""
    x, y, heading, _ = space.beside(rng, place)
    place.taken.append((x, y, 0.3))
    who, t = _person(rng), t + rng.uniform(0, 5)
    kind = rng.random()
    if kind < 0.35:
        names = [name for name in motion.library() if name.startswith(("wash_", "wipe_"))]
        clip = motion.library()[names[int(rng.integers(len(names)))]]
        pose = motion.play(clip, to_and_fro(t * rng.uniform(0.5, 1.0), clip.seconds))
    else:
        pose = _take(rng, motion.stand(rng)(t), who, t)
    return actors.act([(actors.put(pose, x, y, heading + rng.normal(0, 0.15)), who)], "work")


def _take(rng: Rng, pose: Pose, who: Body, t: Array) -> Pose:
    """Let both hands reach for goods in front, one after the other."""
    for side, sign in (("l", -1.0), ("r", 1.0)):
        period, phase = rng.uniform(1.6, 4.5), rng.uniform(0, 6)
        out = np.clip(0.5 + np.sin(2 * np.pi * t / period + phase), 0, 1)
        high, wide = rng.uniform(0.75, 1.5), rng.uniform(0.0, 0.3)
        aim = np.stack([sign * (0.12 + wide * out), 0.28 + 0.3 * out,
                        1.0 + (high - 1.0) * out], -1)  # fmt: skip
        pose = motion.reach(pose, side, aim * who.scale, 0.9, who.lengths, who.scale)
    return pose


def visit(rng: Rng, place: Place, t: Array) -> Act:
    """One person comes in from outside the picture, stays a while and leaves again."""
    inside, speed = space.spots(rng, place, 1)[0], rng.uniform(0.9, 1.6)
    headings = rng.uniform(-np.pi, np.pi, 10)
    ways = [space.away(place, inside, heading) for heading in headings]
    far = [np.hypot(*(end - inside)) + 10 * left for end, left in ways]
    gate = ways[int(np.argmax(far))][0]
    seconds = max(0.5, float(np.hypot(*(gate - inside)))) / speed
    stay, outside = rng.uniform(1, 8), rng.uniform(0.2, 4)
    look = rng.uniform(-np.pi, np.pi)
    loop = [Leg(seconds, inside), Leg(stay, inside, look), Leg(seconds, gate),
            Leg(outside, gate)]  # fmt: skip
    path = Path(gate, look, before=loop, after=loop)
    who, gait, t = _person(rng), actors.random_gait(rng), t + rng.uniform(0, 20)
    return actors.act([(actors.go(gait, path.at(t), t, who.scale), who)], "walk")


def wave(rng: Rng, place: Place, t: Array) -> Act:
    """One person stands and waves to somebody now and then."""
    x, y = _free_spot(rng, place)
    who, period = _person(rng), rng.uniform(3, 6)
    up = np.clip(3 * np.sin(2 * np.pi * t / period + rng.uniform(0, 6)), 0, 1)
    swing = 0.2 * np.sin(2 * np.pi * rng.uniform(1, 2) * t)
    aim = np.stack([0.4 + swing, 0.15 + 0 * t, 1.75 + 0 * t], -1) * who.scale
    pose = motion.reach(motion.stand(rng)(t), "r", aim, up, who.lengths, who.scale)
    return actors.act([(actors.put(pose, x, y, rng.uniform(-np.pi, np.pi)), who)], "stand")


Maker = Callable[[Rng, Place, Array], Act]
ORDINARY: dict[str, tuple[Maker, float]] = {
    "walk": (walk, 3.0), "walk_group": (walk_group, 1.2), "stand": (stand, 2.5),
    "gather": (gather, 0.8), "queue": (queue, 0.5), "sit": (sit, 1.8), "work": (work, 2.0),
    "visit": (visit, 1.5), "wave": (wave, 0.3), "trolley": (trolley, 0.45), "carry": (carry, 0.4),
    "cycle": (cycle, 0.4), "door": (door, 0.5), "pet": (pet, 0.4),
}  # fmt: skip
