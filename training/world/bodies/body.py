"""Make people of many builds and clothes, and dress a skeleton with them.

Knows no motion and no cameras. Metres; colours are 0..1; shading is the renderer's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.world.bodies.skeleton import JOINTS, LENGTHS, TALL, J, Pose, joints
from training.world.bodies.wardrobe import Clothes, Rng, random_clothes
from training.world.shapes import CAPSULE, Shapes

Array = NDArray[Any]
# Besides the joints, the ends of a body's capsules are made of these unit vectors.
AXES = ("right", "front", "up", "face", "crown", "down")
POINTS = {**J, **{name: len(JOINTS) + index for index, name in enumerate(AXES)}}
Mix = dict[str, float]


@dataclass(frozen=True)
class Body:
    """How somebody is built and dressed.

    `lengths` (17,) and `scale` are those of the skeleton. The parts are n capsules: `ends`
    (2, n, 24) is what part of each joint and axis their two ends are made of, `radii` (2, n) in
    metres, `colours` (n, 3). The last `carried` capsules are things.
    """

    lengths: Array
    scale: float
    ends: Array
    radii: Array
    colours: Array
    carried: int = 0
    child: bool = False
    clothes: Clothes = field(default_factory=Clothes)

    @property
    def height(self) -> float:
        """Height in metres."""
        return self.scale * TALL


class _Parts:
    """Collects the capsules of a body."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.rows: list[tuple[Array, Array, float, float, Any]] = []

    def add(self, start: Mix, end: Mix, r0: float, r1: float, colour: Any) -> None:
        """Add one capsule; its ends are sums of joints and axes."""
        self.rows.append((_mix(start), _mix(end), r0, r1, colour))

    def both(self, start: Mix, end: Mix, r0: float, r1: float, colour: Any) -> None:
        """Add one on the right and one on the left; names without a side get one."""
        for side, sign in (("r", 1.0), ("l", -1.0)):
            self.add(_sided(start, side, sign), _sided(end, side, sign), r0, r1, colour)


def _mix(parts: Mix) -> Array:
    out = np.zeros(len(POINTS))
    for name, share in parts.items():
        out[POINTS[name]] += share
    return out


def _sided(parts: Mix, side: str, sign: float) -> Mix:
    out: Mix = {}
    for name, share in parts.items():
        if name == "right":
            out[name] = sign * share
        else:
            out[name if name in POINTS else f"{side}_{name}"] = share
    return out


def random_body(rng: Rng, *, child: bool = False) -> Body:
    """Draw a body: height, weight, clothes, hair and what is carried."""
    height = rng.uniform(0.95, 1.4) if child else np.clip(rng.normal(1.71, 0.09), 1.5, 1.95)
    woman = bool(rng.random() < 0.42)
    width = float(np.clip(rng.normal(1.0, 0.13), 0.8, 1.36))
    lengths = LENGTHS.copy()
    trunk, arms, broad = rng.normal(1.0, [0.03, 0.03, 0.04])
    lengths[[J["chest"] - 1, J["neck"] - 1]] *= trunk
    for joint in ("elbow", "hand"):
        lengths[[J[f"l_{joint}"] - 1, J[f"r_{joint}"] - 1]] *= arms
    broad *= (0.9 if woman else 1.0) * (0.9 if child else 1.0)
    lengths[[J["l_shoulder"] - 1, J["r_shoulder"] - 1]] *= broad
    clothes = random_clothes(rng, woman=woman, child=child)
    scale = float(height) / TALL
    return make_body(clothes, lengths, scale, width, woman=woman, child=child)


def make_body(
    clothes: Clothes, lengths: Array, scale: float, width: float, *, woman: bool, child: bool
) -> Body:
    """Make a body; `width` 1 is of usual weight."""
    parts = _Parts(width)
    _trunk(parts, clothes, woman=woman)
    _legs(parts, clothes)
    _arms(parts, clothes)
    _head(parts, clothes, scale**-0.6 if child else 1.0)
    own = len(parts.rows)
    _things(parts, clothes)
    ends = np.stack([[row[0] for row in parts.rows], [row[1] for row in parts.rows]])
    ends[..., len(JOINTS) :] *= scale
    radii = np.array([[row[2] for row in parts.rows], [row[3] for row in parts.rows]]) * scale
    colours = np.array([row[4] for row in parts.rows], float)
    return Body(lengths, scale, ends, radii, colours, len(parts.rows) - own, child, clothes)


