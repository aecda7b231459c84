"""Play recorded human motion.

The table `motion.safetensors` is made by `record_motion.py`; its sources and licences are there.
Knows no bodies, cameras or acts. Metres and seconds; people start at (0, 0) and face +y.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from training.world.bodies.posture import POSTURES, SKIN, grounded, posture, stand, sway, topple
from training.world.bodies.skeleton import LENGTHS, J, Pose, blend, joints

__all__ = [
    "POSTURES", "SKIN", "Motion", "backwards", "faster", "grounded", "in_place", "library", "part",
    "play", "posture", "reach", "stand",
]  # fmt: skip
Array = NDArray[Any]
TABLE = Path(__file__).with_name("motion.safetensors")
ALIASES = {"bend": "bend_1", "wash": "wash_1", "sword": "sword_1", "strike": "strike_6"}


@dataclass(frozen=True)
class Motion:
    """One recorded motion.

    `root` (frames, 3) in metres and `bones` (frames, 17, 3) as in Pose, at `fps` frames a second.
    A `loop` goes on with its first frame after its last.
    """

    name: str
    fps: float
    root: Array
    bones: Array
    loop: bool = False

    @property
    def seconds(self) -> float:
        """How long the motion takes, or one turn of a loop."""
        return (len(self.root) - 1) / self.fps

    @property
    def speed(self) -> float:
        """How fast it travels on average, in metres a second."""
        return float(np.hypot(*(self.root[-1] - self.root[0])[:2]) / max(self.seconds, 1e-6))


@lru_cache(maxsize=1)
def library() -> dict[str, Motion]:
    """Return all motions by name; do not change their arrays."""
    out: dict[str, Motion] = {}
    with safe_open(TABLE, framework="numpy") as table:
        about = table.metadata()
        loops = set(json.loads(about["loops"]))
        for key in table.keys():  # noqa: SIM118
            name, _, kind = key.rpartition(".")
            if kind == "bones":
                root = table.get_tensor(f"{name}.root").astype(float) / 1000
                bones = table.get_tensor(key).astype(float)
                bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
                out[name] = Motion(name, float(about["fps"]), root, bones, name in loops)
    out |= _made(out)
    return out | {alias: replace(out[name], name=alias) for alias, name in ALIASES.items()}


def _made(recorded: dict[str, Motion]) -> dict[str, Motion]:
    """Return the motions that are made from recorded ones or by rule."""
    front, back = recorded["get_up_front"], recorded["get_up_back"]
    lie_front, lie_back = _lie(front, 0.4), _lie(back, 0.0)
    made = {
        "fall_front": _fall(front, 0.4, lie_front, 0.75),
        "fall_back": _fall(back, 1.7, lie_back, 0.7),
        "lie_front": lie_front,
        "lie_back": lie_back,
        "fall_trip": _topple(0.0, 0.75, "reach_both", "sprawl"),
        "fall_stiff": _topple(np.pi, 0.8, "hang", "sprawl"),
        "fall_buckle": _topple(0.3, 0.9, "crouch", "slump"),
        "fall_left": _topple(0.5 * np.pi, 0.8, "push", "slump"),
        "fall_right": _topple(-0.5 * np.pi, 0.8, "wide", "slump"),
        "idle": _idle("hang"),
        "idle_2": _idle("one_pocket"),
    }
    return {name: replace(motion, name=name) for name, motion in made.items()}


def _lie(up: Motion, at_s: float) -> Motion:
    """Return the still pose of getting up at one moment, with the head laid down."""
    pose = play(up, [at_s, at_s])
    head = slice(J["chest"] - 1, J["head"])
    pose.bones[:, head, 2] = np.minimum(pose.bones[:, head, 2], 0.1)
    pose.bones[:, head] /= np.linalg.norm(pose.bones[:, head], axis=-1, keepdims=True)
    return _restart(Motion("lie", up.fps, grounded(pose).root, pose.bones))


def _fall(up: Motion, sit: float, lie: Motion, seconds: float) -> Motion:
    """Return a fall of `seconds`: getting up backwards to `sit` seconds, then flat on the ground.

    It accelerates like a fall.
    """
    down = backwards(part(up, sit, up.seconds))
    t = np.arange(0.0, seconds + 0.3, 1 / up.fps)
    pose = play(down, down.seconds * np.clip(t / seconds, 0, 1) ** 1.6)
    flat = play(lie, np.zeros(len(t)))
    flat.root[:, :2] += pose.root[-1, :2]
    weight = np.clip((t - 0.75 * seconds) / (0.25 * seconds + 0.2), 0, 1) ** 1.5
    pose = grounded(blend(pose, flat, weight))
    return Motion(up.name, up.fps, pose.root, pose.bones)


def _topple(heading: float, seconds: float, midway: str, lying: str) -> Motion:
    """Return a fall over the feet, from hanging arms through one posture to another."""
    t = np.arange(0.0, seconds + 0.3, 1 / 30.0)
    u = np.clip(t / seconds, 0, 1)
    first, second, last = (posture(name, len(t)) for name in ("hang", midway, lying))
    base = blend(first, second, np.minimum(1.6 * u, 0.8))
    base = blend(base, last, np.clip((t - 0.6 * seconds) / (0.4 * seconds + 0.2), 0, 1))
    pose = topple(base, 0.5 * np.pi * (0.15 * u + 0.85 * u**2.6), heading)
    return _restart(Motion("fall", 30.0, pose.root, pose.bones))


def _idle(name: str) -> Motion:
    """Return somebody who stands and sways a little, for 8 s."""
    t = np.arange(0, 8.001, 1 / 30.0)
    waves = np.stack([np.sin(2 * np.pi * k * t / 8 + p) for k, p in ((1, 0), (2, 1), (3, 2))], 1)
    moves = np.concatenate([0.012 * waves[:, :2], 0.02 * waves[:, 1:], 0.1 * waves[:, ::2]], 1)
    pose = sway(posture(name, 1), moves)
    return Motion("idle", 30.0, pose.root, pose.bones, loop=True)


def play(motion: Motion, times: Any) -> Pose:
    """Return the poses at `times` (frames,) in seconds since its start.

    A loop goes on before and after and keeps travelling; any other motion holds its first and last
    pose.
    """
    times = np.asarray(times, float)
    last = len(motion.root) - 1
    cycles = np.floor(times / motion.seconds) if motion.loop else np.zeros(len(times))
    at = np.clip((times - cycles * motion.seconds) * motion.fps, 0, last)
    first = np.minimum(at.astype(int), max(last - 1, 0))
    second = np.minimum(first + 1, last)
    pose = blend(
        Pose(motion.root[first], motion.bones[first]),
        Pose(motion.root[second], motion.bones[second]),
        at - first,
    )
    travel = (motion.root[-1] - motion.root[0]) * np.array([1.0, 1.0, 0.0])
    return Pose(pose.root + cycles[:, None] * travel, pose.bones)


def in_place(pose: Pose) -> Pose:
    """Remove the travel over the ground; the height stays."""
    return Pose(pose.root * np.array([0.0, 0.0, 1.0]), pose.bones)


def backwards(motion: Motion) -> Motion:
    """Play a motion backwards in time, starting at (0, 0)."""
    return _restart(replace(motion, root=motion.root[::-1], bones=motion.bones[::-1]))


def faster(motion: Motion, factor: float) -> Motion:
    """Play a motion `factor` times as fast."""
    return replace(motion, fps=motion.fps * factor)


def part(motion: Motion, start_s: float, end_s: float) -> Motion:
    """Cut a part out of a motion, starting at (0, 0); it is no loop."""
    first = int(np.clip(round(start_s * motion.fps), 0, len(motion.root) - 2))
    last = max(first + 2, min(round(end_s * motion.fps) + 1, len(motion.root)))
    cut = slice(first, last)
    return _restart(replace(motion, root=motion.root[cut], bones=motion.bones[cut], loop=False))


def _restart(motion: Motion) -> Motion:
    return replace(motion, root=motion.root - motion.root[0] * np.array([1.0, 1.0, 0.0]))


def reach(
    pose: Pose,
    side: str,
    target: Any,
    weight: Any = 1.0,
    lengths: Array = LENGTHS,
    scale: float = 1.0,
    *,
    leg: bool = False,
) -> Pose:
    """Bend an arm, or with `leg` a leg, so that the hand or the ankle reaches a point.

    `side` is "l" or "r"; `target` (frames, 3) or (3,) is in the world, in metres; `weight` in 0..1
    (frames,) is how far the hand leaves its own path. What is out of reach is pointed at.
    """
    names = ("hip", "knee", "ankle") if leg else ("shoulder", "elbow", "hand")
    start, middle, end = (J[f"{side}_{name}"] for name in names)
    points = joints(pose, lengths, scale)
    upper, lower = lengths[middle - 1] * scale, lengths[end - 1] * scale
    goal = np.broadcast_to(np.asarray(target, float), pose.root.shape)
    share = np.broadcast_to(np.asarray(weight, float), len(goal))[:, None]
    goal = points[:, end] + share * (goal - points[:, end])
    line = goal - points[:, start]
    far = np.linalg.norm(line, axis=-1, keepdims=True)
    ahead = line / np.maximum(far, 1e-6)
    far = np.clip(far, abs(upper - lower) + 0.02, (upper + lower) * 0.995)
    along = (upper**2 - lower**2 + far**2) / (2 * far)
    across = np.sqrt(np.maximum(upper**2 - along**2, 0))
    first = along * ahead + across * _pole(points, start, middle, ahead)
    bones = np.array(pose.bones)
    bones[:, middle - 1] = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = far * ahead - bones[:, middle - 1] * upper
    bones[:, end - 1] = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return Pose(pose.root, bones)


def _pole(points: Array, start: int, middle: int, ahead: Array) -> Array:
    """Return the direction (frames, 3), square to `ahead`, to which the elbow or knee points."""
    right = points[:, J["r_hip"]] - points[:, J["l_hip"]]
    up = points[:, J["chest"]] - points[:, J["pelvis"]]
    front = np.cross(up, right)
    front /= np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-6)
    now = points[:, middle] - points[:, start]
    knee = start in (J["l_hip"], J["r_hip"])
    aim = now + (0.3 * front if knee else -0.1 * front - np.array([0.0, 0.0, 0.1]))
    aim = aim - (aim * ahead).sum(-1, keepdims=True) * ahead
    norm = np.linalg.norm(aim, axis=-1, keepdims=True)
    return np.asarray(aim / np.maximum(norm, 1e-6))
