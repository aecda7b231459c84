"""Define people who damage things, break in or climb over something.

Knows no camera and no words. An act is `name(rng, place, t)` with t (frames,) in seconds since its
onset; before it the person stands in front of the thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import Body, random_body
from training.world.bodies.rig import STAND, rig
from training.world.bodies.skeleton import Pose, blend, joints, mirror
from training.world.daily import actors, space, things
from training.world.daily.timing import held, soft
from training.world.place import Place, Rng
from training.world.shapes import Array, Shapes

Maker = Callable[[Rng, Place, Array], Act]
FISTS = ("punch", "strike_1", "strike_3", "strike_5", "strike_6", "strike_8")
FEET = ("kick", "kick", "kick", "spin_kick")
TOOLS = ("swing_1", "swing_2", "swing_3", "swing_4", "sword_1", "sword_2", "sword_4", "sword_7",
         "strike_2", "strike_7")  # fmt: skip
# Half sizes right, ahead, up in metres, and the middle of the range of colours.
THINGS: dict[str, tuple[tuple[float, float, float], float]] = {
    "machine": ((0.45, 0.35, 0.92), 0.4), "case": ((0.8, 0.3, 0.6), 0.6),
    "window": ((1.0, 0.04, 1.05), 0.75), "door": ((0.48, 0.05, 1.03), 0.4),
    "terminal": ((0.3, 0.25, 0.7), 0.5), "bin": ((0.28, 0.28, 0.5), 0.3),
    "car": ((0.85, 0.9, 0.45), 0.4), "screen": ((0.5, 0.06, 0.75), 0.1),
}  # fmt: skip


@dataclass(frozen=True)
class Spot:
    """Where the person is and looks, and how far ahead the front of the thing is."""

    x: float
    y: float
    heading: float
    far: float


@dataclass(frozen=True)
class Blows:
    """When a thing is hit: every `period` seconds, `hit` seconds after the start of each turn."""

    period: float
    hit: float

    def since(self, t: Array) -> Array:
        """Return the seconds (frames,) since the last blow; large before the first one."""
        after = np.mod(t - self.hit, self.period)
        return np.asarray(np.where(t < self.hit, 99.0, after))

    def count(self, t: Array) -> Array:
        """Return how many blows there were (frames,)."""
        return np.asarray(np.maximum(np.floor((t - self.hit) / self.period) + 1, 0))


def spot(rng: Rng, place: Place, deep: float, far: float) -> Spot:
    """Draw where somebody stands in front of a thing `deep` metres deep, often at a wall."""
    room = (far + 2 * deep + 0.05, far + 2 * deep + 0.15)
    x, y, heading, _ = space.beside(rng, place, 1.0, room)
    middle = space.spots(rng, place, 1, far + deep)[0]
    if rng.random() < 0.4:
        x, y, heading = float(middle[0]), float(middle[1]), rng.uniform(-np.pi, np.pi)
    place.taken.append((x + 0.5 * np.cos(heading), y + 0.5 * np.sin(heading), 1.0))
    return Spot(x, y, heading, far)


def attack(
    rng: Rng, names: tuple[str, ...], t: Array, quick: tuple[float, float] = (1.0, 1.6)
) -> tuple[Pose, Blows]:
    """Return somebody who hits what is ahead again and again, and when the blows land."""
    clip = motion.faster(
        motion.library()[names[int(rng.integers(len(names)))]], rng.uniform(*quick)
    )
    period = clip.seconds + rng.uniform(0.0, 0.4)
    late = np.maximum(t, 0.0)
    u = np.mod(late, period)
    pose = motion.play(clip, u)
    pose = Pose(pose.root * np.array([0.3, 0.3, 1.0]), pose.bones)
    first = motion.play(clip, np.zeros(len(t)))
    pose = blend(pose, first, soft((u - clip.seconds + 0.2) / 0.25))
    pose = mirror(pose) if rng.random() < 0.5 else pose
    return blend(motion.stand(rng)(t), pose, soft(t / 0.2)), Blows(period, _peak(clip))


def _peak(clip: motion.Motion) -> float:
    """Return when a hand or a foot is farthest ahead in a motion, in seconds."""
    tips = joints(Pose(clip.root, clip.bones))[:, [6, 9, 12, 16], 1] - clip.root[:, 1:2]
    return float(tips.max(1).argmax() / clip.fps)


def shaken(rng: Rng, at: Spot, kind: str, blows: Blows, t: Array) -> Shapes:
    """Return a thing that shakes when it is hit and gets loose; a window breaks."""
    half, tone = THINGS[kind]
    size = np.array(half) * rng.uniform(0.9, 1.1, 3)
    frames, since = len(t), blows.since(t)
    wobble = 0.1 * np.exp(-4 * since) * np.sin(30 * since) * (since < 2)
    frame = things.axes(frames, at.heading, wobble + 0.02 * np.minimum(blows.count(t), 3))
    base = things.at(frames, at.x, at.y, 0.0)
    foot = things.placed(base, things.axes(frames, at.heading), (0, at.far + size[1], 0))
    colour = np.clip(tone * rng.uniform(0.6, 1.4) + rng.normal(0, 0.15, 3), 0.03, 0.95)
    middle = things.placed(foot, frame, (0, 0, size[2]))
    quads = [things.block(middle, frame, size, colour)]
    front = [
        things.placed(middle, frame, (a * size[0], -size[1] - 0.01, b * size[2]))
        for a, b in ((-0.8, -0.1), (0.8, -0.1), (0.8, 0.85), (-0.8, 0.85))
    ]
    if kind in ("machine", "case", "window", "car", "screen", "terminal"):
        broken = blows.count(t) >= rng.integers(1, 3)
        glass = np.where(broken[:, None], 0.06, np.clip(1.3 - colour, 0.1, 0.9))
        quads.append(things.sheet(front, glass[:, None]))
        quads.append(_shards(rng, front, frame, t, blows))
    return things.solid(quads=quads)


def _shards(rng: Rng, front: list[Array], frame: Array, t: Array, blows: Blows) -> Array:
    """Return bits of glass that fly off and fall to the ground at each blow."""
    since, out = blows.since(t), []
    corner, right, up = front[0], front[1] - front[0], front[3] - front[0]
    for _ in range(7):
        a, b, size = *rng.uniform(0.1, 0.9, 2), rng.uniform(0.03, 0.09)
        go, spin = rng.uniform((-0.8, 0.4, -0.5), (0.8, 2.0, 1.5)), rng.uniform(-9, 9)
        place = corner + a * right + b * up
        fly = np.minimum(since, 1.2)[:, None]
        place = place + fly * (go[0] * frame[:, 0] - go[1] * frame[:, 1])
        place[:, 2] = np.maximum(place[:, 2] + (go[2] * fly - 4.9 * fly**2)[:, 0], 0.02)
        tilt = things.axes(len(t), rng.uniform(0, 6), spin * fly[:, 0])
        shown = size * (since < 2.5)
        parts = [place + shown[:, None] * (i * tilt[:, 0] + j * tilt[:, 2])
                 for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
        out.append(things.sheet(parts, rng.uniform(0.5, 0.95)))
    return np.concatenate(out, 1)


def _act(
    t: Array, at: Spot, people: list[tuple[Pose, Body]], extra: Shapes, state: str = "vandal"
) -> Act:
    """Put people that face +y in front of the thing."""
    placed = [(actors.put(pose, at.x, at.y, at.heading), who) for pose, who in people]
    return actors.act(placed, state, extra=extra, on=t >= 0, reach=1.3)


def vandal(rng: Rng, place: Place, t: Array) -> Act:
    """One or two people hit or kick a machine, a door, a window or a car."""
    kind = sorted(THINGS)[int(rng.integers(len(THINGS)))]
    at = spot(rng, place, THINGS[kind][0][1], rng.uniform(0.45, 0.65))
    names = FEET if kind == "bin" or rng.random() < 0.5 else FISTS
    pose, blows = attack(rng, names, t)
    people = [(pose, random_body(rng))]
    if rng.random() < 0.25:
        other, _ = attack(rng, FEET, t - 0.3)
        people.append((Pose(other.root + np.array([0.75, 0.1, 0]), other.bones), random_body(rng)))
    return _act(t, at, people, shaken(rng, at, kind, blows, t))


def smash(rng: Rng, place: Place, t: Array) -> Act:
    """One person smashes a thing with a stick, a bat or an axe."""
    kind = ("machine", "case", "window", "car", "screen", "door")[int(rng.integers(6))]
    at = spot(rng, place, THINGS[kind][0][1], rng.uniform(0.6, 0.9))
    pose, blows = attack(rng, TOOLS, t, (1.0, 1.7))
    who = random_body(rng)
    stick = _stick(rng, actors.put(pose, at.x, at.y, at.heading), who)
    return _act(t, at, [(pose, who)], Shapes.join([shaken(rng, at, kind, blows, t), stick]))


def _stick(rng: Rng, pose: Pose, who: Body) -> Shapes:
    """Return a stick in the right hand."""
    points = joints(pose, who.lengths, who.scale)
    hand, elbow = points[:, 9], points[:, 8]
    along = hand - elbow
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
    end = hand + rng.uniform(0.5, 0.9) * along
    return things.solid([things.rod(hand - 0.1 * along, end, 0.022, rng.uniform(0.1, 0.6, 3))])


def throw_chair(rng: Rng, place: Place, t: Array) -> Act:
    """One person lifts chairs or crates over the head and throws them."""
    at = spot(rng, place, 0.5, 1.5)
    who, period = random_body(rng), rng.uniform(1.7, 2.6)
    u = np.where(t < 0, 0.0, np.mod(t, period) / period)
    lift, fling = soft(u / 0.35), soft((u - 0.42) / 0.14)
    low = np.sin(np.pi * np.clip(u / 0.3, 0, 1))
    back = 1 - soft((u - 0.65) / 0.3)
    up = (-0.2 + 0.75 * lift - 0.45 * fling) * back - 0.35 * (1 - back)
    ahead = (0.3 - 0.25 * lift + 0.45 * fling) * back + 0.1 * (1 - back)
    arms = tuple((s * 0.18, ahead, up) for s in (-1.0, 1.0))
    lean = 0.9 * low - 0.2 * lift * (1 - fling) * back + 0.5 * fling * back
    pose = rig(len(t), height=STAND - 0.18 * low - 0.05, lean=lean, pelvis=0.3 * lean,
               arms=(arms[0], arms[1]), feet=((-0.15, 0.2, 0.09), (0.15, -0.15, 0.09)))  # fmt: skip
    pose = blend(motion.stand(rng)(t), pose, soft(t / 0.25))
    placed = actors.put(pose, at.x, at.y, at.heading)
    grip = 0.5 * (actors.hand(placed, who, "l") + actors.hand(placed, who, "r"))
    chairs = [_chair(rng, at, grip, np.clip((u - 0.5) * period, 0, None), t < -0.2)]
    chairs += [_litter(rng, at, len(t), (t > period * (k + 1)).astype(float)) for k in range(2)]
    return _act(t, at, [(pose, who)], Shapes.join(chairs))


def _chair(rng: Rng, at: Spot, grip: Array, flown: Array, waits: Array) -> Shapes:
    """Return a chair in somebody's hands that flies off; `flown` (frames,) are seconds."""
    fly, frames = np.minimum(flown, 0.7), len(grip)
    ahead = things.axes(frames, at.heading)[:, 1]
    middle = grip + np.array([0, 0, 0.15]) + (rng.uniform(2.5, 4.5) * fly)[:, None] * ahead
    middle[:, 2] = np.maximum(middle[:, 2] + 0.8 * fly - 4.9 * fly**2, 0.25)
    middle = np.where(waits[:, None], grip * np.array([1, 1, 0]) + 0.35 * ahead, middle)
    middle[waits, 2] = 0.3
    return _seat(rng, middle, things.axes(frames, at.heading, rng.uniform(-9, 9) * fly))


