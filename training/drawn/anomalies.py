"""Define the anomalies, also those that are never rendered in training.

Each is made of actors over time. Knows no camera and no text. For the arguments of an act see
`training.drawn.acts`.
"""

from __future__ import annotations

import numpy as np

from training.drawn.actors import CAR, FIGURE, car, debris, flames, look, person, puffs
from training.drawn.acts import Act, _pair, bounce, centre, ramp, spot
from training.drawn.draw import Array, box, ellipse, rect
from training.drawn.scenes import Rng, Scene

# --- anomalies ---


def fight(rng: Rng, scene: Scene, t: Array) -> Act:
    """Two people hit each other."""
    x, y, s, gap, a, b = _pair(rng, scene, t, 0.17)
    on = ramp(t, -0.1, 0.15)
    beat = [rng.uniform(0, 6) for _ in range(5)]
    rate = rng.uniform(2.1, 3.4)
    gap = gap + on * 0.07 * FIGURE * s * np.sin(2 * np.pi * rate * 0.5 * t + beat[0])
    drift = on * 0.05 * s * np.sin(2 * np.pi * 0.6 * t + beat[1])

    def punch(phase: float) -> Array:
        return on * (1.25 + 0.85 * np.sin(2 * np.pi * rate * t + phase)) + 0.1

    parts = []
    for who, side, p in ((a, -1.0, beat[2]), (b, 1.0, beat[3])):
        lean = on * (0.18 + 0.32 * np.sin(2 * np.pi * rate * 0.7 * t + p))
        parts.append(
            person(
                x + drift + side * gap,
                y,
                FIGURE * s,
                who,
                facing=-side,
                lean=lean,
                stride=0.9 * on,
                phase=9 * t + p,
                arms=(punch(p), punch(p + 2.6)),
            )
        )
    return Act(np.concatenate(parts, 1), y, centre(x + drift, y - 0.12, t), "fight", 2)


def fall(rng: Rng, scene: Scene, t: Array) -> Act:
    """A walking person falls and stays on the ground."""
    x, y, s = spot(rng, scene, 0.15)
    face = 1.0 if x < 0.35 else -1.0 if x > 0.65 else float(rng.choice([-1.0, 1.0]))
    down = ramp(t, 0.0, 0.45)
    speed = 0.07 * s
    path = x - face * 0.1 * s + face * speed * np.minimum(t, 0.0)
    twitch = 0.1 * down * np.sin(2 * np.pi * 0.8 * t + rng.uniform(0, 6))
    prims = person(
        path,
        y,
        FIGURE * s,
        look(rng),
        facing=face,
        phase=2 * np.pi * 1.6 * t,
        stride=0.6 * (1 - down),
        lean=1.52 * down,
        bend=twitch,
        arms=(0.4 + 2.2 * down, 0.2 + 1.2 * down + twitch),
    )
    return Act(
        prims, y, centre(path + face * 0.1 * s * down, y - 0.1 * (1 - down) - 0.02, t), "fall", 1
    )


def panic(rng: Rng, scene: Scene, t: Array) -> Act:
    """A group of people runs in all directions."""
    x, y, _ = spot(rng, scene)
    parts, depth, count = [], 0.0, int(rng.integers(4, 7))
    for index in range(count):
        angle = 2 * np.pi * (index + rng.uniform(-0.3, 0.3)) / count
        speed = rng.uniform(0.36, 0.5)
        go = np.maximum(t - rng.uniform(0, 0.25), 0.0) * speed
        px, face = bounce(x + 0.04 * np.cos(angle) + go * np.cos(angle), 0.03, 0.97)
        py, _ = bounce(np.clip(y, *scene.walk) + go * 0.55 * np.sin(angle) + 0 * t, *scene.walk)
        face = face * (1.0 if np.cos(angle) >= 0 else -1.0)
        run = (t > 0).astype(float)
        up = 1.9 + 0.8 * np.sin(2 * np.pi * 2.3 * t + index)
        parts.append(
            person(
                px,
                py,
                FIGURE * scene.scale(py),
                look(rng),
                facing=face,
                phase=2 * np.pi * 2.9 * t + index,
                stride=1.3 * run,
                lean=0.3 * run,
                arms=(up * run, (4.2 - up) * run * 0.6),
            )
        )
        depth = max(depth, float(py.max()))
    return Act(np.concatenate(parts, 1), depth, centre(x, y - 0.1, t), "panic", count)


def crash(rng: Rng, scene: Scene, t: Array) -> Act:
    """Two cars collide and stop at an angle, smoking."""
    x = spot(rng, scene, 0.2)[0]
    y, _way = scene.lanes[rng.integers(len(scene.lanes))]
    s, speed = float(scene.scale(y)), rng.uniform(0.28, 0.42)
    before, hit, parts = np.minimum(t, 0.0), ramp(t, 0.0, 0.25), []
    for side in (-1.0, 1.0):
        cx = x + side * (CAR * s * 0.9 - before * speed + 0.03 * hit)
        turn = rng.uniform(0.22, 0.5) * rng.choice([-1.0, 1.0]) * hit
        parts.append(
            car(
                cx,
                y + side * 0.012 - 0.02 * np.abs(turn),
                s,
                rng.uniform(0.08, 0.95, 3),
                facing=-side,
                angle=turn,
                squash=hit,
            )
        )
    parts.append(
        puffs(
            rng,
            t,
            x,
            y - 0.05 * s,
            0.06 * s * ramp(t, 0.0, 0.5),
            np.array([0.45, 0.45, 0.46]),
            alpha=0.6,
        )
    )
    parts.append(debris(rng, t, x, y - 0.04, 8))
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.05, t), "crash", 0, 2)


