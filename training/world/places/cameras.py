"""Draw a surveillance camera for an area: where it hangs, where it looks and how wide.

Knows no places by name. A person of 1.7 m in the middle of the area is in full view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from training.world.camera import Camera, look_at
from training.world.place import Rng
from training.world.places.build import Rect
from training.world.shapes import Array

PERSON = 1.7
SMALL, LARGE = 0.08, 0.85  # a person's height as a fraction of the picture's
NARROW, WIDE = 50.0, 110.0  # degrees
STEEP, SHALLOW = 70.0, 10.0
TRIES = 64
WIDER = 0.9  # how much wide lenses, and so near cameras, are preferred


@dataclass(frozen=True)
class Aim:
    """The part of a place that the camera watches, and how large people are in it."""

    area: Rect
    size: float

    @property
    def middle(self) -> tuple[float, float]:
        """Return the middle of the area."""
        x0, y0, x1, y1 = self.area
        return (x0 + x1) / 2, (y0 + y1) / 2


def draw_aim(rng: Rng, area: Rect, boxes: Array, median: float) -> Aim:
    """Draw what part of an area is watched; its middle is free of furniture."""
    size = float(np.clip(median * np.exp(rng.normal(0, 0.55)), SMALL, LARGE))
    reach = float(np.clip(0.45 * PERSON / size * rng.uniform(0.7, 1.3), 1.0, 12.0))
    best = Aim(area, size)
    for attempt in range(30):
        x, y = rng.uniform(area[0], area[2]), rng.uniform(area[1], area[3])
        best = Aim(_cut(area, x, y, reach), size)
        if not inside(np.array([best.middle]), boxes, 0.5 - attempt / 100).any():
            break
    return best


def _cut(area: Rect, x: float, y: float, reach: float) -> Rect:
    return (
        max(area[0], x - reach), max(area[1], y - reach),
        min(area[2], x + reach), min(area[3], y + reach),
    )  # fmt: skip


def inside(points: Array, boxes: Array, room: float) -> Array:
    """Tell which points (n, 2 or 3) are within `room` of a box; of any height if they have no z."""
    if not len(boxes):
        return np.zeros(len(points), bool)
    c, s = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
    dx, dy = points[:, :1] - boxes[:, 0], points[:, 1:2] - boxes[:, 1]
    hit = (np.abs(dx * c + dy * s) < boxes[:, 3] + room) & (
        np.abs(dy * c - dx * s) < boxes[:, 4] + room
    )
    if points.shape[1] == 3:
        hit &= np.abs(points[:, 2:] - boxes[:, 2]) < boxes[:, 5] + room
    else:
        hit &= (boxes[:, 2] - boxes[:, 5] < 1.5) & (boxes[:, 2] + boxes[:, 5] > 0.25)
    return np.asarray(hit.any(1))


@numba.njit(cache=True, nogil=True)
def clear(eyes: Array, points: Array, boxes: Array) -> Array:
    """Return which points (m, 3) each eye (n, 3) sees past the boxes, as (n, m) of 0 and 1."""
    out = np.ones((len(eyes), len(points)))
    for e in range(len(eyes)):
        for p in range(len(points)):
            for k in range(len(boxes)):
                if _between(eyes[e], points[p], boxes[k]):
                    out[e, p] = 0.0
                    break
    return out


@numba.njit(cache=True, nogil=True)
def _between(eye: Array, point: Array, box: Array) -> bool:
    c, s = np.cos(box[6]), np.sin(box[6])
    near, far = 0.0, 0.98
    for a in range(3):
        if a == 0:
            o = (eye[0] - box[0]) * c + (eye[1] - box[1]) * s
            d = (point[0] - eye[0]) * c + (point[1] - eye[1]) * s
        elif a == 1:
            o = (eye[1] - box[1]) * c - (eye[0] - box[0]) * s
            d = (point[1] - eye[1]) * c - (point[0] - eye[0]) * s
        else:
            o, d = eye[2] - box[2], point[2] - eye[2]
        if abs(d) < 1e-9:
            if abs(o) > box[3 + a]:
                return False
            continue
        t0, t1 = (-box[3 + a] - o) / d, (box[3 + a] - o) / d
        near, far = max(near, min(t0, t1)), min(far, max(t0, t1))
    return near < far


def draw_camera(
    rng: Rng, aim: Aim, room: Rect, boxes: Array, heights: tuple[float, float]
) -> Camera:
    """Draw a camera inside `room` that shows people in the middle of what it aims at.

    Of many candidates it takes one that shows them in the wanted size and sees much of the area.
    """
    aspect = float(rng.choice([4 / 3, 4 / 3, 16 / 9]))
    eyes = _eyes(rng, aim, room, heights)
    up = rng.uniform(-0.2, 0.9) * max(0.0, 0.88 - aim.size)
    target = np.array([*aim.middle, 0.5 * PERSON + up])
    feet, heads = _slopes(eyes, target)
    wanted = np.degrees(2 * np.arctan(0.5 * aspect * (feet - heads) / aim.size))
    fields = np.clip(wanted, NARROW, WIDE)
    zoom = 0.5 * aspect / np.tan(np.radians(fields) / 2)
    misfit = np.abs(np.log((feet - heads) * zoom / aim.size))
    cut = zoom * np.maximum(np.abs(feet), np.abs(heads)) > 0.45
    level = np.linalg.norm((eyes - target)[:, :2], axis=1)
    cut |= eyes[:, 2] - target[2] > level * np.tan(np.radians(STEEP + 3))
    seen = clear(eyes, _witnesses(aim), boxes)
    bad = inside(eyes, boxes, 0.12) | (seen[:, :3].sum(1) < 3) | cut
    score = seen[:, 3:].mean(1) - 1.5 * misfit + 0.3 * rng.random(len(eyes)) - 100 * bad
    score += WIDER * rng.random() * (fields - NARROW) / (WIDE - NARROW)
    best = int(score.argmax())
    return _hung(rng, eyes[best], target, float(fields[best]), aspect)


def _eyes(rng: Rng, aim: Aim, room: Rect, heights: tuple[float, float]) -> Array:
    """Draw where the camera may hang (n, 3): in the room, often at its walls."""
    x0, y0, x1, y1 = room
    edge = 0.2
    x, y = rng.uniform(x0 + edge, x1 - edge, TRIES), rng.uniform(y0 + edge, y1 - edge, TRIES)
    wall = rng.integers(0, 6, TRIES)  # 4 walls; the other values leave it anywhere
    x = np.where(wall == 0, x0 + edge, np.where(wall == 1, x1 - edge, x))
    y = np.where(wall == 2, y0 + edge, np.where(wall == 3, y1 - edge, y))
    z = heights[1] - (heights[1] - heights[0]) * rng.random(TRIES) ** 1.5
    middle = aim.middle
    away = np.maximum(np.hypot(x - middle[0], y - middle[1]), 1e-3)
    drop = np.maximum(z - 1.0, 0.3)
    near, far = drop / np.tan(np.radians(STEEP)), drop / np.tan(np.radians(SHALLOW))
    scale = np.clip(away, near, far) / away
    x, y = middle[0] + (x - middle[0]) * scale, middle[1] + (y - middle[1]) * scale
    return np.stack([np.clip(x, x0 + 0.1, x1 - 0.1), np.clip(y, y0 + 0.1, y1 - 0.1), z], 1)


def _slopes(eyes: Array, target: Array) -> tuple[Array, Array]:
    """Return how far below the axis feet and heads at the target are, over the distance (n,)."""
    way = eyes - target
    level = np.linalg.norm(way[:, :2], axis=1)
    axis = np.arctan2(way[:, 2], level)
    foot, head = np.arctan2(eyes[:, 2], level), np.arctan2(eyes[:, 2] - PERSON, level)
    return np.tan(np.clip(foot - axis, -1.4, 1.4)), np.tan(np.clip(head - axis, -1.4, 1.4))


def _witnesses(aim: Aim) -> Array:
    """Return points (12, 3): feet, body and head in the middle, then bodies around it."""
    x0, y0, x1, y1 = aim.area
    x, y = aim.middle
    ring = [(a, b) for a in (0.2, 0.5, 0.8) for b in (0.2, 0.5, 0.8)]
    around = [(x0 + a * (x1 - x0), y0 + b * (y1 - y0), 1.0) for a, b in ring]
    return np.array([(x, y, 0.15), (x, y, 1.0), (x, y, 1.6), *around])


def _hung(rng: Rng, eye: Array, target: Array, field: float, aspect: float) -> Camera:
    """Aim the camera, a little off, with some roll and the distortion of its lens."""
    roll = float(np.clip(rng.normal(0, 0.03), -0.15, 0.15)) + (rng.random() < 0.06) * rng.normal(
        0, 0.2
    )
    corner = (0.5 + 0.5 / aspect**2) ** 0.5 * np.tan(np.radians(field) / 2)
    most = 4 / (27 * corner**2)
    bend = -most * rng.uniform(0, 0.9) * (rng.random() < (0.2 if field < 70 else 0.75))
    straight = look_at(eye, target, field, aspect, bend=bend, roll=roll)
    for slip in (1.0, 0.5):
        off = straight.axes.T @ (slip * rng.uniform(-0.22, 0.22, 2) / straight.focal @ _FLAT)
        ahead = target - eye
        aimed = look_at(
            eye, eye + ahead + off * np.linalg.norm(ahead), field, aspect, bend=bend, roll=roll
        )
        if shows(aimed, target[0], target[1]):
            return aimed
    return straight


_FLAT = np.eye(2, 3)


def shows(camera: Camera, x: float, y: float) -> bool:
    """Tell whether feet and head of a person at (x, y) are in the picture."""
    where, depth = camera.project(np.array([[x, y, 0.1], [x, y, 1.6]]))
    return bool((depth > 0.5).all() and ((where > 0.05) & (where < 0.95)).all())


def front(camera: Camera, u: float, v: float, depth: float) -> Any:
    """Return the point (3,) at `depth` metres that is at (u, v) of the picture."""
    flat = (np.array([u, v]) - 0.5) / camera.focal
    return camera.eye + depth * (flat @ camera.axes[:2] + camera.axes[2])
