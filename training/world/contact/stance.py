"""Stand, step, lean and crouch: a person's pose over time from tracks of where the body is.

The feet step by themselves to stay below the body, so that any push or rush looks carried by legs.
Knows no other people. Lengths are metres, angles radians; a turn of 0 looks along +y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.bodies.body import Body
from training.world.bodies.rig import STAND, rig
from training.world.bodies.skeleton import Pose, move, turn
from training.world.contact.tracks import GRID, STEP, steps
from training.world.shapes import Array

REACH = 0.835  # of a leg
ANKLE = 0.09
NAMES = ("x", "y", "turn", "drop", "lean", "side", "twist", "curl", "swing")


@dataclass(frozen=True)
class Mover:
    """A person who stands or moves.

    `rows` (grid, 17) are tracks: NAMES, then x, y, height and turn of the left and right foot.
    """

    body: Body
    rows: Array


def mover(
    body: Body, spot: Any, turned: Any, *, drop: Any = 0.0, lean: Any = 0.0,
    side: Any = 0.0, twist: Any = 0.0, curl: Any = 0.0, swing: Any = 0.7, width: Any = 0.11,
    ahead: Any = 0.0, quick: float = 0.42,
) -> Mover:  # fmt: skip
    """Make a person who follows tracks, or stands where numbers say; `spot` is (grid, 2) or (2,).

    `drop` lowers the pelvis; `lean` bends the back forwards, `side` to the right, `twist` turns the
    chest to the left, `curl` bends the head forwards; `swing` is how much arms swing with steps;
    see `steps` for the rest.
    """
    x, y = np.asarray(spot, float).T
    given = (x, y, turned, drop, lean, side, twist, curl, swing)
    rows = np.empty((len(GRID), 17))
    for column, track in enumerate(given):
        rows[:, column] = track
    path = np.ascontiguousarray(rows[:, :3].T)
    feet = steps(path[0], path[1], path[2], width, ahead, quick)
    rows[:, 9:] = feet.reshape(len(GRID), 8)
    return Mover(body, rows)


def sample(rows: Array, t: Array) -> Array:
    """Return rows of tracks (frames, n) at times t."""
    place = np.clip((t - GRID[0]) / STEP, 0, len(GRID) - 1.001)
    low = place.astype(int)
    part = (place - low)[:, None]
    return np.asarray(rows[low] * (1 - part) + rows[low + 1] * part)


def stand(one: Mover, t: Array, **extra: Array) -> Pose:
    """Return the poses at times t with hanging arms; `extra` is added to the tracks it names."""
    rows = sample(one.rows, t)
    now = dict(zip(NAMES, rows.T, strict=False))
    for name, more in extra.items():
        now[name] = now[name] + more
    scale = one.body.scale
    feet, far = _feet(now, rows[:, 9:].reshape(-1, 2, 4), scale)
    height = ANKLE + np.sqrt(np.maximum(REACH**2 - np.minimum(far, 0.42) ** 2, 0)).mean(1) + 0.01
    height = np.minimum(height, STAND - 0.01 - np.clip(now["drop"], 0, 0.62))
    stride = np.clip(feet[:, :, 1], -0.4, 0.4) * now["swing"][:, None]
    bent = 0.03 + 0.25 * np.abs(stride[:, 0] - stride[:, 1])
    yaw = rows[:, 9:].reshape(-1, 2, 4)[:, :, 3] - now["turn"][:, None]
    low = np.minimum(feet[:, :, 2], 0.2) * 2
    pose = rig(
        len(t), height=height, pelvis=0.3 * now["lean"], lean=now["lean"], curl=now["curl"],
        y=-0.25 * np.sin(np.clip(now["lean"], 0, 1.3)), side=now["side"], twist=now["twist"],
        arms=(
            (-0.08, 0.06 + 0.9 * stride[:, 1], -0.56 + bent),
            (0.08, 0.06 + 0.9 * stride[:, 0], -0.56 + bent),
        ),
        feet=(tuple(feet[:, 0].T), tuple(feet[:, 1].T)),
        toes=(_toe(yaw, low, 0), _toe(yaw, low, 1)),
    )  # fmt: skip
    return move(turn(pose, now["turn"]), now["x"], now["y"])


def _toe(yaw: Array, low: Array, side: int) -> tuple[Array, Array, Array]:
    """Return where the toes of a foot point that is turned by `yaw` and hangs down by `low`."""
    return -np.sin(yaw[:, side]), np.cos(yaw[:, side]), -0.3 - low[:, side]


def _feet(now: dict[str, Array], feet: Array, scale: float) -> tuple[Array, Array]:
    """Return the ankles (frames, 2, 3) as the rig wants them and how far they are from the hip."""
    dx, dy = feet[..., 0] - now["x"][:, None], feet[..., 1] - now["y"][:, None]
    c, s = np.cos(now["turn"])[:, None], np.sin(now["turn"])[:, None]
    right, ahead = (dx * c + dy * s) / scale, (dy * c - dx * s) / scale
    far = np.hypot(np.abs(right) - 0.1, ahead)
    return np.stack([right, ahead, feet[..., 2] + ANKLE], -1), far