def _seat(rng: Rng, middle: Array, frame: Array) -> Shapes:
    colour, dark = rng.uniform(0.1, 0.8, 3), rng.uniform(0.05, 0.3) * np.ones(3)
    quads = [things.block(middle, frame, (0.21, 0.2, 0.025), colour)]
    back = things.placed(middle, frame, (0, 0.2, 0.22))
    quads.append(things.block(back, frame, (0.2, 0.02, 0.2), colour))
    legs = [
        things.rod(things.placed(middle, frame, (a * 0.19, b * 0.18, 0)),
                   things.placed(middle, frame, (a * 0.2, b * 0.2, -0.42)), 0.018, dark)
        for a in (-1, 1) for b in (-1, 1)
    ]  # fmt: skip
    return things.solid(legs, quads)


def _litter(rng: Rng, at: Spot, frames: int, shown: Array) -> Shapes:
    """Return a chair that has been thrown before and lies about; hidden where `shown` is 0."""
    base = things.axes(frames, at.heading)
    far, aside = rng.uniform(1.5, 2.8), rng.uniform(-0.8, 0.8)
    spot_ = things.placed(things.at(frames, at.x, at.y, 0.22), base, (aside, far, 0))
    frame = things.axes(frames, rng.uniform(0, 6), rng.uniform(1.2, 2.0))
    spot_[:, 2] -= 0.5 * (1 - shown)
    return _seat(rng, spot_, frame * np.maximum(shown, 0.01)[:, None, None])


