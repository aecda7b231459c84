"""Draw people who wrestle on the ground, drag or rob each other.

Every maker is `name(rng, place, t) -> Act` with t (frames,) seconds since the onset. Knows no
cameras.
"""

from __future__ import annotations

import numpy as np

from training.world.acts import Act
from training.world.bodies.body import random_body
from training.world.bodies.skeleton import J
from training.world.contact.duel import Course, Start, facing
from training.world.contact.ground import Pull, Roll
from training.world.contact.hands import COVER, GUARD, KIND, NONE, SPOT, Blows, Hand, hand
from training.world.contact.players import Down, Player
from training.world.contact.staging import add_people, finish, start
from training.world.contact.stance import Mover, mover
from training.world.contact.tools import bag, colour
from training.world.contact.tracks import GRID, STEP, Rng, ease, leak, pulses, ramp, wander
from training.world.place import Place
from training.world.shapes import Array, Shapes

HOLDS = ("back", "nape", "l_shoulder", "r_shoulder", "l_elbow", "head")
NEVER = 99.0


def roll(rng: Rng, place: Place, t: Array) -> Act:
    """Two people wrestle on the ground."""
    begin = start(rng, place, 1.1)
    both = Roll.draw(rng, begin.x, begin.y)
    way = meet(rng, begin, 0.45)
    players = []
    for who in range(2):
        hands = [_struggle(rng, _rare_blows(rng, side)) for side in range(2)]
        down = Down(rng.uniform(0.0, 0.25), both.pose(who), np.zeros(len(GRID)), soft=0.7)
        person = _wrestler(rng, way, who)
        players.append(Player(person, (hands[0], hands[1]), other=1 - who, down=down))
    add_people(rng, place, players, way, 1.7)
    return finish(players, t, "fight")


def meet(rng: Rng, begin: Start, gap: float) -> Course:
    """Let two people stand or come near until time 0, then be `gap` apart."""
    ahead = np.array([-np.sin(begin.turn), np.cos(begin.turn)])
    before = np.minimum(begin.far, gap + begin.speed * np.maximum(0.0, -GRID))
    along = np.broadcast_to(ahead, (len(GRID), 2))
    second = np.array([begin.x, begin.y]) + gap / 2 * along
    first = second - before[:, None] * ahead
    return Course(first, second, facing(rng, first, second), along, ramp(-0.25, 0.3))


def _wrestler(rng: Rng, way: Course, who: int) -> Mover:
    return mover(
        random_body(rng), way.second if who else way.first, way.turns[who],
        lean=0.08 + 0.5 * way.on, drop=0.15 * way.on, twist=wander(rng, 3.0, 0.1),
        curl=0.1 + wander(rng, 2.0, 0.1), width=0.12 + 0.06 * way.on,
    )  # fmt: skip


def _struggle(rng: Rng, blows: Blows) -> Hand:
    """Let a hand hold now this, now that."""
    number = np.searchsorted(np.cumsum(rng.uniform(0.5, 2.0, 60)), np.maximum(GRID, 0))
    chosen = rng.choice([SPOT[name] for name in HOLDS], 60)[number.clip(0, 59)]
    own, on = [v + wander(rng, 0.6, 0.08) for v in GUARD], ramp(-0.1, 0.3)
    return hand(own, on, on * np.clip(0.8 + wander(rng, 1.0, 0.5), 0, 1), chosen, blows)


def _rare_blows(rng: Rng, side: int) -> Blows:
    """Draw short blows from close by."""
    times = 0.8 + np.cumsum(rng.uniform(0.35, 0.7, 60))
    keep = (rng.random(60) < 0.6) & (np.sin(times * rng.uniform(0.5, 1.5) + 3 * side) > 0.1)
    kind = rng.choice([KIND["hammer"], KIND["hook"], KIND["upper"]], 60)
    spot = rng.choice([SPOT["head"], SPOT["belly"]], 60)
    return Blows(times[keep], np.full(int(keep.sum()), 0.35), kind[keep], spot[keep])


def drag(rng: Rng, place: Place, t: Array) -> Act:
    """One person drags another over the ground; sometimes a third one kicks."""
    begin = start(rng, place, 1.1)
    pull = Pull.draw(rng, begin.x, begin.y, rng.uniform(-np.pi, np.pi))
    down = rng.uniform(-0.1, 0.3)
    players = [_puller(rng, pull, down), _dragged(rng, pull, down)]
    on = ramp(-0.2, 0.4)
    along = np.stack([np.cos(pull.along), np.sin(pull.along)], -1)
    way = Course(pull.ahead(1.3), pull.spot, (pull.along, pull.along), along, on)
    if rng.random() < 0.3:
        players.append(_kicker(rng, pull))
    add_people(rng, place, players, way, 2.2)
    return finish(players, t, "grab")


def _puller(rng: Rng, pull: Pull, down: float) -> Player:
    """Draw the one who drags, walking backwards or ahead."""
    backwards, on = rng.random() < 0.7, ramp(-0.2, 0.4)
    look = pull.along + (np.pi / 2 if backwards else -np.pi / 2 + 0.5)
    bent = rng.uniform(0.5, 0.85) if backwards else rng.uniform(0.2, 0.4)
    person = mover(
        random_body(rng), pull.ahead(1.35 if pull.feet_first else 1.28),
        look + wander(rng, 1.5, 0.15), lean=0.1 + on * (bent + wander(rng, 0.9, 0.12)),
        drop=on * (0.06 + np.abs(wander(rng, 0.8, 0.06))), side=wander(rng, 1.2, 0.08),
        twist=wander(rng, 1.5, 0.15), curl=0.1, width=0.14, quick=0.38,
    )  # fmt: skip
    left, right = ("l_ankle", "r_ankle") if pull.feet_first else ("r_hand", "l_hand")
    right = left if rng.random() < 0.35 else right
    grip = ramp(down + 0.3, 0.3)
    hands = hand(GUARD, on, grip, left), hand(GUARD, on, grip, right)
    return Player(person, hands, other=1)


