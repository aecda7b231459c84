"""Draw two people in close contact who do not fight: look-alikes of fights.

Every maker is `name(rng, place, t) -> Act` with t (frames,) seconds since the onset. Knows no
cameras: people are turned at random, so that they are seen from all sides.
"""

from __future__ import annotations

import numpy as np

from training.world.acts import Act
from training.world.bodies.motion import faster, library, part
from training.world.bodies.motion import play as played
from training.world.bodies.skeleton import J, Pose, move, turn
from training.world.contact.company import beats, gestures, held_together, meeting, person, turns
from training.world.contact.groups import cheer, dance, line_up, photo, play, squeeze, talk, throng
from training.world.contact.hands import GUARD, hand
from training.world.contact.melee import onlookers
from training.world.contact.players import Down, Player
from training.world.contact.staging import Maker, finish
from training.world.contact.tools import bag, box, colour
from training.world.contact.tracks import GRID, Rng, bump, ease, ramp, wander
from training.world.place import Place
from training.world.shapes import Array, Shapes

HUGS = (
    ("back", "back"),
    ("nape", "back"),
    ("back", "waist"),
    ("waist", "nape"),
    ("waist", "waist"),
)


def _some_watch(rng: Rng, place: Place, players: list[Player], x: float, y: float) -> None:
    """Let some more people stand around, as they do around a fight."""
    players += onlookers(rng, place, x, y, int(rng.choice([0, 0, 0, 1, 2, 4])), 1.3)


def hug(rng: Rng, place: Place, t: Array) -> Act:
    """Two people embrace, calmly or wildly, and may let go and embrace again."""
    x, y = place.spot(rng, 0.8)
    close = held_together(rng.uniform(-0.1, 0.4), rng.choice([rng.uniform(1.2, 6.0), 40.0]))
    wild = rng.choice([0.0, rng.uniform(0.3, 1.0)])
    gap = 0.85 - close * rng.uniform(0.45, 0.6)
    spin = close * wild * wander(rng, 3.0, 0.8)
    places = meeting(
        rng, x, y, gap, far=rng.choice([0.0, rng.uniform(1, 2.5)]), speed=rng.uniform(0.9, 2.8),
        spin=spin,
    )  # fmt: skip
    rock = close * (0.3 + wild) * wander(rng, rng.uniform(0.8, 2.0), 0.1)
    looks, names = turns(places), HUGS[rng.integers(len(HUGS))]
    players = []
    for who in range(2):
        pat = close * wander(rng, 0.4, 0.5) * rng.choice([0.0, 0.15])
        hands = [
            hand((0.1, 0.45 + pat, 0.1), close, close * (0.95 - np.abs(pat)), name)
            for name in (names if who else names[::-1])
        ]
        players.append(
            person(
                rng, places[who], looks[who], (hands[0], hands[1]), other=1 - who,
                lean=close * rng.uniform(0.05, 0.3), side=rock * (1 - 2 * who), lively=1 + wild,
                curl=0.1 + 0.25 * close, drop=0.05 * close * wild * (1 + wander(rng, 1.0)),
            )
        )  # fmt: skip
    _some_watch(rng, place, players, x, y)
    return finish(players, t, "hug")


def handshake(rng: Rng, place: Place, t: Array) -> Act:
    """Two people shake hands, clap each other's hand or shoulder, and talk."""
    x, y = place.spot(rng, 0.8)
    grip = held_together(rng.uniform(-0.3, 0.3), rng.uniform(0.9, 2.5))
    places = meeting(
        rng, x, y, 0.95 - 0.12 * grip, far=rng.choice([0.0, rng.uniform(1, 2.5)]),
        speed=rng.uniform(0.8, 1.6),
    )  # fmt: skip
    shake = grip * np.sin(2 * np.pi * rng.uniform(1.8, 3.2) * GRID) * rng.uniform(0.05, 0.3)
    high = rng.choice([0.0, 0.25], p=[0.75, 0.25])
    looks, players = turns(places), []
    pats = rng.random(2) < 0.3
    for who in range(2):
        idle = gestures(rng, rng.uniform(0, 0.6))[0]
        left = hand(GUARD, grip, grip, "r_shoulder") if pats[who] else idle
        right = hand((0.0, 0.4, 0.5 * high + shake), grip, grip * (0.85 - high), "middle")
        players.append(
            person(rng, places[who], looks[who], (left, right), other=1 - who, lean=0.12 * grip)
        )
    _some_watch(rng, place, players, x, y)
    return finish(players, t, "handshake")


