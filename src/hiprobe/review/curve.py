"""The score curve, thinned to as many points as a screen has columns. Knows scores only."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiprobe.report.curves import curve, thin, value_range
from hiprobe.sinks import number
from hiprobe.types import Scores

POINTS = 1600


def points(scores: Scores, start: float, end: float, limit: int = POINTS) -> dict[str, Any]:
    """Return the curve from `start` to `end` seconds as JSON values, at most `limit` points.

    `t` is in seconds; `raw`, `smoothed` and `threshold` are at these times; `limits` is the range
    to draw. Keeps the lowest and highest raw and smoothed score of each stretch. A null breaks the
    line between two runs.
    """
    times, values, run = curve(scores)
    low, high = np.searchsorted(times, [start, end])
    # With a neighbour on each side, so that the lines reach the edges.
    window = slice(max(0, low - 1), high + 1)
    times, values, run = times[window], values[window], run[window]
    keep = np.union1d(thin(values[:, 0], limit // 2), thin(values[:, 1], limit // 2))
    lifts = np.flatnonzero(np.diff(run[keep])) + 1
    drawn = np.insert(values[keep], lifts, np.nan, axis=0)
    t = np.insert(times[keep], lifts, times[keep][lifts - 1] if len(lifts) else [])
    columns = {
        name: [number(value) for value in column]
        for name, column in zip(("raw", "smoothed", "threshold"), drawn.T, strict=True)
    }
    return {"t": np.round(t, 3).tolist(), **columns, "limits": value_range(values[:, :2])}


def spark(scores: Scores, duration: float, width: float = 160, height: float = 28) -> str:
    """Return the smoothed curve as the points of an SVG polyline, `width` by `height` units."""
    times, values, _ = curve(scores)
    keep = thin(values[:, 1], 120)
    low, high = value_range(values[:, 1])
    x = times[keep] / max(duration, 1e-3) * width
    y = height - 1 - (values[keep, 1] - low) / (high - low) * (height - 2)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
