"""Define lively things that one person does on the spot: gymnastics, jumps, chores.

They look like an anomaly and are none. Knows no camera and no words. An act is
`name(rng, place, t)` with t (frames,) in seconds since its onset.
"""

from __future__ import annotations

import numpy as np

from training.world.acts import Act
from training.world.bodies import motion
from training.world.bodies.body import Body, random_body
from training.world.bodies.rig import HANG, STAND, rig
from training.world.bodies.skeleton import Pose
from training.world.daily import actors, things
from training.world.daily.timing import again, held, soft, to_and_fro
from training.world.place import Place, Rng
from training.world.shapes import Array, Shapes


def adult(rng: Rng) -> Body:
    return random_body(rng, child=bool(rng.random() < 0.08))


def exercise(rng: Rng, place: Place, t: Array) -> Act:
    """One person does gymnastics: jumping jacks, squats, push-ups or stretching."""
    who, rate = adult(rng), rng.uniform(0.45, 1.1)
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * rate * t + rng.uniform(0, 6))
    kind = int(rng.integers(4))
    pose = (_jacks, _squats, _push_ups, _stretch)[kind](len(t), beat)
    return actors.solo(rng, place, pose, "exercise", who, reach=1.1)


def _jacks(frames: int, beat: Array) -> Pose:
    wide = 0.1 + 0.3 * beat
    arms = tuple((s * (0.1 + 0.5 * np.sin(np.pi * beat)), 0.02, -0.56 * np.cos(np.pi * beat))
                 for s in (-1.0, 1.0))  # fmt: skip
    lift = 0.12 * np.sin(np.pi * beat) * 4 * beat * (1 - beat)
    return rig(frames, height=STAND - 0.08 * beat + lift, arms=(arms[0], arms[1]),
               feet=((-wide, 0, 0.09 + lift), (wide, 0, 0.09 + lift)))  # fmt: skip


def _squats(frames: int, beat: Array) -> Pose:
    out = 0.1 + 0.45 * beat
    arms = tuple((s * 0.05, out, -0.5 + 0.5 * beat) for s in (-1.0, 1.0))
    return rig(
        frames,
        height=STAND - 0.45 * beat,
        y=-0.2 * beat,
        lean=0.6 * beat,
        pelvis=0.2 * beat,
        arms=(arms[0], arms[1]),
        feet=((-0.2, 0, 0.09), (0.2, 0, 0.09)),
    )


def _push_ups(frames: int, beat: Array) -> Pose:
    low = 0.18 + 0.32 * beat
    lean = 1.45 - 0.25 * beat
    hands = ((-0.3, 0.62, 0.05), (0.3, 0.62, 0.05))
    feet = ((-0.1, -0.82, 0.12), (0.1, -0.82, 0.12))
    return rig(frames, height=low, lean=lean, pelvis=lean, curl=-0.3, hands=hands, feet=feet,
               toes=((0, 0.3, -1),) * 2, knees=((0, 0, -1),) * 2)  # fmt: skip


def _stretch(frames: int, beat: Array) -> Pose:
    bow = 2 * beat - 1
    hands = tuple((s * 0.25 + 0.5 * bow, 0.15, -0.1 + 0.62 * np.cos(1.3 * bow) * (s * bow > -0.3))
                  for s in (-1.0, 1.0))  # fmt: skip
    return rig(frames, height=STAND - 0.03, side=0.6 * bow, x=-0.1 * bow,
               arms=(hands[0], hands[1]), feet=((-0.25, 0, 0.09), (0.25, 0, 0.09)))  # fmt: skip


def jump(rng: Rng, place: Place, t: Array) -> Act:
    """One person jumps: for joy, over something, or as a child does."""
    who = random_body(rng, child=bool(rng.random() < 0.35))
    names = (
        "jump_2",
        "hop_1",
        "hop_2",
        "hop_3",
        "hop_4",
        "hop_5",
        "hop_6",
        "hop_7",
        "hop_8",
        "jump",
    )
    clip = motion.library()[names[int(rng.integers(len(names)))]]
    pose = motion.play(clip, to_and_fro(t + rng.uniform(0, 4), clip.seconds))
    return actors.solo(rng, place, pose, "jump", who, room=0.8)


def sweep(rng: Rng, place: Place, t: Array) -> Act:
    """One person sweeps or mops the floor."""
    who, frames, rate = adult(rng), len(t), rng.uniform(0.5, 1.1)
    swing = np.sin(2 * np.pi * rate * t + rng.uniform(0, 6))
    top = (0.15 + 0.06 * swing, 0.3 + 0.05 * swing, 1.25)
    grip = (-0.05 + 0.12 * swing, 0.45, 0.9)
    lean = rng.uniform(0.15, 0.5)
    pose = rig(frames, height=STAND - 0.05, lean=lean + 0.06 * swing, curl=0.2,
               twist=-0.25 * swing, hands=(grip, top),
               feet=((-0.14, 0.15, 0.09), (0.14, -0.12, 0.09)))  # fmt: skip
    colour, step = rng.uniform(0.1, 0.8, 3), 0.25 * np.sin(2 * np.pi * t / rng.uniform(6, 12))

    def broom(n: int, x: float, y: float, heading: float) -> Shapes:
        frame = things.axes(n, heading)
        base = things.placed(things.at(n, x, y, 0.0), frame, (0, step, 0))
        end = things.placed(base, frame, (-0.25 + 0.35 * swing, 0.8, 0.06))
        start = things.placed(base, frame, (0.15 + 0.06 * swing, 0.3, 1.3))
        brush = things.block(end, frame, (0.18, 0.05, 0.05), 0.6 * colour)
        return things.solid([things.rod(start, end, 0.016, colour)], [brush])

    shifted = Pose(pose.root + things.at(frames, 0, step / who.scale, 0), pose.bones)
    return actors.solo(rng, place, shifted, "sweep", who, extra=broom, reach=1.1)


