"""Pose people who have to do with each other: hands and feet that reach the other's body.

Knows no story: where everyone is and what the hands want comes from `stance` and `hands`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.world.bodies.body import Body, figure
from training.world.bodies.limbs import bend
from training.world.bodies.recorded import kicked, struck
from training.world.bodies.skeleton import J, Pose, blend, joints
from training.world.contact.hands import (
    HIT,
    NONE,
    SIGN,
    Blows,
    Hand,
    chest_axes,
    effort,
    goal,
    phase,
    spots,
)
from training.world.contact.stance import Mover, stand
from training.world.contact.tracks import at
from training.world.shapes import Array, Shapes

SIDES = ("l", "r")


@dataclass(frozen=True)
class Down:
    """Somebody goes to the ground at `start` seconds and is in the poses of `pose` from then on.

    `soft` is how many seconds the change takes; `kick` (grid,) in 0..1 is how much the legs are
    drawn up.
    """

    start: float
    pose: Callable[[Array], Pose]
    kick: Array
    soft: float = 0.25


@dataclass(frozen=True)
class Player:
    """One person; `other` is the index of the one whom hands and feet go to, or -1."""

    mover: Mover
    hands: tuple[Hand, Hand]
    feet: tuple[Blows, Blows] = (NONE, NONE)
    other: int = -1
    down: Down | None = None


def perform(players: Sequence[Player], t: Array) -> list[Pose]:
    """Return the poses of all people at times t (frames,)."""
    bases = [_base(one, t) for one in players]
    points = [_joints(base, one.mover.body) for base, one in zip(bases, players, strict=True)]
    return [_reach(players, index, bases[index], points, t) for index in range(len(players))]


def show(players: Sequence[Player], poses: Sequence[Pose]) -> Shapes:
    """Draw the bodies of people in poses."""
    return Shapes.join(
        [figure(pose, one.mover.body) for pose, one in zip(poses, players, strict=True)]
    )


def _joints(pose: Pose, body: Body) -> Array:
    return joints(pose, body.lengths, body.scale)


def _base(one: Player, t: Array) -> Pose:
    """Return a person without arms: stands, turns into blows, or falls."""
    limbs = [(hand.blows, phase(hand.blows, t)[0]) for hand in one.hands]
    limbs += [(foot, phase(foot, t)[0]) for foot in one.feet]
    left, right, left_foot, right_foot = (
        effort(u) * (0.35 if blows.recorded else 1.0) for blows, u in limbs
    )
    lean = 0.16 * np.maximum(left, right) - 0.28 * np.maximum(left_foot, right_foot)
    twist = 0.6 * (right - left) + 0.3 * (right_foot - left_foot)
    pose = stand(one.mover, t, lean=lean, twist=twist)
    for index, (blows, u) in enumerate(limbs):
        if blows.recorded and (u < 1).any():
            act = struck if index < 2 else kicked
            pose = act(pose, blows, index % 2, t, at(one.mover.rows[:, 2], t))
    if one.down is None:
        return pose
    share = np.clip((t - one.down.start) / one.down.soft, 0, 1)
    return blend(pose, one.down.pose(t), share)


def _reach(
    players: Sequence[Player], index: int, pose: Pose, points: Sequence[Array], t: Array
) -> Pose:
    """Move legs and arms of one person to where they want to be."""
    one, own = players[index], points[index]
    body, axes = one.mover.body, chest_axes(own)
    other = None
    if one.other >= 0:
        theirs = points[one.other]
        middle = 0.5 * (own[:, J["chest"]] + theirs[:, J["chest"]])
        other = np.concatenate([spots(theirs), middle[:, None]], 1)
        for side in range(2):
            u, which = phase(one.feet[side], t)
            if (u < 1).any():
                mark = other[np.arange(len(t)), one.feet[side].spot[which]]
                path = _kick(u, side, own, axes, mark, one.feet[side].recorded)
                pose = bend(pose, side, path, body.lengths, body.scale, leg=True)
    if one.down is not None:
        pose = _draw_up(one, pose, own, t)
    for side in range(2):
        path = goal(one.hands[side], side, t, own, other)
        pose = bend(pose, side, path, body.lengths, body.scale)
    return pose


def _kick(
    u: Array, side: int, own: Array, axes: Array, mark: Array, recorded: bool
) -> tuple[Array, Array]:
    """Return where the foot is in a kick (frames, 3) and how much it has left the ground."""
    name = SIDES[side]
    rest, hip = own[:, J[f"{name}_ankle"]], own[:, J[f"{name}_hip"]]
    if recorded:
        close = 0.9 * np.exp(-(((u - HIT) / 0.13) ** 2))
        return mark, close * (u < 1)
    ahead = axes[:, 1] * [1.0, 1.0, 0.0]
    back = hip + 0.25 * ahead + np.array([0.0, 0.0, -0.5]) + SIGN[side] * 0.05 * axes[:, 0]
    wind, hit = np.clip(u / 0.3, 0, 1), np.clip((u - 0.3) / 0.2, 0, 1)
    home = np.clip((u - 0.58) / 0.4, 0, 1)
    aim = rest + wind[:, None] * (back - rest)
    aim = aim + hit[:, None] * (mark - aim)
    aim = aim + home[:, None] * (rest - aim)
    return aim, (u < 1).astype(float)


def _draw_up(one: Player, pose: Pose, own: Array, t: Array) -> Pose:
    """Draw the legs of somebody who lies on the ground up to the body."""
    assert one.down is not None
    lies = np.clip((t - one.down.start - 0.7) / 0.4, 0, 1) * at(one.down.kick, t)
    body = one.mover.body
    for side, name in enumerate(SIDES):
        ankle, hip = own[:, J[f"{name}_ankle"]], own[:, J[f"{name}_hip"]]
        aim = hip + 0.35 * (ankle - hip) + np.array([0.0, 0.0, 0.05])
        pose = bend(pose, side, (aim, lies), body.lengths, body.scale, leg=True)
    return pose
