"""Read recordings of human motion as joints over time.

Forward kinematics of DeepMimic clips (JSON) and of CMU recordings (ASF skeletons, AMC motion).
Knows no table and no parts. Joints are in the order of `skeleton.JOINTS`, in metres with z up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.world.bodies.skeleton import JOINTS, J

Array = NDArray[Any]
CMU_METRES = 0.0254 / 0.45
CMU_FPS = 120.0
# A shoulder is drawn lower than the recorded one, because the chest is nearer to it.
SHOULDER_DROP = 0.07
# Name, parent, x y z of the joint in its parent, how many numbers turn it. x ahead, y up, z right.
DEEPMIMIC: tuple[tuple[str, str, tuple[float, float, float], int], ...] = (
    ("chest", "root", (0.0, 0.236151, 0.0), 4),
    ("neck", "chest", (0.0, 0.223894, 0.0), 4),
    ("r_hip", "root", (0.0, 0.0, 0.084887), 4),
    ("r_knee", "r_hip", (0.0, -0.421546, 0.0), 1),
    ("r_ankle", "r_knee", (0.0, -0.40987, 0.0), 4),
    ("r_shoulder", "chest", (-0.02405, 0.2435 - SHOULDER_DROP, 0.18311), 4),
    ("r_elbow", "r_shoulder", (0.0, -0.274788, 0.0), 1),
    ("l_hip", "root", (0.0, 0.0, -0.084887), 4),
    ("l_knee", "l_hip", (0.0, -0.421546, 0.0), 1),
    ("l_ankle", "l_knee", (0.0, -0.40987, 0.0), 4),
    ("l_shoulder", "chest", (-0.02405, 0.2435 - SHOULDER_DROP, -0.18311), 4),
    ("l_elbow", "l_shoulder", (0.0, -0.274788, 0.0), 1),
)
# Joint of ours: the frame of theirs it moves with, and where it is in that frame.
DEEPMIMIC_ENDS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "pelvis": ("root", (0.0, 0.0, 0.0)),
    "chest": ("chest", (0.0, 0.08, 0.0)),
    "head": ("neck", (0.03, 0.17, 0.0)),
    "r_hand": ("r_elbow", (0.0, -0.3, 0.0)),
    "l_hand": ("l_elbow", (0.0, -0.3, 0.0)),
    "r_toe": ("r_ankle", (0.164, -0.045, 0.0)),
    "l_toe": ("l_ankle", (0.164, -0.045, 0.0)),
}


@dataclass(frozen=True)
class Recording:
    """Joints (frames, 18, 3) in metres at times (frames,) in seconds; `leg` is thigh plus shin."""

    times: Array
    joints: Array
    leg: float


def read_deepmimic(path: Path) -> Recording:
    """Read one clip of DeepMimic."""
    rows = np.array(json.loads(path.read_text())["Frames"])
    spin, place, at = {"root": _spin(rows[:, 4:8])}, {"root": rows[:, 1:4]}, 8
    for name, parent, offset, width in DEEPMIMIC:
        own = _spin(rows[:, at : at + width])
        place[name] = place[parent] + spin[parent].apply(offset)
        spin[name] = spin[parent] * own
        at += width
    out = np.stack([_deepmimic_joint(name, place, spin) for name in JOINTS], 1)
    times = np.concatenate([[0.0], np.cumsum(rows[:-1, 0])])
    return Recording(times, out[..., [2, 0, 1]], 0.421546 + 0.40987)


def _spin(values: Array) -> Rotation:
    """Return rotations of quaternions w x y z (frames, 4) or of angles about z (frames, 1)."""
    if values.shape[1] == 1:
        return Rotation.from_rotvec(values * np.array([0.0, 0.0, 1.0]))
    return Rotation.from_quat(values[:, [1, 2, 3, 0]])


def _deepmimic_joint(name: str, place: dict[str, Array], spin: dict[str, Rotation]) -> Array:
    if name not in DEEPMIMIC_ENDS:
        return place[name]
    base, offset = DEEPMIMIC_ENDS[name]
    return np.asarray(place[base] + spin[base].apply(offset))


@dataclass
class _Bone:
    """One bone of an ASF skeleton; `axis` is the frame in which its angles are given."""

    direction: Array
    length: float
    axis: Rotation
    dof: list[str]
    parent: str = ""


@lru_cache(maxsize=4)
def _skeleton(path: Path) -> dict[str, _Bone]:
    """Read the bones of an ASF file in an order in which parents come first."""
    text = path.read_text()
    bones: dict[str, _Bone] = {}
    for block in text.split(":bonedata")[1].split(":hierarchy")[0].split("begin")[1:]:
        words = {line.split()[0]: line.split()[1:] for line in block.splitlines() if line.split()}
        angles = [float(word) for word in words["axis"][:3]]
        bones[words["name"][0]] = _Bone(
            np.array([float(word) for word in words["direction"]]),
            float(words["length"][0]) * CMU_METRES,
            Rotation.from_euler("xyz", angles, degrees=True),
            words.get("dof", []),
        )
    for line in text.split(":hierarchy")[1].splitlines():
        names = line.split()
        for child in names[1:] if len(names) > 1 else ():
            bones[child].parent = names[0]
    return bones


def _frames(path: Path) -> dict[str, Array]:
    """Return the numbers (frames, n) of each bone of an AMC file."""
    rows: dict[str, list[list[float]]] = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) > 1 and words[0][0] not in "#:":
            rows.setdefault(words[0], []).append([float(word) for word in words[1:]])
    return {name: np.array(values) for name, values in rows.items()}


def read_amc(path: Path) -> Recording:
    """Read one recording of CMU; its skeleton lies beside it."""
    bones = _skeleton(path.with_name(path.name.split("_")[0] + ".asf"))
    rows = _frames(path)
    root = rows["root"]
    spin = {"root": Rotation.from_euler("xyz", root[:, 3:6], degrees=True)}
    end = {"root": root[:, :3] * CMU_METRES}
    for name, bone in bones.items():
        angles = np.zeros((len(root), 3))
        for column, kind in enumerate(bone.dof):
            angles[:, "xyz".index(kind[1])] = rows[name][:, column]
        own = bone.axis * Rotation.from_euler("xyz", angles, degrees=True) * bone.axis.inv()
        spin[name] = spin[bone.parent] * own
        end[name] = end[bone.parent] + spin[name].apply(bone.direction * bone.length)
    leg = bones["lfemur"].length + bones["ltibia"].length
    out = _cmu_joints(end)[..., [0, 2, 1]] * np.array([-1.0, 1.0, 1.0])
    return Recording(np.arange(len(root)) / CMU_FPS, out, leg)


def _cmu_joints(end: dict[str, Array]) -> Array:
    """Return our joints (frames, 18, 3) from the ends of CMU's bones."""
    out = np.empty((len(end["root"]), len(JOINTS), 3))
    out[:, J["pelvis"]] = 0.5 * (end["lhipjoint"] + end["rhipjoint"])
    out[:, J["chest"]] = end["upperback"]
    out[:, J["neck"]] = 0.7 * end["thorax"] + 0.3 * end["lowerneck"]
    out[:, J["head"]] = 0.5 * (end["upperneck"] + end["head"])
    up = end["thorax"] - end["upperback"]
    drop = SHOULDER_DROP * up / np.linalg.norm(up, axis=-1, keepdims=True)
    for side in "lr":
        out[:, J[f"{side}_shoulder"]] = end[f"{side}clavicle"] - drop
        out[:, J[f"{side}_elbow"]] = end[f"{side}humerus"]
        out[:, J[f"{side}_hand"]] = end[f"{side}hand"]
        out[:, J[f"{side}_hip"]] = end[f"{side}hipjoint"]
        out[:, J[f"{side}_knee"]] = end[f"{side}femur"]
        out[:, J[f"{side}_ankle"]] = end[f"{side}tibia"]
        out[:, J[f"{side}_toe"]] = 0.5 * (end[f"{side}foot"] + end[f"{side}toes"])
    return out
