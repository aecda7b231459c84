"""Draw groups of people close together who do not fight: look-alikes of fights.

Every maker is `name(rng, place, t) -> Act` with t (frames,) seconds since the onset. Knows no
cameras: people are turned at random, so that they are seen from all sides.
"""

from __future__ import annotations

import numpy as np

from training.world.acts import Act
from training.world.bodies.motion import faster, library
from training.world.bodies.motion import play as played
from training.world.bodies.skeleton import J, Pose, mirror, move, turn
from training.world.contact.company import beats, gestures, meeting, person, turn_to, turns
from training.world.contact.hands import GUARD, hand
from training.world.contact.players import Down, Player
from training.world.contact.staging import finish
from training.world.contact.tools import box, colour
from training.world.contact.tracks import GRID, STEP, Rng, ease, ramp, wander
from training.world.daily.space import free
from training.world.place import Place
from training.world.shapes import Array, Shapes


def _ring(rng: Rng, x: float, y: float, count: int, radius: float) -> Array:
    """Draw places (count, 2) around a point."""
    angle = (
        rng.uniform(-np.pi, np.pi)
        + 2 * np.pi * (np.arange(count) + rng.uniform(-0.2, 0.2, count)) / count
    )
    far = radius * rng.uniform(0.85, 1.2, count)
    return np.stack([x + far * np.cos(angle), y + far * np.sin(angle)], -1)


def talk(rng: Rng, place: Place, t: Array) -> Act:
    """Two to six people stand close together, talk and gesture, calmly or lively."""
    x, y = place.spot(rng, 0.9)
    count = int(rng.choice([2, 2, 3, 4, 6]))
    spots = _ring(rng, x, y, count, rng.uniform(0.36, 0.5) + 0.09 * (count - 2))
    energy = rng.uniform(0, 1)
    players = []
    for k, spot in enumerate(spots):
        comes = rng.choice([0.0, rng.uniform(1.0, 2.0)], p=[0.8, 0.2]) if k else 0.0
        away = ease(np.minimum(comes, np.maximum(0.0, -GRID - rng.uniform(-1, 1))), 0.3)[:, None]
        path = spot + away * (spot - [x, y]) / np.hypot(*(spot - [x, y])) + 0.0
        look = turn_to(path, (x, y)) + ease(rng.normal(0, 0.4) * beats(rng, 0.4), 0.3)
        hands = gestures(rng, energy * rng.uniform(0.3, 1))
        near = int((k + 1) % count)
        if rng.random() < 0.15:
            touch = beats(rng, 0.4)
            hands = (
                hands[0],
                hand(GUARD, touch, touch, str(rng.choice(["back", "l_shoulder", "l_elbow"]))),
            )
        players.append(person(rng, path, look, hands, other=near, lively=0.6 + energy))
    return finish(players, t, "talk", main=count)


def _recorded_dance(rng: Rng, x: float, y: float) -> Player:
    """Draw somebody who dances as recorded, again and again."""
    name = str(rng.choice(["dance_a", "dance_b", "dance_spin"]))
    clip, turned = faster(library()[name], rng.uniform(0.7, 1.15)), rng.uniform(-np.pi, np.pi)
    offset, flip = rng.uniform(0, 20), rng.random() < 0.5

    def pose(t: Array) -> Pose:
        u = np.mod(t + offset, 2 * clip.seconds)
        pose = played(clip, np.minimum(u, 2 * clip.seconds - u))
        pose = mirror(pose) if flip else pose
        centre = clip.root[:, :2].mean(0) * [-1.0 if flip else 1.0, 1.0]
        return move(turn(move(pose, -centre[0], -centre[1]), turned), x, y)

    base = person(rng, (x, y), turned, (hand(), hand()))
    return Player(base.mover, base.hands, down=Down(-99.0, pose, np.zeros(len(GRID))))


