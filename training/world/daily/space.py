"""Find free spots and clear ways in a place, many at a time.

Knows no bodies. Points are (n, 2) in metres, headings radians counterclockwise from above.
"""

from __future__ import annotations

import numpy as np

from training.world.place import Place, Rng
from training.world.shapes import Array

TRIES = 160


def seen(place: Place, points: Array, margin: float = 0.05) -> Array:
    """Tell at which points (..., 2) the feet and the head of a person are in the picture."""
    ends = np.stack([np.concatenate([points, np.full((*points.shape[:-1], 1), z)], -1)
                     for z in (0.1, 1.6)])  # fmt: skip
    where, depth = place.camera.project(ends)
    inside = (where > margin) & (where < 1 - margin)
    across = (depth > 0.5).all(0) & inside[..., 0].all(0)
    return np.asarray(across & inside.all(-1).any(0))


def free(place: Place, points: Array, room: float = 0.3) -> Array:
    """Tell at which points (..., 2) a person with `room` around touches no box."""
    b = np.asarray(place.boxes, float)
    b = b[b[:, 2] - b[:, 5] < 1.5]
    c, s = np.cos(b[:, 6]), np.sin(b[:, 6])
    dx, dy = points[..., :1] - b[:, 0], points[..., 1:] - b[:, 1]
    inside = np.abs(dx * c + dy * s) < b[:, 3] + room
    inside &= np.abs(dy * c - dx * s) < b[:, 4] + room
    return np.asarray(~inside.any(-1))


def visible(place: Place, points: Array, height: float = 1.1) -> Array:
    """Tell at which points (..., 2) no box hides the middle of a person from the camera."""
    b, eye = np.asarray(place.boxes, float), np.asarray(place.camera.eye, float)
    c, s = np.cos(b[:, 6]), np.sin(b[:, 6])
    ex, ey = eye[0] - b[:, 0], eye[1] - b[:, 1]
    dx, dy, dz = points[..., :1] - eye[0], points[..., 1:] - eye[1], height - eye[2]
    start = np.stack([ex * c + ey * s, ey * c - ex * s, eye[2] - b[:, 2]], -1)
    step = np.stack([dx * c + dy * s, dy * c - dx * s, np.full(dx.shape[:-1] + c.shape, dz)], -1)
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    sides = np.stack([(-b[:, 3:6] - start) / step, (b[:, 3:6] - start) / step])
    first, last = sides.min(0).max(-1), sides.max(0).min(-1)
    return np.asarray(~((first < last) & (first < 1) & (last > 0)).any(-1))


def apart(place: Place, points: Array, room: float) -> Array:
    """Tell which points (n, 2) are not too near to what already happens in the place."""
    if not place.taken:
        return np.ones(len(points), bool)
    x, y, size = np.array(place.taken).T
    return np.asarray((np.hypot(points[:, :1] - x, points[:, 1:] - y) > room + size).all(1))


def appeal(place: Place, points: Array) -> Array:
    """Return how well people at points (..., 2) would be seen, in 0..3.

    They should look large enough and be in the middle rather than at the edge.
    """
    middles = np.concatenate([points, np.full((*points.shape[:-1], 1), 0.9)], -1)
    where, depth = place.camera.project(middles)
    large = 1.7 * place.camera.focal[1] / np.maximum(depth, 0.5)
    edge = np.clip(2 * np.abs(where - 0.5).max(-1), 0, 1)
    out = 0.7 * np.minimum(large / 0.35, 1) + 1.5 * np.minimum(large / 0.1, 1) + 0.7 * (1 - edge**2)
    return np.asarray(out)


def spots(rng: Rng, place: Place, count: int, room: float = 0.35, *, height: float = 1.1) -> Array:
    """Draw points (count, 2) that are free and in view; the best ones there are.

    Nothing hides what is `height` metres above them. Points far away are avoided.
    """
    x0, y0, x1, y1 = place.area
    points = rng.uniform((x0, y0), (x1, y1), (TRIES, 2))
    good = rng.uniform(0, 1.0, TRIES) + appeal(place, points)
    good += 3.0 * seen(place, points) + 2.0 * visible(place, points, height)
    good += 2.0 * free(place, points, room) + apart(place, points, room)
    return np.asarray(points[np.argsort(-good, kind="stable")[:count]])


