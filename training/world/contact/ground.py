"""Put two people on the ground: they roll and wrestle, or one drags the other along.

Lengths are metres, angles radians. Knows no pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.world.bodies.rig import rig
from training.world.bodies.skeleton import Pose
from training.world.contact.tracks import GRID, STEP, Rng, at, ease, leak, wander
from training.world.shapes import Array

LEVEL, APART = 0.28, 0.15  # height of two who roll, and how far each is from the middle


def laid(pose: Pose, along: Array, roll: Array, spot: Array) -> Pose:
    """Lay an upright pose down with the head towards the angle `along` (frames,).

    At `roll` 0 the front looks up, at pi it looks to the ground. `spot` (frames, 3) is where the
    pelvis is.
    """
    zero, c, s = np.zeros(len(along)), np.cos(along), np.sin(along)
    up = np.stack([c, s, zero], -1)
    aside, sky = np.stack([-s, c, zero], -1), np.array([0.0, 0.0, 1.0])
    ahead = np.cos(roll)[:, None] * sky + np.sin(roll)[:, None] * aside
    frame = np.stack([np.cross(ahead, up), ahead, up], 1)
    return Pose(spot, np.einsum("fbk,fkc->fbc", pose.bones, frame))


@dataclass(frozen=True)
class Roll:
    """Two people who hold each other and roll over the ground; tracks over the grid.

    `spot` (grid, 2) is the middle between them, `along` where the heads are and `roll` how far they
    have turned about it. `limbs` is how they bend.
    """

    spot: Array
    along: Array
    roll: Array
    limbs: list[Array]

    @staticmethod
    def draw(rng: Rng, x: float, y: float) -> Roll:
        """Draw a struggle around (x, y)."""
        drift = np.stack([leak(wander(rng, 2.0, 0.5), 1.5) for _ in range(2)], -1)
        along = (
            rng.uniform(-np.pi, np.pi) + np.cumsum(rng.uniform(0.2, 1) * wander(rng, 2.5)) * STEP
        )
        turns = (rng.random(40) < 0.5) * rng.choice([-1.0, 1.0], 40)
        ends = np.cumsum(rng.uniform(0.6, 2.5, 40))
        number = np.searchsorted(ends, np.maximum(GRID, 0)).clip(0, 39)
        roll = ease(np.pi * np.cumsum(turns)[number], 0.35) + wander(rng, 1.2, 0.25)
        return Roll(np.array([x, y]) + drift, along, roll, restless(rng, 10))

    def pose(self, who: int) -> Callable[[Array], Pose]:
        """Return the poses of person 0 or 1; they are on opposite sides."""

        def poses(t: Array) -> Pose:
            roll, along = at(self.roll, t) + np.pi * who, at(self.along, t)
            aside, height = -APART * np.sin(roll), LEVEL - APART * np.cos(roll)
            x = at(self.spot[:, 0], t) - np.sin(along) * aside
            y = at(self.spot[:, 1], t) + np.cos(along) * aside
            return laid(self._body(t, who), along, roll, np.stack([x, y, height], -1))

        return poses

    def _body(self, t: Array, who: int) -> Pose:
        b = [at(track, t) for track in self.limbs[5 * who : 5 * who + 5]]
        feet = [
            (s * 0.22, 0.15 + 0.12 * b[k], 0.35 + 0.2 * b[k + 1]) for k, s in enumerate((-1, 1))
        ]
        return rig(
            len(t), lean=0.25 + 0.12 * b[2], curl=0.25 + 0.2 * b[3], side=0.2 * b[4],
            twist=0.25 * b[1], feet=(feet[0], feet[1]), arms=((-0.2, 0.3, -0.1), (0.2, 0.3, -0.1)),
        )  # fmt: skip


@dataclass(frozen=True)
class Pull:
    """One person who drags another over the ground; tracks over the grid.

    `spot` (grid, 2) is where the one who lies is, `along` the direction of the drag. The other is
    dragged by the arms, or `feet_first`. `roll` is how the one who lies has turned, `limbs` how
    arms and legs bend, `kick` how much in 0..1.
    """

    spot: Array
    along: Array
    roll: Array
    limbs: list[Array]
    kick: float
    feet_first: bool

    @staticmethod
    def draw(rng: Rng, x: float, y: float, along: float) -> Pull:
        """Draw a drag that begins at (x, y) in the direction `along`."""
        begin = np.clip((GRID - 0.4) / 0.6, 0, 1)
        way = np.cumsum(rng.uniform(0.1, 0.5) * wander(rng, 3.0) * begin) * STEP
        way = along + way - np.interp(0.0, GRID, way)
        speed = begin * np.clip(rng.uniform(0.4, 1.1) + wander(rng, 0.9, 0.35), 0, 2)
        parts = (leak(speed * np.cos(way), 3.0), leak(speed * np.sin(way), 3.0))
        roll = rng.choice([0.0, np.pi]) + wander(rng, 1.2, 0.35)
        spot = np.array([x, y]) + np.stack(parts, -1)
        return Pull(
            spot, way, roll, restless(rng, 6), rng.uniform(0.2, 1), bool(rng.random() < 0.3)
        )

    def lies(self, t: Array) -> Pose:
        """Return the poses of the one who is dragged."""
        b = [self.kick * at(track, t) for track in self.limbs]
        front = np.where(np.cos(at(self.roll, t)) > 0, 1.0, -1.0)
        up = 0.2 * front
        high = up if self.feet_first else 0.0
        feet = [
            (s * 0.16, 0.12 + 0.15 * b[k] + high, 0.2 + 0.12 * b[k + 1])
            for k, s in enumerate((-1, 1))
        ]
        out, high_arm = (0.4, 0.3) if self.feet_first else (0.1, 0.5)
        body = rig(
            len(t), lean=0.2 * front * (0.5 + 0.5 * b[3]), side=0.2 * b[2], curl=0.3 + 0.2 * b[4],
            twist=0.3 * b[5], feet=(feet[0], feet[1]),
            arms=((-out, up, high_arm), (out, up, high_arm)),
        )  # fmt: skip
        along = at(self.along, t) + (np.pi if self.feet_first else 0.0)
        x, y = at(self.spot[:, 0], t), at(self.spot[:, 1], t)
        return laid(body, along, at(self.roll, t), np.stack([x, y, np.full(len(t), 0.2)], -1))

    def ahead(self, far: float, aside: float = 0.0) -> Array:
        """Return the point (grid, 2) `far` ahead and `aside` to the left of the drag."""
        c, s = np.cos(self.along), np.sin(self.along)
        return self.spot + np.stack([far * c - aside * s, far * s + aside * c], -1)


def restless(rng: Rng, count: int) -> list[Array]:
    """Draw tracks of restless limbs."""
    return [wander(rng, rng.uniform(0.5, 1.2)) for _ in range(count)]
