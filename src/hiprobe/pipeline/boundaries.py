"""Where the score of a window, as a function of the window's centre, crosses a level.

Arrays only: no videos, no models.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CERTAIN = 1e-6  # a probability nearer to 0 or 1 counts as this far from it


def log_odds_of(scores: Array) -> Array:
    """Return the log-odds of probabilities (n,), so that one near 1 is not just flat.

    >>> log_odds_of(np.array([0.5, 0.9])).round(2).tolist()
    [0.0, 2.2]
    """
    known = np.clip(scores, CERTAIN, 1 - CERTAIN)
    return np.asarray(np.log(known) - np.log1p(-known))


def blurred(scores: Array) -> Array:
    """Return each score (n,) averaged with its neighbours, weights 1, 2, 1; the ends stay.

    One window with an odd score then moves no boundary.

    >>> blurred(np.array([0.0, 4.0, 0.0])).tolist()
    [0.0, 2.0, 0.0]
    """
    inner = (scores[:-2] + 2 * scores[1:-1] + scores[2:]) / 4
    return np.concatenate([scores[:1], inner, scores[1:][-1:]])


def refined_boundary(centres: Array, scores: Array, level: float) -> float:
    """Return the time at which `scores` (n,) rise to `level` on the way into an event.

    `centres` (n,), in seconds, run from outside the event to its inside: forwards for a start,
    backwards for an end. The crossing nearest to the inside counts, by linear interpolation. If all
    scores reach the level it is the outermost centre, and the innermost one if that is below it.
    The rule is our own.

    >>> refined_boundary(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.3, 0.9]), level=0.45)
    2.25
    """
    below = np.flatnonzero(scores < level)
    if not len(below):
        return float(centres[0])
    last = int(below[-1])
    if last == len(scores) - 1:
        return float(centres[-1])
    share = (level - scores[last]) / (scores[last + 1] - scores[last])
    return float(centres[last] + share * (centres[last + 1] - centres[last]))
