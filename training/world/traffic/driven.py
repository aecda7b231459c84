"""Draw vehicles over time: where they drive, lean, crash and shine, and the people who ride them.

Positions are metres, angles radians counterclockwise from above. Knows no road.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.bodies.skeleton import J, Pose
from training.world.shapes import Array, Shapes
from training.world.traffic.vehicles import Vehicle


@dataclass(frozen=True)
class Dent:
    """A dent: where it is, as an angle in the vehicle's own axes, and its depth (frames,) in m."""

    angle: float
    depth: Array


def axes(heading: Any, pitch: Any = 0.0, roll: Any = 0.0) -> Array:
    """Return the rows ahead, left and up (frames, 3, 3) of a body; pitch > 0 lifts the front.

    `heading`, `pitch` and `roll` are radians, scalars or (frames,); roll > 0 leans to the right.
    """
    h, p, r = np.broadcast_arrays(*np.atleast_1d(heading, pitch, roll))
    ahead = np.stack([np.cos(h) * np.cos(p), np.sin(h) * np.cos(p), np.sin(p)], -1)
    left = np.stack([-np.sin(h), np.cos(h), 0 * h], -1)
    up = np.cross(ahead, left)
    c, s = np.cos(r)[:, None], np.sin(r)[:, None]
    return np.stack([ahead, c * left + s * up, c * up - s * left], 1)


def _dented(points: Array, dents: Sequence[Dent]) -> Array:
    """Push in points (n, 3) of a vehicle; returns (frames, n, 3), or (1, n, 3) without dents."""
    out = points[None]
    for dent in dents:
        way = np.array([np.cos(dent.angle), np.sin(dent.angle), 0.0])
        along = points @ way
        near = np.clip((along - along.max() + 1.5) / 1.5, 0, 1) ** 1.3
        rough = np.sin(points @ (9.1, 7.3, 5.9)), np.sin(points @ (6.3, 9.7, 8.1) + 1)
        push = -way * (0.8 + 0.35 * rough[0])[:, None] + np.outer(0.25 * rough[1], (0, 0, 1))
        out = out + dent.depth[:, None, None] * (near[:, None] * push)
    return out


def car(
    look: Vehicle,
    x: Array,
    y: Array,
    heading: Any,
    *,
    z: Any = 0.0,
    pitch: Any = 0.0,
    roll: Any = 0.0,
    dents: Sequence[Dent] = (),
    braking: Any = 0.0,
    lit: float = 0.0,
    eye: Array | None = None,
    paint: Array | None = None,
) -> Shapes:
    """Draw a vehicle at (x, y) over frames.

    `braking` in 0..1 lights its brake lamps, `lit` in 0..1 its other lamps, which dazzle a camera
    at `eye` (3,). `paint` (frames, 3) replaces the colour of its body.
    """
    frames = len(x)
    turn = np.broadcast_to(axes(heading, pitch, roll), (frames, 3, 3))
    where = np.stack([x, y, np.broadcast_to(z, frames)], -1)

    def put(points: Array) -> Array:
        flat = points.reshape(-1, 3)
        moved = _dented(flat, dents) @ turn + where[:, None]
        return np.asarray(moved.reshape(frames, *points.shape[:-1], 3))

    colours = np.broadcast_to(look.colours, (frames, *look.colours.shape)).copy()
    if paint is not None:
        colours[:, look.painted] = paint[:, None]
    quads = np.concatenate([put(look.quads).reshape(frames, len(look.quads), 12), colours], -1)
    puffs = _lamps(look, put, turn, braking, lit, eye, frames)
    return Shapes.of(frames, capsules=_rods(look, put, frames), quads=quads, puffs=puffs)


def _rods(look: Vehicle, put: Any, frames: int) -> Array:
    """Return the capsules (frames, n, 11) of a vehicle."""
    ends = put(look.rods)
    radii = np.broadcast_to(look.radii[:, None], (frames, len(look.rods), 1))
    colours = np.broadcast_to(look.rod_colours, (frames, len(look.rods), 3))
    return np.concatenate([ends[:, :, 0], radii, ends[:, :, 1], radii, colours], -1)


