"""Draw moving shapes into a picture with a depth buffer: capsules, quads and soft puffs.

Knows no acts. Shapes are lit like the place; capsules throw shadows on the ground.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from training.world.camera import Camera
from training.world.drawing.background import FIRST, GROUND, lit
from training.world.place import Place
from training.world.shapes import Shapes

Array = NDArray[Any]
NEAR = 0.15
RUG = 0.06  # metres
FASTEST = 4.0  # picture widths or heights a second


class Drawn(NamedTuple):
    """Pictures and what is known of each pixel, all float32.

    `frames` (frames, height, width, 3) are colours, `depths` (frames, height, width) metres.
    `motion` (frames, height, width, 3) is 1 where something moving is shown, and its velocity in
    picture widths and heights a second; 0 elsewhere.
    """

    frames: Array
    depths: Array
    motion: Array


def draw(
    place: Place,
    shapes: Shapes,
    empty: tuple[Array, Array, Array],
    times: Array | None = None,
) -> Drawn:
    """Draw shapes over an empty place, which is what `background` returned for it.

    `times` (frames,) in seconds are needed for velocities, which are 0 without them.
    """
    colour, depth, shown = empty
    height, width = depth.shape
    count = len(shapes.capsules)
    frames = np.repeat(colour[None], count, 0)
    depths = np.repeat(depth[None], count, 0)
    motion = np.zeros((count, height, width, 3), np.float32)
    camera, light = place.camera, place.light
    sun = np.asarray(light.sun, np.float32)
    lights = (
        camera.axes.astype(np.float32), sun, np.asarray(light.colour, np.float32),
        np.asarray(light.ambient, np.float32), np.ascontiguousarray(light.lamps, np.float32),
    )  # fmt: skip
    # Rows are stretched by `tall`, so that a ball is round in the squashed picture.
    tall = float(camera.focal[0] * width / (camera.focal[1] * height))
    if shapes.capsules.shape[1]:
        if light.shadow > 0:
            fallen = _fallen(shapes.capsules, sun)
            _shadows(frames, _flat(camera, fallen, width), _floor(place, shown), light.shadow, tall)
        middles = (shapes.capsules[..., 0:3] + shapes.capsules[..., 4:7]) / 2
        rows = _flat(camera, shapes.capsules, width)
        speeds = np.concatenate([_speeds(rows[..., i : i + 2], times) for i in (0, 4)], -1)
        _capsules(frames, depths, motion, rows, speeds, shapes.capsules, middles, tall, *lights)
    if shapes.quads.shape[1]:
        corners, normals = _corners(camera, shapes.quads)
        speeds = _speeds(corners[..., :2].mean(2), times)
        _quads(frames, depths, motion, corners, speeds, normals, shapes.quads, *lights)
    if shapes.puffs.shape[1]:
        _puffs(frames, depths, _discs(camera, shapes.puffs, width), tall, *lights[3:])
    return Drawn(frames, depths, motion)


def _speeds(where: Array, times: Array | None) -> Array:
    """Return the velocities (frames, n, 2) of positions (frames, n, 2), at most FASTEST."""
    if times is None or len(where) < 2:
        return np.zeros_like(where)
    found = np.gradient(where, times, axis=0)
    return np.asarray(np.clip(found, -FASTEST, FASTEST), np.float32)


def _floor(place: Place, shown: Array) -> Array:
    """Tell which pixels (height, width) show the ground, or a box that is as flat as a rug."""
    low = np.zeros(FIRST + len(place.boxes) + 1, np.bool_)  # the last one stands for nothing
    low[GROUND] = True
    low[FIRST:-1] = place.boxes[:, 2] + place.boxes[:, 5] < RUG
    return np.asarray(low[shown])


def _spots(camera: Camera, points: Array, width: int) -> tuple[Array, Array, Array]:
    """Return positions, depths and how many pixels a metre covers there."""
    where, depth = camera.project(points)
    local = (where - 0.5) / camera.focal
    r2 = np.minimum((local**2).sum(-1), 4.0)
    size = camera.focal[0] * width / np.maximum(depth, NEAR) * np.maximum(1 + camera.bend * r2, 0.3)
    return where, depth, size


def _flat(camera: Camera, capsules: Array, width: int) -> Array:
    """Return capsules in the picture (frames, n, 8): x, y, depth, radius in pixels, twice."""
    out = np.empty((*capsules.shape[:2], 8), np.float32)
    for end in (0, 4):
        where, depth, size = _spots(camera, capsules[..., end : end + 3], width)
        out[..., end : end + 2], out[..., end + 2] = where, depth
        out[..., end + 3] = capsules[..., end + 3] * size
    return out


def _fallen(capsules: Array, sun: Array) -> Array:
    """Return the capsules moved along the light to the ground."""
    out = capsules.copy()
    slope = sun[:2] / max(float(sun[2]), 0.25)
    for end in (0, 4):
        out[..., end : end + 2] -= slope * out[..., end + 2 : end + 3]
        out[..., end + 2] = 0.0
    return out


def _corners(camera: Camera, quads: Array) -> tuple[Array, Array]:
    """Return the corners in the picture (frames, m, 4, 3) and the normals (frames, m, 3)."""
    points = quads[..., :12].reshape(*quads.shape[:2], 4, 3)
    where, depth = camera.project(points)
    normal = np.cross(points[..., 2, :] - points[..., 0, :], points[..., 3, :] - points[..., 1, :])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    return np.concatenate([where, depth[..., None]], -1).astype(np.float32), normal.astype(
        np.float32
    )


def _discs(camera: Camera, puffs: Array, width: int) -> Array:
    """Return puffs in the picture, the farthest first.

    (frames, k, 13): x, y, depth, radius in pixels, colour (3), alpha, glow, the point (3), and the
    radius in metres.
    """
    where, depth, size = _spots(camera, puffs[..., :3], width)
    radius = puffs[..., 3] * size
    out = np.concatenate(
        [where, depth[..., None], radius[..., None], puffs[..., 4:9], puffs[..., :4]], -1
    )
    order = np.argsort(-depth, axis=1)
    return np.take_along_axis(out, order[..., None], 1).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _shadows(frames: Array, rows: Array, ground: Array, dark: float, tall: float) -> None:
    count, height, width = frames.shape[:3]
    mask = np.zeros((height, width), np.float32)
    for f in range(count):
        mask[:] = 0.0
        for n in range(rows.shape[1]):
            r = rows[f, n]
            if r[2] < 0.3 or r[6] < 0.3:
                continue
            x0, y0, r0 = r[0] * width, r[1] * height * tall, r[3]
            x1, y1, r1 = r[4] * width, r[5] * height * tall, r[7]
            reach = max(r0, r1) * 1.3
            dx, dy = x1 - x0, y1 - y0
            length = max(dx * dx + dy * dy, 1e-6)
            top = max(0, int((min(y0, y1) - reach) / tall))
            bottom = min(height, int((max(y0, y1) + reach) / tall) + 1)
            left, right = max(0, int(min(x0, x1) - reach)), min(width, int(max(x0, x1) + reach) + 1)
            for py in range(top, bottom):
                for px in range(left, right):
                    if not ground[py, px]:
                        continue
                    ax, ay = px + 0.5 - x0, (py + 0.5) * tall - y0
                    t = min(1.0, max(0.0, (ax * dx + ay * dy) / length))
                    qx, qy = ax - t * dx, (ay - t * dy) * 1.6
                    radius = (r0 + t * (r1 - r0)) * 1.3
                    d = 1.0 - (qx * qx + qy * qy) ** 0.5 / max(radius, 0.5)
                    if d > 0.0:
                        mask[py, px] = max(mask[py, px], min(1.0, 2.0 * d))
        for py in range(height):
            for px in range(width):
                if mask[py, px] > 0.0:
                    for c in range(3):
                        frames[f, py, px, c] *= 1.0 - dark * mask[py, px]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _capsules(
    frames: Array, depths: Array, motion: Array, rows: Array, speeds: Array, solids: Array,
    middles: Array, tall: float,
    axes: Array, sun: Array, colour: Array, ambient: Array, lamps: Array,
) -> None:  # fmt: skip
    count, height, width = depths.shape
    shade = np.empty((2, 3), np.float32)
    for f in range(count):
        for n in range(rows.shape[1]):
            r = rows[f, n]
            if r[2] < 0.15 or r[6] < 0.15:
                continue
            x0, y0, d0, r0 = r[0] * width, r[1] * height * tall, r[2], r[3]
            x1, y1, d1, r1 = r[4] * width, r[5] * height * tall, r[6], r[7]
            reach = max(r0, r1) + 0.5
            top = max(0, int((min(y0, y1) - reach) / tall))
            bottom = min(height, int((max(y0, y1) + reach) / tall) + 1)
            left, right = max(0, int(min(x0, x1) - reach)), min(width, int(max(x0, x1) + reach) + 1)
            if top >= bottom or left >= right:
                continue
            m = middles[f, n]
            for c in range(3):
                shade[0, c] = lit(m[0], m[1], m[2], lamps, ambient, 0.0, colour, c)
                shade[1, c] = colour[c]
            dx, dy = x1 - x0, y1 - y0
            length = max(dx * dx + dy * dy, 1e-6)
            thick0, thick1 = solids[f, n, 3], solids[f, n, 7]
            for py in range(top, bottom):
                for px in range(left, right):
                    ax, ay = px + 0.5 - x0, (py + 0.5) * tall - y0
                    t = min(1.0, max(0.0, (ax * dx + ay * dy) / length))
                    radius = max(r0 + t * (r1 - r0), 0.4)
                    qx, qy = (ax - t * dx) / radius, (ay - t * dy) / radius
                    rest = 1.0 - qx * qx - qy * qy
                    if rest <= 0.0:
                        continue
                    front = rest**0.5
                    z = d0 + t * (d1 - d0) - front * (thick0 + t * (thick1 - thick0))
                    if z >= depths[f, py, px]:
                        continue
                    depths[f, py, px] = z
                    direct = 0.0
                    for k in range(3):
                        normal = axes[0, k] * qx + axes[1, k] * qy - axes[2, k] * front
                        direct += normal * sun[k]
                    direct = max(0.0, direct)
                    for c in range(3):
                        light = shade[0, c] * (0.72 + 0.28 * front) + direct * shade[1, c]
                        frames[f, py, px, c] = solids[f, n, 8 + c] * light
                    motion[f, py, px, 0] = 1.0
                    for c in range(2):
                        first, last = speeds[f, n, c], speeds[f, n, 2 + c]
                        motion[f, py, px, 1 + c] = first + t * (last - first)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _quads(
    frames: Array, depths: Array, motion: Array, corners: Array, speeds: Array, normals: Array,
    quads: Array,
    axes: Array, sun: Array, colour: Array, ambient: Array, lamps: Array,
) -> None:  # fmt: skip
    count, height, width = depths.shape
    x, y, w = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    shade = np.empty(3, np.float32)
    for f in range(count):
        for n in range(corners.shape[1]):
            q = corners[f, n]
            if min(min(q[0, 2], q[1, 2]), min(q[2, 2], q[3, 2])) < 0.15:
                continue
            direct = 0.0
            for k in range(3):
                direct += normals[f, n, k] * sun[k]
            # Both sides are seen; the side towards the camera counts.
            facing = 0.0
            for k in range(3):
                facing += normals[f, n, k] * axes[2, k]
            direct = max(0.0, -direct if facing > 0 else direct)
            mx = (quads[f, n, 0] + quads[f, n, 6]) / 2
            my = (quads[f, n, 1] + quads[f, n, 7]) / 2
            mz = (quads[f, n, 2] + quads[f, n, 8]) / 2
            for c in range(3):
                shade[c] = quads[f, n, 12 + c] * lit(mx, my, mz, lamps, ambient, direct, colour, c)
            for half in range(2):
                for k in range(3):
                    corner = 0 if k == 0 else half + k
                    x[k], y[k] = q[corner, 0] * width, q[corner, 1] * height
                    w[k] = 1.0 / q[corner, 2]
                area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
                if abs(area) < 1e-6:
                    continue
                top = max(0, int(min(y[0], min(y[1], y[2]))))
                bottom = min(height, int(max(y[0], max(y[1], y[2]))) + 1)
                left = max(0, int(min(x[0], min(x[1], x[2]))))
                right = min(width, int(max(x[0], max(x[1], x[2]))) + 1)
                for py in range(top, bottom):
                    for px in range(left, right):
                        cx, cy = px + 0.5, py + 0.5
                        b1 = ((cx - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (cy - y[0])) / area
                        b2 = ((x[1] - x[0]) * (cy - y[0]) - (cx - x[0]) * (y[1] - y[0])) / area
                        b0 = 1.0 - b1 - b2
                        if b0 < -1e-4 or b1 < -1e-4 or b2 < -1e-4:
                            continue
                        z = 1.0 / (b0 * w[0] + b1 * w[1] + b2 * w[2])
                        if z < depths[f, py, px]:
                            depths[f, py, px] = z
                            motion[f, py, px, 0] = 1.0
                            motion[f, py, px, 1:] = speeds[f, n]
                            for c in range(3):
                                frames[f, py, px, c] = shade[c]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _puffs(
    frames: Array, depths: Array, discs: Array, tall: float, ambient: Array, lamps: Array
) -> None:
    count, height, width = depths.shape
    for f in range(count):
        for n in range(discs.shape[1]):
            p = discs[f, n]
            alpha, glow, radius = p[7], p[8], p[3]
            if alpha < 0.003 or p[2] < 0.15 or radius < 0.2:
                continue
            x, y = p[0] * width, p[1] * height * tall
            top, bottom = (
                max(0, int((y - radius) / tall)),
                min(height, int((y + radius) / tall) + 1),
            )
            left, right = max(0, int(x - radius)), min(width, int(x + radius) + 1)
            for py in range(top, bottom):
                for px in range(left, right):
                    if depths[f, py, px] < p[2]:
                        continue
                    qx, qy = (px + 0.5 - x) / radius, ((py + 0.5) * tall - y) / radius
                    rest = 1.0 - qx * qx - qy * qy
                    if rest <= 0.0:
                        continue
                    # A puff that reaches into something solid fades there instead of being cut.
                    behind = (depths[f, py, px] - p[2]) / (0.3 * p[12])
                    a = alpha * min(1.0, 1.5 * rest) * min(1.0, behind)
                    for c in range(3):
                        light = lit(p[9], p[10], p[11], lamps, ambient, 0.5, ambient, c)
                        shine = p[4 + c] * (glow + (1.0 - glow) * light)
                        frames[f, py, px, c] += a * (shine - frames[f, py, px, c])
