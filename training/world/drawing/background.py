"""Draw what stands still in a place: ground, ceiling and boxes, by casting one ray per pixel.

Knows no actors. Boxes are cast only where their outline is in the picture.
"""

from __future__ import annotations

import itertools
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from training.world.camera import Camera
from training.world.place import FLAT, Light, Place

Array = NDArray[Any]
FAR = 1e6
NOTHING, GROUND, CEILING, FIRST = -1, 0, 1, 2  # what a pixel shows; boxes count from FIRST
_EDGES = [a for a in itertools.product((-1, 0, 1), repeat=3) if a.count(0) <= 1]


def background(place: Place, height: int, width: int) -> tuple[Array, Array, Array]:
    """Draw an empty place.

    Returns colours float32 (height, width, 3) of any size above 0, depths (height, width) in metres
    along the camera's axis, and what each pixel shows (height, width).
    """
    rays = place.camera.rays(height, width).astype(np.float32)
    eye = place.camera.eye.astype(np.float32)
    depth = np.full((height, width), FAR, np.float32)
    shown = np.full((height, width), NOTHING, np.int32)
    face = np.zeros((height, width), np.int32)
    _planes(rays, eye, -1.0 if place.ceiling is None else place.ceiling, depth, shown)
    boxes = np.ascontiguousarray(place.boxes, np.float32)
    for index, (left, top, right, bottom) in enumerate(_outlines(boxes, place.camera)):
        x0, x1 = _pixels(left, right, width)
        y0, y1 = _pixels(top, bottom, height)
        if x0 < x1 and y0 < y1:
            _box(rays, eye, boxes[index], index + FIRST, (x0, y0, x1, y1), depth, shown, face)
    colour = np.empty((height, width, 3), np.float32)
    sheet = _surfaces(place, boxes)
    pixel = float(1 / (place.camera.focal[0] * width))
    lamps = np.ascontiguousarray(place.light.lamps, np.float32)
    _shade(
        rays, eye, depth, shown, face, sheet, _levels(place), pixel,
        *_lights(place.light), lamps, np.asarray(place.sky, np.float32), colour,
    )  # fmt: skip
    return colour, depth, shown


def _pixels(low: float, high: float, count: int) -> tuple[int, int]:
    return max(0, int(low * count) - 3), min(count, int(high * count) + 4)


def _lights(light: Light) -> tuple[Array, Array, Array]:
    return (
        np.asarray(light.sun, np.float32),
        np.asarray(light.colour, np.float32),
        np.asarray(light.ambient, np.float32),
    )


def _surfaces(place: Place, boxes: Array) -> Array:
    """Return rows like BOX for the ground, the ceiling and the boxes."""
    ground = np.array([[0, 0, 0, 0, 0, 0, 0, *place.ground]], np.float32)
    ceiling = np.array([[0, 0, 0, 0, 0, 0, 0, FLAT, 0.8, 0.8, 0.78, 1.0]], np.float32)
    return np.concatenate([ground, ceiling, boxes])


def _levels(place: Place) -> tuple[Array, ...]:
    """Return the textures at sizes 128, 64, 32, 16 and 8; made once a place."""
    if not place.levels:
        out = [np.ascontiguousarray(place.textures, np.float32)]
        for _ in range(4):
            big = out[-1]
            half = big[:, ::2, ::2] + big[:, 1::2, ::2] + big[:, ::2, 1::2] + big[:, 1::2, 1::2]
            out.append(half * np.float32(0.25))
        place.levels = tuple(out)
    return place.levels


def _outlines(boxes: Array, camera: Camera) -> Array:
    """Return left, top, right, bottom (n, 4) of each box; the whole picture if it is too near."""
    if not len(boxes):
        return np.zeros((0, 4))
    corners = np.array(_EDGES, float)
    local = corners[None] * boxes[:, None, 3:6]
    c, s = np.cos(boxes[:, None, 6]), np.sin(boxes[:, None, 6])
    x = boxes[:, None, 0] + local[..., 0] * c - local[..., 1] * s
    y = boxes[:, None, 1] + local[..., 0] * s + local[..., 1] * c
    where, depth = camera.project(np.stack([x, y, boxes[:, None, 2] + local[..., 2]], -1))
    out = np.concatenate([where.min(1), where.max(1)], 1)
    near, behind = (depth < 0.3).any(1), (depth < 0.05).all(1)
    out[near] = (0, 0, 1, 1)
    out[behind] = (0, 0, -1, -1)
    return np.asarray(np.clip(out, -1, 2))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _planes(rays: Array, eye: Array, ceiling: float, depth: Array, shown: Array) -> None:
    for y in range(rays.shape[0]):
        for x in range(rays.shape[1]):
            dz = rays[y, x, 2]
            if dz < -1e-6:
                depth[y, x], shown[y, x] = -eye[2] / dz, 0
            elif ceiling > 0.0 and dz > 1e-6:
                depth[y, x], shown[y, x] = (ceiling - eye[2]) / dz, 1


