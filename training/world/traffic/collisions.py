"""Act out accidents of vehicles: crashes into each other or into something, and skids.

Each act is `name(rng, place, t)`; the impact is at t = 0. Knows no pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.daily.things import at, block, rod, solid
from training.world.daily.things import axes as thing_axes
from training.world.fire import effects
from training.world.fire.effects import Smoke
from training.world.fire.sites import dark, wind
from training.world.place import Place
from training.world.shapes import Array, Shapes
from training.world.traffic.driven import Dent, car
from training.world.traffic.road import Track, pick, point, slide
from training.world.traffic.vehicles import Vehicle, random_car

Rng = np.random.Generator
GLASS = ((0.75, 0.8, 0.82), (0.12, 0.12, 0.13), (0.4, 0.4, 0.42), (0.6, 0.1, 0.08))


@dataclass(frozen=True)
class Push:
    """What an impact does: at `time` it gives a velocity (m/s, direction in radians) and a spin.

    `brake` in m/s^2 ends the slide; `spin` in radians is how far the vehicle turns meanwhile.
    """

    time: float
    speed: float
    way: float
    spin: float = 0.0
    brake: float = 6.0


@dataclass
class Wreck:
    """A vehicle in an accident.

    Until its first push it drives with `speed` along `heading` and is at (x, y) when the push
    comes. `hits` are angles of dents, their depths in metres and their times. `aside` (3,) is a
    change of lane before: how far to the left it came from, in how many seconds before the push,
    and how many seconds it takes.
    """

    look: Vehicle
    x: float
    y: float
    heading: float
    speed: float
    pushes: list[Push]
    hits: list[tuple[float, float, float]] = field(default_factory=list)
    braking: float = -0.3
    aside: tuple[float, float] = (0.0, 1.0)
    still_before: float = 1e9

    def moves(self, t: Array) -> tuple[Array, Array, Array]:
        """Return x, y and heading (frames,)."""
        first = self.pushes[0].time
        before = np.minimum(t - first, 0)
        far = self.speed * np.maximum(before, -self.still_before)
        off, seconds = self.aside
        u = np.clip(-before / seconds, 0, 1)
        side = off * u * u * (3 - 2 * u)
        slope = off * 6 * u * (1 - u) / seconds / max(self.speed, 1.0)
        c, s = np.cos(self.heading), np.sin(self.heading)
        x, y = self.x + far * c - side * s, self.y + far * s + side * c
        turn = self.heading - np.arctan(slope)
        for push in self.pushes:
            gone = slide(t - push.time, push.speed, push.brake)
            x, y = x + gone * np.cos(push.way), y + gone * np.sin(push.way)
            lasts = max(abs(push.speed) / push.brake, 0.5)
            u = np.clip((t - push.time) / lasts, 0, 1)
            turn = turn + push.spin * u * (2 - u)
        return x, y, turn

    def draw(self, t: Array, lit: float, eye: Array) -> Shapes:
        """Draw the vehicle; it dips and rocks after each impact."""
        x, y, turn = self.moves(t)
        dents, pitch, roll = [], 0.0 * t, 0.0 * t
        for angle, depth, time in self.hits:
            s = np.maximum(t - time, 0)
            dents.append(Dent(angle, depth * np.clip(s / 0.12, 0, 1)))
            rock = (
                min(0.22, 0.30 * depth) * np.exp(-s / 0.28) * np.sin(np.minimum(9 * s, np.pi * 6))
            )
            pitch, roll = pitch - rock * np.cos(angle), roll - rock * np.sin(angle)
        brake = ((t > self.braking) & (t < 1.5)).astype(float)
        lift = 2.0 * np.abs(pitch) + 0.8 * np.abs(roll)
        return car(self.look, x, y, turn, z=0.5 * lift, pitch=pitch, roll=roll, dents=dents,
                   braking=brake, lit=lit, eye=eye)  # fmt: skip


def crash(rng: Rng, place: Place, t: Array) -> Act:
    """Vehicles crash into each other or into something, and stay as wrecks."""
    makers = (_rear, _head_on, _from_side, _obstacle)
    maker = makers[int(rng.choice(4, p=[0.28, 0.24, 0.28, 0.20]))]
    way = pick(rng, place)
    spot = point(rng, way, 0.35)
    speed = float(np.clip(rng.uniform(0.5, 1.0) * way.seen / 1.2, 5.0, 14.0))
    wrecks, extra = maker(rng, way, spot, speed, len(t))
    return _accident(rng, place, t, wrecks, (*way.at(spot), 0.6), speed, extra)


def _accident(
    rng: Rng, place: Place, t: Array, wrecks: list[Wreck], hit: Any, speed: float,
    extra: Shapes | None = None, late: float = 0.0,
) -> Act:  # fmt: skip
    """Draw wrecks with dust, pieces, steam and smoke; the impact is at `late`, at the point hit."""
    lit = float(rng.uniform(0.5, 1)) if dark(place) else 0.0
    parts = [one.draw(t, lit, place.camera.eye) for one in wrecks]
    parts += [] if extra is None else [extra]
    parts.append(_bits(rng, place, t - late, hit, speed, wrecks[0]))
    x, y = (np.mean([one.moves(t)[k] for one in wrecks[:2]], 0) for k in (0, 1))
    parts.append(_fumes(rng, place, t - late, wrecks[0], t))
    where = np.stack([x, y, np.full(len(t), 0.7)], -1)
    reach = 2.2 * float(min(len(wrecks), 2)) ** 0.5
    return Act(Shapes.join(parts), "crash", where, reach, 0, len(wrecks), t >= 0)


def _bits(rng: Rng, place: Place, t: Array, hit: Any, speed: float, one: Wreck) -> Shapes:
    """Return the dust and the pieces that fly from an impact at t = 0."""
    c, s = np.cos(one.heading), np.sin(one.heading)
    hues = np.concatenate([GLASS, one.look.colours[one.look.painted][:1]])
    push = 0.35 * speed
    pieces = effects.debris(rng, t, hit, 34, 1.5 + 0.45 * speed, 0.13, hues,
                            (push * c, push * s, 1.0))  # fmt: skip
    grey = rng.uniform(0.35, 0.6)
    dust = effects.burst(
        rng, t, hit, rng.uniform(0.8, 1.9), colour=(grey, 0.96 * grey, 0.9 * grey), count=22,
        life=rng.uniform(1.0, 2.5), dense=rng.uniform(0.2, 0.55), way=(0.4 * c, 0.4 * s, 0.3),
        glow=0.1 * dark(place),
    )  # fmt: skip
    puffs = [dust]
    if rng.random() < 0.5:
        jet = (0.3 * speed * c, 0.3 * speed * s, 2.5)
        puffs.append(
            effects.spray(rng, t, hit, jet, spread=0.7, count=40, colour=(1.0, 0.8, 0.45), glow=1.0,
                          size=0.035, start=0.0, stop=0.25)
        )  # fmt: skip
    return Shapes.of(len(t), quads=pieces, puffs=np.concatenate(puffs, 1))


def _fumes(rng: Rng, place: Place, late: Array, one: Wreck, t: Array) -> Shapes:
    """Return the steam or smoke that comes out of a wreck's bonnet after the impact."""
    x, y, turn = one.moves(t)
    front = 0.36 * one.look.size[0]
    source = np.stack([x + front * np.cos(turn), y + front * np.sin(turn), 0.9 + 0 * x], -1)
    grey = float(rng.choice([0.12, 0.5, 0.85], p=[0.2, 0.3, 0.5]))
    kind = Smoke((grey, grey, grey), rng.uniform(0.5, 1.2), wind(rng, place), rng.uniform(2, 4),
                 rng.uniform(0.15, 0.4), 3.5, rng.uniform(0.15, 0.45), 36,
                 0.15 * dark(place))  # fmt: skip
    power = float(rng.random() < 0.65) * np.clip(late / 0.8, 0, 1) * (late > 0)
    start = float(t[0] - late[0]) + 0.1
    return Shapes.of(len(t), puffs=effects.smoke(rng, t, source, kind, power=power, start=start))


