"""Draw people, cars, flames and smoke over time.

Knows how things look and move, not what is abnormal. Times, positions and angles are arrays
(frames,); every function returns primitives (frames, n, 12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.drawn.draw import Array, box, capsule, ellipse

SKIN = np.array([[0.93, 0.76, 0.62], [0.78, 0.58, 0.42], [0.55, 0.38, 0.27], [0.36, 0.25, 0.18]])
# A person's height and half a car's length at scale 1, as fractions of the frame's side.
FIGURE, CAR = 0.3, 0.18


@dataclass(frozen=True)
class Look:
    """Colours (3,) of one person and the build (width factor)."""

    shirt: Array
    trousers: Array
    skin: Array
    hair: Array
    build: float


def look(rng: np.random.Generator) -> Look:
    """Draw a random person."""
    return Look(
        rng.uniform(0.05, 0.95, 3),
        rng.uniform(0.02, 0.6, 3),
        SKIN[rng.integers(4)],
        rng.uniform(0.02, 0.35, 3),
        rng.uniform(0.9, 1.2),
    )


def person(
    x: Any,
    y: Any,
    height: Any,
    who: Look,
    *,
    facing: Any = 1.0,
    phase: Any = 0.0,
    stride: Any = 0.0,
    lean: Any = 0.0,
    bend: Any = 0.0,
    crouch: Any = 0.0,
    arms: tuple[Any, Any] | None = None,
) -> Array:
    """Draw a person whose feet are at (x, y), primitives (frames, 9, 12).

    `lean` turns the whole body about the feet, `bend` the trunk about the hip (radians, towards
    `facing`); `crouch` shortens the legs (0..1); `arms` are two angles from hanging (0) over
    forwards (pi/2) to up (pi).
    """
    given = (x, y, height, facing, phase, stride, lean, bend, crouch, *(arms or ()))
    x, y, h, face, phase, stride, lean, bend, crouch, *held = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, float)) for v in given)
    )
    swing = stride * np.sin(phase)
    first, second = held or (0.9 * swing, -0.9 * swing)
    w = 0.043 * h * who.build
    ux, uy = np.sin(lean) * face, -np.cos(lean)
    leg = (0.47 - 0.2 * crouch) * h
    hx, hy = x + ux * leg, y + uy * leg
    tx, ty = np.sin(lean + bend) * face, -np.cos(lean + bend)
    nx, ny = hx + tx * 0.36 * h, hy + ty * 0.36 * h
    out = [ellipse(x, y, 0.16 * h, 0.045 * h, (0.05, 0.05, 0.06), 0.35, 0.6)]
    for sign in (1.0, -1.0):
        step = sign * swing * 0.2 * h
        lift = 0.04 * h * np.maximum(0.0, sign * np.cos(phase)) * np.abs(stride)
        fx, fy = x - uy * step * face, y + ux * step * face - lift
        out.append(capsule(hx, hy, fx, fy, w, who.trousers, 0.75 * w))
    out.append(capsule(hx, hy, nx, ny, 1.75 * w, who.shirt, 2.0 * w))
    sleeve = who.shirt * 0.8
    for angle in (first, second):
        a = angle - lean - bend
        ex, ey = nx + np.sin(a) * face * 0.3 * h, ny + np.cos(a) * 0.3 * h
        out.append(capsule(nx, ny + 0.03 * h, ex, ey, 0.75 * w, sleeve, 0.6 * w))
    kx, ky = nx + tx * 0.1 * h, ny + ty * 0.1 * h
    out.append(ellipse(kx, ky, 0.072 * h, 0.08 * h, who.skin))
    out.append(ellipse(kx - 0.015 * h * face, ky - 0.035 * h, 0.07 * h, 0.05 * h, who.hair))
    return np.stack(out, axis=1)


def walker(
    t: Array, x: Any, y: Any, scale: Any, who: Look, speed: float, facing: Any, rate: float = 1.6
) -> Array:
    """Draw a person who steps at `rate` Hz, with a stride that fits `speed` (sides per second)."""
    stride = float(np.clip(speed / 0.12, 0.0, 1.3))
    return person(
        x,
        y,
        FIGURE * scale,
        who,
        facing=facing,
        phase=2 * np.pi * rate * t,
        stride=stride,
        lean=0.15 * max(0.0, stride - 0.6),
    )


def car(
    x: Any,
    y: Any,
    scale: Any,
    colour: Array,
    *,
    facing: Any = 1.0,
    angle: Any = 0.0,
    squash: Any = 0.0,
) -> Array:
    """Draw a car from the side, its wheels at height y.

    `angle` turns the car, `squash` crumples its front (0..1).
    """
    x, y, s, face, angle, squash = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, float)) for v in (x, y, scale, facing, angle, squash))
    )
    half = CAR * s
    ca, sa = np.cos(angle), np.sin(angle)

    def at(along: Any, up: Any) -> tuple[Any, Any]:
        px, py = along * half * face, -up * half
        return x + px * ca - py * sa, y + px * sa + py * ca

    def slab(along: Any, up: Any, length: Any, thick: Any, shade: Any, alpha: Any = 1.0) -> Array:
        cx, cy = at(along, up)
        return box(cx, cy, length * half * ca, length * half * sa, thick * half, shade, alpha)

    glass = np.array([0.12, 0.16, 0.2])
    out = [
        ellipse(x, y + 0.02 * s, half * 1.02, half * 0.16, (0.03, 0.03, 0.04), 0.5, 0.4),
        slab(-0.06 * squash, 0.34, 1.0 - 0.12 * squash, 0.2, colour),
        slab(-0.12, 0.64, 0.55, 0.17, colour * 0.92),
        slab(-0.12, 0.65, 0.46, 0.12, glass),
        slab(0.9 - 0.2 * squash, 0.4, 0.07, 0.06, np.array([1.0, 0.95, 0.7])),
        slab(-0.95, 0.4, 0.05, 0.06, np.array([0.8, 0.1, 0.1])),
    ]
    for along in (-0.58, 0.58):
        wx, wy = at(along, 0.14)
        out.append(ellipse(wx, wy, 0.17 * half, 0.17 * half, (0.06, 0.06, 0.07)))
        out.append(ellipse(wx, wy, 0.08 * half, 0.08 * half, (0.5, 0.5, 0.52)))
    return np.stack(out, axis=1)


def puffs(
    rng: np.random.Generator,
    t: Array,
    x: float,
    y: float,
    size: Any,
    colour: Array,
    *,
    count: int = 7,
    rise: float = 0.16,
    alpha: Any = 0.55,
) -> Array:
    """Draw smoke or steam that rises from (x, y), as soft ellipses that grow.

    `size`, a scalar or (frames,), is a fraction of the frame's side.
    """
    out = []
    for index in range(count):
        offset, drift = rng.uniform(0, 1), rng.uniform(-0.05, 0.07)
        age = np.mod(t * 0.55 + offset + index / count, 1.0)
        shade = np.clip(colour + rng.uniform(-0.05, 0.05), 0, 1)
        radius = size * (0.35 + 0.8 * age)
        out.append(
            ellipse(
                x + drift * age + 0.01 * np.sin(9 * t + index),
                y - rise * age,
                radius,
                radius,
                shade,
                alpha * np.sin(np.pi * np.clip(age, 0.02, 1)) ** 0.7,
                0.8,
            )
        )
    return np.stack(out, axis=1)


def flames(rng: np.random.Generator, t: Array, x: float, y: float, size: Any) -> Array:
    """Draw a flickering fire on the ground at (x, y).

    `size`, a scalar or (frames,), is its height as a fraction of the frame's side.
    """
    out = [ellipse(x, y - 0.4 * size, 0.95 * size, 0.9 * size, (1.0, 0.55, 0.15), 0.4, 1.0)]
    palette = [(0.92, 0.2, 0.05), (0.98, 0.42, 0.05), (1.0, 0.65, 0.1), (1.0, 0.88, 0.4)]
    for index in range(12):
        ring = index // 3
        spot = rng.uniform(-0.5, 0.5) * (1 - 0.2 * ring)
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(1.7, 4.3) * t + rng.uniform()))
        tall = size * (0.75 - 0.13 * ring) * (0.55 + 0.6 * wave)
        sway = 0.12 * size * np.sin(2 * np.pi * (rng.uniform(1, 2.5) * t + rng.uniform()))
        out.append(
            capsule(
                x + spot * size,
                y - 0.08 * size,
                x + spot * size + sway,
                y - tall,
                0.2 * size * (1 - 0.13 * ring),
                palette[ring],
                0.03 * size,
                0.95,
            )
        )
    return np.stack(out, axis=1)


def debris(
    rng: np.random.Generator, t: Array, x: float, y: float, count: int = 7, speed: float = 0.35
) -> Array:
    """Draw pieces thrown up from (x, y) at t = 0 that fall and stay on the ground."""
    out = []
    for _ in range(count):
        vx, vy = rng.uniform(-1, 1) * speed, -rng.uniform(0.5, 1.0) * speed
        land = -2 * vy / 1.2
        age = np.clip(t, 0, land)
        size, shade = rng.uniform(0.006, 0.014), rng.uniform(0.05, 0.45)
        out.append(
            box(
                x + vx * age,
                y + vy * age + 0.6 * age**2,
                size,
                0.0,
                size * 0.8,
                (shade,) * 3,
                t > 0,
            )
        )
    return np.stack(out, axis=1)
