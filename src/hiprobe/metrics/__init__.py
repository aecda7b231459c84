"""How well scores and events agree with the annotation.

Labels, scores and events only: no videos, no models, no files. Labels are 1 anomalous and 0 normal.
"""

from __future__ import annotations

from hiprobe.metrics.events import (
    TIOUS,
    EventTable,
    Watched,
    delays,
    event_f1,
    false_alarms,
    matches,
    overlaps,
    tiou,
)
from hiprobe.metrics.intervals import (
    Groups,
    mean_interval,
)
from hiprobe.metrics.ranking import (
    Labels,
    Pair,
    Pooled,
    Ranking,
    auc_interval,
    average_precision_step,
    average_precision_trapezoid,
    frame_auc,
    macro_auc,
    roc_auc,
)

__all__ = [
    "TIOUS",
    "EventTable",
    "Groups",
    "Labels",
    "Pair",
    "Pooled",
    "Ranking",
    "Watched",
    "auc_interval",
    "average_precision_step",
    "average_precision_trapezoid",
    "delays",
    "event_f1",
    "false_alarms",
    "frame_auc",
    "macro_auc",
    "matches",
    "mean_interval",
    "overlaps",
    "roc_auc",
    "tiou",
]
