"""Put one person into a place: who it is, how it walks, stands and sits there.

Knows no acts. Metres, seconds and radians; times are (frames,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.world.acts import Act
from training.world.bodies import body, motion
from training.world.bodies.body import Body
from training.world.bodies.skeleton import J, Pose, blend, joints, mirror, move, turn
from training.world.daily import space
from training.world.daily.paths import Leg, Path, Steps
from training.world.place import Place, Rng
from training.world.shapes import Array, Shapes

WALKS = ("walk", "walk_2", "walk_2", "walk_4", "walk_4", "walk_3", "walk_fast")
RUNS = ("run", "run_2", "jog")
Poses = Callable[[Array], Pose]


@dataclass(frozen=True)
class Gait:
    """How a person walks, runs and stands; `shift` is where in the step it starts."""

    walk: motion.Motion
    run: motion.Motion
    stand: Poses
    shift: float
    swap: bool


def random_gait(rng: Rng) -> Gait:
    """Draw a gait."""
    names = motion.library()
    walk, run = (names[many[int(rng.integers(len(many)))]] for many in (WALKS, RUNS))
    return Gait(walk, run, motion.stand(rng), rng.uniform(0, 3), rng.random() < 0.5)


def go(gait: Gait, steps: Steps, t: Array, scale: float = 1.0) -> Pose:
    """Return the poses of somebody of that scale who follows steps at times t, in the world."""
    return along(stride(gait, steps, t, scale), steps)


def stride(gait: Gait, steps: Steps, t: Array, scale: float = 1.0) -> Pose:
    """Return standing, walking or running on the spot, facing +y, as fast as the steps."""
    pace = np.clip(steps.speed / 0.45, 0, 1)
    pose = gait.stand(t)
    if (pace > 0.01).any():
        pose = blend(pose, _stride(gait, gait.walk, steps, scale), pace)
    quick = np.clip((steps.speed - 1.9) / 0.7, 0, 1)
    if (quick > 0.01).any():
        pose = blend(pose, _stride(gait, gait.run, steps, scale), quick)
    return pose


def _stride(gait: Gait, kind: motion.Motion, steps: Steps, scale: float) -> Pose:
    """Return steps on the spot that fit the distance travelled."""
    at = steps.travelled / (kind.speed * scale) + gait.shift
    pose = motion.in_place(motion.play(kind, at))
    return mirror(pose) if gait.swap else pose


def along(pose: Pose, steps: Steps) -> Pose:
    """Put poses that face +y onto a path."""
    return move(turn(pose, steps.heading - np.pi / 2), steps.x, steps.y)


def put(pose: Pose, x: Any, y: Any, heading: Any, scale: float = 1.0) -> Pose:
    """Put poses that face +y at (x, y) facing `heading`; `scale` fits the travel to the body."""
    pose = Pose(pose.root * np.array([scale, scale, 1.0]), pose.bones)
    return move(turn(pose, heading - np.pi / 2), x, y)


def act(
    people: list[tuple[Pose, Body]], state: str, *, extra: Shapes | None = None,
    on: Array | None = None, reach: float = 0.95, main: int = 1,
) -> Act:  # fmt: skip
    """Make an act of people and things; what matters is around the first `main` people."""
    parts = [body.figure(pose, who) for pose, who in people]
    parts += [] if extra is None else [extra]
    where = np.mean([trunk(pose, who) for pose, who in people[:main]], 0)
    shown = Shapes.join(parts)
    return Act(shown, state, where, reach, len(people), on=np.zeros(0, bool) if on is None else on)


def solo(
    rng: Rng, place: Place, pose: Pose, state: str, who: Body, *,
    extra: Callable[[int, float, float, float], Shapes] | None = None, room: float = 0.5,
    reach: float = 0.95,
) -> Act:  # fmt: skip
    """Put one person with a pose that faces +y on a free spot.

    `extra` makes things there, from frames, x, y and heading.
    """
    x, y = (float(v) for v in space.spots(rng, place, 1, room, height=0.4)[0])
    place.taken.append((x, y, room))
    heading = rng.uniform(-np.pi, np.pi)
    placed = put(pose, x, y, heading, who.scale)
    beside = None if extra is None else extra(len(pose.root), x, y, heading)
    return act([(placed, who)], state, extra=beside, reach=reach)


def trunk(pose: Pose, who: Body) -> Array:
    """Return the middle of a body (frames, 3), near the belly."""
    low = pose.root * np.array([1.0, 1.0, who.scale])
    return np.asarray(low + 0.15 * who.scale * pose.bones[:, J["chest"] - 1])


def hand(pose: Pose, who: Body, side: str) -> Array:
    """Return where a hand is (frames, 3)."""
    return np.asarray(joints(pose, who.lengths, who.scale)[:, J[f"{side}_hand"]])


def wander(
    rng: Rng, place: Place, speed: float, *, count: int = 3, pause: float = 0.0,
    start: Array | None = None, leave: float = 0.0,
) -> Path:  # fmt: skip
    """Draw a path through the place and back, again and again.

    With chance `pause` the person stops at a corner for some seconds, with chance `leave` an end of
    the path is outside the picture.
    """
    points = list(space.tour(rng, place, count, start))
    luck = rng.random((2, 2 * count))
    stay = rng.uniform(1.0, 6.0, 2 * count)
    if luck[0, 0] < leave:
        points.append(_exit(place, points[-1], points[-2]))
    tour = points[1:] + points[-2::-1]
    legs, here = [], points[0]
    for index, point in enumerate(tour):
        legs.append(Leg(max(0.6, float(np.hypot(*(point - here)))) / speed, point))
        if luck[1, index % (2 * count)] < pause:
            legs.append(Leg(stay[index % (2 * count)], point))
        here = point
    first = tour[0] - points[0]
    return Path(points[0], float(np.arctan2(first[1], first[0])), before=legs, after=legs)


def _exit(place: Place, point: Array, last: Array) -> Array:
    """Return a point outside the picture straight ahead, or the point itself."""
    ahead = point - last
    end, left = space.away(place, point, float(np.arctan2(ahead[1], ahead[0])), 6.0)
    return end if left else point


def there_and_back(rng: Rng, place: Place, speed: float, least: float) -> Path:
    """Draw a straight way in view that is gone to and fro, often towards the camera."""
    around = space.spots(rng, place, 24)
    headings, frontal = rng.uniform(-np.pi, np.pi, 24), rng.random() < 0.35
    ways = []
    for point, drawn in zip(around[:8], headings[:8], strict=True):
        heading = space.towards_camera(place, point) + 0.08 * drawn if frontal else float(drawn)
        ends = [space.away(place, point, heading + turn_, 8.0) for turn_ in (0.0, np.pi)]
        far = float(np.hypot(*(ends[0][0] - ends[1][0])))
        ways.append((far, heading, ends))
        if far > least:
            break
    far, heading, ((b, _), (a, _)) = max(ways, key=lambda way: way[0])
    seconds = max(0.6, far / speed)
    loop = [Leg(seconds, a), Leg(seconds, b)]
    return Path(b, float(heading), before=loop, after=loop)
