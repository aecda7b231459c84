"""Define crowds: people who run in panic, and crowds that only look like it.

Knows no camera and no words. An act is `name(rng, place, t)` with t (frames,) in seconds since its
onset; before it the people stand about or walk.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import Body, random_body
from training.world.bodies.rig import tip
from training.world.bodies.skeleton import Pose, blend
from training.world.daily import actors, space
from training.world.daily.falls import topple
from training.world.daily.paths import Leg, Path, Steps
from training.world.place import Place, Rng
from training.world.shapes import Array

Maker = Callable[[Rng, Place, Array], Act]
People = list[tuple[Pose, Body]]


def panic(rng: Rng, place: Place, t: Array) -> Act:
    """Five to thirteen people suddenly run: apart, to and fro, or all in one direction."""
    count = int(rng.integers(5, 14))
    stream = _line(rng, place) if rng.random() < 0.6 else None
    if stream is None:
        people, middle = _scatter(rng, place, t, count)
    else:
        people, middle = _stampede(rng, t, count, *stream)
    return _crowd(people, middle, "panic", on=t >= 0)


def _crowd(people: People, middle: Array, state: str, on: Array | None = None) -> Act:
    """Make an act of many people around a point (2,) or points (frames, 2) on the ground."""
    act = actors.act(people, state, on=on, reach=2.2)
    spots = np.broadcast_to(middle, (len(act.where), 2))
    act.where = np.concatenate([spots, np.full((len(spots), 1), 0.9)], 1)
    return act


def _scatter(rng: Rng, place: Place, t: Array, count: int) -> tuple[People, Array]:
    """People run away from a point, and then on to anywhere."""
    points = space.spaced(rng, place, 24, 0.9)
    starts = space.spaced(rng, place, count, 0.7)
    threat = starts.mean(0) + rng.normal(0, 0.8, 2)
    people = []
    for start in starts:
        who, speed = _runner(rng), rng.uniform(2.8, 5.5)
        delay = rng.uniform(0, 0.3) + 0.1 * float(np.hypot(*(start - threat)))
        route = _escape(rng, place, start, threat, points)
        legs, here = [Leg(delay, start)], start
        for point in route:
            legs.append(Leg(max(float(np.hypot(*(point - here))) / speed, 0.5), point))
            here = point
        path = Path(start, rng.uniform(-np.pi, np.pi), before=_about(rng, start), once=legs,
                    after=[Leg(leg.seconds, leg.spot) for leg in _back(legs)])  # fmt: skip
        people.append((_flee(rng, path.at, t, who), who))
    return people, starts.mean(0)


def _runner(rng: Rng) -> Body:
    return random_body(rng, child=bool(rng.random() < 0.08))


def _about(rng: Rng, start: Array) -> list[Leg]:
    """Return legs of somebody who walks up and down near a point, or none for one who stands."""
    angle, far = rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 1.6)
    if rng.random() < 0.5:
        return []
    other = start + far * np.array([np.cos(angle), np.sin(angle)])
    return [Leg(far / 0.9, other), Leg(rng.uniform(0.3, 3), other), Leg(far / 0.9, start)]


def _escape(rng: Rng, place: Place, start: Array, threat: Array, around: Array) -> Array:
    """Draw four points to run to, the first ones away from the threat."""
    away, luck = start - threat, rng.uniform(0, 2.0, (4, len(around)))
    away = away / max(float(np.hypot(*away)), 0.1)
    here, route = start, []
    for index, row in enumerate(luck):
        step = around - here
        far = np.hypot(*step.T)
        good = 1.5 * space.clear(place, here, around) + (far > 2.0) + row
        if index < 2:
            good += 1.2 * (step @ away) / np.maximum(far, 0.1)
        here = around[int(np.argmax(good))]
        route.append(here)
    return np.array(route)


def _back(legs: list[Leg]) -> list[Leg]:
    """Return the legs that lead back along a route and then to its end again."""
    spots = [leg.spot for leg in legs]
    seconds = [leg.seconds for leg in legs]
    back = [Leg(s, spot) for s, spot in zip(seconds[:1:-1], spots[-2:0:-1], strict=True)]
    return [*back, *legs[2:]]


def _flee(rng: Rng, at: Callable[[Array], Steps], t: Array, who: Body) -> Pose:
    """Return a person who runs along a path; some fall, some hold their hands over the head."""
    gait, luck = actors.random_gait(rng), rng.random(2)
    trip, cover = rng.uniform(0.3, 3.5), rng.uniform(0.2, 0.6)
    falls = luck[0] < 0.12
    steps = at(np.minimum(t, trip) if falls else t)
    pose = actors.stride(gait, steps, np.minimum(t, trip) if falls else t, who.scale)
    running = np.clip(steps.speed - 1.5, 0, 1)
    pose = tip(pose, rng.uniform(0.05, 0.25) * running, np.pi / 2)
    if luck[1] < 0.2:
        for side, sign in (("l", -1.0), ("r", 1.0)):
            aim = np.array([sign * 0.12, 0.15, 1.62]) * who.scale
            pose = motion.reach(pose, side, aim, running * (cover + 0.3), who.lengths, who.scale)
    if falls:
        down = topple(rng, pose, t - trip, seconds=0.55, way=np.pi / 2, knees=rng.uniform(0, 1))
        pose = blend(pose, down, t > trip)
    return actors.along(pose, steps)


def _line(rng: Rng, place: Place) -> tuple[Array, Array, Array] | None:
    """Draw a line through the place whose both ends are outside the picture, or None.

    The third value is how far to the right of it there are free lanes.
    """
    points, headings = space.spots(rng, place, 10), rng.uniform(-np.pi, np.pi, 10)
    for point, heading in zip(points, headings, strict=True):
        b, left = space.away(place, point, heading, 12.0)
        a, entered = space.away(place, point, heading + np.pi, 12.0)
        if left and entered and np.hypot(*(b - a)) > 3:
            ahead = np.array([np.cos(heading), np.sin(heading)])
            lanes = np.arange(-1.75, 1.8, 0.5)
            shift = lanes[:, None] * np.array([ahead[1], -ahead[0]])
            open_ = [space.clear(place, a + s, (b + s)[None])[0] > 0.85 for s in shift]
            return a - 0.8 * ahead, b + 0.8 * ahead, lanes[np.array(open_) | (lanes == 0.25)]
    return None


def _stampede(
    rng: Rng, t: Array, count: int, a: Array, b: Array, lanes: Array
) -> tuple[People, Array]:
    """People who walk start to run, all in the direction from a to b; new ones follow."""
    people = []
    for aside, phase in _slots(rng, count, a, b, lanes):
        who, speed, delay = _runner(rng), rng.uniform(3.0, 5.8), rng.uniform(0, 0.7)
        walk = rng.uniform(0.5, 1.3) * rng.choice([0.0, 1.0, 1.0])
        at = _lane(a, b, aside, phase, (walk, speed, delay))
        people.append((_flee(rng, at, t, who), who))
    return people, (a + b) / 2


def _slots(rng: Rng, count: int, a: Array, b: Array, lanes: Array) -> list[tuple[float, float]]:
    """Draw lanes and where people are in them at first, as a share of the length."""
    fits = max(2, min(count, int(len(lanes) * np.hypot(*(b - a)) / 1.6)))
    aside = rng.permutation(np.tile(lanes, fits))[:fits] + rng.uniform(-0.15, 0.15, fits)
    return list(zip(aside.tolist(), rng.random(fits).tolist(), strict=True))


def _lane(
    a: Array, b: Array, aside: float, phase: float, pace: tuple[float, float, float]
) -> Callable[[Array], Steps]:
    """Return the steps from a to b and again from a, at a pace that changes at a time.

    `pace` is the speed before, the speed after, and the time when it changes.
    """
    walk, run, change = pace
    length = float(np.hypot(*(b - a)))
    ahead = (b - a) / length
    side = np.array([ahead[1], -ahead[0]]) * aside

    def at(t: Array) -> Steps:
        late = t - change
        quick = np.clip(late / 0.5, 0, 1)
        soft = 0.5 * np.clip(late, 0, 0.5) ** 2 / 0.5 + np.maximum(late - 0.5, 0)
        gone = walk * t + (run - walk) * soft
        x, y = (a + side + np.mod(phase * length + gone, length)[:, None] * ahead).T
        heading = np.full(len(t), np.arctan2(ahead[1], ahead[0]))
        return Steps(x, y, heading, gone, walk + (run - walk) * quick)

    return at


def _march(
    rng: Rng, place: Place, t: Array, count: int, speeds: tuple[float, float], *, both: bool
) -> tuple[People, Array] | None:
    """People go through the place in lanes, each at its own steady pace."""
    line = _line(rng, place)
    if line is None:
        return None
    a, b, lanes = line
    people = []
    for aside, phase in _slots(rng, count, a, b, lanes):
        who, speed, gait = _runner(rng), rng.uniform(*speeds), actors.random_gait(rng)
        way = (b, a, -aside) if both and aside > 0 else (a, b, aside)
        steps = _lane(*way, phase, (speed, speed, 0.0))(t)
        people.append((actors.go(gait, steps, t, who.scale), who))
    return people, (a + b) / 2


def crowd(rng: Rng, place: Place, t: Array) -> Act:
    """Many people walk through the place, in one or in two directions."""
    count, both = int(rng.integers(6, 14)), bool(rng.random() < 0.5)
    found = _march(rng, place, t, count, (0.8, rng.uniform(1.1, 1.8)), both=both)
    return mill(rng, place, t) if found is None else _crowd(*found, "crowd")


def hurry(rng: Rng, place: Place, t: Array) -> Act:
    """People hurry in one direction, as to a train: some walk fast, some run."""
    found = _march(rng, place, t, int(rng.integers(3, 11)), (1.5, 3.0), both=False)
    return joggers(rng, place, t) if found is None else _crowd(*found, "hurry")


def joggers(rng: Rng, place: Place, t: Array) -> Act:
    """Two to six people jog together."""
    speed = rng.uniform(2.2, 3.6)
    path = actors.there_and_back(rng, place, speed, 6.0)
    if path.longest() < 3.0:
        return mill(rng, place, t)
    t, people = t + rng.uniform(0, 10), []
    for index in range(int(rng.integers(2, 7))):
        who, gait = _runner(rng), actors.random_gait(rng)
        steps = path.at(t - (0.45 * (index // 2) + rng.uniform(0, 0.2)))
        pose = actors.go(gait, steps, t, who.scale)
        aside = (index % 2 - 0.5) * rng.uniform(0.6, 1.0)
        shift = np.array([np.sin(path.heading), -np.cos(path.heading), 0.0]) * aside
        people.append((Pose(pose.root + shift, pose.bones), who))
    return actors.act(people, "jog", reach=1.6, main=len(people))


def mill(rng: Rng, place: Place, t: Array) -> Act:
    """Many people stand about and walk a few steps now and then, as at a party or a market."""
    points = space.spaced(rng, place, int(rng.integers(6, 14)), 0.65)
    people = []
    for point in points:
        who, gait = _runner(rng), actors.random_gait(rng)
        look = rng.uniform(-np.pi, np.pi)
        legs = _about(rng, point)
        path = Path(point, look, before=legs, after=legs)
        late = t + rng.uniform(0, 10)
        people.append((actors.go(gait, path.at(late), late, who.scale), who))
    return _crowd(people, points.mean(0), "crowd")


def children(rng: Rng, place: Place, t: Array) -> Act:
    """Children run about and chase each other."""
    people, points = [], []
    lead = actors.wander(rng, place, rng.uniform(1.8, 3.2), count=5)
    for index in range(int(rng.integers(2, 6))):
        who, gait = random_body(rng, child=True), actors.random_gait(rng)
        own = actors.wander(rng, place, rng.uniform(1.5, 3.2), count=4)
        path = lead if rng.random() < 0.5 else own
        late = t + 7 - 0.5 * index
        steps = path.at(late)
        points.append(np.stack([steps.x, steps.y], -1))
        people.append((actors.go(gait, steps, late, who.scale), who))
    return _crowd(people, np.mean(points, 0), "play")


CROWDS: dict[str, Maker] = {"panic": panic}
CROWD_LIKE: dict[str, Maker] = {
    make.__name__: make for make in (crowd, hurry, joggers, mill, children)
}
