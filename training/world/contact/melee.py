"""Add people to a fight of two: more attackers, people who watch, people who step between.

Lengths are metres, angles radians; a turn of 0 looks along +y. Knows no pictures.
"""

from __future__ import annotations

import numpy as np

from training.world.bodies.body import random_body
from training.world.contact.clash import Clash
from training.world.contact.duel import Course, facing
from training.world.contact.hands import GUARD, hand
from training.world.contact.players import Player
from training.world.contact.stance import mover
from training.world.contact.tracks import GRID, Rng, ease, ramp, wander
from training.world.daily.space import free, seen
from training.world.place import Place
from training.world.shapes import Array

# What hands of people who watch do: left and right place in the own frame, how much they are there.
WATCHING = (
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0),
    ((-0.05, 0.2, 0.0), (-0.05, 0.22, 0.04), 1.0),  # crossed
    ((0.08, 0.15, -0.2), (0.1, 0.4, 0.25), 1.0),  # films
    ((0.02, 0.15, 0.25), (0.02, 0.15, 0.25), 1.0),  # hands before the face
    ((0.2, 0.25, 0.05), (0.2, 0.25, 0.05), 0.7),  # ready to step in
    ((0.12, 0.05, -0.35), (0.15, 0.65, 0.15), 1.0),  # points
)


def join_in(rng: Rng, fight: Clash, way: Course, aside: float) -> Course:
    """Let one more attack the second of a fight, at an angle `aside` from the first."""
    ahead = np.arctan2(way.ahead[:, 1], way.ahead[:, 0]) + aside + wander(rng, 2.0, 0.25)
    along = np.stack([np.cos(ahead), np.sin(ahead)], -1)
    begin = rng.uniform(-1.0, 1.2)
    far = rng.uniform(0.6, 2.0) * (1 - ramp(begin - 0.6, 0.8))
    gap = ease(fight.gap, 0.22) + wander(rng, 0.7, 0.05) + far
    first = way.second - gap[:, None] * along
    lag = np.stack([ease(first[:, k], 0.15) for k in range(2)], -1)
    return Course(lag, way.second, facing(rng, lag, way.second), along, ramp(begin, 0.3))


def onlookers(
    rng: Rng, place: Place, x: float, y: float, count: int, near: float = 1.4
) -> list[Player]:
    """Draw people who stand around a place and watch what happens there."""
    angle, far = rng.uniform(-np.pi, np.pi, 24), rng.uniform(near, near + 2.2, 24)
    spots = np.stack([x + far * np.cos(angle), y + far * np.sin(angle)], -1)
    camera = np.arctan2(place.camera.eye[1] - y, place.camera.eye[0] - x)
    hides = np.cos(angle - camera) > rng.choice([0.75, 2.0], p=[0.85, 0.15])
    good = spots[free(place, spots, 0.25) & seen(place, spots, 0.0) & ~hides][:count]
    return [watcher(rng, x, y, spot[0], spot[1]) for spot in good]


def watcher(rng: Rng, x: float, y: float, own_x: float, own_y: float) -> Player:
    """Draw somebody who stands at (own_x, own_y), looks to (x, y) and may step back."""
    angle = float(np.arctan2(own_y - y, own_x - x))
    back = rng.choice([0.0, rng.uniform(0.2, 0.8)]) * ramp(rng.uniform(-0.5, 4.0), 1.1)
    back = back + wander(rng, 2.5, 0.06)
    turned = angle + np.pi / 2 + wander(rng, 2.5, 0.2)
    spot = np.stack([own_x + back * np.cos(angle), own_y + back * np.sin(angle)], -1)
    person = mover(
        random_body(rng), spot, turned,
        lean=rng.uniform(0.02, 0.17) + wander(rng, 2.0, 0.06),
        side=wander(rng, 3.0, 0.04), twist=wander(rng, 2.0, 0.12), curl=0.1 + wander(rng, 2.0, 0.1),
    )  # fmt: skip
    left, right, much = WATCHING[rng.integers(len(WATCHING))]
    there = much * np.clip(0.9 + wander(rng, 3.0, 0.4), 0, 1)
    places = left, right
    if rng.random() < 0.5:
        places = right, left
    hands = [hand([v + wander(rng, 1.5, 0.025) for v in place], there) for place in places]
    return Player(person, (hands[0], hands[1]))


def meddler(rng: Rng, way: Course, who: int, index: int) -> Player:
    """Draw somebody who pulls person `who` of a fight, the player of that index, away."""
    mine, theirs = (way.second, way.first) if who else (way.first, way.second)
    ahead = (theirs - mine) / np.maximum(np.linalg.norm(theirs - mine, axis=1, keepdims=True), 0.3)
    aside = np.stack([ahead[:, 1], -ahead[:, 0]], -1) * rng.choice([-1, 1])
    style = rng.choice(["behind", "between", "beside"])
    offset = {"behind": -0.48 * ahead, "between": 0.3 * ahead + 0.35 * aside, "beside": 0.5 * aside}
    begin = rng.uniform(-0.5, 2.5)
    there = ramp(begin, 0.9)[:, None]
    waits = mine[len(GRID) // 3] + rng.uniform(1.3, 2.2) * (aside - ahead)[len(GRID) // 3]
    goal = waits + there * (mine + offset[str(style)] - waits)
    spot = np.stack([ease(goal[:, k], 0.25) for k in range(2)], -1)
    turned = facing(rng, spot, mine)[0]
    grip = ramp(begin + 0.6, 0.3)
    person = mover(
        random_body(rng), spot, turned, lean=0.08 + 0.15 * grip * wander(rng, 1.0),
        side=wander(rng, 1.5, 0.08), twist=wander(rng, 1.0, 0.15), drop=0.06 * grip,
        width=0.11 + 0.05 * grip, ahead=0.2 * grip, quick=0.38,
    )  # fmt: skip
    held = {
        "behind": ("waist", "chest"),
        "between": ("chest", "r_shoulder"),
        "beside": ("l_elbow", "back"),
    }
    hands = [hand(GUARD, grip, grip, name) for name in held[str(style)]]
    return Player(person, (hands[0], hands[1]), other=index)


def spread(rng: Rng, count: int) -> Array:
    """Draw angles (count,) of more attackers around the one whom they attack."""
    gap = 2 * np.pi / (count + 1)
    around = (np.arange(count) + 1) * min(gap, 1.5) * rng.choice([-1, 1])
    return np.asarray(around + rng.uniform(-0.2, 0.2, count))