def _rear(
    rng: Rng, way: Track, spot: float, speed: float, frames: int
) -> tuple[list[Wreck], Shapes | None]:
    """A car runs into the one ahead, which stands or is slow; perhaps a third one follows."""
    del frames
    first, second = random_car(rng), random_car(rng)
    h, slow, aside = way.heading, float(rng.choice([0.0, 0.0, 2.5])), rng.uniform(-0.6, 0.6)
    x, y = way.at(spot - first.size[0] / 2, aside)
    after = 0.45 * (speed + slow)
    twist = rng.uniform(-0.9, 0.9)
    one = Wreck(first, float(x), float(y), h, speed, [Push(0, 0.8 * after, h, 0.7 * twist)],
                [(0.0, rng.uniform(0.35, 0.75), 0.0)])  # fmt: skip
    x, y = way.at(spot + second.size[0] / 2)
    two = Wreck(second, float(x), float(y), h, slow,
                [Push(0, 1.1 * after, h + 0.2 * twist, twist, 4.5)],
                [(np.pi, rng.uniform(0.3, 0.6), 0.0)], -9.0)  # fmt: skip
    if rng.random() < 0.65:
        return [one, two], None
    third, time = random_car(rng), rng.uniform(0.5, 1.3)
    reached = spot - first.size[0] + float(slide(np.array([time]), 0.8 * after, 6.0)[0])
    x, y = way.at(reached - third.size[0] / 2, rng.uniform(-0.6, 0.6))
    three = Wreck(third, float(x), float(y), h, 0.8 * speed,
                  [Push(time, 0.4 * after, h, rng.uniform(-0.5, 0.5))],
                  [(0.0, rng.uniform(0.2, 0.6), time)], time - 0.7)  # fmt: skip
    one.pushes.append(Push(time, 0.5 * after, h, rng.uniform(-0.5, 0.5)))
    one.hits.append((np.pi, rng.uniform(0.2, 0.5), time))
    return [one, two, three], None