def _dragged(rng: Rng, pull: Pull, down: float) -> Player:
    """Draw the one who is dragged."""
    on = ramp(-0.2, 0.4)
    person = mover(
        random_body(rng), pull.spot, pull.along - np.pi / 2, lean=0.1 + 0.4 * on, drop=0.15 * on
    )
    own = [v + wander(rng, 0.7, 0.1) for v in COVER]
    free = hand(own, ramp(down + 0.3, 0.3) if pull.feet_first else 0.0)
    lies = Down(down, pull.lies, np.zeros(len(GRID)), soft=0.6)
    return Player(person, (free, free), other=0, down=lies)


def _kicker(rng: Rng, pull: Pull) -> Player:
    """Draw a second attacker who walks beside and kicks."""
    side = rng.choice([-1, 1])
    goal = pull.ahead(0.0, 0.7 * side)
    person = mover(
        random_body(rng), np.stack([ease(goal[:, k], 0.2) for k in range(2)], -1),
        pull.along - np.pi / 2 - side * np.pi / 2, lean=0.25 + wander(rng, 1.0, 0.12),
        twist=wander(rng, 1.0, 0.2), drop=0.06,
    )  # fmt: skip
    times = 0.6 + np.cumsum(rng.uniform(0.6, 1.6, 30))
    kicks = Blows(times, np.full(30, 0.6), np.zeros(30, int), np.full(30, SPOT["belly"]))
    arm = hand([v + wander(rng, 1.0, 0.06) for v in GUARD], 0.6)
    return Player(person, (arm, arm), (NONE, kicks) if rng.random() < 0.5 else (kicks, NONE), 1)


def snatch(rng: Rng, place: Place, t: Array) -> Act:
    """One person tears at another's bag, and runs off with it or not."""
    begin = start(rng, place, 1.0)
    wins = float(rng.choice([rng.uniform(0.7, 6.0), NEVER], p=[0.4, 0.6]))
    way = meet(rng, begin, rng.uniform(0.75, 1.0))
    on = way.on * (1 - ramp(wins, 0.2))
    tug = on * (wander(rng, 0.5, 0.14) + wander(rng, 0.9, 0.1))
    places = _tussle(rng, begin, way, on, tug, wins)
    turns, hue = facing(rng, *places), colour(rng)
    looks = turns[0] + ramp(wins, 0.35) * np.pi, turns[1]
    players = [_tugger(rng, places[k], looks[k], (on, tug, wins), k) for k in range(2)]
    add_people(rng, place, players, way, 1.8)

    def thing(points: list[Array], t: Array) -> Shapes:
        mine, theirs = points[0][:, J["r_hand"]], points[1][:, J["r_hand"]]
        gone = np.clip((t - wins) / 0.1, 0, 1)[:, None]
        first = np.where(t[:, None] < -0.1, theirs, mine)
        return bag(first, theirs + gone * (mine - theirs), hue)

    act = finish(players, t, "grab", extra=thing)
    act.on = (t >= 0) & (t < wins + 1.2)
    return act


def _tussle(
    rng: Rng, begin: Start, way: Course, on: Array, tug: Array, wins: float
) -> tuple[Array, Array]:
    """Return where two people are who pull to and fro, until the first runs off."""
    turned = begin.turn + np.cumsum(on * wander(rng, 1.5, 0.8)) * STEP
    ahead = np.stack([-np.sin(turned), np.cos(turned)], -1)
    drift = np.stack([leak(on * wander(rng, 1.0, 0.7), 2.0) for _ in range(2)], -1)
    loses = pulses(np.array([wins]), np.array([0.5]), 0.3)
    second = np.array([begin.x, begin.y]) + drift + (0.4 + tug + loses)[:, None] * ahead
    gap = np.linalg.norm(way.second - way.first, axis=1) + 3.2 * np.maximum(GRID - wins - 0.1, 0)
    return second - gap[:, None] * ahead, second


def _tugger(
    rng: Rng, spot: Array, look: Array, pull: tuple[Array, Array, float], who: int
) -> Player:
    """Draw the thief (0) or the other (1)."""
    on, tug, wins = pull
    runs = ramp(wins, 0.4) * (1 - who)
    person = mover(
        random_body(rng), spot, look,
        lean=0.1 + on * (wander(rng, 0.6, 0.25) - 0.1 * np.sign(tug)) + 0.2 * runs,
        drop=0.12 * on, twist=on * wander(rng, 0.6, 0.3), side=on * wander(rng, 0.8, 0.15),
        curl=0.1, width=0.12 + 0.06 * on, ahead=0.3 * on * rng.choice([-1, 1]), quick=0.36,
    )  # fmt: skip
    own = (0.1, 0.55, 0.1) if who else (0.05, 0.35, -0.1)
    rest = ramp(wins, 0.2) * ((1 - ramp(wins + 1.0, 0.6)) if who else 0.5)
    left = on if rng.random() < 0.6 else 0.0
    hands = hand(own, rest, left, "middle"), hand(own, rest, on, "middle")
    return Player(person, hands, other=1 - who)