def spaced(rng: Rng, place: Place, count: int, gap: float) -> Array:
    """Draw up to `count` points that are free, in view and `gap` metres from each other.

    In a small place there are fewer, but at least one.
    """
    points = spots(rng, place, TRIES)
    points = np.concatenate([points[:1], points[seen(place, points) & free(place, points, 0.3)]])
    far = np.hypot(*np.moveaxis(points[:, None] - points, -1, 0))
    out = [0]
    for index in range(1, len(points)):
        if len(out) < count and (far[index, out] > gap).all():
            out.append(index)
    return np.asarray(points[out])


def clear(place: Place, start: Array, ends: Array, room: float = 0.25) -> Array:
    """Return how much (n,) of the straight ways from a point to others (n, 2) is free."""
    share = np.linspace(0.1, 1, 10)
    return np.asarray(free(place, start + share[:, None, None] * (ends - start), room).mean(0))


def tour(
    rng: Rng, place: Place, count: int, start: Array | None = None, near: float = 1.5,
    far: float = 7.0,
) -> Array:  # fmt: skip
    """Draw points (count, 2) in view, one after the other with a clear way of some length."""
    around = spots(rng, place, 40)
    luck = rng.uniform(0, 0.4, (count, len(around)))
    out = [around[0] if start is None else np.asarray(start, float)]
    for row in luck[1:]:
        length = np.hypot(*(around - out[-1]).T)
        fits = clear(place, out[-1], around) + ((length > near) & (length < far))
        out.append(around[np.argmax(fits + row)])
    return np.array(out)


def away(place: Place, point: Array, heading: float, longest: float = 9.0) -> tuple[Array, bool]:
    """Follow a heading from a point until out of the picture or before a box.

    Returns the point reached and whether the picture is left there.
    """
    steps = np.arange(0.3, longest, 0.3)
    line = point + steps[:, None] * np.array([np.cos(heading), np.sin(heading)])
    open_ = free(place, line, 0.25)
    out = ~seen(place, line, -0.12)
    stop = int(np.argmin(np.append(open_, False)))
    left = int(np.argmax(np.append(out, True)))
    last = min(stop - 1, left, len(line) - 1)
    return (line[last] if last >= 0 else np.asarray(point)), left < stop and left < len(line)


def towards_camera(place: Place, point: Array) -> float:
    """Return the heading from a point to the camera."""
    step = place.camera.eye[:2] - point
    return float(np.arctan2(step[1], step[0]))


def beside(
    rng: Rng, place: Place, least: float = 0.6, far: tuple[float, float] = (0.3, 0.45)
) -> tuple[float, float, float, bool]:
    """Draw a point in front of a box, such as a shelf, and the heading towards it.

    The box is at least `least` metres high, the point `far` from it. The last value tells whether
    there is such a point; otherwise it is a free spot and any heading.
    """
    b = np.asarray(place.boxes, float)
    b = b[(b[:, 2] + b[:, 5] > least) & (b[:, 2] - b[:, 5] < 0.8)]
    luck, shift = rng.random((4, len(b))), rng.uniform(-0.8, 0.8, (4, len(b)))
    spare, any_heading = spots(rng, place, 1)[0], rng.uniform(-np.pi, np.pi)
    quarter = np.arange(4)[:, None]
    heading = b[:, 6] + quarter * np.pi / 2
    deep, wide = (np.where(quarter % 2 == k, b[:, 3], b[:, 4]) for k in (0, 1))
    out, along = deep + rng.uniform(*far), wide * shift
    c, s = np.cos(heading), np.sin(heading)
    points = np.stack([b[:, 0] + out * c - along * s, b[:, 1] + out * s + along * c], -1)
    good = seen(place, points) & visible(place, points) & free(place, points, 0.15) & (wide > 0.2)
    good &= apart(place, points.reshape(-1, 2), 0.3).reshape(good.shape)
    if not good.any():
        return float(spare[0]), float(spare[1]), float(any_heading), False
    best = np.unravel_index(np.argmax((2 * luck + appeal(place, points)) * good), good.shape)
    return float(points[best][0]), float(points[best][1]), float(heading[best] + np.pi), True