def hit(rng: Rng, scene: Scene, t: Array) -> Act:
    """A car knocks a person down."""
    x = spot(rng, scene, 0.2)[0]
    y, way = scene.lanes[rng.integers(len(scene.lanes))]
    s, speed = float(scene.scale(y)), rng.uniform(0.3, 0.42)
    after = np.maximum(t, 0.0)
    slide = 0.22 * s * (1 - np.exp(-3.5 * after))
    cx = x - way * (CAR * s + 0.01) + way * speed * np.minimum(t, 0.0) + way * 0.35 * slide
    up = 0.32 * np.clip(after, 0, 0.55) * (0.55 - np.clip(after, 0, 0.55)) * 4 * s
    turn = np.clip(after / 0.55, 0, 1) * 1.55
    who = person(
        x + way * slide,
        y + 0.015 - up,
        FIGURE * s,
        look(rng),
        facing=way,
        lean=turn,
        phase=8 * t,
        stride=0.5 * (t < 0),
        arms=(0.3 + 1.9 * (t > 0), 0.2 + 1.3 * (t > 0)),
    )
    parts = [
        car(
            cx,
            y,
            s,
            rng.uniform(0.08, 0.95, 3),
            facing=way,
            angle=-0.06 * way * (t > 0) * (t < 0.6),
        ),
        who,
    ]
    return Act(np.concatenate(parts, 1), y, centre(x + way * slide * 0.5, y - 0.05, t), "hit", 1, 1)


def fire(rng: Rng, scene: Scene, t: Array) -> Act:
    """Something burns: flames and dark smoke."""
    x, y, s = spot(rng, scene)
    grow = ramp(t, -0.05, 0.5) * rng.uniform(0.11, 0.2) * s
    dark = np.full(3, rng.uniform(0.12, 0.35))
    smoke = puffs(rng, t, x, y - 0.1 * s, 0.075 * s * ramp(t, 0.0, 0.7), dark, rise=0.3)
    what = box(x + 0 * t, y - 0.02, 0.05 * s, 0.0, 0.025 * s, (0.15, 0.12, 0.1))[:, None]
    return Act(
        np.concatenate([what, smoke, flames(rng, t, x, y, grow)], 1),
        y,
        centre(x, y - 0.08, t),
        "fire",
    )


def explosion(rng: Rng, scene: Scene, t: Array) -> Act:
    """A bright flash, a ball of fire and debris, again about every second."""
    x, y, s = spot(rng, scene)
    age = np.where(t < 0, -1.0, np.mod(np.maximum(t, 0.0), 1.1))
    on = (t >= 0).astype(float)
    ball = 0.05 + 0.2 * s * (1 - np.exp(-5 * np.maximum(age, 0)))
    fade = on * np.exp(-2.6 * np.maximum(age, 0))
    smoke = puffs(
        rng, t, x, y - 0.08, 0.11 * s * ramp(t, 0.1, 0.6), np.full(3, 0.25), rise=0.3, count=6
    )
    blast = np.stack(
        [
            ellipse(x, y - 0.08 * s, 1.5 * ball, 1.4 * ball, (1.0, 0.85, 0.5), 0.7 * fade, 1.0),
            ellipse(x, y - 0.08 * s, ball, ball, (1.0, 0.5, 0.1), 0.9 * fade, 0.5),
            ellipse(x, y - 0.08 * s, 0.6 * ball, 0.6 * ball, (1.0, 0.96, 0.75), fade, 0.4),
        ],
        1,
    )
    pieces = debris(rng, np.where(t < 0, -1.0, age), x, y - 0.05, 9, 0.6)
    return Act(
        np.concatenate([smoke, blast, pieces], 1),
        y,
        centre(x, y - 0.1, t),
        "explosion",
        flash=0.5 * on * np.exp(-9 * np.maximum(age, 0)),
    )


# --- anomaly types that are never rendered in training ---


def skid(rng: Rng, scene: Scene, t: Array) -> Act:
    """A car loses its grip and spins."""
    x = spot(rng, scene, 0.2)[0]
    y, way = scene.lanes[rng.integers(len(scene.lanes))]
    s, after = float(scene.scale(y)), np.maximum(t, 0.0)
    spin = way * rng.uniform(2.5, 4.0) * after
    cx, _ = bounce(x + way * 0.3 * np.minimum(t, 0.0) + way * 0.12 * np.sin(1.3 * after), 0.1, 0.9)
    cy = y - 0.06 * s * np.abs(np.sin(1.9 * after))
    dust = puffs(rng, t, x, y, 0.06 * s * ramp(t, 0, 0.4), np.array([0.75, 0.72, 0.68]), rise=0.08)
    prims = np.concatenate(
        [car(cx, cy, s, rng.uniform(0.08, 0.95, 3), facing=way, angle=spin), dust], 1
    )
    return Act(prims, y, centre(cx, y - 0.05, t), "skid", 0, 1)


