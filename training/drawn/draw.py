"""Paint vector primitives into small RGB frames.

Knows shapes and pixels, not what they represent. A primitive is a row of 12 numbers: kind, x0, y0,
x1, y1, r0, r1, red, green, blue, alpha, softness. Lengths are fractions of the frame's side;
colours and alpha are in 0..1. Kinds: a capsule from (x0, y0) to (x1, y1) with end radii r0, r1; a
box centred at (x0, y0) with half axis (x1, y1) and half thickness r0; an ellipse, defined like the
box.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CAPSULE, BOX, ELLIPSE = 0.0, 1.0, 2.0
FIELDS = 12


def rows(
    kind: float,
    x0: Any,
    y0: Any,
    x1: Any,
    y1: Any,
    r0: Any,
    r1: Any,
    colour: Any,
    alpha: Any = 1.0,
    soft: Any = 0.0,
) -> Array:
    """Make primitives (frames, 12) of one kind from scalars or arrays (frames,).

    `colour` is (3,).
    """
    out = np.empty((max(np.size(v) for v in (x0, y0, x1, y1, r0, r1, alpha)), FIELDS), np.float32)
    for column, value in enumerate(
        (kind, x0, y0, x1, y1, r0, r1, colour[0], colour[1], colour[2], alpha, soft)
    ):
        out[:, column] = value
    return out


def capsule(
    x0: Any, y0: Any, x1: Any, y1: Any, r0: Any, colour: Any, r1: Any = None, alpha: Any = 1.0
) -> Array:
    """Make a line with round ends, rows (frames, 12)."""
    return rows(CAPSULE, x0, y0, x1, y1, r0, r0 if r1 is None else r1, colour, alpha)


def box(
    x: Any, y: Any, ax: Any, ay: Any, half: Any, colour: Any, alpha: Any = 1.0, soft: Any = 0.0
) -> Array:
    """Make a box around (x, y), rows (frames, 12).

    (ax, ay) is its half axis, `half` its half thickness.
    """
    return rows(BOX, x, y, ax, ay, half, 0.0, colour, alpha, soft)


def ellipse(
    x: Any, y: Any, rx: Any, ry: Any, colour: Any, alpha: Any = 1.0, soft: Any = 0.0
) -> Array:
    """Make an upright ellipse with half axes rx, ry, rows (frames, 12)."""
    return rows(ELLIPSE, x, y, rx, 0.0, ry, 0.0, colour, alpha, soft)


def rect(
    left: float, top: float, right: float, bottom: float, colour: Any, alpha: float = 1.0
) -> Array:
    """Make an upright rectangle from its four sides, rows (1, 12)."""
    return box(
        (left + right) / 2,
        (top + bottom) / 2,
        abs(right - left) / 2,
        0.0,
        abs(bottom - top) / 2,
        colour,
        alpha,
    )


def transform(prims: Array, zoom: float, angle: float, shift: tuple[float, float]) -> Array:
    """Return the primitives as a camera sees them that is turned, zoomed and shifted.

    The camera zooms and turns about the centre of the frame.
    """
    a = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom
    out = prims.copy()
    centre = np.array([0.5, 0.5])
    out[..., 1:3] = (prims[..., 1:3] - centre) @ a.T + centre + shift
    ends = (prims[..., 3:5] - centre) @ a.T + centre + shift
    out[..., 3:5] = np.where(prims[..., :1] == CAPSULE, ends, prims[..., 3:5] @ a.T)
    out[..., 5:7] *= zoom
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def paint(frames: Array, prims: Array) -> None:
    """Blend primitives (frames, n, 12) into float32 frames (frames, H, W, 3) in place.

    The first primitive is the rearmost.
    """
    count, height, width = frames.shape[0], frames.shape[1], frames.shape[2]
    side = float(width)
    for f in range(count):
        for n in range(prims.shape[1]):
            row = prims[f, n]
            alpha = row[10]
            if alpha <= 0.003:
                continue
            kind, x0, y0, x1, y1 = (
                row[0],
                row[1] * side,
                row[2] * side,
                row[3] * side,
                row[4] * side,
            )
            r0, r1, soft = row[5] * side, row[6] * side, row[11]
            if kind == 0.0:
                reach = max(r0, r1) + 1.0
                left, right = min(x0, x1) - reach, max(x0, x1) + reach
                top, bottom = min(y0, y1) - reach, max(y0, y1) + reach
            else:
                half = (x1 * x1 + y1 * y1) ** 0.5
                ux, uy = (x1 / half, y1 / half) if half > 1e-9 else (1.0, 0.0)
                ex = abs(ux) * half + abs(uy) * r0 + 1.0
                ey = abs(uy) * half + abs(ux) * r0 + 1.0
                left, right, top, bottom = x0 - ex, x0 + ex, y0 - ey, y0 + ey
            for py in range(max(0, int(top)), min(height, int(bottom) + 2)):
                cy = py + 0.5
                for px in range(max(0, int(left)), min(width, int(right) + 2)):
                    cx = px + 0.5
                    if kind == 0.0:
                        dx, dy = x1 - x0, y1 - y0
                        length = dx * dx + dy * dy
                        t = 0.0
                        if length > 1e-9:
                            t = min(1.0, max(0.0, ((cx - x0) * dx + (cy - y0) * dy) / length))
                        qx, qy = cx - x0 - t * dx, cy - y0 - t * dy
                        radius = r0 + t * (r1 - r0)
                        cover = radius - (qx * qx + qy * qy) ** 0.5 + 0.5
                        cover = min(cover, 2.0 * radius)
                    else:
                        along = (cx - x0) * ux + (cy - y0) * uy
                        across = -(cx - x0) * uy + (cy - y0) * ux
                        if kind == 1.0:
                            cover = (
                                min(1.0, half - abs(along) + 0.5) * min(1.0, r0 - abs(across) + 0.5)
                                if abs(along) < half + 0.5 and abs(across) < r0 + 0.5
                                else 0.0
                            )
                        else:
                            d = (
                                (along / max(half, 1e-3)) ** 2 + (across / max(r0, 1e-3)) ** 2
                            ) ** 0.5
                            cover = (
                                (1.0 - d) / soft if soft > 0.0 else (1.0 - d) * min(half, r0) + 0.5
                            )
                    if cover <= 0.0:
                        continue
                    a = alpha * min(1.0, cover)
                    for c in range(3):
                        frames[f, py, px, c] += a * (row[7 + c] - frames[f, py, px, c])
