"""Guide the hands of a person: gestures, holding somebody and blows.

A hand has a place in front of its own body, a place on somebody else's body, and blows that leave
both for a moment. Knows no acts. Lengths are metres in the frame of the chest: outwards, ahead, up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.world.bodies.skeleton import J
from training.world.contact.stance import sample
from training.world.contact.tracks import GRID, ease
from training.world.shapes import Array

# Where one can hold or hit another body: joint, then outwards, ahead and up in its chest's frame.
SPOTS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "head": ("head", (0.0, 0.07, 0.0)),
    "nape": ("neck", (0.0, -0.09, 0.03)),
    "chest": ("chest", (0.0, 0.12, 0.05)),
    "belly": ("pelvis", (0.0, 0.13, 0.15)),
    "back": ("chest", (0.0, -0.14, 0.0)),
    "waist": ("pelvis", (0.0, -0.12, 0.12)),
    "l_shoulder": ("l_shoulder", (0.0, 0.05, 0.02)),
    "r_shoulder": ("r_shoulder", (0.0, 0.05, 0.02)),
    "l_elbow": ("l_elbow", (0.0, 0.0, 0.0)),
    "r_elbow": ("r_elbow", (0.0, 0.0, 0.0)),
    "l_hand": ("l_hand", (0.0, 0.0, 0.0)),
    "r_hand": ("r_hand", (0.0, 0.0, 0.0)),
    "l_ankle": ("l_ankle", (0.0, 0.0, 0.0)),
    "r_ankle": ("r_ankle", (0.0, 0.0, 0.0)),
    "knees": ("l_knee", (0.1, 0.1, 0.0)),
}
# All spots and, as the last one, the point in the middle between the two chests.
SPOT = {name: index for index, name in enumerate((*SPOTS, "middle"))}
GUARD = (0.1, 0.3, 0.12)
COVER = (0.09, 0.1, 0.36)
# What a fist does before it flies (outwards, ahead, up from the shoulder) and its way round.
KINDS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "straight": ((0.1, -0.08, -0.12), (0.04, 0.0, 0.0)),
    "hook": ((0.42, -0.12, 0.05), (0.32, 0.1, 0.0)),
    "hammer": ((0.15, -0.1, 0.52), (0.1, 0.15, 0.25)),
    "upper": ((0.14, -0.05, -0.5), (0.05, 0.1, -0.15)),
    "slap": ((0.5, -0.05, 0.12), (0.38, 0.15, 0.05)),
    "jab": ((0.08, 0.1, -0.08), (0.02, 0.0, 0.02)),
}
KIND = {name: index for index, name in enumerate(KINDS)}
SIGN = (-1.0, 1.0)


@dataclass(frozen=True)
class Blows:
    """Blows of one hand or foot, sorted by time and one after another; all arrays (n,).

    `start` and `seconds` say when, `kind` how (see KINDS) and `spot` where (see SPOTS) it hits. It
    hits at `start + HIT * seconds`. `recorded` blows take their way from a recording.
    """

    start: Array
    seconds: Array
    kind: Array
    spot: Array
    recorded: bool = False


HIT = 0.5
NONE = Blows(np.zeros(0), np.zeros(0), np.zeros(0, int), np.zeros(0, int))


@dataclass(frozen=True)
class Hand:
    """What one hand does, over the grid.

    `rows` (grid, 5 + spots): place in the own frame (3), how much the hand is there and how much it
    holds the other in 0..1, then the weights of the spots it holds. `long` is the length of what
    it hits with.
    """

    rows: Array
    blows: Blows = field(default_factory=lambda: NONE)
    long: float = 0.0


def hand(
    own: Any = GUARD, guard: Any = 0.0, hold: Any = 0.0, spots: Any = "chest",
    blows: Blows = NONE, long: float = 0.0,
) -> Hand:  # fmt: skip
    """Make a hand from tracks or numbers; `spots` is a name or a track of indices into SPOTS."""
    rows = np.zeros((len(GRID), 5 + len(SPOT)))
    for column, track in enumerate(own):
        rows[:, column] = track
    rows[:, 3], rows[:, 4] = guard, hold
    if isinstance(spots, str):
        rows[:, 5 + SPOT[spots]] = 1
    else:
        for spot in np.unique(spots):
            rows[:, 5 + spot] = ease((spots == spot).astype(float), 0.15)
    return Hand(rows, blows, long)


def chest_axes(points: Array) -> Array:
    """Return the directions right, ahead and up (frames, 3, 3) of the chest of joints."""
    right = points[:, J["r_shoulder"]] - points[:, J["l_shoulder"]]
    up = points[:, J["neck"]] - points[:, J["chest"]]
    ahead = np.cross(up, right)
    out = np.stack([right, ahead, np.cross(right, ahead)], 1)
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-6))


def spots(points: Array) -> Array:
    """Return the places (frames, spots, 3) on a body with these joints."""
    axes = chest_axes(points)
    names = [J[joint] for joint, _ in SPOTS.values()]
    offsets = np.array([offset for _, offset in SPOTS.values()])
    return np.asarray(points[:, names] + np.einsum("sk,fkc->fsc", offsets, axes))


def phase(blows: Blows, t: Array) -> tuple[Array, Array]:
    """Return how far the blow at each time is in 0..1 (1: none) and its index (0 if none)."""
    if not len(blows.start):
        return np.ones(len(t)), np.zeros(len(t), int)
    which = np.maximum(np.searchsorted(blows.start, t, side="right") - 1, 0)
    return np.clip((t - blows.start[which]) / blows.seconds[which], 0, 1), which


def effort(u: Array) -> Array:
    """Return how the body turns into a blow: -0.5 when it winds up, 1 when it hits, 0 at rest."""
    return np.asarray(np.interp(u, [0.0, 0.28, 0.5, 0.62, 1.0], [0.0, -0.5, 1.0, 0.9, 0.0]))


def goal(one: Hand, side: int, t: Array, points: Array, other: Array | None) -> tuple[Array, Array]:
    """Return where a hand wants to be (frames, 3) and how much in 0..1.

    `points` are the joints (frames, 18, 3) of the body, `other` the spots of the other body.
    """
    rows, axes = sample(one.rows, t), chest_axes(points)
    mirrored = rows[:, :3] * np.array([SIGN[side], 1.0, 1.0])
    aim = points[:, J["chest"]] + np.einsum("fk,fkc->fc", mirrored, axes)
    weight = rows[:, 3]
    if other is None:
        return aim, weight
    held = np.einsum("fs,fsc->fc", rows[:, 5:], other)
    aim = aim + rows[:, 4:5] * (held - aim)
    weight = np.maximum(weight, rows[:, 4])
    if not len(one.blows.start):
        return aim, weight
    return _fly(one, side, t, (points, axes, other), aim, weight)


def _fly(
    one: Hand, side: int, t: Array, bodies: tuple[Array, Array, Array], rest: Array, weight: Array
) -> tuple[Array, Array]:
    """Let the hand leave its rest for the blows."""
    (points, axes, other), blows = bodies, one.blows
    u, which = phase(blows, t)
    if (u >= 1).all():
        return rest, weight
    mirrored = np.array([list(KINDS.values())]).reshape(-1, 2, 3) * [SIGN[side], 1, 1]
    offsets = np.einsum("fpk,fkc->fpc", mirrored[blows.kind[which]], axes)
    shoulder = points[:, J["l_shoulder" if side == 0 else "r_shoulder"]]
    back, bow = shoulder + offsets[:, 0], offsets[:, 1]
    mark = other[np.arange(len(t)), blows.spot[which]]
    near = one.long / np.maximum(np.linalg.norm(mark - shoulder, axis=-1), one.long + 0.2)
    mark = mark + near[:, None] * (shoulder - mark)
    if blows.recorded:
        return _recorded(u, points[:, J["l_hand" if side == 0 else "r_hand"]], mark, rest, weight)
    wind, hit = _soft(u / 0.3), np.clip((u - 0.3) / 0.2, 0, 1) ** 1.3
    home = _soft((u - 0.6) / 0.4)
    at = rest + wind[:, None] * (back - rest)
    at = at + hit[:, None] * (mark - at) + (np.sin(np.pi * hit) * (u < 0.5))[:, None] * bow
    at = at + home[:, None] * (rest - at)
    away = np.minimum(np.clip(u / 0.12, 0, 1), np.clip((1 - u) / 0.2, 0, 1))
    return at, np.maximum(weight, away * (u < 1))


def _recorded(u: Array, own: Array, mark: Array, rest: Array, weight: Array) -> tuple[Array, Array]:
    """Let the hand follow its recorded way, but hit the mark."""
    away = np.clip(np.minimum(u / 0.15, (1 - u) / 0.25), 0, 1)[:, None]
    close = np.exp(-(((u - HIT) / 0.13) ** 2))[:, None]
    at = rest + np.maximum(away, 1 - weight[:, None]) * (own - rest)
    return at + close * (mark - at), np.maximum(np.maximum(weight, close[:, 0]), away[:, 0])


def _soft(u: Array) -> Array:
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))