def collapse(rng: Rng, scene: Scene, t: Array) -> Act:
    """A tall stack of boxes topples again and again, in dust."""
    x, y, s = spot(rng, scene, 0.15)
    side, parts = rng.choice([-1.0, 1.0]), []
    for index in range(6):
        age = np.clip(t - 0.12 * (5 - index), 0.0, 0.9)
        height = (index + 0.5) * 0.06 * s
        dx, dy = side * 0.24 * s * age * (0.5 + 0.12 * index), np.minimum(height, 1.1 * age**2)
        angle = side * 2.6 * age
        half = 0.032 * s
        parts.append(
            box(
                x + dx,
                y - height + dy,
                half * np.cos(angle),
                half * np.sin(angle),
                0.027 * s,
                np.array([0.62, 0.45, 0.25]) * rng.uniform(0.6, 1.2),
            )
        )
    dust = puffs(
        rng,
        t,
        x + side * 0.1,
        y,
        0.08 * s * ramp(t, 0.2, 0.5),
        np.array([0.7, 0.66, 0.6]),
        rise=0.1,
    )
    prims = np.concatenate([np.stack(parts, 1), dust], 1)
    return Act(prims, y, centre(x + side * 0.08, y - 0.08, t), "collapse")


def shooting(rng: Rng, scene: Scene, t: Array) -> Act:
    """A person fires a gun with muzzle flashes; another person falls."""
    x, y, s = spot(rng, scene, 0.2)
    face = 1.0 if x < 0.5 else -1.0
    h = FIGURE * s
    aim = 1.57 * ramp(t, -0.5, 0.4)
    shot = (t >= 0) * (np.mod(t, 0.5) < 0.22)
    arm_x, arm_y = x + face * 0.34 * h, y - 0.8 * h
    down = ramp(t, 0.1, 0.4)
    parts = [
        person(x, y, h, look(rng), facing=face, arms=(aim, 0.9 * aim)),
        person(
            x + face * 0.3 * s,
            y,
            h,
            look(rng),
            facing=face,
            lean=1.5 * down,
            arms=(0.2 + 2 * down, 0.3 + down),
        ),
        box(arm_x, arm_y, 0.02 * s, 0.0, 0.006, (0.05, 0.05, 0.05))[:, None].repeat(len(t), 0),
        ellipse(arm_x + face * 0.06 * s, arm_y, 0.055 * s, 0.04 * s, (1.0, 0.9, 0.5), shot, 0.7)[
            :, None
        ],
    ]
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.1, t), "shooting", 2, flash=0.06 * shot)


def climb(rng: Rng, scene: Scene, t: Array) -> Act:
    """A person climbs a wall (rendered only for the last table of the card)."""
    x, y, s = spot(rng, scene, 0.15)
    h, rise = FIGURE * s, np.clip(0.5 + 0.5 * np.sin(1.1 * np.maximum(t, 0) - 1.57), 0, 1)
    wall = rect(x - 0.12, y - 1.9 * h, x + 0.12, y - 0.01, (0.5, 0.42, 0.36))[None].repeat(
        len(t), 0
    )
    reach = 2.6 + 0.5 * np.sin(2 * np.pi * 1.4 * t)
    who = person(
        x,
        y - 1.2 * h * rise,
        h,
        look(rng),
        phase=2 * np.pi * 1.4 * t,
        stride=0.9,
        crouch=0.4,
        arms=(reach, 5.4 - reach),
    )
    return Act(np.concatenate([wall, who], 1), y, centre(x, y - h, t), "climb", 1)


def snatch(rng: Rng, scene: Scene, t: Array) -> Act:
    """A person grabs a bag and runs, its owner follows (only for the last table of the card)."""
    x, y, s = spot(rng, scene, 0.15)
    face, after, h = rng.choice([-1.0, 1.0]), np.maximum(t, 0.0), FIGURE * s
    ahead, way1 = bounce(x + face * (0.05 + 0.42 * after), 0.04, 0.96)
    chase, way2 = bounce(x + face * 0.33 * np.maximum(after - 0.25, 0), 0.04, 0.96)
    run = 1.3 * (t > 0)
    parts = [
        person(
            ahead, y, h, look(rng), facing=face * way1, phase=18 * t, stride=run, lean=0.3 * (t > 0)
        ),
        person(
            chase,
            y + 0.01,
            h,
            look(rng),
            facing=face * way2,
            phase=16 * t,
            stride=run,
            lean=0.35 * (t > 0),
            arms=(1.7 + 0.3 * np.sin(15 * t), 1.4 + 0 * t),
        ),
        box(ahead, y - 0.45 * h, 0.02, 0.0, 0.018, (0.7, 0.1, 0.15))[:, None],
    ]
    return Act(np.concatenate(parts, 1), y, centre(x, y - 0.1, t), "snatch", 2)
