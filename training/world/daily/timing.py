"""Shape how far an action is over time: soft starts, repeats, holds.

Knows no bodies. Times are (frames,) in seconds since the onset.
"""

from __future__ import annotations

import numpy as np

from training.world.place import Rng
from training.world.shapes import Array


def soft(u: Array) -> Array:
    """Turn a share into one with a soft start and end."""
    u = np.clip(u, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def again(rng: Rng, t: Array, active: float, *, rest: tuple[float, float] = (0.4, 2.5)) -> Array:
    """Return how far (frames,) an action is that is repeated: 0 before it, 1 at its end.

    It takes `active` seconds and starts near t = 0; then there is some rest.
    """
    period = active + rng.uniform(*rest)
    return np.asarray(np.clip(np.mod(t + rng.uniform(0.0, 0.7) * active, period) / active, 0, 1))


def held(u: Array, share: float = 0.3) -> Array:
    """Go from 0 to 1, stay there and come back while u goes from 0 to 1."""
    return soft(u / share) * soft((1 - u) / share)


def to_and_fro(t: Array, seconds: float) -> Array:
    """Fold times so that a motion of some seconds is played to and fro."""
    return seconds - np.abs(np.mod(t, 2 * seconds) - seconds)