def dance(rng: Rng, place: Place, t: Array) -> Act:
    """People dance: one, several, or two who hold each other."""
    x, y = place.spot(rng, 0.9)
    rate = rng.uniform(1.3, 2.3)
    if rng.random() < 0.3:
        return finish(_couple(rng, x, y, rate), t, "dance")
    count = int(rng.choice([1, 2, 3, 5]))
    spots = _ring(rng, x, y, count, 0.0 if count == 1 else rng.uniform(0.5, 0.8))
    recorded = rng.random() < 0.4
    players = [
        _recorded_dance(rng, spot[0], spot[1]) if recorded else _dancer(rng, x, y, spot, rate)
        for spot in spots
    ]
    return finish(players, t, "dance", main=count)


def _dancer(rng: Rng, x: float, y: float, spot: Array, rate: float) -> Player:
    beat = 2 * np.pi * rate * GRID + rng.normal(0, 0.3)
    size = rng.uniform(0.5, 1.3) * (0.4 + 0.6 * beats(rng, 0.8))
    hands = []
    high = rng.uniform(-0.1, 0.5)
    for side in range(2):
        lag = rng.uniform(0, 1.5) + side * rng.choice([0.0, np.pi])
        own = (
            0.22 + 0.12 * size * np.sin(beat / 2 + lag), 0.25 + 0.1 * size * np.cos(beat / 2 + lag),
            high + 0.2 * size * np.sin(beat / 2 + lag) + wander(rng, 2.5, 0.1),
        )  # fmt: skip
        hands.append(hand(own, 1.0))
    step = 0.12 * size * np.sin(beat / 2)
    look = turn_to(spot, (x + 1e-3, y)) + wander(rng, 3.0, 0.5)
    return person(
        rng, spot + step[:, None] * np.stack([np.cos(look), np.sin(look)], -1), look,
        (hands[0], hands[1]), drop=0.07 * size * (1 + np.sin(beat)),
        side=0.14 * size * np.sin(beat / 2), twist=0.35 * size * np.sin(beat / 2 + 1),
        lean=0.08 * size * np.sin(beat), quick=0.3,
    )  # fmt: skip


def _couple(rng: Rng, x: float, y: float, rate: float) -> list[Player]:
    beat = 2 * np.pi * rate * GRID
    gap = rng.uniform(0.42, 0.75) + 0.06 * np.sin(beat / 2)
    spin = rng.choice([-1, 1]) * rng.uniform(0.2, 0.8) + wander(rng, 3.0, 0.6)
    places = meeting(rng, x, y, gap, far=0.0, speed=1.0, spin=spin)
    looks, players = turns(places), []
    for who in range(2):
        hands = (
            hand((0.4, 0.25, 0.15 + 0.05 * np.sin(beat / 2)), 1.0, 0.0 if who else 1.0, "r_hand"),
            hand(GUARD, 1.0, 1.0, "back" if not who else "l_shoulder"),
        )
        if who:
            hands = hand((0.1, 0.3, 0.15), 1.0, 1.0, "r_shoulder"), hand((0.42, 0.2, 0.12), 1.0)
        players.append(
            person(rng, places[who], looks[who], hands, other=1 - who,
                   drop=0.04 * (1 + np.sin(beat)), side=0.1 * np.sin(beat / 2), quick=0.32)
        )  # fmt: skip
    return players


def play(rng: Rng, place: Place, t: Array) -> Act:
    """Children run around, chase and touch each other."""
    x, y = place.spot(rng, 1.2)
    count = int(rng.choice([2, 2, 3, 4]))
    radius = rng.uniform(0.5, 1.3)
    speed = rng.uniform(0.8, 2.6) * np.clip(0.75 + wander(rng, 1.7, 0.6), -1.0, 1.5)
    angle = np.cumsum(speed / radius) * STEP
    players = []
    child = rng.random() < 0.8
    for k in range(count):
        lag = rng.uniform(0.5, 1.2) if count == 2 else 2 * np.pi * k / count
        mine = angle + k * lag + wander(rng, 1.2, 0.3)
        far = radius * (0.9 + wander(rng, 1.5, 0.25))
        spot = np.stack([x + far * np.cos(mine), y + far * np.sin(mine)], -1)
        spot = np.stack([ease(spot[:, c], 0.15) for c in range(2)], -1)
        step = np.gradient(spot, axis=0) + 1e-6
        fast = np.clip(np.hypot(*step.T) / STEP / 1.5, 0, 1)
        look = ease(np.unwrap(np.arctan2(-step[:, 0], step[:, 1])), 0.2)
        touch = beats(rng, 0.45, 0.3, 1.0)
        own = [v + wander(rng, 0.7, 0.12) for v in (0.2, 0.3, 0.15)]
        hands = [hand(own, touch * m, touch * m, "back") for m in (rng.choice([0, 1]), 1)]
        players.append(
            person(
                rng, spot, look, (hands[0], hands[1]), other=(k + 1) % count, child=child,
                lean=0.1 + 0.2 * fast, drop=0.04 * np.abs(wander(rng, 0.6)),
                twist=wander(rng, 0.7, 0.2), lively=1.6, quick=0.3,
            )
        )  # fmt: skip
    return finish(players, t, "play", main=count)