def throw(rng: Rng, place: Place, t: Array) -> Act:
    """One person throws things into a bin."""
    who, frames = adult(rng), len(t)
    u = again(rng, t, rng.uniform(1.2, 2.2), rest=(0.3, 1.5))
    back = soft(u / 0.35) * (1 - soft((u - 0.35) / 0.2))
    out = soft((u - 0.35) / 0.2) * (1 - soft((u - 0.65) / 0.35))
    arm = (0.12 + 0.1 * back, 0.1 - 0.35 * back + 0.5 * out, -0.5 + 0.6 * back + 0.45 * out)
    pose = rig(frames, height=STAND - 0.02 - 0.05 * back, lean=0.05 - 0.12 * back + 0.3 * out,
               twist=-0.5 * back + 0.4 * out, arms=(HANG[0], arm),
               feet=((-0.12, 0.15, 0.09), (0.12, -0.15, 0.09)))  # fmt: skip
    far, colour = rng.uniform(0.9, 1.8), rng.uniform(0.1, 0.8, 3)
    fly = np.clip((u - 0.45) / 0.25, 0, 1)

    def bin_(n: int, x: float, y: float, heading: float) -> Shapes:
        frame, base = things.axes(n, heading), things.at(n, x, y, 0.0)
        can = things.placed(base, frame, (0.15, far, 0.4))
        ball = things.placed(base, frame, (0.15, 0.55 + (far - 0.55) * fly, 1.5 - 0.7 * fly**2))
        size = np.where((u > 0.4) & (u < 0.72), 1.0, 0.01)
        flying = things.rod(ball, ball, 0.07, 1 - colour)
        flying[..., [3, 7]] *= size[:, None, None]
        return things.solid([flying], [things.block(can, frame, (0.2, 0.2, 0.4), colour)])

    return actors.solo(rng, place, pose, "throw", who, extra=bin_, room=1.0, reach=1.2)


def wave_arms(rng: Rng, place: Place, t: Array) -> Act:
    """One person waves both arms, to greet somebody, to cheer or to keep flies away."""
    who, frames, rate = adult(rng), len(t), rng.uniform(0.6, 1.8)
    phase, lag = 2 * np.pi * rate * t + rng.uniform(0, 6), rng.uniform(0, 3)
    high = rng.uniform(0.1, 0.5)
    arms = tuple(
        (s * (0.3 + 0.2 * np.sin(phase + k * lag)), 0.15 + 0.15 * np.sin(0.7 * phase), high
         + 0.15 * np.cos(phase + k * lag)) for k, s in enumerate((-1.0, 1.0))
    )  # fmt: skip
    spring = 0.03 * np.abs(np.sin(phase))
    pose = rig(
        frames,
        height=STAND - 0.03 + spring,
        side=0.08 * np.sin(phase),
        arms=(arms[0], arms[1]),
        twist=0.2 * np.sin(0.5 * phase),
    )
    return actors.solo(rng, place, pose, "wave_arms", who)


def dress(rng: Rng, place: Place, t: Array) -> Act:
    """One person puts a jacket on or takes it off."""
    who, frames = adult(rng), len(t)
    u = np.mod(t + rng.uniform(0, 3), 6.0) / 6.0
    left, right = held(np.clip(u / 0.55, 0, 1)), held(np.clip((u - 0.4) / 0.6, 0, 1))
    wriggle = np.sin(2 * np.pi * 1.3 * t)
    arms = tuple(
        (
            s * (0.15 + 0.35 * v),
            0.05 - 0.25 * v + 0.1 * wriggle * v,
            -0.55 + (0.6 + 0.15 * wriggle) * v,
        )
        for s, v in ((-1.0, left), (1.0, right))
    )
    pose = rig(frames, height=STAND - 0.02, side=0.15 * (left - right), twist=0.4 * (right - left),
               lean=0.15 * (left + right), arms=(arms[0], arms[1]))  # fmt: skip
    colour = rng.uniform(0.05, 0.7, 3)

    def jacket(n: int, x: float, y: float, heading: float) -> Shapes:
        frame, base = things.axes(n, heading), things.at(n, x, y, 0.0)
        s = who.scale
        swing = 0.15 * wriggle + 0.3 * (left - right)
        corners = [
            things.placed(base, frame, (s * (a * 0.28 + b * swing), s * (-0.2 - 0.15 * b), s * h))
            for a, b, h in ((-0.8, 0, 1.38), (0.8, 0, 1.38), (0.9, 1, 0.95), (-0.9, 1, 0.95))
        ]
        return things.solid(quads=[things.sheet(corners, colour)])

    return actors.solo(rng, place, pose, "dress", who, extra=jacket)
