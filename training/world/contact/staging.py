"""Put people who have to do with each other into a place, and make an act of them.

Knows no cameras: people are turned at random, so that they are seen from all sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.world.acts import Act
from training.world.bodies.skeleton import J, joints
from training.world.contact.duel import Course, Start
from training.world.contact.melee import meddler, onlookers
from training.world.contact.players import Player, perform, show
from training.world.contact.tracks import Rng
from training.world.place import Place
from training.world.shapes import Array, Shapes

Maker = Callable[[Rng, Place, Array], Act]
Extra = Callable[[list[Array], Array], Shapes]


def start(rng: Rng, place: Place, room: float = 0.9) -> Start:
    """Draw where a fight is and how it begins."""
    x, y = place.spot(rng, room)
    far = rng.choice([rng.uniform(0.6, 1.2), rng.uniform(1.5, 3.0)])
    return Start(x, y, rng.uniform(-np.pi, np.pi), far, rng.uniform(0.8, 2.6), place.area)


def finish(
    players: Sequence[Player], t: Array, state: str, *, main: int = 2, extra: Extra | None = None
) -> Act:
    """Pose and draw the people of an act; the first `main` of them are what matters."""
    poses = perform(players, t)
    points = [
        joints(pose, one.mover.body.lengths, one.mover.body.scale)
        for pose, one in zip(poses, players, strict=True)
    ]
    chests = np.stack([point[:, J["chest"]] for point in points[:main]])
    where = chests.mean(0)
    reach = min(float(np.linalg.norm(chests - where, axis=-1).max(0).mean()), 2.5) + 0.7
    shapes = show(players, poses)
    if extra is not None:
        shapes = Shapes.join([shapes, extra(points, t)])
    return Act(shapes, state, where, reach, people=len(players), on=t >= 0)


def add_people(rng: Rng, place: Place, players: list[Player], way: Course, near: float) -> None:
    """Add somebody who pulls a fighter away and some who watch, sometimes."""
    if rng.random() < 0.16:
        who = int(rng.integers(2))
        players.append(meddler(rng, way, who, who))
    count = int(rng.choice([0, 0, 0, 1, 2, 3, 5]))
    middle = (way.first + way.second)[len(way.on) // 2] / 2
    players += onlookers(rng, place, middle[0], middle[1], count, near)
