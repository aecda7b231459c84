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
    and where one of `gaps` touches the boundary between two segments.

    >>> contiguous_runs(np.array([0.0, 1.6, 8.0]), np.array([1.6, 3.2, 9.6]))
    [2]
    """

    def apart(i: int) -> bool:
        before, after = ends[i - 1] - JOIN_S, starts[i] + JOIN_S
        return bool(starts[i] - ends[i - 1] > JOIN_S) or any(
            g.start <= after and g.end >= before for g in gaps
        )

    return [i for i in range(1, len(starts)) if apart(i)]
