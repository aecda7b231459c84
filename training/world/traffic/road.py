"""Describe the way of a vehicle: a lane of a place, how it passes, stops and goes on.

Knows no vehicles and no pictures. Lengths are metres, times seconds, headings radians
counterclockwise from above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.place import Place
from training.world.shapes import Array

Rng = np.random.Generator
SMALLEST = 0.075  # a vehicle counts as visible if 1.8 m cover this share of the picture's height
CLEAR, OVERHEAD = 2.6, 3.8  # metres that vehicles keep from a camera which is not that high
AROUND = 8.0  # metres of a lane before and after what is visible


@dataclass(frozen=True)
class Track:
    """A straight way from (x, y) along `heading`; it is in the picture from `near` to `far`.

    `free` in 0..1 is how much of that has nothing in the way.
    """

    x: float
    y: float
    heading: float
    near: float
    far: float
    free: float = 1.0

    @property
    def middle(self) -> float:
        """The middle of the visible part."""
        return 0.5 * (self.near + self.far)

    @property
    def seen(self) -> float:
        """How long the visible part is."""
        return self.far - self.near

    def at(self, along: Any, aside: Any = 0.0) -> tuple[Array, Array]:
        """Return x and y of points that far along and that far to the left."""
        c, s = np.cos(self.heading), np.sin(self.heading)
        along, aside = np.asarray(along, float), np.asarray(aside, float)
        return self.x + along * c - aside * s, self.y + along * s + aside * c

    def shows(self, along: Array) -> Array:
        """Tell at which distances along the way something is in the picture."""
        return np.asarray((along > self.near - 0.5) & (along < self.far + 0.5))

    def back(self) -> Track:
        """Return the same way in the other direction."""
        x, y = self.at(self.near + self.far)
        return Track(float(x), float(y), self.heading + np.pi, self.near, self.far, self.free)


def tracks(place: Place) -> list[Track]:
    """Return the lanes of a place with what is visible of them."""
    out = []
    for (x0, y0), (x1, y1) in place.lanes:
        heading, length = float(np.arctan2(y1 - y0, x1 - x0)), float(np.hypot(x1 - x0, y1 - y0))
        x0, y0 = _beside(place, Track(x0, y0, heading, 0.0, length))
        way = Track(x0, y0, heading, 0.0, length)
        along = np.arange(0.0, length, 0.5)
        x, y = way.at(along)
        where, depth = place.camera.project(np.stack([x, y, np.full(len(x), 0.7)], -1))
        large = 1.8 * place.camera.focal[1] / np.maximum(depth, 0.5) > SMALLEST
        inside = ((where > 0.05) & (where < 0.95)).all(-1) & (depth > 1.0) & large
        if inside.any():
            seen = along[inside]
            free = 1 - float(_blocked(place, x[inside], y[inside]).mean())
            out.append(Track(x0, y0, heading, float(seen.min()), float(seen.max()), free))
        else:
            out.append(Track(x0, y0, heading, 0.5 * length - 1, 0.5 * length + 1))
    return out


def _beside(place: Place, way: Track) -> tuple[float, float]:
    """Return the start of a way, moved aside if vehicles would drive through the camera."""
    x, y, z = place.camera.eye
    c, s = np.cos(way.heading), np.sin(way.heading)
    off = float((x - way.x) * s - (y - way.y) * c)  # how far to the left of the camera it is
    aside = max(CLEAR - abs(off), 0.0) * (1.0 if off >= 0 else -1.0) if z < OVERHEAD else 0.0
    return way.x - aside * s, way.y + aside * c


def _blocked(place: Place, x: Array, y: Array, room: float = 0.9) -> Array:
    """Tell at which points (n,) a car would touch something that stands there."""
    b = np.asarray(place.boxes, float)
    b = b[(b[:, 2] + b[:, 5] > 0.35) & (b[:, 2] - b[:, 5] < 1.5)]
    c, s = np.cos(b[:, 6]), np.sin(b[:, 6])
    dx, dy = x[:, None] - b[:, 0], y[:, None] - b[:, 1]
    along, across = np.abs(dx * c + dy * s), np.abs(dy * c - dx * s)
    return np.asarray(((along < b[:, 3] + room) & (across < b[:, 4] + room)).any(1))


def pick(rng: Rng, place: Place) -> Track:
    """Draw a lane, mostly one of which much is visible and free."""
    ways = tracks(place)
    share = np.array([way.seen * (way.free**6 + 1e-3) + 1e-9 for way in ways])
    return ways[int(rng.choice(len(ways), p=share / share.sum()))]


def point(rng: Rng, way: Track, edge: float = 0.25) -> float:
    """Draw a distance along a way that is well inside the picture."""
    return way.near + way.seen * float(rng.uniform(edge, 1 - edge))


def shuttle(t: Array, seconds: float) -> Array:
    """Return times that run from -seconds / 2 to seconds / 2 again and again, and are 0 at 0."""
    return np.asarray(np.mod(t + seconds / 2, seconds) - seconds / 2)


def passing(way: Track, t: Array, speed: float, gap: float, shift: float) -> Array:
    """Return distances along a way of a vehicle that passes again and again.

    It comes back after the visible part and `gap` metres; `shift` moves it ahead.
    """
    loop = way.seen + 2 * AROUND + gap
    return np.asarray(way.near - AROUND + np.mod(shift + speed * t, loop))


def stop_and_go(
    t: Array, speed: float, stop: float, go: float, brake: float = 3.0, pull: float = 2.0
) -> tuple[Array, Array]:
    """Return distances to a line and how hard is braked, in 0..1, by who stops at it and goes on.

    The vehicle comes with `speed`, stands from time `stop` to `go`, and reaches `speed` again.
    """
    before, after = np.maximum(stop - t, 0), np.maximum(t - go, 0)
    slow, fast = speed / brake, speed / pull
    come = 0.5 * brake * np.minimum(before, slow) ** 2 + speed * np.maximum(before - slow, 0)
    leave = 0.5 * pull * np.minimum(after, fast) ** 2 + speed * np.maximum(after - fast, 0)
    return leave - come, ((before < slow) & (after <= 0)).astype(float)


def slide(t: Array, speed: float, brake: float) -> Array:
    """Return how far something got that starts at t = 0 with `speed` and is braked to rest."""
    s = np.clip(t, 0, abs(speed) / brake)
    return np.asarray(speed * s - 0.5 * np.sign(speed) * brake * s**2)
