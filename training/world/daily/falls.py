"""Define people who fall, collapse, slip or lie on the ground.

Knows no camera and no words. An act is `name(rng, place, t)` with t (frames,) in seconds since its
onset; before it the person behaves as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import Body, random_body
from training.world.bodies.rig import STAND, rig, tip
from training.world.bodies.skeleton import Pose, blend, mirror, move, turn
from training.world.daily import actors, space
from training.world.daily.paths import Leg, Path
from training.world.daily.timing import soft, to_and_fro
from training.world.place import Place, Rng
from training.world.shapes import Array

Maker = Callable[[Rng, Place, Array], Act]
FLAT = np.pi / 2


@dataclass(frozen=True)
class Victim:
    """Who falls, and where: the person moves along `heading` with `speed` until time 0."""

    who: Body
    gait: actors.Gait
    spot: Array
    heading: float
    speed: float


def victim(rng: Rng, place: Place, speed: float, *, child: float = 0.05) -> Victim:
    """Draw a person with some free ground ahead."""
    spot = space.spots(rng, place, 1, 0.9, height=0.15)[0]
    headings = rng.uniform(-np.pi, np.pi, 8)
    ends = spot + 1.6 * np.stack([np.cos(headings), np.sin(headings)], -1)
    good = (
        space.clear(place, spot, ends) + space.seen(place, ends) + space.visible(place, ends, 0.15)
    )
    place.taken.append((float(spot[0]), float(spot[1]), 1.0))
    who = random_body(rng, child=bool(rng.random() < child))
    heading = float(headings[np.argmax(good)])
    return Victim(who, actors.random_gait(rng), spot, heading, speed)


def before(one: Victim, t: Array) -> Pose:
    """Return what the person does until time 0, in its own frame: facing +y, at (0, 0) at 0."""
    ahead = np.array([np.cos(one.heading), np.sin(one.heading)])
    back = one.spot - 2.5 * ahead
    seconds = 2.5 / max(one.speed, 0.3)
    legs = [Leg(seconds, back), Leg(seconds, one.spot)] if one.speed > 0.2 else []
    goes = Path(one.spot, one.heading, before=legs, after=[Leg(1.0, one.spot + ahead * one.speed)])
    early = np.minimum(t, 0.0)
    steps = goes.at(early)
    pose = actors.stride(one.gait, steps, early, one.who.scale)
    shift = np.stack([steps.x, steps.y], -1) - one.spot
    side = shift @ np.array([ahead[1], -ahead[0]])
    turned = turn(pose, steps.heading - one.heading)
    return move(turned, side, shift @ ahead)


def finish(
    rng: Rng, place: Place, t: Array, one: Victim, down: Pose, state: str, *,
    others: list[tuple[Pose, Body]] | None = None,
) -> Act:  # fmt: skip
    """Put a person who lives in its own frame into the place.

    After time 0 it still slides a little in the direction in which it moved.
    """
    late = np.maximum(t, 0.0)
    slide = 0.3 * one.speed * (1 - np.exp(-late / 0.3))
    moved = Pose(down.root + np.stack([0 * t, slide, 0 * t], -1), down.bones)
    pose = actors.put(moved, one.spot[0], one.spot[1], one.heading)
    people = [(pose, one.who), *(others or [])]
    return actors.act(people, state, on=t >= 0, reach=1.0)


def limp(rng: Rng, frames: int) -> Pose:
    """Draw how the limbs of somebody upright are arranged who will lie like that."""
    out, ahead, up = rng.uniform((0.05, -0.1, -0.5), (0.5, 0.3, 0.5), (2, 3)).T
    knees = rng.uniform(0, 0.5, 2) * (rng.random(2) < 0.6)
    feet = tuple(
        (s * rng.uniform(0.08, 0.4), 0.6 * k * rng.uniform(-1, 1), 0.09 + 0.7 * k)
        for s, k in zip((-1.0, 1.0), knees, strict=True)
    )
    arms = tuple((s * out[i], ahead[i], up[i]) for i, s in enumerate((-1.0, 1.0)))
    return rig(
        frames, height=STAND, lean=rng.normal(0, 0.15), pelvis=rng.normal(0, 0.15),
        side=rng.normal(0, 0.2), twist=rng.normal(0, 0.25), curl=rng.normal(0, 0.2),
        arms=(arms[0], arms[1]), feet=(feet[0], feet[1]),
        toes=((-0.3, 0.6, -0.8), (0.3, 0.6, -0.8)),
    )  # fmt: skip


def writhe(rng: Rng, pose: Pose, t: Array, size: float) -> Pose:
    """Let the limbs and the head of a lying person move a little, and the breath go."""
    rate, phase = rng.uniform(0.15, 0.9, (17, 3)), rng.uniform(0, 6, (17, 3))
    noise = np.sin(2 * np.pi * rate * t[:, None, None] + phase) * size
    noise[:, :2] *= 0.3
    bones = pose.bones + noise * np.array([1.0, 1.0, 0.5])
    bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    return Pose(pose.root, bones)


def topple(rng: Rng, start: Pose, t: Array, *, seconds: float, way: float, knees: float) -> Pose:
    """Let a person fall over: the body turns about the feet and the knees give way.

    `way` is the direction of the fall in the person's frame (pi / 2: forwards), `knees` in 0..1.
    """
    frames, u = len(t), np.clip(t / seconds, 0, 1)
    last = limp(rng, frames)
    give = knees * np.sin(np.pi * np.clip(1.1 * u, 0, 1))
    brace = np.clip(np.sin(way), -0.2, 1)
    wide = 0.25 + 0.2 * rng.random()
    arms = tuple((s * wide, 0.1 + 0.45 * brace, -0.1 + 0.25 * (1 - brace)) for s in (-1.0, 1.0))
    bent = rig(frames, height=STAND - 0.4 * give, lean=0.5 * give * np.sin(way), pelvis=0.2 * give,
               arms=(arms[0], arms[1]), feet=((-0.12, -0.1, 0.09), (0.12, 0.12, 0.09)))  # fmt: skip
    upright = blend(start, bent, soft(u / 0.35))
    upright = blend(upright, last, soft((u - 0.45) / 0.55))
    angle = FLAT * u ** rng.uniform(1.5, 2.2)
    return motion.grounded(tip(upright, angle, way))


def _rest(rng: Rng, down: Pose, t: Array, landed: float, way: float) -> Pose:
    """Let somebody who has fallen lie still, writhe, or try to rise."""
    kind, after = rng.random(), np.maximum(t - landed, 0.0)
    size = 0.0 if kind < 0.3 else rng.uniform(0.05, 0.3)
    alive = writhe(rng, down, t, size)
    down = blend(down, alive, np.clip(2 * after, 0, 1))
    effort = np.clip(np.sin(2 * np.pi * after / rng.uniform(3, 6) - 1.0), 0, 1)
    rise = rng.uniform(0.3, 0.9) * soft(effort) * (kind > 0.62) * (after > 0)
    if abs(np.sin(way)) < 0.5 or not rise.any():
        return down
    x, y = down.root[-1, 0], down.root[-1, 1]
    frames = len(t)
    if way > 0:
        hands = ((x - 0.25, y + 0.5, 0.05), (x + 0.25, y + 0.5, 0.05))
        feet = ((x - 0.12, y - 0.75, 0.1), (x + 0.15, y - 0.6, 0.1))
        up = rig(frames, x=x, y=y, height=0.42, lean=1.2, pelvis=1.2, hands=hands, feet=feet,
                 knees=((0, 0.2, -1),) * 2, toes=((0, -0.3, -1),) * 2)  # fmt: skip
    else:
        feet = ((x - 0.15, y + 0.75, 0.09), (x + 0.15, y + 0.6, 0.09))
        hands = ((x - 0.3, y - 0.3, 0.05), (x + 0.3, y - 0.25, 0.05))
        up = rig(frames, x=x, y=y, height=0.14, lean=-0.3, pelvis=-0.2, curl=0.5, hands=hands,
                 feet=feet, toes=((0, 0.5, 0.8),) * 2)  # fmt: skip
    return blend(down, up, rise)


def fall(rng: Rng, place: Place, t: Array) -> Act:
    """A walking, standing or running person falls and stays on the ground."""
    speed = float(rng.choice([0.0, rng.uniform(0.7, 1.6), rng.uniform(0.7, 1.6),
                              rng.uniform(2.2, 4.5)]))  # fmt: skip
    one = victim(rng, place, speed)
    start = before(one, t)
    if rng.random() < 0.35:
        down = _recorded(rng, start, t)
        return finish(rng, place, t, one, down, "fall", others=_helper(rng, one, t))
    way = FLAT + float(rng.choice([0, 0, 0, np.pi, np.pi, FLAT, -FLAT])) + rng.normal(0, 0.35)
    seconds = rng.uniform(0.5, 1.0)
    down = topple(rng, start, t, seconds=seconds, way=way, knees=rng.uniform(0, 1))
    down = _rest(rng, blend(start, down, t > 0), t, seconds, np.mod(way + np.pi, 2 * np.pi) - np.pi)
    return finish(rng, place, t, one, down, "fall", others=_helper(rng, one, t))


def _recorded(rng: Rng, start: Pose, t: Array) -> Pose:
    """Return a recorded fall after a pose; then the person sometimes tries to get up."""
    side, late = ("front", "back")[int(rng.integers(2))], np.maximum(t, 0.0)
    clip, up = motion.library()[f"fall_{side}"], motion.library()[f"get_up_{side}"]
    rate = rng.uniform(0.8, 1.3)
    down = motion.play(clip, late * rate)
    rest = clip.seconds / rate + rng.uniform(0.2, 2)
    part = rng.uniform(0.6, 1.6) * (rng.random() < 0.5)
    if part:
        tries = motion.play(up, to_and_fro(np.maximum(late - rest, 0), part))
        tries = Pose(tries.root + clip.root[-1] * np.array([1, 1, 0]), tries.bones)
        down = blend(down, tries, soft((late - rest) / 0.3))
    down = mirror(down) if rng.random() < 0.5 else down
    return blend(start, down, soft(t / 0.2))


def _helper(rng: Rng, one: Victim, t: Array) -> list[tuple[Pose, Body]]:
    """Sometimes return somebody who comes after a while and bends over the fallen person."""
    angle, far = rng.uniform(-np.pi, np.pi), rng.uniform(3, 6)
    speed, delay = rng.uniform(1.2, 2.6), rng.uniform(0.5, 3)
    who, gait = random_body(rng), actors.random_gait(rng)
    if rng.random() < 0.8:
        return []
    way = np.array([np.cos(angle), np.sin(angle)])
    ahead = np.array([np.cos(one.heading), np.sin(one.heading)])
    near, start = one.spot + 0.5 * ahead + 0.75 * way, one.spot + far * way
    path = Path(start, angle + np.pi, once=[Leg(delay, start), Leg((far - 0.7) / speed, near)])
    steps = path.at(t)
    down = soft((t - delay - far / speed) / 1.0)
    walk = actors.go(gait, steps, t, who.scale)
    low = rig(len(t), height=STAND - 0.5 * down, y=-0.15 * down, lean=0.7 * down, curl=0.2,
              arms=((-0.1, 0.4, -0.4), (0.1, 0.45, -0.35)))  # fmt: skip
    return [(blend(walk, actors.along(low, steps), down), who)]


def collapse(rng: Rng, place: Place, t: Array) -> Act:
    """A person sinks to the ground slowly, or slumps down and stays sitting."""
    one = victim(rng, place, float(rng.choice([0.0, 0.0, rng.uniform(0.4, 1.0)])))
    start, frames, seconds = before(one, t), len(t), rng.uniform(1.1, 2.2)
    u = np.clip(t / seconds, 0, 1)
    sink, last = soft(u / 0.65), limp(rng, frames)
    sway = 0.12 * np.sin(2 * np.pi * 0.8 * t) * (1 - sink) * (t > 0)
    bent = rig(frames, height=STAND - 0.5 * sink, y=-0.1 * sink, lean=0.5 * sink, curl=0.5 * sink,
               side=sway, feet=((-0.12, -0.25 * sink, 0.09), (0.12, -0.1 * sink, 0.09)),
               arms=((-0.1, 0.1, -0.55), (0.1, 0.12, -0.55)))  # fmt: skip
    down = blend(start, bent, soft(u / 0.2))
    way = rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.25:
        sit = rig(frames, y=-0.3, height=0.13, lean=0.2, curl=0.8, side=rng.normal(0, 0.2),
                  feet=((-0.2, 0.5, 0.09), (0.2, 0.35, 0.09)))  # fmt: skip
        down = blend(down, sit, soft((u - 0.5) / 0.5))
    else:
        down = blend(down, last, soft((u - 0.55) / 0.45))
        down = motion.grounded(tip(down, FLAT * soft((u - 0.4) / 0.6) ** 1.5, way))
    down = writhe(rng, blend(start, down, t > 0), t, 0.0 if rng.random() < 0.6 else 0.1)
    down = blend(before(one, t), down, t > 0)
    return finish(rng, place, t, one, down, "fall", others=_helper(rng, one, t))


def slip(rng: Rng, place: Place, t: Array) -> Act:
    """A walking person slips: the feet shoot forward and the person lands on the back."""
    one = victim(rng, place, rng.uniform(0.9, 2.5))
    start, frames, seconds = before(one, t), len(t), rng.uniform(0.45, 0.7)
    u = np.clip(t / seconds, 0, 1)
    kick = rng.uniform(0.3, 0.7)
    air = rig(frames, height=0.7 - 0.55 * u**2, y=0.1, lean=-0.3 - 0.6 * u, pelvis=-0.5 * u,
              arms=((-0.5, 0.1, 0.2), (0.5, 0.15, 0.1)),
              feet=((-0.12, 0.75, kick), (0.15, 0.85, 0.6 * kick)),
              toes=((0, 0.6, 0.8),) * 2)  # fmt: skip
    flat = tip(limp(rng, frames), FLAT, -FLAT)
    flat = motion.grounded(Pose(flat.root + np.array([0, 0.9, 0]), flat.bones))
    sit = rig(frames, height=0.13, y=0.1, lean=-0.35, pelvis=-0.2, curl=0.3,
              hands=((-0.3, -0.2, 0.05), (0.3, -0.2, 0.05)),
              feet=((-0.15, 0.8, 0.09), (0.15, 0.75, 0.09)), toes=((0, 0.5, 0.8),) * 2)  # fmt: skip
    ends = flat if rng.random() < 0.65 else sit
    down = blend(start, air, soft(u / 0.45))
    down = blend(down, ends, soft((u - 0.6) / 0.5))
    moving = writhe(rng, down, t, rng.uniform(0, 0.2))
    down = blend(down, moving, soft((t - seconds) / 0.5))
    return finish(rng, place, t, one, down, "fall", others=_helper(rng, one, t))


def lying(rng: Rng, place: Place, t: Array) -> Act:
    """A person lies on the ground and hardly moves; sometimes somebody is there already."""
    one = victim(rng, place, 0.0)
    size = 0.0 if rng.random() < 0.5 else rng.uniform(0.02, 0.2)
    way, frames = rng.uniform(-np.pi, np.pi), len(t)
    if rng.random() < 0.4:
        name = ("lie_front", "lie_back", "lie_side", "curl")[int(rng.integers(4))]
        flat = motion.posture(name, frames)
    else:
        flat = motion.grounded(tip(limp(rng, frames), FLAT, way))
        flat = Pose(flat.root - flat.root[0] * np.array([1, 1, 0]), flat.bones)
    flat = writhe(rng, flat, t, size)
    down = blend(before(one, t), flat, soft((t + 0.1) / 0.5))
    return finish(rng, place, t, one, down, "lying", others=_bystanders(rng, one, t))


def _bystanders(rng: Rng, one: Victim, t: Array) -> list[tuple[Pose, Body]]:
    """Sometimes return one to three people who stand or crouch around and look."""
    people = []
    for _ in range(int(rng.choice([0, 0, 0, 1, 1, 2, 3]))):
        angle, far, who = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, 1.8), random_body(rng)
        pose = motion.stand(rng)(t)
        if far < 1.2:
            sway = 0.1 * np.sin(t + angle)
            pose = rig(len(t), height=0.5, y=-0.1, lean=0.7 + sway, curl=0.2,
                       arms=((-0.1, 0.4, -0.35), (0.1, 0.45, -0.3)))  # fmt: skip
        x, y = one.spot + far * np.array([np.cos(angle), np.sin(angle)])
        people.append((actors.put(pose, x, y, angle + np.pi), who))
    return people


def crawl(rng: Rng, place: Place, t: Array) -> Act:
    """A person falls and then drags itself over the ground."""
    one = victim(rng, place, float(rng.choice([0.0, rng.uniform(0.5, 1.5)])))
    start, late, clip = before(one, t), np.maximum(t, 0.0), motion.library()["crawl"]
    down = topple(rng, start, t, seconds=0.6, way=FLAT, knees=rng.uniform(0.3, 1))
    rate = rng.uniform(0.35, 0.9)
    go = motion.play(clip, late * rate)
    low = rng.uniform(0.5, 1.0)
    go = Pose(go.root * np.array([1, 1, low]) + np.array([0, 0.7, 0]), go.bones)
    go = motion.grounded(go)
    down = blend(blend(start, down, t > 0), go, soft((t - 0.7) / 0.6))
    return finish(rng, place, t, one, down, "fall")


FALLS: dict[str, Maker] = {make.__name__: make for make in (fall, collapse, slip, lying, crawl)}
