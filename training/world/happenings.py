"""List what can happen in a clip of the world, by name, and draw it.

Ordinary acts, look-alikes of anomalies, and anomalies. An act that is not in these tables is never
rendered.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.world.acts import Act
from training.world.contact.fights import FIGHTS
from training.world.contact.pairs import PAIRS
from training.world.daily.alone import ALONE
from training.world.daily.crowds import CROWD_LIKE, CROWDS
from training.world.daily.damage import DAMAGE
from training.world.daily.falls import FALLS
from training.world.daily.people import ORDINARY
from training.world.fire.burning import BURNING, BURNING_LIKE
from training.world.place import Place, Rng
from training.world.shapes import Array
from training.world.traffic.traffic import CRASHES, NEEDS_LANES, TRAFFIC, TRAFFIC_LIKE

Maker = Callable[[Rng, Place, Array], Act]
# Groups of anomalies and of look-alikes, with how often a clip shows one of the group.
ANOMALIES: tuple[tuple[dict[str, Maker], float], ...] = (
    (FIGHTS, 0.44),
    (FALLS, 0.16),
    (CROWDS, 0.09),
    (DAMAGE, 0.08),
    (BURNING, 0.13),
    (CRASHES, 0.10),
)
LOOK_ALIKES: tuple[tuple[dict[str, Maker], float], ...] = (
    (PAIRS, 0.42),
    (ALONE, 0.24),
    (CROWD_LIKE, 0.10),
    (BURNING_LIKE, 0.12),
    (TRAFFIC_LIKE, 0.12),
)


# Within their group these are drawn more often than others, as in real footage.
OFTEN = {"blows": 3.0, "grapple": 3.0, "gang": 2.0, "beat": 2.0, "brawl": 2.0, "fall": 2.0}
SOON = frozenset(CRASHES)  # over and still after two seconds


def pick(rng: Rng, groups: tuple[tuple[dict[str, Maker], float], ...]) -> tuple[Maker, bool]:
    """Draw a maker of one group, and say whether it needs a place with lanes."""
    weights = [weight for _, weight in groups]
    makers = groups[int(rng.choice(len(groups), p=[w / sum(weights) for w in weights]))][0]
    names = sorted(makers)
    often = np.array([OFTEN.get(name, 1.0) for name in names])
    name = names[int(rng.choice(len(names), p=often / often.sum()))]
    return makers[name], name in NEEDS_LANES


def ordinary(rng: Rng, place: Place) -> Maker:
    """Draw an ordinary act that suits a place."""
    choices = {**ORDINARY, **(TRAFFIC if place.lanes else {})}
    names = sorted(choices)
    weights = [choices[name][1] for name in names]
    index = int(rng.choice(len(names), p=[w / sum(weights) for w in weights]))
    return choices[names[index]][0]


def by_name() -> dict[str, Maker]:
    """Return every look-alike and anomaly by its name."""
    return {name: maker for group, _ in (*LOOK_ALIKES, *ANOMALIES) for name, maker in group.items()}
