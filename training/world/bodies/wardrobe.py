"""Draw what people wear and carry.

Knows no bodies and no motion. Colours are 0..1, as a camera sees them in good light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Rng = np.random.Generator
Colour = tuple[float, float, float]
SKINS: tuple[Colour, ...] = (
    (0.86, 0.67, 0.55), (0.80, 0.60, 0.47), (0.72, 0.52, 0.39), (0.60, 0.42, 0.30),
    (0.45, 0.31, 0.22), (0.33, 0.22, 0.16),
)  # fmt: skip
BRIGHT: tuple[Colour, ...] = (
    (0.66, 0.12, 0.13), (0.42, 0.10, 0.13), (0.75, 0.16, 0.30), (0.12, 0.25, 0.60),
    (0.16, 0.36, 0.70), (0.42, 0.62, 0.80), (0.84, 0.48, 0.60), (0.85, 0.42, 0.14),
    (0.86, 0.74, 0.22), (0.14, 0.38, 0.22), (0.35, 0.55, 0.25), (0.34, 0.19, 0.44),
    (0.10, 0.40, 0.42), (0.62, 0.50, 0.75),
)  # fmt: skip
KINDS = ("shirt", "jumper", "jacket", "vest", "coat")
KIND_SHARES = (0.34, 0.3, 0.23, 0.05, 0.08)
SLEEVES = {"shirt": "short", "jumper": "long", "jacket": "long", "vest": "none", "coat": "long"}
PUFF = {"shirt": 0.006, "jumper": 0.012, "jacket": 0.022, "vest": 0.0, "coat": 0.02}
OPEN = ("jacket", "coat")
DARK: tuple[Colour, ...] = ((0.06, 0.06, 0.07), (0.08, 0.10, 0.17), (0.16, 0.16, 0.17))
PLAIN: tuple[Colour, ...] = (
    (0.45, 0.45, 0.46), (0.68, 0.68, 0.68), (0.88, 0.88, 0.86), (0.62, 0.55, 0.43),
    (0.33, 0.25, 0.18), (0.22, 0.30, 0.45), (0.35, 0.45, 0.60), (0.30, 0.33, 0.24),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (0.06, 0.05, 0.05), (0.10, 0.07, 0.05), (0.20, 0.13, 0.08), (0.36, 0.25, 0.14),
    (0.55, 0.42, 0.24), (0.55, 0.54, 0.52),
)  # fmt: skip
HAIR_SHARES = (0.4, 0.25, 0.15, 0.08, 0.05, 0.07)


@dataclass(frozen=True)
class Clothes:
    """What somebody wears; lengths in metres.

    `puff` is how thick the top is, `loose` how much wider the trousers are than the legs, `hem`
    where a skirt or coat ends (0 hip, 1 knee), `hair_length` how far hair hangs below the head,
    `open_colour` what is seen under an open jacket.
    """

    top: Colour = (0.2, 0.2, 0.25)
    sleeve_colour: Colour = (0.2, 0.2, 0.25)
    legs: Colour = (0.15, 0.17, 0.25)
    skin: Colour = (0.8, 0.6, 0.47)
    hands: Colour = (0.8, 0.6, 0.47)
    face: Colour = (0.8, 0.6, 0.47)
    neck: Colour = (0.8, 0.6, 0.47)
    hair: Colour = (0.1, 0.07, 0.05)
    shoes: Colour = (0.1, 0.1, 0.1)
    skirt_colour: Colour = (0.2, 0.2, 0.2)
    sleeves: str = "long"
    puff: float = 0.01
    loose: float = 0.008
    long_top: bool = False
    skirt: bool = False
    hem: float = 0.8
    bare_calves: bool = False
    hair_length: float = 0.0
    brim: bool = False
    open_colour: Colour | None = None
    thing: str = ""
    thing_colour: Colour = (0.1, 0.1, 0.1)
    hand: str = "r"


def random_clothes(rng: Rng, *, woman: bool, child: bool) -> Clothes:
    """Draw clothes, hair, skin and something carried."""
    skin = _near(rng, SKINS[int(rng.integers(len(SKINS)))], 0.03)
    kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
    top = cloth(rng, bright=0.35 if child else 0.2)
    skirt = kind == "coat" or bool(rng.random() < (0.16 if woman else 0.0))
    return Clothes(
        top=top,
        sleeve_colour=cloth(rng) if rng.random() < 0.08 else top,
        legs=cloth(rng, bright=0.04, dark=0.6),
        skin=skin,
        hands=DARK[0] if rng.random() < 0.05 else skin,
        face=skin,
        shoes=cloth(rng, bright=0.08, dark=0.6),
        skirt_colour=top if kind == "coat" else cloth(rng, bright=0.12),
        sleeves=SLEEVES[kind] if rng.random() < 0.75 else "long",
        puff=PUFF[kind],
        loose=float(rng.choice([0.003, 0.01, 0.02], p=[0.35, 0.45, 0.2])),
        long_top=bool(rng.random() < 0.6),
        skirt=skirt,
        hem=float(rng.uniform(0.55, 1.0)),
        bare_calves=bool(rng.random() < (0.7 if skirt and kind != "coat" else 0.13)),
        open_colour=cloth(rng, dark=0.1) if kind in OPEN and rng.random() < 0.4 else None,
        thing=_thing(rng, child=child),
        thing_colour=cloth(rng, bright=0.2),
        hand="r" if rng.random() < 0.6 else "l",
        **_head(rng, top, skin, woman=woman, hood=kind not in ("shirt", "vest")),
    )


def _head(rng: Rng, top: Colour, skin: Colour, *, woman: bool, hood: bool) -> dict[str, Any]:
    """Draw hair, a hood or a hat, and whether the neck is covered."""
    draw, long = rng.random(), bool(rng.random() < (0.7 if woman else 0.04))
    length = float(rng.uniform(0.05, 0.2)) if long else 0.0
    hair = _near(rng, HAIR[int(rng.choice(len(HAIR), p=HAIR_SHARES))], 0.02)
    if draw < 0.14 and hood:
        return {"hair": top, "neck": top}
    if draw > 0.87:
        return {"hair": cloth(rng), "neck": skin, "brim": bool(draw > 0.92)}
    if draw > 0.83 and not woman:
        return {"hair": skin, "neck": skin}
    return {"hair": hair, "neck": top if rng.random() < 0.25 else skin, "hair_length": length}


def _thing(rng: Rng, *, child: bool) -> str:
    names = ("", "backpack", "shoulder bag", "bag", "phone", "bottle")
    shares = (0.8, 0.15, 0, 0.03, 0, 0.02) if child else (0.6, 0.11, 0.1, 0.1, 0.06, 0.03)
    return str(rng.choice(names, p=shares))


def cloth(rng: Rng, *, bright: float = 0.18, dark: float = 0.45) -> Colour:
    """Draw the colour of a piece of clothing.

    `bright` is the share of saturated colours, `dark` that of black, navy and dark grey; the rest
    is grey, white, beige, brown or jeans blue.
    """
    draw = rng.random()
    if draw < bright:
        return _near(rng, BRIGHT[int(rng.integers(len(BRIGHT)))], 0.05)
    if draw < bright + dark:
        return _near(rng, DARK[int(rng.integers(len(DARK)))], 0.03)
    return _near(rng, PLAIN[int(rng.integers(len(PLAIN)))], 0.05)


def _near(rng: Rng, colour: Colour, spread: float) -> Colour:
    r, g, b = np.clip(
        np.array(colour) + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 0.02, 0.97
    )
    return float(r), float(g), float(b)
