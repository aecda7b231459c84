"""Draw numbers that change over time and the steps of feet that follow a moving body.

A track is an array over the times in GRID. It is drawn as a whole before any frame is asked for, so
that an act does not depend on the times of its frames. Knows no bodies and no pictures.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from training.world.shapes import Array

Rng = np.random.Generator
STEP = 0.05
GRID = np.arange(-20.0, 36.0, STEP)


def at(track: Array, t: Array) -> Array:
    """Return a track's values at times t (frames,)."""
    return np.asarray(np.interp(t, GRID, track))


def index(t: Any) -> Array:
    """Return the positions in GRID that are nearest to times t."""
    place = np.rint((np.asarray(t) - GRID[0]) / STEP).astype(int)
    return np.asarray(np.clip(place, 0, len(GRID) - 1))


def wander(rng: Rng, period: float, size: float = 1.0) -> Array:
    """Draw a smooth track around 0 with standard deviation `size` and about `period` seconds."""
    rate = rng.uniform(0.5, 1.7, 4) * (2 * np.pi / period)
    phase = rng.uniform(0, 2 * np.pi, 4)
    weight = rng.dirichlet(np.full(4, 2.0)) ** 0.5 * (size * 2**0.5)
    return _waves(np.exp(1j * phase) * weight, np.exp(1j * rate * STEP))


@numba.njit(cache=True, nogil=True)
def _waves(start: Array, turn: Array) -> Array:
    """Return the sum of waves over the grid, without a sine for each step."""
    out = np.zeros(len(GRID))
    for k in range(len(start)):
        now = start[k]
        for i in range(len(out)):
            out[i] += now.imag
            now = now * turn[k]
    return out


def ramp(start: float, seconds: float) -> Array:
    """Return a track that rises softly from 0 to 1 in `seconds` from `start` on."""
    u = np.clip((GRID - start) / max(seconds, 1e-3), 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def bump(start: float, end: float, seconds: float = 0.3) -> Array:
    """Return a track that is 1 between two times and 0 elsewhere, with soft edges."""
    return np.asarray(ramp(start, seconds) * (1 - ramp(end, seconds)))


def ease(track: Array, seconds: float) -> Array:
    """Let a track follow softly and late, like a mass that is pulled; `seconds` is how late."""
    return _ease(np.asarray(track, float), seconds / 2)


def pulses(times: Array, sizes: Array, seconds: float) -> Array:
    """Return a track with a pulse of each size that peaks `seconds` after its time and decays."""
    track = np.zeros(len(GRID))
    inside = (times > GRID[0]) & (times < GRID[-1])
    np.add.at(track, index(times[inside]), sizes[inside])
    return _ease(track, seconds) * (np.e * seconds / STEP)


def leak(speed: Array, seconds: float) -> Array:
    """Return where a speed leads that is pulled home within about `seconds`; 0 at time 0."""
    way = _leak(np.ascontiguousarray(speed), np.exp(-STEP / seconds))
    return way - np.interp(0.0, GRID, way)


@numba.njit(cache=True, nogil=True)
def _leak(speed: Array, keep: float) -> Array:
    out = np.empty_like(speed)
    way = 0.0
    for i in range(len(speed)):
        way = keep * way + STEP * speed[i]
        out[i] = way
    return out


@numba.njit(cache=True, nogil=True)
def _ease(track: Array, late: float) -> Array:
    out = np.empty_like(track)
    keep = np.exp(-STEP / late)
    first, second = track[0], track[0]
    for i in range(len(track)):
        first = keep * first + (1 - keep) * track[i]
        second = keep * second + (1 - keep) * first
        out[i] = second
    return out


def steps(x: Array, y: Array, heading: Array, width: Any, ahead: Any, quick: float) -> Array:
    """Place the feet of a body that moves along tracks x, y, heading.

    `width` is half the distance between the feet and `ahead` how far the left one is in front, in
    metres, numbers or tracks. `quick` is how many seconds a step takes. Returns (grid, 2, 4): x, y,
    height and heading of the left and right foot.
    """
    size = len(GRID)
    wide, front = (np.ascontiguousarray(np.broadcast_to(v, size), float) for v in (width, ahead))
    return _steps(x, y, heading, wide, front, quick)


@numba.njit(cache=True, nogil=True)
def _steps(x: Array, y: Array, heading: Array, wide: Array, front: Array, quick: float) -> Array:
    size = len(x)
    out = np.zeros((size, 2, 4))
    start, goal = np.zeros((2, 3)), np.zeros((2, 3))
    began, lasts = np.zeros(2), np.ones(2)
    flying = np.zeros(2, np.bool_)
    rest = np.zeros((2, 3))
    for i in range(size):
        now = i * STEP
        for k in range(2):
            _rest(x, y, heading, wide, front, i, k, rest[k])
        if i == 0:
            goal[:] = rest
        for k in range(2):
            u = min(1.0, (now - began[k]) / lasts[k])
            if flying[k] and u >= 1.0:
                flying[k] = False
            s = u * u * (3 - 2 * u) if flying[k] else 1.0
            for c in range(3):
                a = start[k, c] + s * (goal[k, c] - start[k, c])
                out[i, k, c if c < 2 else 3] = a
            out[i, k, 2] = 0.0
            if flying[k]:
                far = ((goal[k, 0] - start[k, 0]) ** 2 + (goal[k, 1] - start[k, 1]) ** 2) ** 0.5
                out[i, k, 2] = (0.04 + 0.11 * min(far, 0.8)) * np.sin(np.pi * u)
        errors = np.zeros(2)
        for k in range(2):
            errors[k] = ((goal[k, 0] - rest[k, 0]) ** 2 + (goal[k, 1] - rest[k, 1]) ** 2) ** 0.5
            errors[k] += 0.2 * abs(goal[k, 2] - rest[k, 2])
        k = 0 if errors[0] > errors[1] else 1
        if flying[k]:
            k = 1 - k
        other = flying[1 - k]
        late = now - began[1 - k] > 0.75 * lasts[1 - k]
        if not flying[k] and errors[k] > (0.16 if not other else 0.3) and (not other or late):
            j = min(size - 1, i + int(1 / STEP * 0.2))
            speed = ((x[j] - x[i]) ** 2 + (y[j] - y[i]) ** 2) ** 0.5 / 0.2
            flying[k], began[k] = True, now
            lasts[k] = quick * (1.0 if speed < 1.2 else max(0.65, 1.2 / speed + 0.1))
            for c in range(2):
                start[k, c] = out[i, k, c]
            start[k, 2] = out[i, k, 3]
            _rest(
                x,
                y,
                heading,
                wide,
                front,
                min(size - 1, i + int(lasts[k] * 1.5 / STEP)),
                k,
                goal[k],
            )
    return out


@numba.njit(cache=True, nogil=True)
def _rest(
    x: Array, y: Array, heading: Array, wide: Array, front: Array, i: int, k: int, out: Array
) -> None:
    """Write where foot k would be if the body stood still at time i."""
    side = -1.0 if k == 0 else 1.0
    c, s = np.cos(heading[i]), np.sin(heading[i])
    right, ahead = side * wide[i], -side * front[i] / 2
    out[0] = x[i] + c * right - s * ahead
    out[1] = y[i] + s * right + c * ahead
    out[2] = heading[i] - side * 0.2