def _lamps(
    look: Vehicle, put: Any, turn: Array, braking: Any, lit: float, eye: Array | None, frames: int
) -> Array:
    """Return the lamps (frames, k, 9) of a vehicle with their halos, seen from `eye`."""
    parts = []
    brakes = np.broadcast_to(np.asarray(braking, float), frames)
    for lamps, sign, colour, power in (
        (look.head, 1.0, (1.0, 0.97, 0.86), np.full(frames, lit)),
        (look.tail, -1.0, (1.0, 0.10, 0.06), np.maximum(0.35 * lit, brakes)),
    ):
        at = put(lamps)
        facing = np.ones((frames, len(lamps)))
        if eye is not None:
            to_eye = eye - at
            to_eye /= np.linalg.norm(to_eye, axis=-1, keepdims=True)
            facing = np.clip(sign * (to_eye @ turn[:, 0, :, None])[..., 0], 0, 1)
        for radius, alpha, sharp in ((0.13, 0.95, 1), (0.40, 0.45, 3), (1.10, 0.28, 14)):
            strength = power[:, None] * facing**sharp * alpha
            size = np.full_like(strength, radius if sign > 0 else 0.5 * radius)
            glow = [size, *(np.full_like(size, c) for c in colour), strength, np.ones_like(size)]
            parts.append(np.concatenate([at, np.stack(glow, -1)], -1))
    return np.concatenate(parts, 1) if lit or np.any(brakes) else np.zeros((frames, 0, 9))


def rider(look: Vehicle, x: Array, y: Array, heading: Any, turns: Array, roll: Any = 0.0) -> Pose:
    """Pose a person on a two-wheeler; `turns` (frames,) is how far the pedals turned, in radians.

    Only `x` and `y` need to be (frames,); the pose is in the world, not in the library's axes.
    """
    assert look.saddle is not None
    assert look.grip is not None
    assert look.pedal is not None
    bones = np.zeros((len(x), 17, 3))
    ahead = 0.65 if look.crank else 0.35
    spine = np.array([np.sin(ahead), 0.0, np.cos(ahead)])
    for name, way in (("chest", spine), ("neck", spine), ("head", np.array([0.3, 0.0, 0.95]))):
        bones[:, J[name] - 1] = way
    for side, name in ((1.0, "l"), (-1.0, "r")):
        mirror = np.array([1.0, side, 1.0])
        across = np.array([0.0, side * 0.97, 0.0]) + 0.24 * spine
        bones[:, J[name + "_shoulder"] - 1] = across
        shoulder = look.saddle + 0.36 * spine + 0.19 * across
        hands = np.broadcast_to(look.grip * mirror, (len(x), 3))
        arm = _bend(shoulder, hands, (0.29, 0.30), np.array([0.0, 0.6 * side, -0.8]))
        bones[:, J[name + "_elbow"] - 1], bones[:, J[name + "_hand"] - 1] = arm
        bones[:, J[name + "_hip"] - 1] = (0.0, side, 0.0)
        phase = turns + (0.0 if side > 0 else np.pi)
        circle = np.stack([np.cos(phase), 0 * phase, -np.sin(phase)], -1)
        feet = look.pedal * mirror + look.crank * circle + np.array([-0.08, 0.0, 0.08])
        leg = _bend(
            look.saddle + np.array([0, 0.1 * side, 0]), feet, (0.42, 0.42), np.array([1.0, 0, 0.3])
        )
        bones[:, J[name + "_knee"] - 1], bones[:, J[name + "_ankle"] - 1] = leg
        bones[:, J[name + "_toe"] - 1] = (0.97, 0.0, -0.24)
    turn = axes(heading, 0.0, roll)
    root = look.saddle @ turn + np.stack([x, y, np.zeros(len(x))], -1)
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    return Pose(root, bones @ turn)


def _bend(start: Array, end: Array, lengths: tuple[float, float], pole: Array) -> tuple[Any, Any]:
    """Return the two bones (frames, 3) from `start` (3,) to `end` (frames, 3), bent to `pole`."""
    first, second = lengths
    line = end - start
    far = np.linalg.norm(line, axis=-1, keepdims=True)
    way = line / far
    far = np.clip(far, abs(first - second) + 1e-3, first + second - 1e-3)
    side = pole - way * (way @ pole)[..., None]
    side = side / np.linalg.norm(side, axis=-1, keepdims=True)
    cos = (first**2 + far**2 - second**2) / (2 * first * far)
    upper = way * cos + side * np.sqrt(np.maximum(1 - cos**2, 0))
    lower = way * far - upper * first
    return upper, lower / np.linalg.norm(lower, axis=-1, keepdims=True)
