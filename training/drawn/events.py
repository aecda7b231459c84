"""List what can happen in a clip, by name: ordinary acts, look-alikes and anomalies."""

from __future__ import annotations

from collections.abc import Callable

from training.drawn.acts import (
    Act,
    bend,
    cloth,
    give_way,
    hug,
    jog,
    lamp,
    pass_by,
    steam,
    talk,
)
from training.drawn.anomalies import (
    climb,
    collapse,
    crash,
    explosion,
    fall,
    fight,
    fire,
    hit,
    panic,
    shooting,
    skid,
    snatch,
)
from training.drawn.draw import Array
from training.drawn.scenes import Rng, Scene

Maker = Callable[[Rng, Scene, Array], Act]
ANOMALIES: dict[str, Maker] = {
    f.__name__: f for f in (fight, fall, panic, crash, hit, fire, explosion)
}
UNSEEN_ANOMALIES: dict[str, Maker] = {f.__name__: f for f in (skid, collapse, shooting)}
FINAL_ANOMALIES: dict[str, Maker] = {f.__name__: f for f in (climb, snatch)}
LOOK_ALIKES: dict[str, Maker] = {
    f.__name__: f for f in (hug, talk, bend, jog, pass_by, give_way, cloth, steam, lamp)
}
NEEDS_LANES = {"crash", "hit", "skid", "pass_by", "give_way", "drive"}
