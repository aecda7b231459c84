"""Turn recorded human motion into the small table that `motion.py` reads.

Run `python -m training.world.bodies.record_motion FOLDER` with the folder of the recordings.
They are
- DeepMimic clips (https://github.com/xbpeng/DeepMimic, Xue Bin Peng, MIT licence) in `deepmimic/`;
- the CMU Graphics Lab Motion Capture Database (mocap.cs.cmu.edu, created with funding from NSF
  EIA-0196217, free for all uses) in `cmu/`.

The recordings are not part of the repository, only the directions of bones computed from them.
Knows no bodies, cameras or acts.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save_file

from training.world.bodies.mocap import Array, Recording, read_amc, read_deepmimic
from training.world.bodies.posture import SKIN
from training.world.bodies.skeleton import JOINTS, LENGTHS, PARENTS, J, Pose, blend, joints, turn

TABLE = Path(__file__).with_name("motion.safetensors")
FPS = 30.0
SOURCE = (
    "DeepMimic (Xue Bin Peng, MIT licence, github.com/xbpeng/DeepMimic); CMU Graphics Lab Motion "
    "Capture Database (mocap.cs.cmu.edu, funded by NSF EIA-0196217, free for all uses)"
)
LEG = 0.84
LOOP_BLEND = 6


class Part(NamedTuple):
    """One part of a recording, from `start` to `end` seconds.

    `ground`: "floor" puts the lowest joint on the ground in every frame, "air" only the lowest
    frames, because the person jumps, "hang" only the lowest. `face` is what faces +y: the "first"
    frame, the "last", the direction of "travel", or the hand or foot at the end of a "strike".
    `loop` joins the last frame to the first; "cycle" also looks for the end that fits best.
    """

    name: str
    file: str
    start: float = 0.0
    end: float = 1e9
    ground: str = "floor"
    face: str = "first"
    loop: str = ""


def _cuts(
    name: str, file: str, edges: str, *, ground: str = "floor", face: str = "first"
) -> list[Part]:
    """Return parts name_1, name_2 and so on from edges such as "0.5-2 2.1-4" in seconds."""
    spans = [[float(edge) for edge in span.split("-")] for span in edges.split()]
    return [Part(f"{name}_{k + 1}", file, a, b, ground, face) for k, (a, b) in enumerate(spans)]


PARTS = [
    Part("walk", "walk", face="travel", loop="wrap"),
    Part("walk_2", "02_01", face="travel", loop="cycle"),
    Part("walk_3", "02_02", face="travel", loop="cycle"),
    Part("walk_4", "long_walk3", 3.6, 6.6, face="travel", loop="cycle"),
    Part("walk_fast", "long_walk3", 8.3, 10.8, face="travel", loop="cycle"),
    Part("walk_turn", "long_walk3", 0.6, 4.8),
    Part("walk_turn_2", "long_walk3", 6.4, 9.4),
    Part("walk_turn_3", "long_walk3", 10.4, 14.6),
    Part("walk_stop", "long_walk3", 12.6, 17.7),
    Part("walk_uneven", "03_01", face="travel"),
    Part("walk_uneven_2", "03_02", 0.6, face="travel"),
    Part("stealthy", "stealthy_walk", face="travel", loop="wrap"),
    Part("prowl", "stealthy_walk0", 22.0, 30.0),
    Part("prowl_2", "stealthy_walk0", 46.0, 54.0),
    Part("zombie", "zombie_walk", face="travel", loop="wrap"),
    Part("run", "run", ground="air", face="travel", loop="wrap"),
    Part("run_2", "02_03", ground="air", face="travel", loop="cycle"),
    Part("jog", "jog", ground="air", face="travel", loop="wrap"),
    Part("crawl", "crawl", face="travel", loop="wrap"),
    Part("jump", "jump", ground="air"),
    Part("jump_2", "02_04", 0.0, 2.8, ground="air"),
    Part("roll", "roll"),
    Part("punch", "punch", face="strike"),
    Part("kick", "kick", face="strike"),
    Part("spin_kick", "spinkick", ground="air", face="strike"),
    Part("spin", "spin", ground="air"),
    Part("cartwheel", "cartwheel", ground="air"),
    Part("backflip", "backflip", ground="air"),
    Part("sideflip", "sideflip", ground="air"),
    Part("dance_a", "dance_a"),
    Part("dance_b", "dance_b"),
    Part("dance_spin", "dance_spin"),
    Part("get_up_front", "getup_facedown", face="last"),
    Part("get_up_back", "getup_faceup", face="last"),
    *_cuts("strike", "02_05", "0.7-2.3 2.2-3.6 3.6-5.2 5.1-6.7 6.6-8.1 8-9.4 9.4-11 11-12.6 "
           "12.5-14.2", face="strike"),
    *_cuts("bend", "02_06", "0.2-2.9 2.8-5.8 5.7-8.4 8.3-11.3 11.2-14.1 14-17.2"),
    *_cuts("sword", "02_07", "0.2-2.3 2.2-4.4 4.2-6.3 6.2-8.3 8.2-10.1 10-12 12-14.4 14.2-16.4 "
           "16.3-18"),
    *_cuts("swing", "02_08", "0.2-2.5 2.6-5.1 5.1-7.7 7.6-10.3"),
    *_cuts("thrust", "02_09", "0.8-3.1 3-5.2 5.1-7.7", face="strike"),
    *_cuts("wash", "02_10", "0.3-2.5 2.8-4.8 5.6-7.9 8.3-10.4"),
    *_cuts("wipe", "02_10", "10.4-13.3 14-17.1 17-20.4"),
    *_cuts("hop", "01_01", "0.8-3 2.8-4.5 4.4-6 6-7.4 9.8-11.8 12-14.2 14.2-16 19.4-21.4",
           ground="air"),
    Part("climb_up", "01_08", 1.8, 6.4, ground="air"),
    Part("climb_hang", "01_08", 9.0, 14.0, ground="hang"),
    Part("climb_swing", "01_08", 14.0, 18.8, ground="hang"),
    Part("climb_drop", "01_08", 18.6, 20.8, ground="air"),
    Part("climb_ladder", "01_14", 2.6, 6.2, ground="hang"),
    Part("climb_ladder_2", "01_14", 8.6, 15.0, ground="hang"),
    Part("duck", "01_14", 15.2, 17.0),
    Part("duck_2", "01_14", 17.5, 19.3),
]  # fmt: skip


def convert(part: Part, recording: Recording) -> Pose:
    """Return the poses of one part at 30 frames a second, at (0, 0) and facing +y."""
    end = min(part.end, recording.times[-1])
    times = np.arange(part.start, end + 1e-6, 1 / FPS)
    flat = recording.joints.reshape(len(recording.times), -1)
    columns = [np.interp(times, recording.times, column) for column in flat.T]
    points = np.stack(columns, 1).reshape(len(times), len(JOINTS), 3)
    steps = points[:, 1:] - points[:, PARENTS[1:]]
    bones = steps / np.maximum(np.linalg.norm(steps, axis=-1, keepdims=True), 1e-6)
    pose = Pose(points[:, 0] * (LEG / recording.leg), bones)
    if part.loop:
        pose = _cycle(pose, search=part.loop == "cycle")
    pose = turn(pose, 0.5 * np.pi - _heading(pose, part.face))
    start = np.append(pose.root[0, :2], 0.0)
    return _grounded(Pose(pose.root - start, pose.bones), part.ground)


def _heading(pose: Pose, face: str) -> float:
    """Return the direction that is ahead, in radians from +x."""
    if face == "travel":
        ahead = pose.root[-1] - pose.root[0]
        return float(np.arctan2(ahead[1], ahead[0]))
    if face == "strike":
        return _strike(pose)
    frame = -1 if face == "last" else 0
    right = pose.bones[frame, J["r_hip"] - 1] - pose.bones[frame, J["l_hip"] - 1]
    return float(np.arctan2(right[0], -right[1]))


def _strike(pose: Pose) -> float:
    """Return the direction in which a hand or foot is farthest from the pelvis, above the knees."""
    points = joints(pose, LENGTHS)
    ends = points[:, [J[name] for name in ("l_hand", "r_hand", "l_ankle", "r_ankle")]]
    away = ends - points[:, :1]
    far = np.hypot(away[..., 0], away[..., 1]) - 10 * (away[..., 2] < -0.35)
    frame, limb = np.unravel_index(np.argmax(far), far.shape)
    return float(np.arctan2(away[frame, limb, 1], away[frame, limb, 0]))


def _cycle(pose: Pose, *, search: bool) -> Pose:
    """Return one or two steps whose last frame is the first one again, further along."""
    first, last = 0, len(pose.root) - 1
    if search:
        first, last = _best_cycle(pose)
    travel = pose.root[last] - pose.root[first]
    cut = slice(first, last + 1)
    own = Pose(pose.root[cut], pose.bones[cut])
    tail = np.clip((np.arange(last - first + 1) - (last - first - LOOP_BLEND)) / LOOP_BLEND, 0, 1)
    goal = Pose(
        np.repeat(own.root[:1], len(tail), 0) + travel, np.repeat(own.bones[:1], len(tail), 0)
    )
    mixed = blend(own, goal, tail)
    root = mixed.root.copy()
    root[:, :2] = own.root[:, :2]
    return Pose(root, mixed.bones)


def _best_cycle(pose: Pose) -> tuple[int, int]:
    """Return the two frames, 0.6 to 1.5 s apart, whose poses are most alike."""
    best, found = np.inf, (0, len(pose.root) - 1)
    speed = np.gradient(pose.bones, axis=0) * 6
    for first in range(2, max(3, len(pose.root) - 18)):
        for last in range(first + 18, min(first + 46, len(pose.root) - 2)):
            miss = np.abs(pose.bones[last] - pose.bones[first]).mean()
            miss += np.abs(speed[last] - speed[first]).mean()
            if miss < best:
                best, found = float(miss), (first, last)
    return found


def _grounded(pose: Pose, ground: str) -> Pose:
    """Put the poses on the ground; nothing is below it."""
    lowest = (joints(pose, LENGTHS)[..., 2] - SKIN).min(1)
    shift = -lowest
    if ground == "air":
        shift = np.maximum(-np.percentile(lowest, 20), shift)
    if ground == "hang":
        shift = np.full(len(lowest), -lowest.min())
    return Pose(pose.root + shift[:, None] * np.array([0.0, 0.0, 1.0]), pose.bones)


@cache
def _read(folder: Path, file: str) -> Recording:
    if file[:2].isdigit():
        return read_amc(folder / "cmu" / f"{file}.amc")
    return read_deepmimic(folder / "deepmimic" / f"humanoid3d_{file}.txt")


def main(folder: str) -> None:
    """Write the table from the recordings in `folder`."""
    table: dict[str, Array] = {}
    for part in PARTS:
        pose = convert(part, _read(Path(folder), part.file))
        table[f"{part.name}.root"] = np.round(pose.root * 1000).astype(np.int16)
        table[f"{part.name}.bones"] = np.round(pose.bones * 127).astype(np.int8)
    loops = json.dumps([part.name for part in PARTS if part.loop])
    save_file(table, TABLE, {"source": SOURCE, "fps": str(FPS), "loops": loops})
    print(f"{TABLE}: {len(PARTS)} motions, {TABLE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