@numba.njit(cache=True, nogil=True, fastmath=True)
def _box(
    rays: Array,
    eye: Array,
    box: Array,
    index: int,
    part: Any,
    depth: Array,
    shown: Array,
    face: Array,
) -> None:
    c, s = np.cos(box[6]), np.sin(box[6])
    ex, ey = eye[0] - box[0], eye[1] - box[1]
    o0, o1, o2 = ex * c + ey * s, ey * c - ex * s, eye[2] - box[2]
    for y in range(part[1], part[3]):
        for x in range(part[0], part[2]):
            rx, ry, rz = rays[y, x, 0], rays[y, x, 1], rays[y, x, 2]
            d0, d1, d2 = rx * c + ry * s, ry * c - rx * s, rz
            enter, leave, axis = 0.05, 1e6, -1
            for a in range(3):
                d = d0 if a == 0 else (d1 if a == 1 else d2)
                o = o0 if a == 0 else (o1 if a == 1 else o2)
                h = box[3 + a]
                if abs(d) < 1e-9:
                    if abs(o) > h:
                        leave = -1.0
                    continue
                near, far = (-h - o) / d, (h - o) / d
                if near > far:
                    near, far = far, near
                if near > enter:
                    enter, axis = near, a
                leave = min(leave, far)
            if axis >= 0 and enter < leave and enter < depth[y, x]:
                depth[y, x], shown[y, x], face[y, x] = enter, index, axis


@numba.njit(cache=True, nogil=True, fastmath=True)
def lit(
    x: float, y: float, z: float, lamps: Array, ambient: Array, direct: float, colour: Array, c: int
) -> float:
    """Return the light of one colour channel at a point; `direct` is the share of the sun."""
    total = ambient[c] + direct * colour[c]
    for n in range(lamps.shape[0]):
        dx, dy, dz = x - lamps[n, 0], y - lamps[n, 1], z - lamps[n, 2]
        reach = lamps[n, 3]
        near = 1.0 - (dx * dx + dy * dy + dz * dz) / (reach * reach)
        if near > 0.0:
            total += near * near * lamps[n, 4 + c]
    return total  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _shade(
    rays: Array, eye: Array, depth: Array, shown: Array, face: Array, sheet: Array, levels: Any,
    pixel: float, sun: Array, colour: Array, ambient: Array, lamps: Array, sky: Array, out: Array,
) -> None:  # fmt: skip
    for row in range(depth.shape[0]):
        for col in range(depth.shape[1]):
            what, t = shown[row, col], depth[row, col]
            if what < 0:
                for k in range(3):
                    out[row, col, k] = sky[k]
                continue
            x = eye[0] + t * rays[row, col, 0]
            y = eye[1] + t * rays[row, col, 1]
            z = eye[2] + t * rays[row, col, 2]
            one = sheet[what]
            c, s = np.cos(one[6]), np.sin(one[6])
            lx, ly = (x - one[0]) * c + (y - one[1]) * s, (y - one[1]) * c - (x - one[0]) * s
            lz = z - one[2]
            nx, ny, nz = 0.0, 0.0, 1.0
            u, v = lx, ly
            if what == 1:
                nz = -1.0
            elif what >= 2:
                axis = face[row, col]
                if axis == 0:
                    side = 1.0 if lx > 0 else -1.0
                    nx, ny, nz, u, v = c * side, s * side, 0.0, ly, -lz
                elif axis == 1:
                    side = 1.0 if ly > 0 else -1.0
                    nx, ny, nz, u, v = -s * side, c * side, 0.0, lx, -lz
                else:
                    nz = 1.0 if lz > 0 else -1.0
            direct = max(0.0, nx * sun[0] + ny * sun[1] + nz * sun[2])
            texture = int(one[7])
            r0, r1, r2 = 1.0, 1.0, 1.0
            if texture >= 0:
                steep = abs(
                    nx * rays[row, col, 0] + ny * rays[row, col, 1] + nz * rays[row, col, 2]
                )
                foot = t * pixel / max(one[11], 1e-3) * 128.0 / max(steep, 0.25) ** 0.5
                r0, r1, r2 = _texel(levels, texture, u / one[11], v / one[11], foot)
            for k in range(3):
                base = one[8 + k] * (r0 if k == 0 else (r1 if k == 1 else r2))
                out[row, col, k] = base * lit(x, y, z, lamps, ambient, direct, colour, k)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _texel(
    levels: Any, texture: int, u: float, v: float, foot: float
) -> tuple[float, float, float]:
    level = 0
    while foot > 1.4 and level < 4:
        foot, level = foot * 0.5, level + 1
    a = levels[0]
    if level == 1:
        a = levels[1]
    elif level == 2:
        a = levels[2]
    elif level == 3:
        a = levels[3]
    elif level == 4:
        a = levels[4]
    size = a.shape[1]
    x, y = int((u - np.floor(u)) * size) % size, int((v - np.floor(v)) * size) % size
    return a[texture, y, x, 0], a[texture, y, x, 1], a[texture, y, x, 2]
