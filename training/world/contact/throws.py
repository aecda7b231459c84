"""Draw people who throw bottles or chairs at somebody.

`throw(rng, place, t) -> Act` with t (frames,) seconds since the onset. Knows no cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.bodies.body import random_body
from training.world.bodies.skeleton import J, joints
from training.world.contact.duel import Course, facing
from training.world.contact.hands import COVER, HIT, KIND, NONE, SPOT, Blows, hand
from training.world.contact.players import Player, perform
from training.world.contact.staging import add_people, finish, start
from training.world.contact.stance import mover
from training.world.contact.tools import chair, colour, flying
from training.world.contact.tracks import Rng, pulses, ramp, wander
from training.world.daily.things import rod, solid
from training.world.place import Place
from training.world.shapes import Array, Shapes

COUNT = 40
READY = (0.12, 0.3, -0.05)
HIDDEN = np.array([0.0, 0.0, -9.0])


@dataclass(frozen=True)
class Throws:
    """Things that fly: when they leave the hand (n,) and where they land (n, 3)."""

    times: Array
    lands: Array
    heavy: bool
    hue: Any


def hurl(rng: Rng, place: Place, t: Array) -> Act:
    """One person throws bottles or chairs at another, who ducks."""
    begin, far = start(rng, place, 1.0), rng.uniform(1.2, 2.6)
    ahead = np.array([-np.sin(begin.turn), np.cos(begin.turn)])
    times = rng.uniform(0.0, 0.4) + np.cumsum(np.append(0.0, rng.uniform(0.9, 1.9, COUNT - 1)))
    scared = np.clip(pulses(times, np.full(COUNT, 0.5), 0.3), 0, 1)
    middle = np.array([begin.x, begin.y])
    first = middle - far / 2 * ahead + _restless(rng, 0.12)
    second = middle + (far / 2 + 0.4 * scared)[:, None] * ahead + _restless(rng, 0.15)
    aims = middle + far / 2 * ahead + rng.uniform(0.2, 1.4, (COUNT, 1)) * ahead
    lands = np.concatenate([aims + rng.normal(0, 0.3, (COUNT, 2)), np.full((COUNT, 1), 0.06)], 1)
    throws = Throws(times, lands, bool(rng.random() < 0.4), colour(rng))
    turns = facing(rng, first, second)
    players = [_thrower(rng, first, turns[0], throws), _target(rng, second, turns[1], scared)]
    main = list(players)
    way = Course(first, second, turns, np.broadcast_to(ahead, first.shape), ramp(-0.2, 0.4))
    add_people(rng, place, players, way, 2.0)
    return finish(
        players, t, "fight", extra=lambda points, times: _things(main, throws, points[0], times)
    )


def _restless(rng: Rng, size: float) -> Array:
    moves = np.stack([wander(rng, 1.4, size) for _ in range(2)], -1)
    return np.asarray(moves * (0.2 + 0.8 * ramp(-0.3, 0.4))[:, None])


def _thrower(rng: Rng, spot: Array, look: Array, throws: Throws) -> Player:
    on, seconds = ramp(-0.2, 0.4), np.full(COUNT, 0.7)
    kind, aim = np.full(COUNT, KIND["hammer"]), np.full(COUNT, SPOT["head"])
    blows = Blows(throws.times - HIT * seconds, seconds, kind, aim)
    person = mover(
        random_body(rng), spot, look, lean=0.12 + on * wander(rng, 0.9, 0.1), drop=0.05,
        twist=on * wander(rng, 1.0, 0.2), width=0.15, ahead=0.25,
    )  # fmt: skip
    left = hand(READY, on, blows=blows if throws.heavy else NONE)
    return Player(person, (left, hand(READY, on, blows=blows)), other=1)


def _target(rng: Rng, spot: Array, look: Array, scared: Array) -> Player:
    ducks = np.clip(scared * 1.6, 0, 1)
    person = mover(
        random_body(rng), spot, look, lean=0.1 + 0.5 * ducks, drop=0.2 * ducks,
        side=ramp(-0.2, 0.4) * wander(rng, 0.8, 0.2), curl=0.1 + 0.3 * ducks, width=0.14,
    )  # fmt: skip
    arm = hand([v + wander(rng, 0.8, 0.05) for v in COVER], ducks)
    return Player(person, (arm, arm), other=0)


def _things(players: list[Player], throws: Throws, points: Array, t: Array) -> Shapes:
    """Draw the thing in the hand and those that fly or lie around."""
    since = t - np.append(-9.0, throws.times)[np.searchsorted(throws.times, t)]
    grip = points[:, J["r_hand"]]
    if throws.heavy:
        grip = 0.5 * (grip + points[:, J["l_hand"]])
    held = np.where((since < 0.3)[:, None], grip + HIDDEN, grip)
    parts = [_one(held, np.zeros(len(t)), throws)]
    near = np.flatnonzero((throws.times > t.min() - 3) & (throws.times < t.max() + 0.1))
    if len(near):
        body = players[0].mover.body
        poses = perform(players, throws.times[near])
        hands = joints(poses[0], body.lengths, body.scale)[:, J["r_hand"]]
        parts += [_flight(throws, int(which), hands[k], t) for k, which in enumerate(near)]
    return Shapes.join(parts)


def _flight(throws: Throws, which: int, start: Array, t: Array) -> Shapes:
    time, speed = float(throws.times[which]), 5.5 if throws.heavy else 7.5
    path, spun = flying(time, start, throws.lands[which], t, speed)
    return _one(np.where((t >= time)[:, None], path, path + HIDDEN), spun, throws)


def _one(middle: Array, spun: Array, throws: Throws) -> Shapes:
    zero = np.zeros(len(spun))
    way = np.stack([np.cos(spun), zero + 0.3, np.sin(spun)], -1)
    if throws.heavy:
        up = np.stack([-np.sin(spun), zero, np.cos(spun)], -1)
        return chair(middle + np.array([0.0, 0.0, 0.15]), up, way, throws.hue)
    return solid([rod(middle - 0.08 * way, middle + 0.1 * way, 0.04, throws.hue)])