def line_up(rng: Rng, place: Place, t: Array) -> Act:
    """Three to six people wait one behind the other and move up now and then."""
    x, y = place.spot(rng, 1.0)
    count = int(rng.integers(3, 7))
    angle, gap = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 0.85)
    along, aside = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    moves = np.cumsum(rng.uniform(3, 9, 12)) + rng.uniform(-20, -12)
    players = []
    for k in range(count):
        late = 0.5 * k + rng.uniform(0, 0.4)
        up = sum(ramp(m + late, 0.9) for m in moves if m < 0) - sum(m < -0.5 for m in moves)
        up = up + ramp(rng.uniform(0.2, 3.0) + late, 0.9)
        middle = (count - 1) / 2 - k
        spot = np.array([x, y]) + along * gap * (middle + 0.5 * (up - 0.5))[:, None]
        spot = spot + aside * (rng.normal(0, 0.08) + wander(rng, 4.0, 0.05))[:, None]
        look = (
            angle
            - np.pi / 2
            + rng.normal(0, 0.25)
            + rng.choice([0, 0, 0, 1]) * wander(rng, 3.0, 0.9)
        )
        players.append(person(rng, spot, look, gestures(rng, rng.uniform(0, 0.4))))
    return finish(players, t, "queue", main=count)


def throng(rng: Rng, place: Place, t: Array) -> Act:
    """Four to nine people stand close together, shift and let each other pass."""
    x, y = place.spot(rng, 1.2)
    count = int(rng.integers(4, 10))
    spots = np.array([x, y]) + rng.normal(0, 0.28 + 0.06 * count, (count, 2))
    for _ in range(12):
        step = spots[:, None] - spots[None]
        far = np.hypot(step[..., 0], step[..., 1]) + np.eye(count)
        push = np.maximum(0, 0.5 - far)[..., None] * step / np.maximum(far, 0.05)[..., None]
        spots = spots + 0.35 * push.sum(1)
    way, sway = rng.uniform(-np.pi, np.pi), rng.choice([0.0, 0.05]) * wander(rng, 2.0)
    players = []
    for spot in spots:
        if not free(place, spot[None], 0.15)[0]:
            continue
        restless = rng.choice([0.03, 0.12, 0.25])
        path = spot + np.stack([wander(rng, 2.5, restless) + sway for _ in range(2)], -1)
        look = way + rng.normal(0, 0.6) + wander(rng, 4.0, 0.4)
        players.append(person(rng, path, look, gestures(rng, rng.uniform(0, 0.6)), side=3 * sway))
    players = players or [person(rng, (x, y), way)]
    return finish(players, t, "crowd", main=len(players))


def cheer(rng: Rng, place: Place, t: Array) -> Act:
    """One to six people clap, jump and throw their arms up."""
    x, y = place.spot(rng, 1.0)
    count = int(rng.choice([1, 2, 3, 4, 6]))
    spots = _ring(rng, x, y, count, 0.0 if count == 1 else 0.35 + 0.12 * count)
    players, way = [], rng.uniform(-np.pi, np.pi)
    together = rng.random() < 0.5
    for spot in spots:
        look = way + rng.normal(0, 0.3) if together else turn_to(spot, (x + 1e-3, y))
        up, clap = beats(rng, 0.5), beats(rng, 0.5)
        beat = 2 * np.pi * rng.uniform(1.8, 4.0) * GRID + rng.uniform(0, 6)
        wave = 0.5 + 0.5 * np.sin(beat)
        hands = [
            hand(
                (0.02 + 0.18 * wave * (1 - up) + up * 0.2, 0.33 - 0.15 * up,
                 0.05 + up * (0.5 + 0.12 * np.sin(beat / 2)) + wander(rng, 1.0, 0.04)),
                np.maximum(up, clap),
            )
            for _ in range(2)
        ]  # fmt: skip
        hop = up * rng.choice([0.0, 1.0]) * np.maximum(np.sin(beat / 2), 0)
        players.append(
            person(rng, spot, look, (hands[0], hands[1]), drop=0.09 * (1 - np.cos(beat / 2)) * hop,
                   lean=-0.05 * up, twist=up * wander(rng, 1.0, 0.15))
        )  # fmt: skip
    return finish(players, t, "cheer", main=count)