def give(rng: Rng, place: Place, t: Array) -> Act:
    """One person hands something over to another, who takes a look at it and gives it back."""
    x, y = place.spot(rng, 0.8)
    places = meeting(rng, x, y, np.full(len(GRID), rng.uniform(0.8, 1.05)), far=1.5, speed=1.1)
    period = rng.uniform(2.0, 5.0)
    u = np.mod(np.maximum(GRID, -0.5) + 0.5, 2 * period) / period
    theirs = ease(((u > 0.25) & (u < 1.25)).astype(float), 0.3)
    meet = ease(((np.abs(np.mod(u, 1) - 0.25)) < 0.5 / period).astype(float), 0.25)
    looks, players = turns(places), []
    for who in range(2):
        has = theirs if who else 1 - theirs
        both = rng.random() < 0.4
        hands = [
            hand((0.04, 0.28, -0.05), np.maximum(has, meet) * m, meet * m, "middle")
            for m in (1.0 if both else 0.0, 1.0)
        ]
        players.append(
            person(
                rng, places[who], looks[who], (hands[0], hands[1]), other=1 - who,
                lean=0.12 * meet + 0.05 * has, curl=0.1 + 0.25 * has,
            )
        )  # fmt: skip
    _some_watch(rng, place, players, x, y)
    hue, kind = colour(rng), rng.choice(["bag", "box", "paper"])

    def thing(points: list[Array], t: Array) -> Shapes:
        share = np.interp(t, GRID, theirs)[:, None]
        spot = points[0][:, J["r_hand"]] * (1 - share) + points[1][:, J["r_hand"]] * share
        if kind == "bag":
            return bag(spot, spot, hue, 0.1)
        half = (0.12, 0.1, 0.09) if kind == "box" else (0.1, 0.14, 0.004)
        return box(spot, points[1][:, 0] - points[0][:, 0], half, hue)

    return finish(players, t, "give", extra=thing)


def help_up(rng: Rng, place: Place, t: Array) -> Act:
    """One person helps another, who sits or lies on the ground, to stand up."""
    x, y = place.spot(rng, 0.9)
    rise = library()["get_up_front"]
    if rng.random() < 0.6:
        rise = part(library()["get_up_back"], 1.7, 9.0)
    rise = faster(rise, rng.uniform(0.6, 1.1))
    begin, turned = rng.uniform(0.2, 1.2), rng.uniform(-np.pi, np.pi)
    ends = turn(played(rise, np.array([99.0])), turned).root[0]
    up = begin + rise.seconds

    def pose(t: Array) -> Pose:
        return move(turn(played(rise, t - begin), turned), x - ends[0], y - ends[1])

    bent = bump(-0.8, up - 0.4, 0.7)
    side = rng.uniform(-1.8, 1.8)
    far = 0.62 + 0.25 * ramp(up, 1.0)
    away = np.stack([-np.sin(turned + side) * far, np.cos(turned + side) * far], -1)
    hers = np.array([x, y]) + away
    look = turned + side + np.pi
    hold = bump(-0.3, up + rng.uniform(0.3, 3.0), 0.5)
    names = rng.choice(["l_elbow", "r_elbow", "l_hand", "r_hand", "back", "l_shoulder"], 2)
    hands = [hand(GUARD, hold, hold, str(spot)) for spot in names]
    helper = person(
        rng, hers, look, (hands[0], hands[1]), other=1, lean=bent * rng.uniform(0.5, 0.9),
        drop=bent * rng.uniform(0.1, 0.35),
    )  # fmt: skip
    free = hand((0.1, 0.4, 0.1), 0.0, hold * rng.uniform(0, 0.9), "r_elbow")
    victim = person(rng, (x, y), turned, (free, gestures(rng, 0.2)[1]), other=0)
    down = Down(-99.0, pose, np.zeros(len(GRID)))
    players = [helper, Player(victim.mover, victim.hands, other=0, down=down)]
    _some_watch(rng, place, players, x, y)
    return finish(players, t, "help")


