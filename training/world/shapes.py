"""Define the shapes that make up whatever moves in a clip, over time.

Knows no camera and no pixels. Lengths are metres; colours are in 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CAPSULE, QUAD, PUFF = 11, 15, 9


@dataclass(frozen=True)
class Shapes:
    """Solid and soft shapes over time; float32 arrays whose first axis is the frame.

    `capsules` (frames, n, 11): x0 y0 z0 r0 x1 y1 z1 r1 red green blue, a line with round ends.
    `quads` (frames, m, 15): four corners x y z in order around the edge, red green blue; seen from
    both sides. `puffs` (frames, k, 9): x y z radius red green blue alpha glow, a soft disc that
    faces the camera; glow 1 shines by itself, 0 has only the light of the place.
    """

    capsules: Array
    quads: Array
    puffs: Array

    @staticmethod
    def of(frames: int, *, capsules: Any = None, quads: Any = None, puffs: Any = None) -> Shapes:
        """Make shapes from some of the three arrays; what is not given is empty."""
        parts = ((capsules, CAPSULE), (quads, QUAD), (puffs, PUFF))
        return Shapes(
            *(
                np.zeros((frames, 0, width), np.float32)
                if part is None
                else np.asarray(part, np.float32)
                for part, width in parts
            )
        )

    @staticmethod
    def join(parts: Sequence[Shapes]) -> Shapes:
        """Put several shapes over the same frames into one."""
        return Shapes(
            np.concatenate([one.capsules for one in parts], 1),
            np.concatenate([one.quads for one in parts], 1),
            np.concatenate([one.puffs for one in parts], 1),
        )