def overturn(rng: Rng, place: Place, t: Array) -> Act:
    """One person pushes over a shelf, a rack or a stand and kicks it."""
    at = spot(rng, place, 0.9, rng.uniform(0.4, 0.5))
    who, frames = random_body(rng), len(t)
    half = rng.uniform((0.35, 0.15, 0.6), (0.8, 0.3, 0.95))
    push, over = soft(t / 0.35), np.clip((t - 0.25) / rng.uniform(0.7, 1.1), 0, 1) ** 2
    arms = tuple((s * 0.18, 0.1 + 0.45 * push, -0.35 + 0.3 * push) for s in (-1.0, 1.0))
    pose = rig(frames, height=STAND - 0.08 * push, lean=0.45 * push, arms=(arms[0], arms[1]),
               feet=((-0.12, 0.15 * push, 0.09), (0.14, -0.35 * push, 0.09)))  # fmt: skip
    pose = blend(motion.stand(rng)(t), pose, soft(t / 0.2))
    kicks, blows = attack(rng, FEET, t - 1.5)
    pose = blend(pose, kicks, soft((t - 1.2) / 0.4))
    since = blows.since(t - 1.5)
    angle = 1.5 * over + 0.06 * np.exp(-5 * since) * np.sin(28 * since) * (since < 2)
    flat, frame = things.axes(frames, at.heading), things.axes(frames, at.heading, angle)
    base = things.at(frames, at.x, at.y, 0.0)
    edge = things.placed(base, flat, (0, at.far + 2 * half[1], 0.01))
    middle = things.placed(edge, frame, (0, -half[1], half[2]))
    return _act(t, at, [(pose, who)], _rack(rng, middle, frame, half, t))