def support(rng: Rng, place: Place, t: Array) -> Act:
    """Two people walk slowly arm in arm; one supports the other, or both are merry."""
    x, y = place.spot(rng, 0.9)
    limp = rng.uniform(0, 1)
    places, look = _stroll(rng, place, x, y, rng.uniform(0.25, 0.9), rng.uniform(0.36, 0.48))
    dip = limp * 0.08 * (1 + np.sin(2 * np.pi * rng.uniform(0.7, 1.2) * GRID))
    names = (("l_shoulder", "back"), ("nape", "l_elbow"), ("l_elbow", "l_hand"), ("waist", "back"))
    mine, theirs = names[rng.integers(len(names))]
    calm = gestures(rng, 0.1)
    first = person(
        rng, places[0], look, (calm[0], hand(GUARD, 1.0, 1.0, mine)), other=1, side=-0.05,
    )  # fmt: skip
    second = person(
        rng, places[1], look, (hand(GUARD, 1.0, 1.0, theirs), calm[1]), other=0, drop=dip,
        lean=0.1 + 0.3 * limp, side=-0.15 * limp + limp * wander(rng, 1.2, 0.08),
    )  # fmt: skip
    return finish([first, second], t, "help")


def carry(rng: Rng, place: Place, t: Array) -> Act:
    """Two people carry a box or a piece of furniture together."""
    x, y = place.spot(rng, 1.0)
    half = (rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.35))
    places, look = _stroll(rng, place, x, y, rng.uniform(0.3, 0.8), 2 * half[1] + 0.75, ahead=True)
    turns_ = turns(places)
    backwards_too = rng.random() < 0.6
    looks = [look if not backwards_too else turns_[0], turns_[1]]
    lift = rng.uniform(0.0, 0.25) + wander(rng, 2.0, 0.03)
    hands = tuple(hand((0.14, 0.38, -0.28 - lift), 1.0) for _ in range(2))
    behind = tuple(hand((0.2, -0.1, -0.3 - lift), 1.0) for _ in range(2))
    lean = rng.uniform(0.05, 0.35)
    first = hands if backwards_too else behind
    players = [
        person(rng, places[0], looks[0], (first[0], first[1]), lean=lean),
        person(rng, places[1], looks[1], (hands[0], hands[1]), lean=lean),
    ]
    hue = colour(rng)

    def thing(points: list[Array], t: Array) -> Shapes:
        spots = [0.5 * (p[:, J["l_hand"]] + p[:, J["r_hand"]]) for p in points[:2]]
        return box(0.5 * (spots[0] + spots[1]), spots[1] - spots[0], half, hue)

    return finish(players, t, "carry", extra=thing)


def _stroll(
    rng: Rng, place: Place, x: float, y: float, speed: float, apart: float, *, ahead: bool = False
) -> tuple[list[Array], Array]:
    """Let two people walk together, to and fro or in a bow, side by side or one after the other."""
    bow = rng.uniform(0.9, 2.2)
    angle = rng.uniform(-np.pi, np.pi) + rng.choice([-1, 1]) * np.cumsum(
        np.full(len(GRID), 0.05 * speed / bow) * (0.9 + 0.3 * beats(rng, 0.7))
    )
    low, high = np.array(place.area[:2]), np.array(place.area[2:])
    centre = np.clip(np.array([x, y]), low + 0.3, np.maximum(low + 0.3, high - 0.3))
    middle = centre + bow * (np.stack([np.cos(angle), np.sin(angle)], -1))
    start = np.array([np.cos(np.interp(0, GRID, angle)), np.sin(np.interp(0, GRID, angle))])
    middle = middle - bow * start
    sense = np.sign(angle[-1] - angle[0])
    look = angle + (0 if sense > 0 else np.pi)
    along = np.stack([-np.sin(look), np.cos(look)], -1)
    aside = np.stack([np.cos(look), np.sin(look)], -1)
    step = apart / 2 * (along if ahead else -aside)
    return [middle + step, middle - step], look


PAIRS: dict[str, Maker] = {
    "hug": hug, "handshake": handshake, "talk": talk, "dance": dance, "play": play,
    "help_up": help_up, "support": support, "throng": throng, "line_up": line_up, "give": give,
    "cheer": cheer, "carry": carry, "photo": photo, "squeeze": squeeze,
}  # fmt: skip
