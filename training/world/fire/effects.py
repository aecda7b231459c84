"""Draw fire, smoke, steam, explosions, dust, sparks, light and things that flutter.

Each effect is made of many small parts whose whole life follows from the random draws, so that it
can be asked for at any times. Knows no acts and no places. Times are seconds, lengths metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.shapes import Array, Shapes

Rng = np.random.Generator
GRAVITY = 9.81
HEAT = np.array(  # colours from cold to hot flames
    [(0.30, 0.05, 0.02), (0.72, 0.16, 0.02), (0.98, 0.42, 0.05), (1.0, 0.72, 0.22),
     (1.0, 0.92, 0.62), (1.0, 1.0, 0.92)]
)  # fmt: skip


@dataclass(frozen=True)
class Cloud:
    """Parts that are born one after the other, for ever.

    `age` (frames, n) is in 0..1 of a life of `life` (n,) seconds; `lap` counts the lives of each
    part. `alive` is 0 for parts that are born outside the time in which the source works.
    """

    age: Array
    lap: Array
    life: Array
    alive: Array
    seed: float

    def draw(self, key: int) -> Array:
        """Return numbers (frames, n) in 0..1 that are constant over each life."""
        index = np.arange(self.age.shape[1])
        mixed = index * 12.9898 + self.lap * 78.233 + key * 37.719 + self.seed
        return np.asarray(np.mod(np.sin(mixed) * 43758.5453, 1.0))

    def spread(self, key: int) -> Array:
        """Return numbers (frames, n) in -1..1, most of them near 0."""
        return self.draw(key) + self.draw(key + 100) - 1.0


def cloud(
    rng: Rng, t: Array, count: int, life: float, start: float = -1e9, stop: float = 1e9
) -> Cloud:
    """Make `count` parts that live about `life` seconds; the source works from start to stop."""
    lives = life * rng.uniform(0.75, 1.25, count)
    clock = t[:, None] / lives + rng.uniform(0, 1, count)
    lap = np.floor(clock)
    born = t[:, None] - (clock - lap) * lives
    alive = ((born >= start) & (born < stop)).astype(float)
    return Cloud(clock - lap, lap, lives, alive, float(rng.uniform(0, 1e3)))


def column(value: Any) -> Array:
    """Shape a scalar or an array (frames,) so that it fits (frames, n)."""
    return np.asarray(value, float).reshape(-1, 1)


def puffs(x: Any, y: Any, z: Any, radius: Any, colour: Any, alpha: Any, glow: Any) -> Array:
    """Stack what fits (frames, n) into puffs (frames, n, 9); `colour` is (..., 3)."""
    hue = np.asarray(colour, float)
    parts = np.broadcast_arrays(x, y, z, radius, hue[..., 0], hue[..., 1], hue[..., 2], alpha, glow)
    return np.stack(parts, -1)


def heat(value: Array) -> Array:
    """Return the colours (..., 3) of flames with a heat in 0..1."""
    at = np.clip(value, 0, 1) * (len(HEAT) - 1)
    low = np.minimum(at.astype(int), len(HEAT) - 2)
    share = (at - low)[..., None]
    return np.asarray(HEAT[low] * (1 - share) + HEAT[low + 1] * share)


def towards(points: Array, eye: Array | None, by: Any) -> Array:
    """Move points (..., 3) by metres towards the camera."""
    if eye is None:
        return points
    way = eye - points
    return np.asarray(points + way / np.linalg.norm(way, axis=-1, keepdims=True) * by)


def before(clouds: Array, eye: Array) -> Array:
    """Thin out puffs (frames, n, 9) that reach the camera, so that they do not hide everything."""
    away = np.linalg.norm(clouds[..., :3] - eye, axis=-1)
    out = clouds.copy()
    out[..., 7] *= np.clip(away / np.maximum(clouds[..., 3], 1e-6) - 0.8, 0, 1)
    return out


# --- fire and smoke ---


def flames(
    rng: Rng,
    t: Array,
    where: Any,
    width: float,
    height: float,
    *,
    power: Any = 1.0,
    white: float = 1.05,
    eye: Array | None = None,
    count: int = 70,
) -> Array:
    """Return puffs of flames that burn on `where` (3,) or (frames, 3).

    `power` in 0..1 scales their size over frames; `white` is how overexposed they look, 0.8 red to
    1.4. Hot parts are moved towards the camera at `eye`, so that the core looks brightest.
    """
    c = cloud(rng, t, count, 0.30 + 0.22 * height**0.5)
    power, base = column(power), np.atleast_2d(np.asarray(where, float))
    gust = 1 + 0.25 * np.sin(column(t) * rng.uniform(5, 9) + rng.uniform(0, 6))
    tall = height * power**0.8 * (0.35 + 0.9 * c.draw(1)) * gust
    side = width * power**0.6 * 0.55
    angle, far = 2 * np.pi * c.draw(2), np.sqrt(c.draw(3))
    pull = 1 - 0.75 * c.age
    sway = 0.12 * height * c.age * np.sin(column(t) * 7 + 9 * c.draw(4)) + rng.normal() * 0.1 * (
        height * c.age**2
    )
    x = base[:, :1] + side * far * np.cos(angle) * pull + sway
    y = base[:, 1:2] + side * far * np.sin(angle) * pull + sway * rng.normal() * 0.5
    z = base[:, 2:3] + 0.25 * side + tall * c.age
    radius = side * (0.62 - 0.30 * far) * (1 - c.age) ** 0.55 * (0.6 + 0.6 * c.draw(5)) + 0.01
    hot = white - 0.62 * c.age - 0.38 * far + 0.15 * c.spread(6)
    alpha = np.clip(power * 6, 0, 1) * np.minimum(1, 8 * c.age) * (1 - c.age) ** 0.35 * 0.85
    points = towards(np.stack([x, y, z], -1), eye, (0.9 * side * hot)[..., None])
    body = puffs(points[..., 0], points[..., 1], points[..., 2], radius, heat(hot), alpha, 1.0)
    return np.concatenate([body, _shine(t, base, width, height, power, rng)], 1)


def _shine(t: Array, base: Array, width: float, height: float, power: Array, rng: Rng) -> Array:
    """Return the light around flames as three faint puffs."""
    flicker = 0.8 + 0.2 * np.sin(column(t) * rng.uniform(9, 14) + np.array([0.0, 2.0, 4.0]))
    size = np.array([0.55, 0.9, 1.5]) * (width + height) * power**0.7
    alpha = np.array([0.20, 0.11, 0.06]) * flicker * np.minimum(1, power * 4)
    z = base[:, 2:3] + 0.4 * height * power
    return puffs(base[:, :1], base[:, 1:2], z, size, (1.0, 0.50, 0.14), alpha, 1.0)


@dataclass(frozen=True)
class Smoke:
    """What smoke is like: `rise` and `wind` (2,) in m/s, `life` in s, `size` in m at its source.

    `grow` is how many times larger a puff becomes; `dense` in 0..1 is how much it hides, `glow` how
    much it shines by itself, as if a lamp beside the camera lit it.
    """

    shade: tuple[float, float, float] = (0.16, 0.16, 0.17)
    rise: float = 0.9
    wind: tuple[float, float] = (0.1, 0.05)
    life: float = 5.0
    size: float = 0.4
    grow: float = 4.0
    dense: float = 0.5
    count: int = 60
    glow: float = 0.0


def smoke(
    rng: Rng,
    t: Array,
    where: Any,
    kind: Smoke,
    *,
    power: Any = 1.0,
    ceiling: float | None = None,
    start: float = -1e9,
    stop: float = 1e9,
) -> Array:
    """Return puffs of smoke that rise from `where` (3,) or (frames, 3) and spread under a ceiling.

    `power` in 0..1 scales how much it hides.
    """
    c = cloud(rng, t, kind.count, kind.life, start, stop)
    base, seconds = np.atleast_2d(np.asarray(where, float)), c.age * c.life
    away, way = kind.size * (0.4 + 0.85 * kind.grow * c.age), 2 * np.pi * c.draw(1)
    curl = 0.35 * kind.size * np.sin(column(t) * 1.3 + 7 * c.draw(2)) * (1 + 3 * c.age)
    rise = kind.rise * seconds**0.9 * (0.7 + 0.6 * c.draw(3))
    radius = kind.size * (0.5 + 0.6 * kind.grow * c.age**0.7) * (0.35 + 0.75 * c.draw(4))
    z = base[:, 2:3] + 0.4 * kind.size + rise
    if ceiling is not None:
        top = ceiling - 0.25 * radius
        away = away + 1.0 * np.maximum(z - top, 0)
        z = np.minimum(z, top - 0.15 * c.draw(5))
    x = base[:, :1] + away * np.cos(way) * c.draw(6) + kind.wind[0] * seconds + curl
    y = base[:, 1:2] + away * np.sin(way) * c.draw(6) + kind.wind[1] * seconds
    fade = np.minimum(1, 9 * c.age) * (1 - c.age) ** 1.1
    alpha = column(power) * c.alive * fade * kind.dense * (0.6 + 0.7 * c.draw(7))
    grey = np.asarray(kind.shade) * (0.55 + 1.0 * c.draw(8) ** 1.5)[..., None]
    return puffs(x, y, z, radius, grey, np.clip(alpha, 0, 0.9), kind.glow)


def spray(
    rng: Rng, t: Array, where: Any, jet: Any, *, spread: float = 0.12, count: int = 90,
    colour: tuple[float, float, float] = (0.85, 0.9, 0.95), glow: float = 0.1, size: float = 0.05,
    start: float = -1e9, stop: float = 1e9,
) -> Array:  # fmt: skip
    """Return puffs of drops or sparks that fly from `where` with the velocity `jet` and fall."""
    speed = float(np.linalg.norm(jet))
    c = cloud(rng, t, count, 0.15 + 1.6 * speed / GRAVITY, start, stop)
    base, s = np.atleast_2d(np.asarray(where, float)), c.age * c.life
    v = [jet[k] * (0.8 + 0.3 * c.draw(9)) + spread * speed * c.spread(k + 1) for k in range(3)]
    x, y = base[:, :1] + v[0] * s, base[:, 1:2] + v[1] * s
    z = base[:, 2:3] + v[2] * s - 0.5 * GRAVITY * s**2
    alpha = c.alive * 0.75 * (1 - c.age) ** 0.5 * (z > 0)
    return puffs(x, y, np.maximum(z, 0.02), size * (0.6 + c.age), colour, alpha, glow)


# --- what happens once, at t = 0 ---


def burst(
    rng: Rng, t: Array, where: Any, size: float, *, colour: tuple[float, float, float], count: int,
    life: float = 1.6, dense: float = 0.5, way: tuple[float, float, float] = (0.0, 0.0, 0.4),
    glow: float = 0.0,
) -> Array:  # fmt: skip
    """Return puffs of a cloud of dust, glass or smoke that bursts at t = 0 and settles."""
    s = column(np.maximum(t, 0))
    angle, up = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.05, 0.9, count)
    far = size * rng.uniform(0.2, 1, count) * (1 - np.exp(-s / 0.18)) * (1 + 0.25 * s)
    flat = np.sqrt(1 - up**2)
    x = where[0] + far * np.cos(angle) * flat + way[0] * s
    y = where[1] + far * np.sin(angle) * flat + way[1] * s
    z = where[2] + far * up * 0.7 + way[2] * s
    radius = size * rng.uniform(0.12, 0.4, count) * (0.5 + 0.8 * s**0.5)
    lasts = life * rng.uniform(0.6, 1.3, count)
    alpha = dense * (column(t) >= 0) * np.clip(1 - s / lasts, 0, 1) ** 1.3
    shade = np.asarray(colour) * rng.uniform(0.6, 1.4, (count, 1))
    return puffs(x, y, np.maximum(z, 0.35 * radius), radius, shade, alpha, glow)


def fireball(
    rng: Rng, t: Array, where: Any, size: float, *, eye: Array | None, ceiling: float | None
) -> Array:
    """Return puffs of an explosion at t = 0: a ball of fire that turns into rising smoke."""
    count = 110
    s = column(np.maximum(t, 0))
    angle, up = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.1, 1, count)
    out, flat = rng.uniform(0, 1, count) ** 0.6, np.sqrt(1 - np.minimum(up**2, 1))
    far = size * out * rng.uniform(0.7, 1.25, count) * (1 - np.exp(-s / 0.11))
    lift = 1.1 * size**0.5 * s * rng.uniform(0.5, 1.2, count)
    x = where[0] + far * np.cos(angle) * flat + 0.15 * s * rng.normal(size=count)
    y = where[1] + far * np.sin(angle) * flat + 0.15 * s * rng.normal(size=count)
    z = where[2] + far * (0.25 + 0.75 * up) + lift
    radius = size * rng.uniform(0.12, 0.36, count)
    radius = radius * (0.35 + 0.65 * (1 - np.exp(-s / 0.1)) + 0.35 * s)
    if ceiling is not None:
        z = np.minimum(z, ceiling - 0.3 * radius)
    hot = 1.2 * np.exp(-s / rng.uniform(0.25, 0.9, count)) + 0.3 - 0.4 * out
    glow = np.clip(3 * hot - 0.35, 0, 1)
    smoky = np.array([0.10, 0.095, 0.09]) * rng.uniform(0.5, 2.2, (count, 1))
    colour = smoky + glow[..., None] * (heat(hot + rng.uniform(-0.15, 0.1, count)) - smoky)
    lasts = rng.uniform(1.8, 5, count)
    alpha = (column(t) >= 0) * np.clip(1 - s / lasts, 0, 1) ** 0.7 * (0.5 + 0.4 * glow)
    points = towards(np.stack([x, y, z], -1), eye, (0.4 * size * glow)[..., None])
    return puffs(points[..., 0], points[..., 1], points[..., 2], radius, colour, alpha, glow)


def flash(t: Array, strength: float, seconds: float = 0.13) -> Array:
    """Return how much an explosion at t = 0 brightens the picture, (frames,)."""
    return np.where(t >= 0, strength * np.exp(-np.maximum(t, 0) / seconds), 0.0)


def debris(
    rng: Rng, t: Array, where: Any, count: int, speed: float, size: float, colours: Any,
    way: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Array:  # fmt: skip
    """Return quads of pieces that fly from `where` at t = 0, fall, and stay on the ground."""
    s = column(np.maximum(t, 0))
    angle = rng.uniform(0, 2 * np.pi, count)
    v = speed * rng.uniform(0.2, 1, count)
    rising = v * rng.uniform(0.2, 1.0, count) + way[2]
    down = (rising + np.sqrt(rising**2 + 2 * GRAVITY * where[2])) / GRAVITY
    moved = np.minimum(s, down) + 0.25 * np.clip(s - down, 0, 0.8)
    x = where[0] + (v * np.cos(angle) + way[0]) * moved
    y = where[1] + (v * np.sin(angle) + way[1]) * moved
    fly = np.minimum(s, down)
    z = np.maximum(where[2] + rising * fly - 0.5 * GRAVITY * fly**2, 0.03)
    spin = rng.uniform(0, 6, count) + rng.uniform(4, 15, count) * moved
    half = size * rng.uniform(0.3, 1, count) * (column(t) >= 0)
    hue = np.asarray(colours, float).reshape(-1, 3)
    picked = hue[rng.integers(len(hue), size=count)] * rng.uniform(0.7, 1.2, (count, 1))
    return shards(x, y, z, half, spin, picked)


def shards(x: Array, y: Array, z: Array, half: Array, spin: Array, colour: Array) -> Array:
    """Return small tumbling quads (frames, n, 15)."""
    x, y, z, half, spin = np.broadcast_arrays(x, y, z, half, spin)
    a = np.stack([np.cos(spin), np.sin(spin), 0.5 * np.sin(1.7 * spin)], -1) * half[..., None]
    b = np.stack([-np.sin(spin), np.cos(spin), 0.8 * np.cos(1.3 * spin)], -1) * half[..., None]
    middle = np.stack([x, y, z], -1)
    corners = np.concatenate([middle + a, middle + 0.6 * b, middle - a, middle - 0.6 * b], -1)
    corners[..., 2::3] = np.maximum(corners[..., 2::3], 0.02)
    return np.concatenate([corners, np.broadcast_to(colour, (*x.shape, 3))], -1)


# --- light ---


def lamp(where: Any, colour: Any, power: Any, size: float) -> Array:
    """Return three puffs of a light at `where` (3,) or (frames, 3); `power` (frames,) in 0..1."""
    at = np.atleast_2d(np.asarray(where, float))
    radius = size * np.array([0.3, 1.0, 2.6])
    alpha = column(power) * np.array([0.95, 0.4, 0.16])
    hue = np.asarray(colour, float)
    core = np.stack([0.4 * hue + 0.6, hue, hue])
    return puffs(at[:, :1], at[:, 1:2], at[:, 2:3], radius, core, alpha, 1.0)


def beam(x: Array, y: Array, heading: Any, power: Any) -> Array:
    """Return the light of headlamps on the road as faint puffs (frames, 9, 9)."""
    far = np.linspace(0.8, 10, 9)
    h = column(heading)
    size, alpha = 0.6 + 0.2 * far, column(power) * np.linspace(0.13, 0.03, 9)
    px, py = column(x) + far * np.cos(h), column(y) + far * np.sin(h)
    return puffs(px, py, 0.9 * size, size, (1.0, 0.95, 0.8), alpha, 1.0)


def flicker(rng: Rng, t: Array, rate: float) -> Array:
    """Return an irregular flicker (frames,) in 0..1, as of a failing lamp."""
    step = np.floor(t * rate)
    noise = np.mod(np.sin(step * 12.9898 + rng.uniform(0, 1e3)) * 43758.5453, 1.0)
    return np.where(noise < rng.uniform(0.25, 0.5), 0.15 * noise, 0.75 + 0.25 * noise)


# --- things that flutter ---


def cloth(
    rng: Rng, t: Array, corner: Any, along: Any, down: Any, colours: Any, wave: float
) -> Array:
    """Return quads of a cloth that waves; it hangs on its first edge.

    `corner` (3,) is where it is fixed, `along` (3,) and `down` (3,) its edges; `colours` (k, 3) are
    the stripes across `along`.
    """
    rows, columns = 3, 7
    u, v = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    out = np.cross(along, down)
    out = out / np.linalg.norm(out)
    rate, phase = rng.uniform(5, 10), rng.uniform(0, 6)
    time = t[:, None, None] * rate + phase
    swing = wave * u * (np.sin(7 * u - time + 1.5 * v) + 0.5 * np.sin(11 * u - 1.6 * time - 2 * v))
    sag = 0.15 * wave * np.sin(5 * u - 0.7 * time) * u
    grid = np.asarray(corner) + u[..., None] * np.asarray(along) + v[..., None] * np.asarray(down)
    points = grid + swing[..., None] * out + sag[..., None] * np.array([0, 0, 1.0])
    four = [points[:, :-1, :-1], points[:, :-1, 1:], points[:, 1:, 1:], points[:, 1:, :-1]]
    corners = np.concatenate(four, -1).reshape(len(t), rows * columns, 12)
    hue = np.asarray(colours, float)[np.arange(columns) * len(colours) // columns]
    shade = np.tile(hue, (rows, 1))
    return np.concatenate([corners, np.broadcast_to(shade, (len(t), *shade.shape))], -1)


def plant(rng: Rng, t: Array, x: float, y: float, height: float, wind: float) -> Shapes:
    """Return a plant whose leaves move in the wind."""
    count = 46
    turn, lift = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.3, 1, count)
    far = 0.42 * height * rng.uniform(0.2, 1, count) * (1.25 - lift)
    push = wind * height * lift**2
    gust = np.sin(column(t) * rng.uniform(2, 4) + rng.uniform(0, 6) + rng.normal(0, 0.6, count))
    px = x + far * np.cos(turn) + push * gust
    py = y + far * np.sin(turn) + 0.5 * push * gust
    green = np.array([0.16, 0.34, 0.11]) * rng.uniform(0.6, 1.4, (count, 1))
    spin = turn + 0.6 * wind * 9 * gust
    leaves = shards(px, py, lift * height + 0 * px, 0.16 * height + 0 * px, spin, green)
    stem = np.zeros((len(t), 1, 11))
    stem[..., :8] = (x, y, 0.0, 0.03 * height, x, y, 0.8 * height, 0.02 * height)
    stem[..., 8:] = (0.25, 0.17, 0.1)
    return Shapes.of(len(t), capsules=stem, quads=leaves)


def leaves(
    rng: Rng, t: Array, x: float, y: float, reach: float, size: float, colours: Any
) -> Array:
    """Return quads of leaves or paper that the wind blows around (x, y)."""
    c = cloud(rng, t, 28, 3.5)
    way = rng.uniform(0, 2 * np.pi)
    far = reach * (2 * c.age - 1) + 0.4 * np.sin(column(t) * 3 + 9 * c.draw(1))
    side = reach * c.spread(2)
    px, py = x + far * np.cos(way) - side * np.sin(way), y + far * np.sin(way) + side * np.cos(way)
    pz = (1 - c.age) ** 1.5 * 2.2 * c.draw(3) + 0.15 * np.abs(np.sin(column(t) * 4 + 9 * c.draw(4)))
    hue = np.asarray(colours, float)[(c.draw(5) * len(colours)).astype(int)]
    half = size * (0.5 + c.draw(6))
    return shards(px, py, pz, half, column(t) * 5 + 9 * c.draw(7), hue)
