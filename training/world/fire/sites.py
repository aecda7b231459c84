"""Choose where something happens in a place: in view, free, on the floor or on furniture.

Points are (3,) in metres. Knows no acts and no pictures.
"""

from __future__ import annotations

import numpy as np

from training.world.place import Place
from training.world.places.cameras import clear
from training.world.shapes import Array

Rng = np.random.Generator
CONTRAST = 0.13  # least difference of brightness between smoke and the ground behind it


def open_to_camera(place: Place, points: Array) -> Array:
    """Tell which points (n, 3) are in the picture and in front of the furniture."""
    where, far = place.camera.project(points)
    inside = ((where > 0.06) & (where < 0.94)).all(-1) & (far > 0.8)
    return np.asarray(inside & (clear(place.camera.eye[None], points, place.boxes)[0] > 0))


def stage(
    rng: Rng, place: Place, low: float, high: float, room: float = 0.5, away: float = 1.5
) -> Array:
    """Draw a point (3,) between two heights that is free and in view, and take its place.

    It is at least `away` metres from the camera, if there is such a point.
    """
    tries = 40
    x0, y0, x1, y1 = place.area
    points = rng.uniform((x0, y0, low), (x1, y1, high), (tries, 3))
    free = np.array([not place.blocked(x, y, room) for x, y, _ in points])
    far = np.linalg.norm(points - place.camera.eye, axis=1) > away
    best = points[np.argmax(2.0 * open_to_camera(place, points) + far + 0.9 * free)]
    place.taken.append((float(best[0]), float(best[1]), room))
    return np.asarray(best)


def lifted(points: Array, height: float) -> Array:
    """Return points (..., 3) that are `height` metres higher."""
    return np.asarray(points + np.array([0.0, 0.0, height]))


def metres(place: Place, point: Array, share: float) -> float:
    """Return the size in metres of what covers a share of the picture's height at a point."""
    _, depth = place.camera.project(point)
    return float(share * max(float(depth), 1.0) / place.camera.focal[1])


def on_furniture(rng: Rng, place: Place) -> Array | None:
    """Draw a point (3,) on a box of the place that is in view, or None."""
    b = np.asarray(place.boxes, float)
    top = b[:, 2] + b[:, 5]
    b = b[(top < 2.3) & (top > 0.25) & (b[:, 3:5].min(1) > 0.1) & (b[:, 3:5].max(1) < 6)]
    if not len(b):
        return None
    u, v = rng.uniform(-0.8, 0.8, (2, len(b))) * b[:, 3:5].T
    c, s = np.cos(b[:, 6]), np.sin(b[:, 6])
    height = b[:, 2] + b[:, 5] * rng.choice([1.0, 1.0, 0.3], len(b))
    points = np.column_stack([b[:, 0] + c * u - s * v, b[:, 1] + s * u + c * v, height + 0.02])
    good = points[open_to_camera(place, lifted(points, 0.15))]
    return np.asarray(good[rng.integers(len(good))]) if len(good) else None


def brightness(place: Place) -> float:
    """Return how bright a grey wall in a place is, about 0 to 1."""
    light = place.light
    return float(np.asarray(light.ambient).mean() + 0.5 * np.asarray(light.colour).mean())


def ground(place: Place) -> float:
    """Return about how bright the ground of a place looks, 0 to 1."""
    return brightness(place) * float(np.mean(place.ground[1:4]))


def bright(place: Place) -> bool:
    """Tell whether the ground is so bright that white things are hard to see."""
    return ground(place) > 0.55


def dark(place: Place) -> bool:
    """Tell whether it is night in a place."""
    return brightness(place) < 0.38


def soot(rng: Rng, place: Place) -> tuple[tuple[float, float, float], float]:
    """Draw the colour of smoke that can be seen in a place, and how much it shines by itself."""
    light = brightness(place)
    behind = ground(place)
    greys = np.array([0.05, 0.05, 0.12, 0.12, 0.3, 0.6, 0.8]) * rng.uniform(0.8, 1.2)
    glow = float(rng.uniform(0.1, 0.3)) if dark(place) else 0.0
    seen = greys * (glow + (1 - glow) * light)
    good = greys[np.abs(seen - behind) > CONTRAST]
    grey = rng.choice(good) if len(good) else greys[np.argmax(np.abs(seen - behind))]
    return hue(np.clip(grey * rng.uniform(0.92, 1.08, 3), 0, 1)), glow


def hue(colour: Array) -> tuple[float, float, float]:
    """Return a colour (3,) as a tuple."""
    return float(colour[0]), float(colour[1]), float(colour[2])


def wind(rng: Rng, place: Place) -> tuple[float, float]:
    """Draw the movement of the air in m/s."""
    x, y = rng.normal(0, 0.12 if place.indoor else 0.45, 2)
    return float(x), float(y)
