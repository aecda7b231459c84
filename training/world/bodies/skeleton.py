"""Define the skeleton of a person and its poses over time.

A pose is where the pelvis is and in which direction each bone points, so that the same motion fits
every body: joints follow from the body's bone lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
JOINTS = (
    "pelvis", "chest", "neck", "head",
    "l_shoulder", "l_elbow", "l_hand", "r_shoulder", "r_elbow", "r_hand",
    "l_hip", "l_knee", "l_ankle", "l_toe", "r_hip", "r_knee", "r_ankle", "r_toe",
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 1, 4, 5, 1, 7, 8, 0, 10, 11, 12, 0, 14, 15, 16)
J = {name: index for index, name in enumerate(JOINTS)}
# Bone i ends at joint i + 1. Lengths in metres of a person who is 1.75 m tall.
LENGTHS = np.array(
    [0.36, 0.16, 0.17, 0.19, 0.29, 0.30, 0.19, 0.29, 0.30,
     0.10, 0.42, 0.42, 0.17, 0.10, 0.42, 0.42, 0.17]
)  # fmt: skip
TALL = 1.75
MIRROR = (0, 1, 2, 3, 7, 8, 9, 4, 5, 6, 14, 15, 16, 17, 10, 11, 12, 13)


@dataclass(frozen=True)
class Pose:
    """Poses over time.

    `root` (frames, 3) is the pelvis of a person who is 1.75 m tall; `bones` (frames, 17, 3) are
    unit vectors from each joint's parent to it, for joints 1 to 17.
    """

    root: Array
    bones: Array


def joints(pose: Pose, lengths: Array = LENGTHS, scale: float = 1.0) -> Array:
    """Return the joints (frames, 18, 3) of a body with bone lengths (17,) times `scale`.

    The height of the pelvis is scaled as well, so that feet stay on the ground.
    """
    out = np.empty((len(pose.root), len(JOINTS), 3))
    out[:, 0] = pose.root
    out[:, 0, 2] *= scale
    for index in range(1, len(JOINTS)):
        step = pose.bones[:, index - 1] * (lengths[index - 1] * scale)
        out[:, index] = out[:, PARENTS[index]] + step
    return out


def turn(pose: Pose, heading: Any) -> Pose:
    """Turn poses about the vertical through (0, 0) by `heading`, counterclockwise from above."""
    c, s = np.cos(heading), np.sin(heading)

    def spin(v: Array) -> Array:
        shape = (-1,) + (1,) * (v.ndim - 2)
        a, b = np.reshape(c, shape), np.reshape(s, shape)
        x, y = v[..., 0] * a - v[..., 1] * b, v[..., 0] * b + v[..., 1] * a
        return np.stack([x, y, v[..., 2]], -1)

    return Pose(spin(pose.root), spin(pose.bones))


def move(pose: Pose, x: Any, y: Any, z: Any = 0.0) -> Pose:
    """Shift poses by scalars or arrays (frames,)."""
    shift = np.stack([np.broadcast_to(v, len(pose.root)) for v in (x, y, z)], -1)
    return Pose(pose.root + shift, pose.bones)


def blend(first: Pose, second: Pose, weight: Any) -> Pose:
    """Mix two poses; weight 0 is the first, 1 the second, a scalar or (frames,)."""
    w = np.broadcast_to(np.asarray(weight, float), len(first.root))
    bones = first.bones + w[:, None, None] * (second.bones - first.bones)
    bones = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-6)
    return Pose(first.root + w[:, None] * (second.root - first.root), bones)


def mirror(pose: Pose) -> Pose:
    """Swap left and right (x becomes -x)."""
    flip = np.array([-1.0, 1.0, 1.0])
    order = [joint - 1 for joint in MIRROR[1:]]
    return Pose(pose.root * flip, pose.bones[:, order] * flip)