def photo(rng: Rng, place: Place, t: Array) -> Act:
    """One person takes pictures of others, who stand arm in arm."""
    x, y = place.spot(rng, 1.0)
    count = int(rng.integers(1, 5))
    angle, far = rng.uniform(-np.pi, np.pi), rng.uniform(1.1, 2.0)
    along, aside = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    camera = np.array([x, y]) - along * far / 2
    arms = (hand((-0.02, 0.45, 0.18), 1.0), hand((-0.02, 0.45, 0.19), 1.0))
    look = turn_to(camera, (x, y))
    bent = rng.choice([0.0, 0.3]) * beats(rng, 0.5)
    moves = 0.2 * np.stack([wander(rng, 4.0), wander(rng, 4.0)], -1)
    taker = person(rng, camera + moves, look, arms,
                   drop=bent, lean=0.4 * bent)  # fmt: skip
    players = [taker]
    for k in range(count):
        spot = (
            np.array([x, y])
            + along * far / 2
            + aside * (k - (count - 1) / 2) * rng.uniform(0.42, 0.55)
        )
        other = k + 2 if k + 1 < count else k
        idle = gestures(rng, rng.uniform(0, 0.5))
        hands = (
            idle
            if count == 1
            else (idle[0], hand(GUARD, 0.9, 0.9, str(rng.choice(["back", "l_shoulder"]))))
        )
        players.append(person(rng, spot, turn_to(spot, camera), hands, other=max(other, 1)))

    hue = colour(rng)

    def phone(points: list[Array], t: Array) -> Shapes:
        grip = 0.5 * (points[0][:, J["l_hand"]] + points[0][:, J["r_hand"]])
        ahead = points[0][:, J["r_hand"]] - points[0][:, J["r_shoulder"]]
        return box(grip + np.array([0.0, 0.0, 0.06]), ahead, (0.09, 0.01, 0.05), hue)

    return finish(players, t, "photo", main=count + 1, extra=phone)


def squeeze(rng: Rng, place: Place, t: Array) -> Act:
    """Two or three people meet in a narrow way, turn sideways and pass each other."""
    x, y = place.spot(rng, 0.9)
    angle = rng.uniform(-np.pi, np.pi)
    along, aside = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    players = []
    for k in range(int(rng.choice([2, 2, 3]))):
        sense, speed = (1 if k % 2 else -1), rng.uniform(0.4, 1.1)
        begin, period = rng.uniform(0.3, 1.0), 2 * rng.uniform(3.5, 5.0)
        saw = np.abs(np.mod(GRID - begin + period / 2, period) - period / 2) - period / 4
        way = ease(sense * speed * saw, 0.3)
        near = np.exp(-((way / 0.45) ** 2))
        spot = (
            np.array([x, y]) + way[:, None] * along + (sense * (0.12 + 0.1 * near))[:, None] * aside
        )
        step = np.gradient(way)
        look = ease(np.where(step >= 0, angle - np.pi / 2, angle + np.pi / 2), 0.3)
        look = look + sense * 0.9 * near
        touch = near * rng.choice([0.0, 0.8])
        hands = (
            hand((0.1, 0.25, -0.05), 0.6 * near),
            hand((0.1, 0.3, 0.0), near, touch, "r_elbow"),
        )
        players.append(person(rng, spot, look, hands, other=0 if k else 1, side=0.1 * near))
    return finish(players, t, "squeeze")
