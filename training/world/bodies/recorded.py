"""Mix recorded blows and kicks into the poses of people who fight.

The recordings are played so that they hit when the drawn blow hits. Knows no story.
"""

from __future__ import annotations

import numpy as np

from training.world.bodies.motion import in_place, library, play
from training.world.bodies.skeleton import J, Pose, mirror, turn
from training.world.contact.hands import HIT, KINDS, Blows, phase
from training.world.shapes import Array

SPAN = 1.25  # seconds of a recording that one blow takes up, before it is played faster
# For each kind of blow: recording, when it hits in seconds, with which hand.
HANDS: dict[str, tuple[tuple[str, float, str], ...]] = {
    "straight": (("strike_4", 0.65, "r"), ("strike_6", 0.63, "r"), ("punch", 0.88, "r")),
    "jab": (("strike_5", 0.6, "r"), ("thrust_2", 1.25, "r"), ("punch", 0.88, "r")),
    "hook": (("sword_7", 1.25, "l"), ("swing_1", 1.7, "r"), ("punch", 0.88, "r")),
    "hammer": (("sword_1", 1.12, "l"), ("sword_4", 1.1, "l"), ("strike_2", 0.63, "r")),
    "upper": (("strike_7", 0.62, "r"), ("strike_8", 0.57, "r"), ("strike_9", 0.6, "r")),
    "slap": (("swing_3", 1.78, "r"), ("sword_7", 1.25, "l")),
}
FEET = (("kick", 0.72, "r"), ("spin_kick", 0.6, "l"), ("kick", 0.72, "r"))
NAMES = list(KINDS)
UPPER = ("chest", "neck", "head")
ARM = ("shoulder", "elbow", "hand")


def struck(pose: Pose, blows: Blows, side: int, t: Array, turned: Array) -> Pose:
    """Move trunk and arm of poses as in recorded blows; `turned` (frames,) is where they look."""
    u, which = phase(blows, t)
    kinds = blows.kind[which]
    joints = [*UPPER, *(f"{'lr'[side]}_{name}" for name in ARM)]
    bones = np.array([J[name] - 1 for name in joints])
    out = pose.bones
    for kind in np.unique(kinds[u < 1]):
        clips = HANDS[NAMES[kind]]
        for index, clip in enumerate(clips):
            frames = (u < 1) & (kinds == kind) & (which % len(clips) == index)
            if frames.any():
                out = _mixed(out, _played(clip, side, u, turned), bones, 0.85 * _away(u) * frames)
    return Pose(pose.root, out)


def kicked(pose: Pose, blows: Blows, side: int, t: Array, turned: Array) -> Pose:
    """Move the whole body of poses as in recorded kicks."""
    u, which = phase(blows, t)
    out, height = pose.bones, pose.root[:, 2]
    bones = np.arange(pose.bones.shape[1])
    for index, clip in enumerate(FEET):
        frames = (u < 1) & (which % len(FEET) == index)
        if frames.any():
            recorded, weight = _played(clip, side, u, turned), _away(u) * frames
            out = _mixed(out, recorded, bones, weight)
            height = height + weight * (recorded.root[:, 2] - height)
    return Pose(np.concatenate([pose.root[:, :2], height[:, None]], 1), out)


def _played(clip: tuple[str, float, str], side: int, u: Array, turned: Array) -> Pose:
    name, hits, hand = clip
    pose = in_place(play(library()[name], hits + (u - HIT) * SPAN))
    return turn(mirror(pose) if "lr"[side] != hand else pose, turned)


def _mixed(bones: Array, recorded: Pose, which: Array, weight: Array) -> Array:
    out = bones.copy()
    out[:, which] += weight[:, None, None] * (recorded.bones[:, which] - out[:, which])
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    return np.asarray(out / np.maximum(length, 1e-6))


def _away(u: Array) -> Array:
    """Return how much somebody has left the own pose in a blow."""
    return np.asarray(np.clip(np.minimum(u / 0.15, (1 - u) / 0.25), 0, 1))
