"""Make postures of people who stand, sit, crouch or lie, without a recording.

Knows no table, bodies or cameras. People face +y, their right hand is at +x; metres and seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.world.bodies.skeleton import JOINTS, LENGTHS, J, Pose, joints

Array = NDArray[Any]
Rng = np.random.Generator
Direction = tuple[float, float, float]
# How far the skin is below a joint; the ankle stands for the heel. Pelvis to right toe.
SKIN = np.array(
    [0.11, 0.12, 0.07, 0.11, 0.07, 0.05, 0.04, 0.07, 0.05, 0.04,
     0.09, 0.06, 0.07, 0.03, 0.09, 0.06, 0.07, 0.03]
)  # fmt: skip
TRUNK: dict[str, Direction] = {
    "chest": (0.0, 0.02, 1.0), "neck": (0.0, 0.02, 1.0), "head": (0.0, 0.24, 1.0),
    "r_shoulder": (0.85, 0.0, 0.5), "l_shoulder": (-0.85, 0.0, 0.5),
    "r_hip": (1.0, 0.0, 0.0), "l_hip": (-1.0, 0.0, 0.0),
}  # fmt: skip
LEGS: dict[str, Direction] = {
    "knee": (0.03, 0.03, -1.0), "ankle": (0.0, -0.05, -1.0), "toe": (0.3, 0.92, -0.27),
}  # fmt: skip
HANG: tuple[Direction, Direction] = ((0.16, -0.06, -1.0), (0.02, 0.2, -1.0))
# Directions of the upper arm and the forearm, of a right arm; x is outwards.
ARMS: dict[str, tuple[Direction, Direction]] = {
    "hang": HANG,
    "pocket": ((0.3, -0.3, -1.0), (-0.2, 0.35, -0.95)),
    "hip": ((0.75, -0.35, -0.75), (-0.75, 0.35, -0.55)),
    "cross": ((0.2, 0.25, -0.95), (-0.92, 0.38, 0.12)),
    "cross_under": ((0.2, 0.2, -0.97), (-0.95, 0.32, -0.02)),
    "ear": ((0.45, 0.25, -0.85), (-0.42, 0.1, 0.95)),
    "text": ((0.05, 0.25, -1.0), (-0.35, 0.8, 0.35)),
    "back": ((0.25, -0.4, -0.9), (-0.75, -0.15, -0.6)),
    "guard": ((0.25, 0.45, -0.85), (-0.3, 0.45, 0.85)),
    "up": ((0.5, 0.2, 0.8), (0.05, 0.15, 1.0)),
    "shield": ((0.45, 0.75, 0.35), (-0.75, -0.15, 0.6)),
    "cover": ((0.4, 0.6, -0.6), (-0.45, 0.35, 0.85)),
    "above": ((0.8, 0.1, 0.4), (-0.4, 0.2, 0.9)),
    "reach": ((0.05, 0.85, -0.45), (-0.05, 1.0, 0.0)),
    "push": ((0.15, 0.5, -0.85), (-0.05, 1.0, -0.05)),
    "carry": ((0.1, 0.1, -1.0), (-0.3, 0.95, 0.0)),
    "point": ((0.1, 0.95, -0.1), (0.0, 1.0, 0.08)),
    "wave": ((0.75, 0.2, 0.4), (0.15, 0.25, 1.0)),
    "smoke": ((0.3, 0.2, -0.95), (-0.5, 0.35, 0.8)),
    "lap": ((0.1, 0.2, -1.0), (-0.25, 0.95, -0.3)),
    "sling": ((0.2, -0.1, -1.0), (-0.3, 0.6, 0.75)),
    "wide": ((1.0, 0.1, -0.2), (0.6, 0.7, 0.2)),
}
# Right arm, left arm.
STANDING: dict[str, tuple[str, str]] = {
    "hang": ("hang", "hang"), "crossed": ("cross", "cross_under"), "hips": ("hip", "hip"),
    "one_hip": ("hip", "hang"), "phone": ("ear", "hang"), "phone_crossed": ("ear", "cross_under"),
    "text": ("text", "text"), "text_one": ("text", "hang"), "pockets": ("pocket", "pocket"),
    "one_pocket": ("pocket", "hang"), "behind": ("back", "back"), "guard": ("guard", "guard"),
    "hands_up": ("up", "up"), "push": ("push", "push"), "carry": ("carry", "carry"),
    "point": ("point", "hang"), "wave": ("wave", "hang"), "smoke": ("smoke", "hang"),
    "reach": ("reach", "hang"), "reach_both": ("reach", "reach"), "bag": ("sling", "hang"),
    "shield": ("shield", "shield"), "wide": ("wide", "wide"),
}  # fmt: skip
# Trunk and legs that differ from standing; "knee" and the like hold for both sides, x outwards.
OTHERS: dict[str, tuple[tuple[str, str], dict[str, Direction]]] = {
    "sit": (("lap", "lap"), {"chest": (0.0, -0.12, 1.0), "knee": (0.2, 1.0, -0.05)}),
    "sit_lean": (
        ("lap", "lap"),
        {"chest": (0.0, 0.55, 0.85), "neck": (0.0, 0.6, 0.8), "knee": (0.3, 1.0, -0.05)},
    ),
    "sit_text": (
        ("text", "text"),
        {"chest": (0.0, -0.05, 1.0), "head": (0.0, 0.7, 0.8), "knee": (0.15, 1.0, -0.05)},
    ),
    "lean": (("push", "push"), {"chest": (0.0, 0.4, 0.9), "neck": (0.0, 0.5, 0.85)}),
    "bow": (
        ("reach", "reach"),
        {"chest": (0.0, 0.9, 0.45), "neck": (0.0, 0.95, 0.3), "head": (0.0, 1.0, 0.2)},
    ),
    "cower": (
        ("cover", "cover"),
        {"chest": (0.0, 0.6, 0.8), "neck": (0.0, 0.8, 0.6), "head": (0.0, 1.0, 0.2),
         "knee": (0.15, 0.6, -0.8), "ankle": (0.0, -0.6, -0.8)},
    ),
    "crouch": (
        ("push", "push"),
        {"chest": (0.0, 0.5, 0.85), "neck": (0.0, 0.45, 0.9), "knee": (0.35, 0.93, -0.05),
         "ankle": (-0.1, -0.7, -0.72), "toe": (0.2, 0.8, -0.55)},
    ),
    "kneel": (
        ("lap", "lap"),
        {"chest": (0.0, 0.15, 1.0), "knee": (0.15, 0.25, -0.95), "ankle": (0.0, -1.0, -0.05),
         "toe": (0.0, -0.75, -0.65)},
    ),
    "lie_back": (
        ("hang", "wide"),
        {"chest": (0.0, 0.0, 1.0), "head": (0.0, 0.1, 1.0), "toe": (0.6, 0.6, -0.5)},
    ),
    "lie_side": (
        ("guard", "push"),
        {"chest": (0.0, 0.2, 1.0), "neck": (0.0, 0.4, 0.9), "knee": (0.0, 0.85, -0.6),
         "ankle": (0.0, -0.8, -0.6)},
    ),
    "curl": (
        ("cover", "cover"),
        {"chest": (0.0, 0.45, 0.9), "neck": (0.0, 0.8, 0.6), "head": (0.0, 1.0, 0.4),
         "knee": (0.0, 1.0, 0.2), "ankle": (0.0, -0.75, -0.7)},
    ),
    "sprawl": (
        ("above", "wide"),
        {"head": (0.4, 0.1, 1.0), "knee": (0.28, 0.1, -1.0), "ankle": (0.0, -0.12, -1.0),
         "toe": (0.8, 0.4, -0.5)},
    ),
    "slump": (
        ("cover", "push"),
        {"chest": (0.0, 0.2, 1.0), "neck": (0.0, 0.4, 0.9), "knee": (0.05, 0.6, -0.8),
         "ankle": (0.0, -0.5, -0.8), "toe": (0.2, 0.5, -0.8)},
    ),
    "lie_front": (
        ("above", "hang"),
        {"chest": (0.0, 0.0, 1.0), "head": (0.3, -0.2, 1.0), "toe": (0.3, 0.1, -1.0)},
    ),
}  # fmt: skip
POSTURES = (*STANDING, *(name for name in OTHERS if name not in ("sprawl", "slump")))
_USUAL = (
    ("hang", 5), ("one_pocket", 2), ("pockets", 2), ("crossed", 2), ("hips", 1), ("one_hip", 1),
    ("phone", 1), ("text", 2), ("text_one", 1), ("behind", 1), ("bag", 1), ("carry", 1),
    ("phone_crossed", 0.5), ("smoke", 0.5),
)  # fmt: skip


def grounded(pose: Pose) -> Pose:
    """Put the lowest point of every frame on the ground; nothing is below it, nothing floats."""
    lowest = (joints(pose, LENGTHS)[..., 2] - SKIN).min(1)
    return Pose(pose.root - lowest[:, None] * np.array([0.0, 0.0, 1.0]), pose.bones)


def posture(name: str, frames: int) -> Pose:
    """Return a still posture over `frames` frames at (0, 0), facing +y.

    `name` is one of POSTURES. Those that lie have the feet at -y and the head at +y.
    """
    arms, own = OTHERS[name] if name in OTHERS else (STANDING[name], {})
    bones = np.zeros((1, len(JOINTS) - 1, 3))
    for joint, direction in (TRUNK | own).items():
        if joint in J:
            bones[0, J[joint] - 1] = direction
    for side, sign, arm in (("r", 1.0, arms[0]), ("l", -1.0, arms[1])):
        limbs = {"elbow": ARMS[arm][0], "hand": ARMS[arm][1]} | LEGS | own
        for joint in ("elbow", "hand", "knee", "ankle", "toe"):
            x, y, z = limbs[joint]
            bones[0, J[f"{side}_{joint}"] - 1] = (sign * x, y, z)
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    bones = _lying(name, bones)
    pose = grounded(Pose(np.zeros((1, 3)), bones))
    return Pose(np.repeat(pose.root, frames, 0), np.repeat(pose.bones, frames, 0))


def _lying(name: str, bones: Array) -> Array:
    """Lay the body down: on its back, its front, or its right side."""
    x, y, z = np.moveaxis(bones, -1, 0)
    if name == "lie_back":
        return np.stack([x, z, np.maximum(y, 0.0)], -1)
    if name == "lie_front":
        return np.stack([-x, z, -np.maximum(y, 0.0)], -1)
    if name in ("lie_side", "curl"):
        return np.stack([y, z, -x], -1)
    return bones


def stand(rng: Rng) -> Callable[[Array], Pose]:
    """Draw how somebody stands, and return a function from times (frames,) in seconds to poses.

    The weight is on one leg, the body sways a little and the head looks around.
    """
    names, weights = zip(*_USUAL, strict=True)
    name = str(rng.choice(names, p=np.array(weights) / sum(weights)))
    base = posture(name, 1)
    base = Pose(base.root, base.bones + _stance(rng))
    rates, phases = rng.uniform(0.12, 0.5, 6), rng.uniform(0, 2 * np.pi, 6)
    sizes = np.array([0.015, 0.015, 0.05, 0.05, 0.4, 0.15]) * rng.uniform(0.3, 1.6, 6)
    return lambda t: sway(base, sizes * np.sin(2 * np.pi * rates * np.asarray(t)[:, None] + phases))


def _stance(rng: Rng) -> Array:
    """Draw what is added to the bones of somebody who stands: one leg is relaxed."""
    out = np.zeros((1, len(JOINTS) - 1, 3))
    side, sign = ("l", -1.0) if rng.random() < 0.5 else ("r", 1.0)
    out[0, J[f"{side}_knee"] - 1] = (sign * rng.uniform(0, 0.15), rng.uniform(0, 0.35), 0)
    out[0, J[f"{side}_ankle"] - 1] = (0, -rng.uniform(0, 0.25), 0)
    out[0, J[f"{side}_toe"] - 1] = (sign * rng.uniform(0, 0.5), 0, 0)
    out[0, J["chest"] - 1 : J["head"]] = rng.normal(0, 0.04, 3)
    for joint in ("l_elbow", "l_hand", "r_elbow", "r_hand"):
        out[0, J[joint] - 1] = rng.normal(0, 0.07, 3)
    return out


def sway(base: Pose, moves: Array) -> Pose:
    """Return one pose (1 frame) that sways.

    `moves` (frames, 6): pelvis x and y in metres, then how much the trunk leans to +x and +y and
    the head to +x and +y, as parts of a unit vector.
    """
    frames = len(moves)
    bones = np.repeat(base.bones, frames, 0)
    trunk, head = slice(J["chest"] - 1, J["neck"]), J["head"] - 1
    bones[:, trunk, :2] += moves[:, None, 2:4]
    bones[:, head, :2] += moves[:, 4:6]
    legs = [J[name] - 1 for name in ("l_knee", "l_ankle", "r_knee", "r_ankle")]
    bones[:, legs, :2] -= moves[:, None, :2] / (2 * LENGTHS[J["l_knee"] - 1])
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    root = np.repeat(base.root, frames, 0)
    root[:, :2] += moves[:, :2]
    return grounded(Pose(root, bones))


def topple(base: Pose, fall: Array, heading: float) -> Pose:
    """Tip poses (frames,) over their feet.

    `fall` (frames,) in radians: 0 stands, pi / 2 lies; `heading` 0 falls to +y, pi / 2 to -x.
    Limbs do not go through the ground, as far as directions tell.
    """
    line = np.array([-np.sin(heading), np.cos(heading), 0.0])
    up, along = base.bones[..., 2], base.bones @ line
    c, s = np.cos(fall)[:, None], np.sin(fall)[:, None]
    bones = base.bones + (along * (c - 1) + up * s)[..., None] * line
    bones[..., 2] = up * c - along * s
    lowest = -1.0 + 0.9 * np.clip((fall - 1.0) / 0.5, 0, 1)
    bones[..., 2] = np.maximum(bones[..., 2], lowest[:, None])
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    root = base.root + (np.sin(fall) * base.root[:, 2])[:, None] * line
    return grounded(Pose(root, bones))