def _trunk(parts: _Parts, wear: Clothes, *, woman: bool) -> None:
    w, puff = parts.width, wear.puff
    half = 0.5 + 0.5 * w
    belly = max(0.0, w - 0.95) * 0.16
    top, waist = {"shoulder": 0.58, "chest": 0.42, "up": -0.05}, {"hip": 0.5, "pelvis": 0.5}
    parts.both(top, {**waist, "up": 0.12}, 0.1 * half + puff, 0.092 * w + puff, wear.top)
    middle = {"pelvis": 1.0, "up": 0.1, "front": 0.008 + belly}
    parts.add(
        {"chest": 1.0, "up": 0.02, "front": 0.012 if woman else 0.004}, middle,
        0.112 * half + puff, 0.1 * w + puff, wear.top,
    )  # fmt: skip
    slope = {"neck": 0.72, "chest": 0.28}
    parts.both(slope, {"shoulder": 0.93, "neck": 0.07}, 0.058 + puff, 0.057 * half + puff, wear.top)
    low, extra = (wear.top, puff) if wear.long_top else (wear.legs, 0.004)
    wide = 0.102 * w * (1.05 if woman else 1.0) + extra
    for height, radius, inside in ((0.08, 0.094 * w + extra, 0.5), (-0.005, wide, 0.62)):
        hip = {"pelvis": 1 - inside, "front": -0.012, "up": height}
        parts.add({**hip, "l_hip": inside}, {**hip, "r_hip": inside}, radius, radius, low)
    if wear.open_colour is not None:
        chest = {"chest": 0.75, "neck": 0.25, "front": 0.088 + 0.8 * puff}
        belt = {**middle, "front": middle["front"] + 0.1 * w + puff - 0.028}
        parts.add(chest, belt, 0.034, 0.042, wear.open_colour)


def _legs(parts: _Parts, wear: Clothes) -> None:
    w = 0.5 + 0.5 * parts.width
    loose = wear.loose
    thigh, knee, ankle = 0.086 * w, 0.056 * w, 0.04 * w
    calf = wear.skin if wear.bare_calves else wear.legs
    upper = wear.skirt_colour if wear.skirt else wear.legs
    parts.both({"hip": 1.0, "right": 0.01}, {"knee": 1.0}, thigh + loose, knee + loose, upper)
    slack = 0.0 if wear.bare_calves else loose
    parts.both({"knee": 0.93, "ankle": 0.07}, {"ankle": 1.0}, knee + slack, ankle + slack, calf)
    parts.both({"ankle": 1.35, "toe": -0.25, "knee": -0.1}, {"toe": 1.0}, 0.046, 0.036, wear.shoes)
    if wear.skirt:
        _skirt(parts, wear, w)


def _skirt(parts: _Parts, wear: Clothes, w: float) -> None:
    """Add a skirt, or the lower part of a coat, around both legs."""
    hem, puff = wear.hem, wear.puff
    parts.both(
        {"hip": 0.75, "pelvis": 0.25}, {"hip": 1 - hem, "knee": hem, "right": -0.02},
        0.104 * w + puff, (0.09 + 0.012 * hem) * w + puff, wear.skirt_colour,
    )  # fmt: skip
    side = {"l_hip": 0.5 * (1 - hem), "r_hip": 0.5 * (1 - hem), "l_knee": 0.5 * hem}
    parts.add(
        {"pelvis": 1.0, "up": 0.03}, {**side, "r_knee": 0.5 * hem, "up": 0.01},
        0.1 * w + puff, 0.1 * w + puff, wear.skirt_colour,
    )  # fmt: skip


def _arms(parts: _Parts, wear: Clothes) -> None:
    w, puff = 0.5 + 0.5 * parts.width, wear.puff
    sleeve = wear.skin if wear.sleeves == "none" else wear.sleeve_colour
    cuff = wear.sleeve_colour if wear.sleeves == "long" else wear.skin
    thick = puff if wear.sleeves == "long" else 0.0
    parts.both({"shoulder": 1.0}, {"elbow": 1.0}, 0.056 * w + puff, 0.043 * w + puff * 0.8, sleeve)
    parts.both(
        {"elbow": 1.0},
        {"elbow": 0.2, "hand": 0.8},
        0.043 * w + thick * 0.8,
        0.031 * w + thick * 0.7,
        cuff,
    )
    parts.both(
        {"elbow": 0.14, "hand": 0.86}, {"elbow": -0.06, "hand": 1.06}, 0.034, 0.038, wear.hands
    )


