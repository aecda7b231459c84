"""Figures for notebooks: of a result, of a probe, and of an evaluation.

Every function returns a matplotlib Figure, which a notebook shows after `%matplotlib inline` and
`savefig` writes.
"""

from __future__ import annotations

from hiprobe.plot.evaluations import (
    false_alarm_curve,
    pooled,
    precision_recall,
    roc,
    score_histogram,
    timelines,
    typical_videos,
    write_plots,
)
from hiprobe.plot.results import heat, layer_curves, timeline

__all__ = [
    "false_alarm_curve",
    "heat",
    "layer_curves",
    "pooled",
    "precision_recall",
    "roc",
    "score_histogram",
    "timeline",
    "timelines",
    "typical_videos",
    "write_plots",
]