def _head_on(
    rng: Rng, way: Track, spot: float, speed: float, frames: int
) -> tuple[list[Wreck], Shapes | None]:
    """Two cars crash into each other from opposite directions; one of them left its lane."""
    del frames
    out = []
    off, twist = rng.uniform(0.2, 1.1), rng.uniform(0.5, 2.2) * rng.choice([-1.0, 1.0])
    other = speed * rng.uniform(0.6, 1.0)
    for index, (turn, own) in enumerate(((0.0, speed), (np.pi, other))):
        look = random_car(rng)
        h = way.heading + turn
        sign = -1.0 if index else 1.0
        x, y = way.at(spot - sign * look.size[0] / 2, -0.5 * off * np.sign(twist) * sign)
        change = float(index) * rng.uniform(2.2, 3.5) * float(np.sign(twist))
        out.append(
            Wreck(look, float(x), float(y), h, own,
                  [Push(0, -0.18 * own, h, -twist * rng.uniform(0.4, 1.1), 2.5)],
                  [(0.0, rng.uniform(0.5, 0.9), 0.0)], aside=(change, rng.uniform(0.7, 1.2)))
        )  # fmt: skip
    return out, None


def _from_side(
    rng: Rng, way: Track, spot: float, speed: float, frames: int
) -> tuple[list[Wreck], Shapes | None]:
    """A car that comes out of a side road is hit in its side."""
    del frames
    first, second = random_car(rng), random_car(rng)
    h, side = way.heading, float(rng.choice([-1.0, 1.0]))
    x, y = way.at(spot - first.size[0] / 2)
    one = Wreck(first, float(x), float(y), h, speed,
                [Push(0, 0.45 * speed, h - 0.25 * side, -side * rng.uniform(0.2, 1.2))],
                [(0.0, rng.uniform(0.35, 0.75), 0.0)])  # fmt: skip
    turn = h + side * (np.pi / 2 + rng.uniform(-0.3, 0.3))
    along = rng.uniform(-0.9, 0.9)
    x, y = way.at(spot + second.size[1] / 2, -side * along)
    pace = rng.uniform(3.5, 6.5)
    two = Wreck(second, float(x), float(y), turn, pace,
                [Push(0, 0.6 * speed, h + 0.35 * side, side * rng.uniform(0.4, 2.0), 5.0)],
                [(side * np.pi / 2, rng.uniform(0.3, 0.6), 0.0)],
                still_before=rng.uniform(1.0, 2.0))  # fmt: skip
    return [one, two], None


