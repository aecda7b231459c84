"""Which segments follow each other without a gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import Gap

Array = NDArray[np.float64]
# Segments at most this many seconds apart are consecutive; a longer pause is a gap.
JOIN_S = 1e-3


def contiguous_runs(starts: Array, ends: Array, gaps: Sequence[Gap] = ()) -> list[int]:
    """Return the indices of the segments that start a new run.

    A run ends where segments (spans `starts` and `ends` (n,), in seconds) do not follow each other,
    and where one of `gaps` touches the boundary between two segments. Windows that were left out on
    purpose (`Gap.unread`) end no run: it goes on behind them.

    >>> contiguous_runs(np.array([0.0, 1.6, 8.0]), np.array([1.6, 3.2, 9.6]))
    [2]
    >>> contiguous_runs(np.array([0.0, 3.2]), np.array([1.6, 4.8]), [Gap(1.6, 3.2, "unread")])
    []
    """
    left_out = [gap for gap in gaps if gap.unread]
    if left_out:
        return _runs_behind(starts, ends, left_out, [gap for gap in gaps if not gap.unread])

    def apart(i: int) -> bool:
        before, after = ends[i - 1] - JOIN_S, starts[i] + JOIN_S
        return bool(starts[i] - ends[i - 1] > JOIN_S) or any(
            g.start <= after and g.end >= before for g in gaps
        )

    return [i for i in range(1, len(starts)) if apart(i)]


def _runs_behind(
    starts: Array, ends: Array, left_out: Sequence[Gap], gaps: Sequence[Gap]
) -> list[int]:
    """Do the same where windows were left out: as if they were segments, which then start none."""
    every = np.array([*zip(starts, ends, strict=True), *((g.start, g.end) for g in left_out)])
    order = np.argsort(every[:, 0], kind="stable")
    place = np.argsort(order)[: len(starts)]  # of each segment among all
    new = np.zeros(len(every), dtype=np.int64)
    new[contiguous_runs(every[order, 0], every[order, 1], gaps)] = 1
    run = np.cumsum(new)[place]
    return [int(i) + 1 for i in np.flatnonzero(np.diff(run))]


def left_out_before(starts: Array, gaps: Sequence[Gap]) -> NDArray[np.int64]:
    """Count the windows left out on purpose (n,) between each segment and the one before it.

    >>> left_out_before(np.array([0.0, 3.2]), [Gap(1.6, 3.2, "unread")])
    array([0, 1])
    """
    unread = np.sort([gap.start for gap in gaps if gap.unread])
    return np.diff(np.searchsorted(unread, starts), prepend=0)