def _rack(rng: Rng, middle: Array, frame: Array, half: Array, t: Array) -> Shapes:
    """Return a rack with goods, some of which fall out when it falls."""
    colour = rng.uniform(0.15, 0.7) * np.ones(3)
    quads = [things.block(middle, frame, half, colour)]
    loose = np.clip(t - rng.uniform(0.5, 0.8), 0, 0.8)
    for row in np.linspace(-0.7, 0.7, 3):
        for k in (-0.55, 0.0, 0.55):
            size = rng.uniform(0.05, 0.12, 3)
            place = things.placed(middle, frame, (k * half[0], -half[1] - 0.02, row * half[2]))
            way = rng.uniform((-0.6, -0.6), (0.6, 0.6))
            place[:, :2] += loose[:, None] * way
            place[:, 2] = np.maximum(place[:, 2] - 4.9 * loose**2, size[2])
            quads.append(things.block(place, frame, size, rng.uniform(0.05, 0.95, 3)))
    return things.solid(quads=quads)


def break_in(rng: Rng, place: Place, t: Array) -> Act:
    """One person levers or kicks a door in a wall until it springs open.

    Where there is no wall things are damaged instead.
    """
    x, y, heading, wall = space.beside(rng, place, 2.0, (0.5, 0.6))
    if not wall:
        return vandal(rng, place, t)
    place.taken.append((x, y, 0.8))
    at = Spot(x, y, heading, 0.42)
    who, frames, opens = random_body(rng), len(t), rng.uniform(2.0, 7.0)
    if rng.random() < 0.5:
        pose, blows = attack(rng, FEET, t)
    else:
        pose, blows = _lever(rng, t)
    since = blows.since(t)
    jolt = 0.05 * np.exp(-6 * since) * np.sin(25 * since) * (since < 2)
    angle = at.heading + jolt + 1.3 * soft((t - opens) / 0.25)
    base, flat = things.at(frames, at.x, at.y, 0.0), things.axes(frames, at.heading)
    swing, colour = things.axes(frames, angle), rng.uniform(0.1, 0.7, 3)
    hinge = things.placed(base, flat, (-0.48, at.far, 1.05))
    quads = [
        things.block(things.placed(hinge, swing, (0.46, 0, 0)), swing, (0.46, 0.025, 1.03), colour)
    ]
    dark = [things.placed(base, flat, (a, at.far + 0.03, b))
            for a, b in ((-0.5, 0), (0.5, 0), (0.5, 2.1), (-0.5, 2.1))]  # fmt: skip
    quads.append(things.sheet(dark, 0.05))
    return _act(t, at, [(pose, who)], things.solid(quads=quads))


