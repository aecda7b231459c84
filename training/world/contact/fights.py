"""Draw fights: people who hit, kick, wrestle, shove or drag each other.

Every maker is `name(rng, place, t) -> Act` with t (frames,) seconds since the onset. Knows no
cameras: people are turned at random, so that they are seen from all sides.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.world.acts import Act
from training.world.bodies.body import random_body
from training.world.bodies.skeleton import J
from training.world.contact.clash import STYLES, Fists, clash, fists, merged
from training.world.contact.duel import Course, Start, course, fighter
from training.world.contact.grabs import drag, roll, snatch
from training.world.contact.hands import NONE
from training.world.contact.melee import join_in, spread
from training.world.contact.players import Player
from training.world.contact.staging import Maker, add_people, finish, start
from training.world.contact.throws import hurl
from training.world.contact.tools import LONG, chair, club, colour
from training.world.contact.tracks import Rng
from training.world.place import Place
from training.world.shapes import Array, Shapes


def pair(
    rng: Rng, begin: Start, manner: str, *, first: float, kicks: float, style: str,
    down: float = np.inf, long: float = 0.0, base: int = 0,
) -> tuple[list[Player], Course]:  # fmt: skip
    """Draw two people who fight; the second one falls soon after `down` seconds.

    The first holds something of length `long`. `base` is the index of the first in the act.
    """
    tempo, often = rng.uniform(0.65, 1.35), rng.uniform(0.45, 1.0)
    tempo = 0.7 * tempo if manner == "hold" else tempo
    fight = clash(rng, manner, first, tempo, down)
    fight = replace(fight, gap=fight.gap + 0.6 * long)
    both = (
        fists(rng, fight, 0, style, kicks, tempo, often),
        fists(rng, fight, 1, style, kicks, tempo, often),
    )
    if long:
        both = one_handed(both[0]), both[1]
    way = course(rng, fight, both, begin)
    first_one = fighter(rng, random_body(rng), fight, both, way, 0, base + 1, long)
    return [first_one, fighter(rng, random_body(rng), fight, both, way, 1, base)], way


def one_handed(one: Fists) -> Fists:
    """Leave out the blows of the left hand."""
    return replace(one, hands=(NONE, one.hands[1]))


def blows(rng: Rng, place: Place, t: Array) -> Act:
    """Two people hit each other."""
    players, way = pair(
        rng, start(rng, place), str(rng.choice(["box", "box", "mixed"])),
        first=rng.uniform(0.4, 0.9), kicks=rng.choice([0.0, rng.uniform(0.1, 0.5)]),
        style=str(rng.choice(list(STYLES))),
    )  # fmt: skip
    add_people(rng, place, players, way, 1.5)
    return finish(players, t, "fight")


def beat(rng: Rng, place: Place, t: Array) -> Act:
    """One person beats another."""
    style = str(rng.choice(["fists", "wild", "hammer", "slap"]))
    players, way = pair(
        rng, start(rng, place), "beat", first=0.95, kicks=rng.uniform(0, 0.5), style=style
    )
    add_people(rng, place, players, way, 1.5)
    return finish(players, t, "fight")


def stomp(rng: Rng, place: Place, t: Array) -> Act:
    """One person knocks another down and beats or kicks the one who lies."""
    players, way = pair(
        rng, start(rng, place), str(rng.choice(["beat", "clinch", "box"])), first=0.85,
        kicks=rng.uniform(0, 0.5), style=str(rng.choice(["hammer", "fists", "wild"])),
        down=rng.choice([0.0, rng.uniform(0.3, 3.0)]),
    )  # fmt: skip
    add_people(rng, place, players, way, 1.6)
    return finish(players, t, "fight")


def grapple(rng: Rng, place: Place, t: Array) -> Act:
    """Two people hold, pull and push each other."""
    players, way = pair(
        rng, start(rng, place), str(rng.choice(["clinch", "clinch", "wrestle", "hold"])),
        first=rng.uniform(0.4, 0.8), kicks=0.1, style=str(rng.choice(["body", "fists", "wild"])),
    )  # fmt: skip
    add_people(rng, place, players, way, 1.5)
    return finish(players, t, "fight")


def shove(rng: Rng, place: Place, t: Array) -> Act:
    """Two people shove and slap each other."""
    players, way = pair(
        rng, start(rng, place), "shove", first=rng.uniform(0.4, 0.9), kicks=0.05,
        style=str(rng.choice(["slap", "wild"])),
    )  # fmt: skip
    add_people(rng, place, players, way, 1.8)
    return finish(players, t, "fight")


def gang(rng: Rng, place: Place, t: Array) -> Act:
    """Several people beat one."""
    count = int(rng.choice([1, 1, 2, 3]))
    tempo, style = rng.uniform(0.8, 1.3), str(rng.choice(["fists", "wild", "hammer"]))
    kicks = rng.uniform(0.1, 0.6)
    down = rng.choice([0.0, rng.uniform(0.5, 4.0), np.inf], p=[0.25, 0.35, 0.4])
    fights = [clash(rng, "beat", 0.95, tempo, down) for _ in range(count + 1)]
    sets = [fists(rng, fight, 0, style, kicks, tempo) for fight in fights]
    own = fists(rng, fights[0], 1, style, kicks, tempo)
    all_of_them = replace(merged(sets), hands=sets[0].hands, feet=sets[0].feet)
    way = course(rng, fights[0], (all_of_them, own), start(rng, place, 1.2))
    players = [
        fighter(rng, random_body(rng), fights[0], (all_of_them, own), way, who, 1 - who)
        for who in range(2)
    ]
    for fight, blows, aside in zip(fights[1:], sets[1:], spread(rng, count), strict=True):
        more = join_in(rng, fight, way, aside)
        players.append(fighter(rng, random_body(rng), fight, (blows, own), more, 0, 1))
    add_people(rng, place, players, way, 2.0)
    return finish(players, t, "fight", main=count + 2)


def brawl(rng: Rng, place: Place, t: Array) -> Act:
    """Two or three pairs fight beside each other."""
    begin = start(rng, place, 1.4)
    players: list[Player] = []
    way = None
    for index in range(int(rng.choice([2, 2, 3]))):
        far, angle = (0.0 if not index else rng.uniform(0.8, 1.8)), rng.uniform(-np.pi, np.pi)
        own = replace(
            begin, x=begin.x + far * np.cos(angle), y=begin.y + far * np.sin(angle),
            turn=rng.uniform(-np.pi, np.pi), far=rng.uniform(0.7, 2.0),
        )  # fmt: skip
        both, way = pair(
            rng, own, str(rng.choice(["mixed", "clinch", "box", "shove"])), first=0.6,
            kicks=rng.uniform(0, 0.4), style=str(rng.choice(list(STYLES))), base=2 * index,
            down=rng.choice([np.inf, rng.uniform(0.5, 6.0)], p=[0.75, 0.25]),
        )  # fmt: skip
        players += both
    main = len(players)
    if way is not None:
        add_people(rng, place, players, way, 2.2)
    return finish(players, t, "fight", main=main)


def armed(rng: Rng, place: Place, t: Array) -> Act:
    """One person beats another with a stick, a bottle, a bat or a chair."""
    kind = str(rng.choice([*LONG, "chair"]))
    hue = colour(rng)
    long = 0.45 if kind == "chair" else LONG[kind]
    manner, style = str(rng.choice(["beat", "box"])), str(rng.choice(["hammer", "wild"]))
    players, way = pair(
        rng, start(rng, place), manner, first=0.9, kicks=0.1, style=style, long=long,
        down=rng.choice([np.inf, rng.uniform(1, 6)], p=[0.7, 0.3]),
    )  # fmt: skip
    if kind == "chair":
        both = players[0].hands[1]
        players[0] = replace(players[0], hands=(both, both))
    add_people(rng, place, players, way, 1.9)

    def thing(points: list[Array], t: Array) -> Shapes:
        one = points[0]
        if kind != "chair":
            return club(kind, one, "r", hue)
        middle = 0.5 * (one[:, J["l_hand"]] + one[:, J["r_hand"]])
        chest = one[:, J["chest"]]
        way = middle - chest
        return chair(middle + 0.25 * way, chest - one[:, J["pelvis"]], way, hue)

    return finish(players, t, "fight", extra=thing)


FIGHTS: dict[str, Maker] = {
    "blows": blows, "beat": beat, "stomp": stomp, "grapple": grapple, "shove": shove, "gang": gang,
    "brawl": brawl, "armed": armed, "hurl": hurl, "roll": roll, "drag": drag, "snatch": snatch,
}  # fmt: skip
