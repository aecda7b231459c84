"""Turn the drawn course of a fight into people: where they go, how they stagger, what hands do.

Knows no places and no pictures. Lengths are metres, angles radians; a turn of 0 looks along +y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.world.bodies.body import Body
from training.world.bodies.motion import faster, library, play
from training.world.bodies.skeleton import Pose, move, turn
from training.world.contact.clash import Clash, Fists, held, shoves
from training.world.contact.hands import COVER, GUARD, Blows, Hand, hand
from training.world.contact.players import Down, Player
from training.world.contact.stance import mover
from training.world.contact.tracks import (
    GRID,
    STEP,
    Rng,
    at,
    ease,
    index,
    leak,
    pulses,
    ramp,
    wander,
)
from training.world.shapes import Array

LIES = 0.45  # how far behind the feet the middle of somebody who falls lies


@dataclass(frozen=True)
class Start:
    """Where a fight is and how it begins.

    The first of the two comes from `far` metres away at `speed`, or stands there already. `turn`
    is the direction from the first to the second at time 0. `limits` (4,) is x0, y0, x1, y1 that
    nobody leaves.
    """

    x: float
    y: float
    turn: float
    far: float
    speed: float
    limits: tuple[float, float, float, float]


@dataclass(frozen=True)
class Course:
    """Where two people are over the grid: `first` and `second` (grid, 2), where they look (grid,).

    `ahead` (grid, 2) is the direction from the first to the second; `on` (grid,) in 0..1 is how
    much they fight.
    """

    first: Array
    second: Array
    turns: tuple[Array, Array]
    ahead: Array
    on: Array


def course(rng: Rng, fight: Clash, fists: tuple[Fists, Fists], start: Start) -> Course:
    """Let two people circle, push and stagger."""
    on = ramp(-0.25, 0.3)
    angle = _circle(rng, fight, on, start.turn)
    ahead = np.stack([-np.sin(angle), np.cos(angle)], -1)
    gap = _gap(rng, fight, on, start)
    middle = np.array([start.x, start.y]) + _drift(rng, fight, on, ahead)
    share = on[:, None] * (rng.uniform(0.35, 0.65) * gap - 0.35)[:, None]
    second = middle + (0.35 + share) * ahead
    first = second - gap[:, None] * ahead
    first = _inside(first - _thrown(fight, fists[1], 1)[:, None] * ahead, start)
    second = _inside(second + _thrown(fight, fists[0], 0)[:, None] * ahead, start)
    if np.isfinite(fight.down):
        after = ramp(fight.down, 0.5)[:, None]
        fallen = at2(second, fight.down) + LIES * at2(ahead, fight.down)
        second = second + after * (fallen - second)
        first = first + after * (second - gap[:, None] * ahead - first)
    return Course(first, second, facing(rng, first, second), ahead, on)


def at2(track: Array, time: float) -> Array:
    """Return the row (n,) of a track (grid, n) at one time."""
    return np.asarray(track[int(index(time))])


def facing(rng: Rng, first: Array, second: Array) -> tuple[Array, Array]:
    """Return where two people look (grid,) who look at each other, more or less."""
    step = second - first
    look = np.unwrap(np.arctan2(-step[:, 0], step[:, 1]))
    turns = [ease(look + k * np.pi + wander(rng, 1.5, 0.18), 0.1) for k in range(2)]
    return turns[0], turns[1]


def _circle(rng: Rng, fight: Clash, on: Array, turned: float) -> Array:
    spin = ease(fight.spin * on, 0.3) + on * wander(rng, 1.0, 0.4)
    angle = np.cumsum(spin) * STEP
    return np.asarray(turned + angle - np.interp(0.0, GRID, angle))


def _gap(rng: Rng, fight: Clash, on: Array, start: Start) -> Array:
    """Return how far apart two people are: who comes from afar, stops when the fight begins."""
    before = np.minimum(start.far, 0.75 + start.speed * np.maximum(0.0, -GRID))
    gap = ease(fight.gap, 0.22) + wander(rng, 0.7, 0.05)
    return np.asarray(gap * on + np.maximum(before, 0.6) * (1 - on))


def _drift(rng: Rng, fight: Clash, on: Array, ahead: Array) -> Array:
    """Return how far the fight has moved (grid, 2)."""
    aside = np.stack([ahead[:, 1], -ahead[:, 0]], -1)
    speed = ease(fight.drive * on, 0.15)[:, None] * ahead
    speed = speed + (on * wander(rng, 1.3, 0.35))[:, None] * aside
    return np.stack([leak(speed[:, k], 1.6) for k in range(2)], -1)


def _inside(spot: Array, start: Start) -> Array:
    low, high = np.array(start.limits[:2]), np.array(start.limits[2:])
    return np.clip(spot, low, np.maximum(low, high))


def _thrown(fight: Clash, other: Fists, who: int) -> Array:
    """Return how far (grid,) somebody is thrown back by the blows and shoves of person `who`."""
    back = pulses(other.times, 0.12 * other.force, 0.12)
    return np.minimum(back, 0.3) + pulses(*shoves(fight, who), 0.28)


def fighter(
    rng: Rng, body: Body, fight: Clash, fists: tuple[Fists, Fists], way: Course, who: int,
    other: int, long: float = 0.0,
) -> Player:  # fmt: skip
    """Make person `who` of a fight, who has to do with the player of index `other`.

    `long` is the length of what is in the right hand.
    """
    own = {name: ease(track[:, who] * way.on, 0.2) for name, track in fight.two.items()}
    hurt = _hurt(fight, fists[1 - who], who)
    spot, on = (way.second if who else way.first), way.on
    person = mover(
        body, spot, way.turns[who],
        drop=own["drop"] + hurt["drop"] + on * np.abs(wander(rng, 0.8, 0.03)),
        lean=own["lean"] + hurt["lean"] + on * wander(rng, 0.9, 0.12),
        side=hurt["side"] + on * wander(rng, 1.0, 0.12) + wander(rng, 4.0, 0.03),
        twist=hurt["twist"] + on * wander(rng, 0.8, 0.2) + wander(rng, 3.0, 0.1),
        curl=0.1 + 0.25 * own["cover"] + hurt["curl"] + wander(rng, 1.5, 0.08),
        swing=0.7 - 0.5 * own["guard"], width=0.12 + 0.06 * on,
        ahead=0.3 * rng.choice([-1, 1]) * on, quick=0.36,
    )  # fmt: skip
    down = _fall(rng, fight, way, fists[0]) if who and np.isfinite(fight.down) else None
    left, right = (
        _hand(rng, own, hurt["flail"], held(fight, k), fists[who].hands[k], long * k)
        for k in range(2)
    )
    return Player(person, (left, right), fists[who].feet, other, down)


def _fall(rng: Rng, fight: Clash, way: Course, other: Fists) -> Down:
    """Let person 1 fall and twitch under blows."""
    back = rng.random() < 0.65
    motion = faster(library()["fall_back" if back else "fall_front"], rng.uniform(0.9, 1.3))
    turned = float(at2(way.turns[1], fight.down) + rng.normal(0, 0.4) + (0 if back else np.pi))
    lies, ahead = at2(way.second, fight.down + 1), at2(way.ahead, fight.down)
    ends = turn(play(motion, np.array([9.0])), turned).root[0, :2]
    hits = pulses(other.times, other.force, 0.1)
    after, twitch = ramp(fight.down, 0.9), 0.05 * hits + 0.05 * wander(rng, 3.0)

    def pose(t: Array) -> Pose:
        fallen = turn(play(motion, t - fight.down), turned)
        share = at(after, t)[:, None]
        shift = lies - LIES * ahead * (1 - share) - share * (ends + at(twitch, t)[:, None] * ahead)
        return move(fallen, shift[:, 0], shift[:, 1])

    return Down(fight.down, pose, np.clip(0.5 + wander(rng, 1.2, 0.3) + 0.3 * hits, 0, 1))


def _hurt(fight: Clash, other: Fists, who: int) -> dict[str, Array]:
    """Return what the blows and shoves of the other do to the body of person `who`."""
    times, force = other.times, other.force
    pushed, far = shoves(fight, 1 - who)
    shoved = pulses(pushed, np.minimum(far, 1.0), 0.22)
    snap, reel = pulses(times, force, 0.07), pulses(times, force, 0.16)
    swing = pulses(times, force * other.across, 0.12)
    bent = np.where(fight.two["lean"][:, who] > 0.3, 0.35, -0.3)
    return {
        "drop": np.minimum(0.07 * reel + 0.1 * shoved, 0.25),
        "lean": np.clip(bent * reel - 0.45 * shoved, -0.6, 0.5),
        "curl": np.clip(-0.6 * snap, -0.9, 0.0),
        "side": np.clip(0.35 * swing, -0.6, 0.6),
        "twist": np.clip(0.5 * swing, -0.8, 0.8),
        "flail": np.clip(1.6 * shoved + 0.25 * reel, 0, 1),
    }


def _hand(
    rng: Rng, own: dict[str, Array], flail: Array, spots: Array, blows: Blows, long: float
) -> Hand:
    cover = own["cover"]
    shake = 1 - 0.7 * cover
    place = [
        (g + cover * (c - g)) * (1 - flail) + flail * f + shake * wander(rng, 0.6, 0.05)
        for g, c, f in zip(GUARD, COVER, (0.55, 0.15, 0.2), strict=True)
    ]
    talks = 0.8 * (1 - ramp(-0.3, 0.3)) * np.clip(wander(rng, 2.5), 0, 1)
    guard = np.maximum.reduce([own["guard"], cover, flail, talks])
    hold = np.clip(own["hold"] - flail, 0, 1)
    return hand(place, guard, hold, spots, blows, long)