def _lever(rng: Rng, t: Array) -> tuple[Pose, Blows]:
    """Return somebody who jerks at a crowbar, and when."""
    blows = Blows(rng.uniform(0.5, 1.0), 0.2)
    pull = np.exp(-5 * blows.since(t)) * (t > 0)
    hands = ((0.2, 0.42 - 0.15 * pull, 1.1), (0.35, 0.4 - 0.2 * pull, 1.0))
    pose = rig(len(t), height=STAND - 0.1, lean=0.35 - 0.35 * pull, twist=-0.4 * pull, hands=hands,
               feet=((-0.18, 0.15, 0.09), (0.18, -0.25, 0.09)))  # fmt: skip
    return blend(motion.stand(rng)(t), pose, soft(t / 0.3)), blows


def climb(rng: Rng, place: Place, t: Array) -> Act:
    """One person climbs over a fence, a wall or a counter."""
    at = spot(rng, place, 0.7, 0.45)
    high = float(rng.choice([rng.uniform(0.9, 1.15), rng.uniform(1.3, 2.2), rng.uniform(1.3, 2.2)]))
    who, seconds = random_body(rng), rng.uniform(1.6, 2.2) + 0.8 * high
    turn_ = np.floor(np.maximum(t, 0) / (seconds + 0.4))
    u = np.clip((np.maximum(t, 0) - turn_ * (seconds + 0.4)) / seconds, 0, 1)
    over = _climbing(len(t), u, high / who.scale)
    side = np.where(turn_ % 2 == 0, 1.0, -1.0)
    flip = side[:, None] * np.array([1.0, 1.0])
    root = np.concatenate([over.root[:, :2] * flip, over.root[:, 2:]], 1)
    bones = np.concatenate([over.bones[..., :2] * flip[:, None], over.bones[..., 2:]], -1)
    still = motion.stand(rng)(t)
    still = Pose(still.root - np.array([0, at.far, 0]), still.bones)
    pose = blend(still, Pose(root, bones), soft(t / 0.2))
    pose = Pose(pose.root + np.array([0, at.far, 0]), pose.bones)
    return _act(t, at, [(pose, who)], _barrier(rng, at, len(t), high), "climb")


def _climbing(frames: int, u: Array, high: float) -> Pose:
    """Return somebody who climbs from y < 0 to y > 0 over an edge at y = 0."""
    rise, over, drop = soft(u / 0.42), soft((u - 0.36) / 0.34), soft((u - 0.66) / 0.3)
    top = high + 0.32
    height = STAND + (top - STAND) * rise + (STAND - top) * drop
    y = -0.42 + 0.84 * over
    lean = 1.3 * held(np.clip((u - 0.2) / 0.75, 0, 1), 0.4)
    lift = np.clip(high + 0.05, 0.5, 1.9)
    hands = tuple((s * 0.22, 0.0 + 0.05 * s, np.minimum(high, lift + 0.4)) for s in (-1.0, 1.0))
    kick = 0.18 * np.sin(2 * np.pi * 2.5 * u) * rise * (1 - over)
    low = np.maximum(height - 0.86, 0.09)
    swing = np.sin(np.pi * over)
    feet = tuple(
        (s * (0.12 + 0.45 * swing * (k == 0)), y * (1 - 0.6 * rise * (1 - drop)) + 0.3 * s * swing,
         low + 0.1 + 0.55 * swing + s * kick - 0.1 * (1 - rise) - 0.1 * drop)
        for k, s in enumerate((-1.0, 1.0))
    )  # fmt: skip
    return rig(frames, y=y, height=height, lean=lean, pelvis=0.7 * lean, curl=-0.4 * lean,
               hands=(hands[0], hands[1]), feet=(feet[0], feet[1]))  # fmt: skip


def _barrier(rng: Rng, at: Spot, frames: int, high: float) -> Shapes:
    """Return a fence, or a counter or a wall."""
    base, frame = things.at(frames, at.x, at.y, 0.0), things.axes(frames, at.heading)
    colour, wide = rng.uniform(0.1, 0.7) * np.ones(3), rng.uniform(1.2, 2.5)

    def spot_(right: float, up: float) -> Array:
        return things.placed(base, frame, (right, at.far, up))

    if high < 1.2 or rng.random() < 0.35:
        deep = 0.25 if high < 1.2 else 0.1
        half = (wide, deep, high / 2)
        return things.solid(quads=[things.block(spot_(0, high / 2), frame, half, colour)])
    rods = [things.rod(spot_(-wide, h), spot_(wide, h), 0.025, colour) for h in (0.15, high)]
    posts = np.linspace(-wide, wide, int(wide * 6))
    rods += [things.rod(spot_(p, 0.0), spot_(p, high), 0.016, colour) for p in posts]
    return things.solid(rods)


DAMAGE: dict[str, Maker] = {
    make.__name__: make for make in (vandal, smash, throw_chair, overturn, break_in, climb)
}
