"""Draw a random place with its light and its camera.

Knows no pixels and no people.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.camera import Camera
from training.world.place import BOX, Light, Place, Rng
from training.world.places import indoor, outdoor, passages, streets
from training.world.places.build import Build, Look, Plan, flat, shade
from training.world.places.cameras import Aim, clear, draw_aim, draw_camera, front, shows
from training.world.places.lights import INSIDE, MOODS, OUTSIDE, Lit
from training.world.shapes import Array

Maker = Callable[[Build], Plan]
MAKERS: dict[Maker, float] = {
    **indoor.MAKERS,
    **passages.MAKERS,
    **outdoor.MAKERS,
    **streets.MAKERS,
}
LANES: tuple[Maker, ...] = (*streets.MAKERS, passages.garage)
HAND_HELD = 0.05  # share of cameras at the height of a person's chest
FOREGROUND = 0.3  # share of places with something near the camera
TRIES = 6
MOST = 54  # boxes in view
SHADOWS = 10


def random_place(rng: Rng, *, lanes: bool = False) -> Place:
    """Draw a place; with `lanes` one that has traffic."""
    makers = LANES if lanes else tuple(MAKERS)
    shares = np.array([MAKERS[maker] for maker in makers])
    return make_place(rng, makers[rng.choice(len(makers), p=shares / shares.sum())])


def make_place(rng: Rng, maker: Maker) -> Place:
    """Draw a place of one kind, with its light and its camera."""
    build = Build(rng)
    plan = maker(build)
    boxes = build.boxes()
    for _ in range(TRIES):
        aim, camera = _view(rng, plan, boxes)
        if _open(camera, aim, boxes) and shows(camera, *aim.middle):
            break
    boxes = np.concatenate([boxes, _foreground(rng, camera, aim)])
    boxes = _seen(boxes, camera)
    mood = str(rng.choice(plan.moods or (INSIDE if plan.ceiling else OUTSIDE)))
    light, sky = MOODS[mood](rng, Lit(camera, aim.area, plan.ceiling or 5.0))
    shadows = _shadows(boxes, plan.ground, light)
    boxes = np.concatenate([boxes, shadows])
    boxes[:, 8:11], ground = _recoloured(rng, boxes[:, 8:11], plan.ground)
    return Place(
        maker.__name__, camera, light, aim.area, boxes, build.textures(), ground, plan.ceiling, sky,
        plan.lanes, plan.seats, plan.ceiling is not None, mood == "infrared",
    )  # fmt: skip


def _view(rng: Rng, plan: Plan, boxes: Array) -> tuple[Aim, Camera]:
    heights = (1.4, 1.8) if rng.random() < HAND_HELD else plan.eyes
    aim = draw_aim(rng, plan.area, boxes, plan.size)
    return aim, draw_camera(rng, aim, plan.room, boxes, heights)


def _open(camera: Camera, aim: Aim, boxes: Array) -> bool:
    """Tell whether nothing hides a person in the middle of the area."""
    return bool(clear(camera.eye[None], _person(aim), boxes).all())


def _person(aim: Aim) -> Array:
    x, y = aim.middle
    return np.array([[x, y, 0.1], [x, y, 0.9], [x, y, 1.6]])


def _foreground(rng: Rng, camera: Camera, aim: Aim) -> Array:
    """Draw up to two things near the edges of the picture that do not hide the middle."""
    out = np.zeros((0, BOX), np.float32)
    away = float(np.hypot(*(camera.eye[:2] - aim.middle)))
    for _ in range(int(rng.integers(1, 3)) if rng.random() < FOREGROUND and away > 2 else 0):
        thing = _near_thing(rng, camera)
        if _open(camera, aim, thing):
            out = np.concatenate([out, thing])
    return out


def _near_thing(rng: Rng, camera: Camera) -> Array:
    """Draw a pole, the edge of a shelf or a hanging lamp as one box (1, 12)."""
    build, turn = Build(rng), float(np.arctan2(camera.axes[0, 1], camera.axes[0, 0]))
    what, depth = rng.integers(0, 3), rng.uniform(0.6, 1.6)
    u, v = rng.choice([0.06, 0.94]) + rng.normal(0, 0.08), rng.uniform(0.1, 0.9)
    if what == 0:
        size = (depth * rng.uniform(0.03, 0.12), 0.08, 6.0)
    elif what == 1:
        size = (depth * rng.uniform(0.15, 0.4), 0.2, depth * rng.uniform(0.03, 0.25))
    else:
        u, v = rng.uniform(0.1, 0.9), rng.normal(0.03, 0.04)
        size = (depth * rng.uniform(0.1, 0.4), 0.2, depth * rng.uniform(0.03, 0.15))
    point = front(camera, u, v, depth)
    look = flat(shade(rng, 0.03, 0.9, 0.3) * (2.5 if what == 2 and rng.random() < 0.4 else 1))
    build.box(point[0], point[1], point[2] - size[2] / 2, size, look, turn)
    return build.boxes()


def _seen(boxes: Array, camera: Camera) -> Array:
    """Return the boxes that the camera may see; if they are too many, those that look largest."""
    reach = np.linalg.norm(boxes[:, 3:6], axis=1)
    way = boxes[:, :3] - camera.eye
    large = reach / np.maximum(np.linalg.norm(way, axis=1), 0.1)
    large[way @ camera.axes[2] < -reach] = 0.0
    least = np.sort(large)[-MOST] if len(large) > MOST else 0.0
    return np.asarray(boxes[(large > 0) & (large >= least)])


def _shadows(boxes: Array, ground: Look, light: Light) -> Array:
    """Return flat dark boxes on the ground beside and under what stands there."""
    bottom, top = boxes[:, 2] - boxes[:, 5], boxes[:, 2] + boxes[:, 5]
    wide = boxes[:, 3] * boxes[:, 4]
    throws = np.flatnonzero((bottom < 1.2) & (top > 0.25) & (top < 3) & (wide > 0.02) & (wide < 8))
    thrown = boxes[throws[np.argsort(-wide[throws])][:SHADOWS]].copy()
    slope = light.sun[:2] / max(float(light.sun[2]), 0.4)
    height = thrown[:, 2] + thrown[:, 5]
    thrown[:, :2] -= 0.35 * height[:, None] * slope
    thrown[:, 3:5] += 0.04 + 0.1 * height[:, None] * np.linalg.norm(slope)
    thrown[:, 2], thrown[:, 5], thrown[:, 7], thrown[:, 11] = 0.006, 0.006, ground[0], ground[4]
    thrown[:, 8:11] = np.array(ground[1:4]) * (0.86 - 0.6 * light.shadow)
    return thrown


def _recoloured(rng: Rng, colours: Array, ground: Look) -> tuple[Array, Look]:
    """Give all colours of a place another saturation, contrast and order of the channels."""
    order = [2, 1, 0] if rng.random() < 0.05 else [0, 1, 2]
    saturation, gamma = rng.choice([0.5, 0.8, 1.0, 1.2]), rng.uniform(0.8, 1.2)
    every = np.concatenate([colours, [ground[1:4]]])[:, order]
    grey = every.mean(1, keepdims=True)
    every = np.maximum(grey + saturation * (every - grey), 0.01) ** gamma
    red, green, blue = (float(c) for c in every[-1])
    return every[:-1], (ground[0], red, green, blue, ground[4])
