"""Scores as points to draw. Numpy only: no picture, no page."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import Result, Scores

Floats = NDArray[np.float64]

TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def needed_scores(result: Result) -> Scores:
    """Return the scores of a result; raises ValueError if it has none."""
    if result.scores is None:
        raise ValueError(f"a {result.status} result has no scores to report")
    return result.scores


def curve(scores: Scores) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Return the points to draw, in time order.

    A score is at the middle of its segment; each run of segments without a gap also begins and ends
    where its first and last segment do.

    Returns: Times (n,) in seconds; values (n, 3): raw, smoothed and threshold, NaN where there is
    none; the number of the run (n,) that each point is in.
    """
    if not len(scores.starts):
        return np.empty(0), np.empty((0, 3)), np.empty(0, dtype=np.intp)
    values = np.stack([scores.raw, scores.smoothed, scores.threshold], axis=1)
    run = np.cumsum(np.concatenate([[False], scores.starts[1:] > scores.ends[:-1] + 1e-6]))
    first, last = (
        np.flatnonzero(np.diff(run, prepend=-1)),
        np.flatnonzero(np.diff(run, append=run[-1] + 1)),
    )
    times = np.concatenate(
        [scores.starts[first], (scores.starts + scores.ends) / 2, scores.ends[last]]
    )
    index = np.concatenate([first, np.arange(len(run)), last])
    order = np.lexsort((times, run[index]))
    # While an adaptive threshold warms up it is infinite or NaN, and not drawn.
    return (
        times[order],
        np.where(np.isfinite(values), values, np.nan)[index[order]],
        run[index[order]],
    )


def unread_spans(scores: Scores) -> list[tuple[float, float]]:
    """Join the windows that were left out on purpose to spans (start, end), in seconds.

    >>> from hiprobe import Gap
    >>> one = np.array([9.0])
    >>> left = (Gap(0.0, 1.6, "unread"), Gap(1.6, 3.2, "unread"), Gap(8.0, 9.0, "unread"))
    >>> unread_spans(Scores(one, one + 1, one, one, one, left))
    [(0.0, 3.2), (8.0, 9.0)]
    """
    spans: list[tuple[float, float]] = []
    for one in scores.unread:
        if spans and one.start - spans[-1][1] < 1e-3:
            spans[-1] = (spans[-1][0], one.end)
        else:
            spans.append((one.start, one.end))
    return spans


def thin(values: Floats, limit: int) -> NDArray[np.intp]:
    """Choose at most `limit` of the values (n,), with the lowest and highest of each stretch.

    Returns their indexes, in order.
    """
    if len(values) <= limit:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), limit // 2 + 1).astype(int)
    return np.unique(
        [(a + np.argmin(values[a:b]), a + np.argmax(values[a:b])) for a, b in pairwise(edges)]
    )


def value_range(values: Floats) -> tuple[float, float]:
    """Return the range to draw: 0 to 1 for probabilities, else that of the values with a margin."""
    known = values[np.isfinite(values)]
    if not len(known) or (known.min() >= 0 and known.max() <= 1):
        return 0.0, 1.0
    margin = 0.06 * (known.max() - known.min() or 1.0)
    return float(known.min() - margin), float(known.max() + margin)
