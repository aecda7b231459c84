"""Define ordinary acts and the look-alikes of anomalies.

Each is made of actors over time. Knows no camera and no text. Every act takes `(rng, scene, t)`,
with t (frames,) in seconds from its onset (negative before it), and returns an `Act`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training.drawn.actors import CAR, FIGURE, Look, car, look, person, puffs, walker
from training.drawn.draw import Array, box, capsule, ellipse, rect
from training.drawn.scenes import Rng, Scene


@dataclass
class Act:
    """One act of one or more actors.

    Primitives (frames, n, 12), depth on the ground, the centre (frames, 2) of what matters, the
    state it shows, and how many people and cars it has.
    """

    prims: Array
    depth: float
    focus: Array
    state: str
    people: int = 0
    cars: int = 0
    flash: Array | None = None  # (frames,) brightening of the whole frame

    def __post_init__(self) -> None:
        self.focus = np.asarray(self.focus, float)


def centre(x: Any, y: Any, t: Array) -> Array:
    """Make a focus (frames, 2) from scalars or arrays."""
    return np.stack([np.broadcast_to(x, t.shape), np.broadcast_to(y, t.shape)], -1)


def spot(rng: Rng, scene: Scene, margin: float = 0.1) -> tuple[float, float, float]:
    """Draw a place on the ground for an event: x, y and scale.

    The place is well inside one third of the frame.
    """
    x = float(rng.choice([0.0, 1.0, 2.0])) / 3 + rng.uniform(0.06, 0.275)
    y = rng.uniform(max(scene.walk[0], 0.45), scene.walk[1] - margin * 0.3)
    return float(np.clip(x, margin, 1 - margin)), y, float(scene.scale(y))


def bounce(x: Array, low: float, high: float) -> tuple[Array, Array]:
    """Fold a straight path into [low, high]; returns positions and directions (+1 or -1)."""
    u = np.mod((x - low) / (high - low), 2.0)
    return low + (high - low) * (1 - np.abs(1 - u)), np.where(u < 1, 1.0, -1.0)


def passing(rng: Rng, t: Array) -> Array:
    """Return times relative to when an actor is in view.

    That is the middle of a clip, or any time of a longer video.
    """
    middle = float(t.mean()) if np.ptp(t) < 3 else rng.uniform(t.min(), t.max())
    return np.asarray(t - middle)


def ramp(t: Array, start: float, length: float) -> Array:
    """Rise smoothly from 0 at `start` to 1 at `start + length`."""
    u = np.clip((t - start) / length, 0, 1)
    return u * u * (3 - 2 * u)


# --- ordinary acts ---


def stroll(rng: Rng, scene: Scene, t: Array) -> Act:
    """One person walks across."""
    y = rng.uniform(*scene.walk)
    s = float(scene.scale(y))
    face, speed = rng.choice([-1.0, 1.0]), rng.uniform(0.035, 0.085) * s
    x = rng.uniform(0, 1) + face * speed * passing(rng, t)
    return Act(
        walker(t + rng.uniform(), x, y, s, look(rng), speed, face),
        y,
        centre(x, y - 0.1, t),
        "walk",
        1,
    )


def stand(rng: Rng, scene: Scene, t: Array) -> Act:
    """One person stands and moves a little."""
    x, y, s = spot(rng, scene)
    lean = 0.05 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * t + rng.uniform(0, 6))
    arm = rng.uniform(0, 1.2) + 0.15 * np.sin(3 * t)
    prims = person(
        x,
        y,
        FIGURE * s,
        look(rng),
        facing=rng.choice([-1.0, 1.0]),
        lean=lean,
        arms=(arm, 0.1 + 0 * t),
    )
    return Act(prims, y, centre(x, y - 0.1, t), "stand", 1)


def drive(rng: Rng, scene: Scene, t: Array) -> Act:
    """One car drives along a lane."""
    y, way = scene.lanes[rng.integers(len(scene.lanes))]
    s = float(scene.scale(y))
    x = rng.uniform(-0.1, 1.1) + way * rng.uniform(0.12, 0.32) * passing(rng, t)
    return Act(
        car(x, y, s, rng.uniform(0.08, 0.95, 3), facing=way),
        y,
        centre(x, y - 0.05, t),
        "drive",
        0,
        1,
    )


# --- look-alikes: normal, but near an anomaly ---


def _pair(
    rng: Rng, scene: Scene, t: Array, near: float
) -> tuple[float, float, float, Array, Look, Look]:
    x, y, s = spot(rng, scene)
    gap = (near + 0.3 * (1 - ramp(t, -1.2, 1.2))) * FIGURE * s
    return x, y, s, gap, look(rng), look(rng)


def hug(rng: Rng, scene: Scene, t: Array) -> Act:
    """Two people hug (look-alike of a fight)."""
    x, y, s, gap, a, b = _pair(rng, scene, t, 0.13)
    sway = 0.06 * np.sin(2 * np.pi * 0.4 * t)
    up = 1.25 * ramp(t, -0.8, 0.7)
    parts = [
        person(x - gap, y, FIGURE * s, a, facing=1.0, lean=0.08 + sway, arms=(up, 0.9 * up)),
        person(
            x + gap, y, FIGURE * s * 0.96, b, facing=-1.0, lean=0.08 - sway, arms=(0.9 * up, up)
        ),
    ]
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.12, t), "hug", 2)


def talk(rng: Rng, scene: Scene, t: Array) -> Act:
    """Two people talk with slow gestures (look-alike of a fight)."""
    x, y, s, gap, a, b = _pair(rng, scene, t, rng.uniform(0.22, 0.35))
    wave = 0.5 + 0.45 * np.sin(2 * np.pi * rng.uniform(0.4, 0.9) * t + rng.uniform(0, 6))
    parts = [
        person(x - gap, y, FIGURE * s, a, facing=1.0, arms=(wave, 0.1 + 0 * t)),
        person(x + gap, y, FIGURE * s, b, facing=-1.0, arms=(0.9 - wave, 0.2 + 0 * t)),
    ]
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.12, t), "talk", 2)


def bend(rng: Rng, scene: Scene, t: Array) -> Act:
    """A person bends down or crouches, and comes up again (look-alike of a fall)."""
    x, y, s = spot(rng, scene)
    cycle = np.clip(np.sin(2 * np.pi * rng.uniform(0.25, 0.4) * t + rng.uniform(0, 1.5)), 0, 1)
    low = rng.uniform(0.3, 1.0) if rng.random() < 0.5 else 0.1
    prims = person(
        x,
        y,
        FIGURE * s,
        look(rng),
        facing=rng.choice([-1.0, 1.0]),
        bend=1.5 * cycle,
        crouch=low * cycle,
        arms=(0.2 + 0.4 * cycle, 0.1 + 0.4 * cycle),
    )
    return Act(prims, y, centre(x, y - 0.1, t), "bend", 1)


def jog(rng: Rng, scene: Scene, t: Array) -> Act:
    """One to three people jog in the same direction (look-alike of a panic)."""
    face, speed, parts, depth = rng.choice([-1.0, 1.0]), rng.uniform(0.16, 0.24), [], 0.0
    count, start = int(rng.integers(1, 4)), rng.uniform(0.25, 0.75)
    lead: Array = t
    for index in range(count):
        y = rng.uniform(*scene.walk)
        s = float(scene.scale(y))
        x, way = bounce(start - face * 0.11 * index + face * speed * (t - t.mean()), -0.6, 1.6)
        parts.append(walker(t + rng.uniform(), x, y, s, look(rng), speed, face * way, 2.4))
        depth = max(depth, y)
        lead = x if index == 0 else lead
    return Act(np.concatenate(parts, 1), depth, centre(lead, depth - 0.1, t), "jog", count)


def pass_by(rng: Rng, scene: Scene, t: Array) -> Act:
    """Two cars pass each other in their own lanes, or queue (look-alike of a crash)."""
    x = spot(rng, scene)[0]
    (y1, w1), (y2, w2) = scene.lanes[0], scene.lanes[-1]
    speed, queue = rng.uniform(0.12, 0.26), rng.random() < 0.4
    if queue:
        s = float(scene.scale(y1))
        stop = speed * np.minimum(t, 0.0) * w1
        ys, ways = (y1, y1), (w1, w1)
        xs = (x + 0 * t, x - w1 * 2.25 * CAR * s + stop)
    else:
        xs, ys, ways = (x + w1 * speed * t, x + w2 * speed * t), (y1, y2), (w1, w2)
    parts = [
        car(a, b, float(scene.scale(b)), rng.uniform(0.08, 0.95, 3), facing=c)
        for a, b, c in zip(xs, ys, ways, strict=True)
    ]
    return Act(np.concatenate(parts, 1), max(ys), centre(x, y1 - 0.05, t), "pass_by", 0, 2)


def give_way(rng: Rng, scene: Scene, t: Array) -> Act:
    """A car waits for a person who crosses in front of it (look-alike of a hit)."""
    x = spot(rng, scene)[0]
    y, way = scene.lanes[rng.integers(len(scene.lanes))]
    s = float(scene.scale(y))
    cx = x - way * (CAR * s + 0.09) + way * 0.2 * np.minimum(t + 0.3, 0.0)
    walk = y + 0.05 - 0.06 * s * (t - t.mean())
    who = person(
        x, walk, FIGURE * s, look(rng), facing=rng.choice([-1.0, 1.0]), phase=10 * t, stride=0.5
    )
    parts = [car(cx, y, s, rng.uniform(0.08, 0.95, 3), facing=way), who]
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.08, t), "give_way", 1, 1)


def cloth(rng: Rng, scene: Scene, t: Array) -> Act:
    """An orange or red cloth waves in the wind (look-alike of a fire)."""
    x, y, s = spot(rng, scene)
    size, hue = (
        rng.uniform(0.06, 0.12) * s,
        np.array([rng.uniform(0.8, 1), rng.uniform(0.15, 0.6), 0.08]),
    )
    parts = [capsule(x - size, y + 0 * t, x - size, y - 2.4 * size, 0.012, (0.4, 0.4, 0.42))]
    for index in range(6):
        wave = 0.16 * size * np.sin(2 * np.pi * 0.9 * t - index * 0.9)
        parts.append(
            box(
                x - size + (index + 0.5) * 0.3 * size,
                y - 1.8 * size + wave,
                0.17 * size,
                0.0,
                0.55 * size,
                hue * (1 - 0.05 * (index % 2)),
            )
        )
    return Act(np.stack(parts, 1), y, centre(x, y - size, t), "cloth")


def steam(rng: Rng, scene: Scene, t: Array) -> Act:
    """White steam rises from a vent (look-alike of a fire)."""
    x, y, s = spot(rng, scene)
    cloud = puffs(rng, t, x, y, 0.055 * s, np.array([0.93, 0.94, 0.96]), alpha=0.45, rise=0.2)
    vent = rect(x - 0.03, y - 0.01, x + 0.03, y + 0.02, (0.25, 0.25, 0.27))[None].repeat(len(t), 0)
    return Act(np.concatenate([vent, cloud], 1), y, centre(x, y - 0.08, t), "steam")


def lamp(rng: Rng, scene: Scene, t: Array) -> Act:
    """A lamp is switched on and off again (look-alike of an explosion)."""
    x, y, s = spot(rng, scene)
    on = (np.mod(t + rng.uniform(0, 0.4), 1.3) < 0.8).astype(float)
    tall = 0.34 * s
    parts = [
        capsule(x + 0 * t, y, x, y - tall, 0.008, (0.3, 0.3, 0.32)),
        ellipse(x, y - tall, 0.1 * s, 0.1 * s, (1.0, 0.97, 0.8), 0.75 * on, 1.0),
        ellipse(x, y - tall, 0.022 * s, 0.022 * s, (0.95, 0.95, 0.85), 0.4 + 0.6 * on),
    ]
    return Act(np.stack(parts, 1), y, centre(x, y - tall / 2, t), "lamp", flash=0.05 * on)
