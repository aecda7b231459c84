"""Draw how a fight goes: who leads, how close they are, who hits, holds, ducks and staggers.

A fight is a chain of phases (see PHASES). Knows no bodies; everything is a track over the grid.
Lengths are metres, angles radians, speeds metres or radians per second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.world.contact.hands import HIT, KIND, NONE, SPOT, Blows
from training.world.contact.tracks import GRID, Rng, index
from training.world.shapes import Array

COUNT = 64  # phases of a fight
Two = tuple[float, float]


class Phase(NamedTuple):
    """One kind of phase; pairs of numbers are for the one who leads and for the other.

    `gap` is the distance, `spin` how fast they turn around each other, `drive` how fast the leader
    pushes ahead, `blow` the chance of each possible blow; the rest is how much, in 0..1 or as in
    `mover`.
    """

    gap: float
    spin: float
    drive: float
    blow: Two = (0.0, 0.0)
    hold: Two = (0.0, 0.0)
    guard: Two = (0.0, 0.0)
    cover: Two = (0.0, 0.0)
    drop: Two = (0.05, 0.05)
    lean: Two = (0.1, 0.1)
    kick: float = -1.0  # share of the blows that are kicks; below 0: the fighter's own share


BOTH: Two = (1.0, 1.0)
PHASES = {
    "box": Phase(
        0.85, 0.5, 0.1, blow=(0.8, 0.6), guard=BOTH, drop=(0.06, 0.06), lean=(0.2, 0.2)
    ),
    "flurry": Phase(
        0.66, 0.5, 0.7, blow=(1.0, 0.2), guard=(1.0, 0.7), cover=(0.0, 0.8), drop=(0.06, 0.1),
        lean=(0.3, 0.15),
    ),
    "clinch": Phase(
        0.52, 1.2, 0.4, blow=(0.3, 0.2), hold=BOTH, guard=BOTH, drop=(0.06, 0.07), lean=(0.4, 0.4)
    ),
    "wrestle": Phase(
        0.42, 1.8, 0.9, blow=(0.05, 0.05), hold=BOTH, guard=BOTH, drop=(0.1, 0.12),
        lean=(0.45, 0.45),
    ),
    "pin": Phase(
        0.48, 0.15, 0.15, blow=(0.15, 0.02), hold=(1.0, 0.6), guard=BOTH, drop=(0.05, 0.04),
        lean=(0.35, 0.0),
    ),
    "tackle": Phase(
        0.55, 0.8, 1.1, blow=(0.05, 0.3), hold=(1.0, 0.8), guard=BOTH, drop=(0.24, 0.06),
        lean=(1.05, 0.35),
    ),
    "lock": Phase(
        0.5, 1.1, 0.3, blow=(0.5, 0.1), hold=(1.0, 0.8), guard=BOTH, drop=(0.05, 0.14),
        lean=(0.3, 1.15),
    ),
    "shove": Phase(
        0.8, 0.2, 0.8, hold=(1.0, 0.0), guard=(1.0, 0.4), drop=(0.05, 0.03), lean=(0.3, 0.0)
    ),
    "cower": Phase(
        0.62, 0.4, 0.2, blow=(1.0, 0.0), hold=(0.1, 0.0), guard=(1.0, 0.9), cover=(0.0, 1.0),
        drop=(0.07, 0.34), lean=(0.4, 0.95),
    ),
    "drag": Phase(
        0.75, 0.7, -0.9, blow=(0.1, 0.15), hold=(1.0, 0.5), guard=(1.0, 0.4), drop=(0.1, 0.1),
        lean=(0.15, 0.5),
    ),
    "stand": Phase(1.25, 0.3, 0.0, guard=(0.6, 0.6), drop=(0.02, 0.02), lean=(0.1, 0.05)),
    "stomp": Phase(
        0.55, 0.5, 0.0, blow=(0.9, 0.0), guard=(0.5, 0.5), cover=(0.0, 1.0), drop=(0.05, 0.5),
        lean=(0.2, 0.1), kick=0.85,
    ),
    "pound": Phase(
        0.45, 0.4, 0.0, blow=(1.0, 0.0), hold=(0.0, 0.2), guard=BOTH, cover=(0.0, 0.8),
        drop=(0.33, 0.5), lean=(0.85, 0.1), kick=0.0,
    ),
    "mount": Phase(
        0.12, 0.2, 0.0, blow=(1.0, 0.0), hold=(0.0, 0.7), guard=BOTH, cover=(0.0, 0.4),
        drop=(0.55, 0.5), lean=(0.35, 0.1), kick=0.0,
    ),
    "loom": Phase(
        0.7, 0.6, 0.0, guard=(0.5, 0.5), cover=(0.0, 0.8), drop=(0.05, 0.5), lean=(0.3, 0.1)
    ),
}  # fmt: skip
NAMES = list(PHASES)
FLOOR = {"stomp": 3.0, "pound": 3.0, "mount": 2.0, "loom": 0.5}
SHORT = ("stand", "loom")  # pauses
HELD = {
    "clinch": ("l_shoulder", "r_shoulder", "nape", "l_elbow", "r_elbow", "chest"),
    "pin": ("l_shoulder", "r_shoulder", "chest", "nape", "l_elbow"),
    "wrestle": ("back", "waist", "nape", "l_shoulder", "r_shoulder"),
    "tackle": ("waist", "belly", "back"),
    "lock": ("nape", "head", "nape"),
    "drag": ("l_elbow", "r_elbow", "l_hand", "r_hand", "nape"),
    "shove": ("chest",),
}
MANNERS: dict[str, dict[str, float]] = {
    "box": {"box": 5, "flurry": 3, "clinch": 2, "shove": 1, "stand": 0.6},
    "clinch": {
        "clinch": 5,
        "wrestle": 3,
        "lock": 2,
        "tackle": 1,
        "pin": 2,
        "flurry": 1,
        "shove": 0.7,
    },
    "beat": {"flurry": 4, "cower": 4, "lock": 1, "clinch": 1, "drag": 0.7},
    "shove": {"shove": 5, "stand": 1.6, "clinch": 1.5, "box": 1.2, "drag": 0.6},
    "hold": {"pin": 5, "clinch": 1.5, "lock": 1.5, "shove": 0.4},
    "wrestle": {"wrestle": 5, "tackle": 2, "lock": 2, "clinch": 2},
    "mixed": dict.fromkeys(NAMES[:11], 1.0),
}


@dataclass(frozen=True)
class Clash:
    """A fight of two over the grid.

    `phase` (grid,) is an index into PHASES and `lead` (grid,) who leads, 0 or 1; `number` (grid,)
    counts the phases. `gap`, `spin` and `drive` (grid,) say how they move; `drive` is along the
    line from 0 to 1. `kick` (grid,) is the share of kicks, below 0 where it is the fighter's own.
    `two` holds blow, hold, guard, cover, drop and lean, each (grid, 2). At time `down` person 1
    falls. `luck` (COUNT, 6) are numbers in 0..1 for each phase.
    """

    phase: Array
    lead: Array
    number: Array
    gap: Array
    spin: Array
    drive: Array
    kick: Array
    two: dict[str, Array]
    down: float
    luck: Array


def clash(
    rng: Rng, manner: str, first: float = 0.7, tempo: float = 1.0, down: float = np.inf
) -> Clash:
    """Draw a fight from time 0 on.

    `manner` is one of MANNERS; `first` is how often person 0 leads; `tempo` above 1 is faster. Soon
    after time `down` person 1 falls and is beaten on the ground.
    """
    kinds, floor = _kinds(rng, MANNERS[manner]), _kinds(rng, FLOOR)
    lengths = rng.uniform(0.5, 2.4, COUNT) / tempo
    rest = np.isin(kinds, [NAMES.index(name) for name in SHORT])
    lengths = np.where(rest, np.minimum(lengths, 0.5), lengths)
    lengths = np.where(kinds == NAMES.index("shove"), np.clip(lengths, 0.7, 1.3), lengths)
    starts = np.append(0.0, np.cumsum(lengths)[:-1])
    lies = starts >= down
    kinds = np.where(lies, floor, kinds)
    leads = np.where(lies, 0, rng.random(COUNT) > first)
    number = np.searchsorted(starts, np.maximum(GRID, 0), side="right") - 1
    turns = rng.choice([-1.0, 1.0], COUNT) * rng.uniform(0.3, 1.6, COUNT) * tempo
    pace = rng.uniform(0.4, 1.5, COUNT) * tempo
    luck = rng.random((COUNT, 6))
    close = 0.85 + 0.3 * luck[:, 3]
    phase, lead = kinds[number], leads[number]
    rows = np.array([(p.gap, p.spin, p.drive, p.kick) for p in PHASES.values()])[phase]
    return Clash(
        phase, lead, number, rows[:, 0] * close[number], rows[:, 1] * turns[number],
        rows[:, 2] * pace[number] * np.where(lead == 0, 1.0, -1.0), rows[:, 3],
        _two(phase, lead, luck[number]), float(starts[lies][0]) if lies.any() else np.inf, luck,
    )  # fmt: skip


def _kinds(rng: Rng, weights: dict[str, float]) -> Array:
    order = [NAMES.index(name) for name in weights]
    share = np.array(list(weights.values()))
    return rng.choice(order, COUNT, p=share / share.sum())


def _two(phase: Array, lead: Array, luck: Array) -> dict[str, Array]:
    """Return the pairs of numbers of the phases, for person 0 and person 1."""
    two = {}
    varied = {"drop": 0.5 + 0.8 * luck[:, 4], "lean": 0.5 + 0.8 * luck[:, 5]}
    for name in ("blow", "hold", "guard", "cover", "drop", "lean"):
        table = np.array([getattr(p, name) for p in PHASES.values()], float)[phase]
        table = np.where(lead[:, None] == 0, table, table[:, ::-1])
        two[name] = table * varied[name][:, None] if name in varied else table
    return two


def shoves(fight: Clash, who: int) -> tuple[Array, Array]:
    """Return when person `who` shoves the other and how far the other goes, in metres."""
    edges = np.flatnonzero(np.diff(fight.number)) + 1
    kind = NAMES.index("shove")
    edges = edges[(fight.phase[edges] == kind) & (fight.lead[edges] == who)]
    return GRID[edges] + 0.25, 0.35 + 0.75 * fight.luck[fight.number[edges], 0]


def held(fight: Clash, side: int) -> Array:
    """Return what spot of the other a left (0) or right (1) hand holds, over the grid."""
    out = np.empty(COUNT, int)
    kinds = np.zeros(COUNT, int)
    kinds[fight.number] = fight.phase
    for number, kind in enumerate(kinds):
        choice = HELD.get(NAMES[kind], ("chest", "l_elbow", "r_elbow"))
        out[number] = SPOT[choice[int(fight.luck[number, 1 + side] * len(choice))]]
    return out[fight.number]


@dataclass(frozen=True)
class Fists:
    """The blows of one person: `hands` and `feet`, left and right, and when and how hard they hit.

    `times` (n,) are seconds, `force` (n,) 0 for a miss to about 1, `across` (n,) from which side
    they come: -1 from the right of the one who is hit, 1 from the left, 0 from ahead.
    """

    hands: tuple[Blows, Blows]
    feet: tuple[Blows, Blows]
    times: Array
    force: Array
    across: Array


STYLES: dict[str, dict[str, float]] = {
    "fists": {"straight": 4, "hook": 4, "jab": 2, "upper": 1},
    "wild": {"hook": 4, "hammer": 3, "slap": 1, "straight": 1},
    "hammer": {"hammer": 5, "hook": 1},
    "slap": {"slap": 4, "jab": 1},
    "body": {"upper": 3, "hook": 2},
}


def fists(
    rng: Rng, fight: Clash, who: int, style: str, kicks: float, tempo: float, often: float = 1.0
) -> Fists:
    """Draw the blows of person `who` (0 or 1).

    A share `kicks` of them are kicks; `often` below 1 leaves some of the blows out.
    """
    count = 170
    times = np.cumsum(rng.uniform(0.2, 0.46, count)) / tempo
    place = index(times)
    keep = rng.random(count) < often * fight.two["blow"][place, who]
    same = rng.random(count) < 0.35
    side = (np.cumsum(~same) + rng.integers(2)) % 2
    names, weights = zip(*STYLES[style].items(), strict=True)
    kind = rng.choice([KIND[n] for n in names], count, p=np.array(weights) / sum(weights))
    low = fight.two["drop"][place, 1 - who] > 0.25
    kind = np.where(low & (rng.random(count) < 0.6), KIND["hammer"], kind)
    near = fight.gap[place] < 0.6
    body = rng.random(count) < np.where(near & ~low, 0.5, 0.15)
    spot = np.where(body, SPOT["belly"], SPOT["head"])
    spot = np.where(low & body, SPOT["back"], spot)
    seconds = rng.uniform(0.42, 0.75, count) / tempo**0.5
    share = np.where(fight.kick[place] < 0, kicks, fight.kick[place])
    leg = (rng.random(count) < share) & ~(near & ~low)
    seconds = np.where(leg, seconds + 0.2, seconds)
    high = rng.random(count) < 0.15
    shin = np.where(
        high | low, SPOT["head"], np.where(rng.random(count) < 0.5, SPOT["knees"], SPOT["belly"])
    )
    force = rng.uniform(0.25, 1.0, count) * (rng.random(count) < 0.82)
    recorded = rng.random(2) < (0.5, 0.0 if np.isfinite(fight.down) else 0.5)
    rows = (times, seconds, kind, np.where(leg, shin, spot))
    sets = [
        _sorted(rows, keep & (side == k) & (leg == f), bool(recorded[int(f)]))
        for f in (False, True)
        for k in (0, 1)
    ]
    swung = np.isin(kind, [KIND["hook"], KIND["slap"]])
    across = np.where(swung, np.where(side == 0, -1.0, 1.0), 0.0)
    hits = times + HIT * seconds
    return Fists((sets[0], sets[1]), (sets[2], sets[3]), hits[keep], force[keep], across[keep])


def _sorted(rows: tuple[Array, Array, Array, Array], keep: Array, recorded: bool) -> Blows:
    """Make blows of one limb from those to keep; one ends before the next begins."""
    start, seconds, kind, spot = (row[keep] for row in rows)
    room = np.append(np.diff(start), 9.0)
    return Blows(start, np.minimum(seconds, room), kind, spot, recorded)


def merged(many: Sequence[Fists]) -> Fists:
    """Return the hits of several people who beat the same one; without their hands."""
    times, force, across = (
        np.concatenate([getattr(one, name) for one in many])
        for name in ("times", "force", "across")
    )
    return Fists((NONE, NONE), (NONE, NONE), times, force, across)
