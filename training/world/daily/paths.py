"""Move somebody along a path over time: legs, pauses, turns, speed and distance.

Knows no bodies and no places. Positions are metres on the ground, headings radians
counterclockwise from above, times seconds since the onset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.world.shapes import Array

TAPS = np.linspace(-1, 1, 7)
Spot = Array | tuple[float, float]


@dataclass(frozen=True)
class Leg:
    """One part of a path: move to a spot (x, y) in `seconds`.

    `heading` is where the person looks; None is the direction of the movement.
    """

    seconds: float
    spot: Spot
    heading: float | None = None


@dataclass(frozen=True)
class Steps:
    """Where somebody is at the asked times, all (frames,).

    `heading` is where the body looks, `travelled` the metres since some start, `speed` metres per
    second.
    """

    x: Array
    y: Array
    heading: Array
    travelled: Array
    speed: Array


@dataclass(frozen=True)
class Path:
    """A path from a spot (x, y) at time 0.

    The legs in `once` follow time 0, then those of `after` are repeated. The legs of `before` are
    repeated until time 0. Repeated legs must end where they start; without any the person stays.
    """

    spot: Spot
    heading: float
    before: Sequence[Leg] = ()
    once: Sequence[Leg] = ()
    after: Sequence[Leg] = ()

    def at(self, t: Array) -> Steps:
        """Follow the path at times (frames,)."""
        start, legs = self._legs(float(t.min()) - 1, float(t.max()) + 1)
        ends = np.array([self.spot] + [leg.spot for leg in legs])
        times = start + np.cumsum([0.0] + [leg.seconds for leg in legs])
        lengths = np.hypot(*np.diff(ends, axis=0).T)
        travelled = np.concatenate([[0.0], np.cumsum(lengths)])
        travelled -= np.interp(0.0, times, travelled)
        soft = t[:, None] + 0.22 * TAPS
        x, y, far = (np.interp(soft, times, v).mean(1) for v in (*ends.T, travelled))
        ahead = np.interp(t[:, None] + [-0.12, 0.12], times, travelled)
        turned = self._headings(legs, ends)
        index = np.searchsorted(times[1:-1], t[:, None] + 0.35 * TAPS)
        return Steps(x, y, turned[index].mean(1), far, np.diff(ahead)[:, 0] / 0.24)

    def longest(self) -> float:
        """Return the length in metres of the longest of the repeated legs."""
        spots = np.array([self.spot] + [leg.spot for leg in self.after])
        return float(np.hypot(*np.diff(spots, axis=0).T).max())

    def _legs(self, first: float, last: float) -> tuple[float, list[Leg]]:
        """Return when to start, and the legs that cover the times from `first` to `last`."""
        stay = (Leg(1e3, self.spot, self.heading),)
        before = list(self.before) or list(stay)
        loops = max(1, int(np.ceil(-first / _seconds(before))))
        legs = before * loops + list(self.once)
        rest = last - _seconds(self.once)
        end = legs[-1]
        after = list(self.after) or [Leg(1e3, end.spot, end.heading)]
        legs += after * max(1, int(np.ceil(rest / _seconds(after))))
        return -loops * _seconds(before), legs

    def _headings(self, legs: Sequence[Leg], ends: Array) -> Array:
        """Return where the person looks on each leg, without jumps by a full turn."""
        step = np.diff(ends, axis=0)
        along = np.arctan2(step[:, 1], step[:, 0])
        moving = np.hypot(*step.T) > 0.05
        out = [self.heading]
        for index, leg in enumerate(legs):
            asked = along[index] if moving[index] else out[-1]
            out.append(asked if leg.heading is None else leg.heading)
        turns = np.mod(np.diff(out) + np.pi + 1e-6, 2 * np.pi) - np.pi - 1e-6
        return self.heading + np.cumsum(turns)


def _seconds(legs: Sequence[Leg]) -> float:
    return float(sum(leg.seconds for leg in legs))
