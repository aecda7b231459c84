"""Define an act: what somebody or something does in a clip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.world.shapes import Array, Shapes


@dataclass
class Act:
    """One act over time.

    `shapes` is what is drawn. `state` names it. `where` (frames, 3) is the centre in metres of what
    matters and `reach` its radius in metres. `on` (frames,) says in which frames it is going on.
    `flash` (frames,) brightens the whole picture by that much.
    """

    shapes: Shapes
    state: str
    where: Array
    reach: float = 1.0
    people: int = 0
    vehicles: int = 0
    on: Array = field(default_factory=lambda: np.ones(0, bool))
    flash: Array | None = None

    def __post_init__(self) -> None:
        frames = len(self.shapes.capsules)
        self.where = np.broadcast_to(np.asarray(self.where, float), (frames, 3))
        if not len(self.on):
            self.on = np.ones(frames, bool)