def _head(parts: _Parts, wear: Clothes, big: float) -> None:
    parts.add({"neck": 1.0}, {"neck": 0.5, "head": 0.5}, 0.056, 0.055, wear.neck)
    r = 0.086 * big
    parts.add(
        {"head": 1.0, "crown": -0.05 * big, "face": 0.022},
        {"head": 1.0, "crown": 0.03, "face": 0.012},
        r * 0.86, r, wear.face,
    )  # fmt: skip
    back = {"head": 1.0, "crown": -0.02 - wear.hair_length, "face": -0.03 - 0.15 * wear.hair_length}
    parts.add(
        {"head": 1.0, "crown": 0.036 * big, "face": -0.012}, back, r * 1.06, r * 0.95, wear.hair
    )
    if wear.brim:
        parts.add(
            {"head": 1.0, "crown": 0.055, "face": 0.05},
            {"head": 1.0, "crown": 0.045, "face": 0.13},
            0.05, 0.04, wear.hair,
        )  # fmt: skip


def _things(parts: _Parts, wear: Clothes) -> None:
    colour = wear.thing_colour
    hand = f"{wear.hand}_hand"
    elbow = f"{wear.hand}_elbow"
    sign = 1.0 if wear.hand == "r" else -1.0
    if wear.thing == "backpack":
        parts.add(
            {"chest": 0.95, "pelvis": 0.05, "front": -0.17},
            {"chest": 0.3, "pelvis": 0.7, "front": -0.19},
            0.11, 0.13, colour,
        )  # fmt: skip
    elif wear.thing == "shoulder bag":
        hip = {"pelvis": 1.0, "right": -sign * 0.24, "up": 0.02}
        parts.add({**hip, "front": 0.1}, {**hip, "front": -0.1}, 0.09, 0.09, colour)
        parts.add(
            {"chest": 1.0, "right": sign * 0.1, "up": 0.13, "front": 0.05},
            {**hip, "up": 0.1},
            0.018,
            0.018,
            colour,
        )
    elif wear.thing == "bag":
        parts.add({hand: 1.0, "down": 0.04}, {hand: 1.0, "down": 0.16}, 0.012, 0.03, colour)
        parts.add(
            {hand: 1.0, "down": 0.22, "front": 0.06},
            {hand: 1.0, "down": 0.3, "front": -0.06},
            0.09,
            0.1,
            colour,
        )
    elif wear.thing == "stick":
        grip = {hand: 1.0}
        parts.add(
            {**grip, "front": -0.08},
            {hand: 2.0, elbow: -1.0, "front": 0.45, "up": 0.1},
            0.017,
            0.022,
            colour,
        )
    elif wear.thing == "bottle":
        parts.add({hand: 1.0, "up": -0.06}, {hand: 1.0, "up": 0.12}, 0.035, 0.018, colour)
    elif wear.thing == "phone":
        parts.add({hand: 1.0, "up": 0.0}, {hand: 1.0, "up": 0.09}, 0.028, 0.028, colour)


def dress(points: Array, body: Body) -> Shapes:
    """Cover joints (frames, 18, 3) with a body's capsules."""
    source = np.concatenate([points, _axes(points)], 1)
    ends = np.einsum("enp,fpx->efnx", body.ends, source)
    capsules = np.empty((len(points), ends.shape[2], CAPSULE), np.float32)
    for index, start in ((0, 0), (1, 4)):
        capsules[..., start : start + 3] = ends[index]
        capsules[..., start + 3] = body.radii[index]
    capsules[..., 8:] = body.colours
    return Shapes.of(len(points), capsules=capsules)


def _axes(points: Array) -> Array:
    """Return right, front and up of the trunk, face and crown of the head, and down."""
    hips = points[:, J["r_hip"]] - points[:, J["l_hip"]]
    shoulders = points[:, J["r_shoulder"]] - points[:, J["l_shoulder"]]
    up = _unit(points[:, J["neck"]] - points[:, J["pelvis"]])
    front = _unit(np.cross(up, hips + shoulders))
    right = np.cross(front, up)
    crown = _unit(points[:, J["head"]] - points[:, J["neck"]])
    face = _unit(np.cross(crown, right))
    down = np.broadcast_to([0.0, 0.0, -1.0], up.shape)
    return np.stack([right, front, up, face, crown, down], 1)


def _unit(v: Array) -> Array:
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6))


def figure(pose: Pose, body: Body) -> Shapes:
    """Return the shapes of a body in poses, with their feet or back on the ground.

    Nothing is below the ground, and a body less than a few centimetres above it is put down.
    """
    shapes = dress(joints(pose, body.lengths, body.scale), body)
    c = shapes.capsules
    own = c[:, : c.shape[1] - body.carried]
    low = np.minimum(own[..., 2] - own[..., 3], own[..., 6] - own[..., 7]).min(1)
    drop = (low * np.clip((0.12 - low) / 0.06, 0, 1))[:, None]
    for height, radius in ((2, 3), (6, 7)):
        c[..., height] = np.maximum(c[..., height] - drop, c[..., radius])
    return shapes
