"""Bend arms and legs so that hands and feet reach points: `motion.reach`, fast and frame by frame.

Knows no acts. Lengths are metres.
"""

from __future__ import annotations

import numba
import numpy as np

from training.world.bodies.skeleton import J, Pose
from training.world.shapes import Array

CHAIN = {
    (side, leg): np.array([J[name] for name in names])
    for side in (0, 1)
    for leg, names in (
        (False, ("chest", f"{'lr'[side]}_shoulder", f"{'lr'[side]}_elbow", f"{'lr'[side]}_hand")),
        (True, (f"{'lr'[side]}_hip", f"{'lr'[side]}_knee", f"{'lr'[side]}_ankle")),
    )
}
CHEST, LEFT_HIP, RIGHT_HIP = J["chest"] - 1, J["l_hip"] - 1, J["r_hip"] - 1


def bend(
    pose: Pose, side: int, path: tuple[Array, Array], lengths: Array, scale: float, *,
    leg: bool = False,
) -> Pose:  # fmt: skip
    """Let a left (0) or right (1) hand or foot reach a path; bones only change where it does.

    `path` is where it wants to be (frames, 3) and how much in 0..1 (frames,). What is out of reach
    is pointed at.
    """
    aim, weight = path
    if not (weight > 0).any():
        return pose
    bones = pose.bones.copy()
    share = np.ascontiguousarray(weight, float)
    _bend(
        bones,
        pose.root,
        np.asarray(aim, float),
        share,
        CHAIN[side, leg],
        lengths * scale,
        scale,
        leg,
    )
    return Pose(pose.root, bones)


@numba.njit(cache=True, nogil=True)
def _bend(
    bones: Array, root: Array, aim: Array, weight: Array, chain: Array, lengths: Array,
    scale: float, leg: bool,
) -> None:  # fmt: skip
    first, last = chain[-2] - 1, chain[-1] - 1
    upper, lower = lengths[first], lengths[last]
    for f in range(len(root)):
        if weight[f] <= 0.0:
            continue
        start = root[f].copy()
        start[2] *= scale
        for joint in chain[:-2]:
            start += bones[f, joint - 1] * lengths[joint - 1]
        end = start + bones[f, first] * upper + bones[f, last] * lower
        line = end + min(weight[f], 1.0) * (aim[f] - end) - start
        far = max(np.sqrt((line**2).sum()), 1e-6)
        ahead = line / far
        far = min(max(far, abs(upper - lower) + 0.02), (upper + lower) * 0.995)
        along = (upper**2 - lower**2 + far**2) / (2 * far)
        across = np.sqrt(max(upper**2 - along**2, 0.0))
        pole = _pole(bones[f], bones[f, first] * upper, leg)
        pole = pole - (pole * ahead).sum() * ahead
        pole /= max(np.sqrt((pole**2).sum()), 1e-6)
        bent = along * ahead + across * pole
        bent /= np.sqrt((bent**2).sum())
        bones[f, first] = bent
        rest = far * ahead - bent * upper
        bones[f, last] = rest / np.sqrt((rest**2).sum())


@numba.njit(cache=True, nogil=True)
def _pole(bones: Array, now: Array, leg: bool) -> Array:
    """Return roughly where the elbow or knee shall point."""
    right = bones[RIGHT_HIP] - bones[LEFT_HIP]
    up = bones[CHEST]
    front = np.array(
        [
            up[1] * right[2] - up[2] * right[1],
            up[2] * right[0] - up[0] * right[2],
            up[0] * right[1] - up[1] * right[0],
        ]
    )
    front /= max(np.sqrt((front**2).sum()), 1e-6)
    push = 0.3 * front if leg else -0.1 * front - np.array([0.0, 0.0, 0.1])
    return np.add(now, push)