def _obstacle(
    rng: Rng, way: Track, spot: float, speed: float, frames: int
) -> tuple[list[Wreck], Shapes | None]:
    """A car leaves its lane and runs into a post, a block of concrete or a parked car."""
    look, h = random_car(rng), way.heading
    side = float(rng.choice([-1.0, 1.0]))
    turn, aside = h + side * rng.uniform(0.15, 0.5), side * rng.uniform(1.0, 2.2)
    hx, hy = (float(v) for v in way.at(spot, aside))
    half = look.size[0] / 2
    one = Wreck(look, hx - half * np.cos(turn), hy - half * np.sin(turn), turn, speed,
                [Push(0, -0.15 * speed, turn, rng.uniform(-1.3, 1.3), 2.5)],
                [(rng.uniform(-0.35, 0.35), rng.uniform(0.6, 1.0), 0.0)],
                aside=(-side * rng.uniform(0.5, 1.5), rng.uniform(0.6, 1.0)))  # fmt: skip
    draw = rng.random()
    px, py = hx + 0.1 * np.cos(turn), hy + 0.1 * np.sin(turn)
    if draw < 0.4:
        top = at(frames, px, py, rng.uniform(2.5, 5))
        return [one], solid(capsules=[rod(at(frames, px, py, 0.0), top, 0.11, (0.35, 0.36, 0.36))])
    if draw < 0.65:
        middle = at(frames, px + 0.4 * np.cos(turn), py + 0.4 * np.sin(turn), 0.5)
        stone = block(middle, thing_axes(frames, turn), (1.2, 0.4, 0.5), (0.5, 0.5, 0.48))
        return [one], solid(quads=[stone])
    parked = random_car(rng)
    rear = parked.size[0] / 2
    two = Wreck(parked, hx + rear * np.cos(h), hy + rear * np.sin(h), h, 0.0,
                [Push(0, 0.35 * speed, h, side * rng.uniform(0.2, 0.9))],
                [(np.pi, rng.uniform(0.3, 0.6), 0.0)], 9.0)  # fmt: skip
    return [one, two], None


def skid(rng: Rng, place: Place, t: Array) -> Act:
    """A car loses its grip, spins with smoking tyres and runs into something."""
    way, look = pick(rng, place), random_car(rng)
    speed = float(np.clip(rng.uniform(0.6, 1.0) * way.seen / 1.3, 6, 14))
    spot, h = point(rng, way, 0.3) - 0.25 * way.seen, way.heading
    spin = rng.uniform(1.2, 4.5) * rng.choice([-1.0, 1.0])
    late, drift = rng.uniform(0.6, 1.1), rng.uniform(-0.25, 0.25)
    x, y = (float(v) for v in way.at(spot))
    full = Wreck(look, x, y, h, speed, [Push(0, speed, h + drift, spin, 6.5)])
    now = [float(v[0]) for v in full.moves(np.array([late]))]
    side = h + drift - now[2]
    full.hits.append((side, rng.uniform(0.2, 0.6), late))
    half = 0.5 * (look.size[0] * abs(np.cos(side)) + look.size[1] * abs(np.sin(side)))
    left = max(speed - 6.5 * late, 0.0)
    full.pushes.append(Push(late, -0.9 * left, h + drift, rng.uniform(-0.6, 0.6), 6.5))
    hit = np.array([now[0] + half * np.cos(h + drift), now[1] + half * np.sin(h + drift), 0.6])
    far = at(len(t), hit[0] + 0.35 * np.cos(h + drift), hit[1] + 0.35 * np.sin(h + drift), 0.45)
    wall = block(far, thing_axes(len(t), h + drift), (1.6, 0.3, 0.45), (0.5, 0.5, 0.48))
    act = _accident(rng, place, t, [full], hit, left + 3, solid(quads=[wall]), late)
    tyres = _tyres(rng, t, full)
    return Act(Shapes.join([act.shapes, tyres]), "crash", act.where, 2.6, 0, 1, t >= 0)


def _tyres(rng: Rng, t: Array, one: Wreck) -> Shapes:
    """Return the smoke of tyres that slide."""
    x, y, _ = one.moves(t)
    source = np.stack([x, y, 0.15 + 0 * x], -1)
    kind = Smoke((0.7, 0.7, 0.72), 0.25, (0.0, 0.0), 1.6, 0.5, 2.2, 0.35, 30)
    power = ((t > 0) & (t < 2.6)).astype(float)
    return Shapes.of(len(t), puffs=effects.smoke(rng, t, source, kind, power=power, stop=1.1))
