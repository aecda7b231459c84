"""Make poses from a few numbers: height and lean of the body, where hands and feet are.

For motion that nobody recorded. The person is 1.75 m tall, looks along +y and has the right side at
+x. Every number may be a scalar or an array (frames,); angles are radians, lengths metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.world.bodies.skeleton import JOINTS, LENGTHS, J, Pose
from training.world.shapes import Array

STAND = 0.955  # height of the pelvis when the knees are almost straight
HANG = ((-0.07, 0.05, -0.57), (0.07, 0.05, -0.57))
FEET = ((-0.1, 0.0, 0.09), (0.1, 0.0, 0.09))
TOES = ((-0.15, 0.95, -0.3), (0.15, 0.95, -0.3))
ELBOWS = ((-0.5, -0.8, -0.3), (0.5, -0.8, -0.3))
KNEES = ((-0.2, 1.0, 0.1), (0.2, 1.0, 0.1))
Triple = Sequence[Any]
Both = tuple[Triple, Triple]


def rig(
    frames: int, *, height: Any = STAND, x: Any = 0.0, y: Any = 0.0, pelvis: Any = 0.0,
    lean: Any = 0.0, curl: Any = 0.0, side: Any = 0.0, twist: Any = 0.0, arms: Both = HANG,
    hands: Both | None = None, feet: Both = FEET, toes: Both = TOES, elbows: Both = ELBOWS,
    knees: Both = KNEES,
) -> Pose:  # fmt: skip
    """Pose a body.

    The pelvis is at (x, y, height) and tilted forwards by `pelvis`; the back leans forwards by
    `lean`, the head by `curl` more, both to the right by `side`, and the chest is turned to the
    left by `twist`. `arms` are the left and right hand relative to the shoulders, `hands` their
    positions instead; `feet` are the ankles. `elbows` and `knees` say whereto they point.
    """
    root = stack(frames, (x, y, height))
    bones = np.zeros((frames, len(JOINTS) - 1, 3))
    hip, back = _axes(frames, pelvis, side, 0.0), _axes(frames, lean, side, twist)
    neck = _axes(frames, np.add(lean, curl), side, twist)
    _set(bones, "chest", 0.35 * hip[2] + 0.65 * back[2])
    _set(bones, "neck", back[2])
    _set(bones, "head", neck[2] + 0.12 * neck[1])
    chest = root + LENGTHS[0] * bones[:, 0]
    for index, (name, sign) in enumerate((("l", -1.0), ("r", 1.0))):
        _set(bones, f"{name}_shoulder", sign * back[0] + 0.55 * back[2])
        shoulder = chest + LENGTHS[J["l_shoulder"] - 1] * bones[:, J[f"{name}_shoulder"] - 1]
        hand = stack(frames, (arms if hands is None else hands)[index])
        goal = shoulder + hand if hands is None else hand
        _limb(bones, (f"{name}_elbow", f"{name}_hand"), shoulder, goal, elbows[index])
        _set(bones, f"{name}_hip", sign * hip[0] - 0.25 * hip[2])
        joint = root + LENGTHS[J["l_hip"] - 1] * bones[:, J[f"{name}_hip"] - 1]
        ankle = stack(frames, feet[index])
        _limb(bones, (f"{name}_knee", f"{name}_ankle"), joint, ankle, knees[index])
        _set(bones, f"{name}_toe", stack(frames, toes[index]))
    return Pose(root, bones)


def stack(frames: int, parts: Triple) -> Array:
    """Make an array (frames, 3) of three scalars or arrays."""
    return np.stack([np.broadcast_to(np.asarray(v, float), frames) for v in parts], -1)


def tip(pose: Pose, angle: Any, heading: float, x: float = 0.0, y: float = 0.0) -> Pose:
    """Turn poses by `angle` about a line on the ground through (x, y), so that they fall.

    `heading` is the direction in which the top goes.
    """
    frames = len(pose.root)
    ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
    across, up = np.cross([0.0, 0.0, 1.0], ahead), np.array([0.0, 0.0, 1.0])
    c, s = (np.broadcast_to(f(angle), frames) for f in (np.cos, np.sin))

    def spin(v: Array) -> Array:
        shape = (frames,) + (1,) * (v.ndim - 1)
        a, b = c.reshape(shape), s.reshape(shape)
        f, g, h = (v @ ahead)[..., None], (v @ across)[..., None], (v @ up)[..., None]
        return np.asarray((f * a + h * b) * ahead + g * across + (h * a - f * b) * up)

    pivot = np.array([x, y, 0.0])
    return Pose(spin(pose.root - pivot) + pivot, spin(pose.bones))


def _axes(frames: int, pitch: Any, side: Any, twist: Any) -> tuple[Array, Array, Array]:
    """Return the directions right, ahead and up of a part of the body, each (frames, 3)."""
    cp, sp, cs, ss, ct, st = (f(v) for v in (pitch, side, twist) for f in (np.cos, np.sin))
    zero = np.zeros(frames)
    right = (cs + zero, -ss * sp, -ss * cp)
    up = (ss + zero, cs * sp, cs * cp)
    ahead = (zero, cp + zero, -sp + zero)

    def spin(v: Triple) -> Array:
        return stack(frames, (v[0] * ct - v[1] * st, v[0] * st + v[1] * ct, v[2]))

    return spin(right), spin(ahead), spin(up)


def _set(bones: Array, name: str, direction: Array) -> None:
    bones[:, J[name] - 1] = unit(direction)


def unit(v: Array) -> Array:
    """Scale vectors (..., 3) to length 1."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


def _limb(bones: Array, names: tuple[str, str], start: Array, goal: Array, pole: Triple) -> None:
    """Set two bones so that their end reaches the goal and the joint between points to `pole`."""
    a, b = (LENGTHS[J[name] - 1] for name in names)
    step = goal - start
    far = np.clip(np.linalg.norm(step, axis=-1, keepdims=True), abs(a - b) + 0.05, a + b - 0.005)
    along = unit(step)
    out = stack(len(start), pole)
    out = unit(out - (out * along).sum(-1, keepdims=True) * along)
    cosine = np.clip((a * a + far * far - b * b) / (2 * a * far), -1, 1)
    upper = cosine * along + np.sqrt(1 - cosine**2) * out
    _set(bones, names[0], upper)
    _set(bones, names[1], far * along - a * upper)
