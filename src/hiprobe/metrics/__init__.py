"""How well scores and events agree with the annotation.

Labels, scores and events only: no videos, no models, no files. Labels are 1 anomalous and 0 normal.
"""

from __future__ import annotations

from hiprobe.metrics.event_table import EventTable
from hiprobe.metrics.events import (
    BOUNDARY_TIOU,
    TIOUS,
    Watched,
    alarms_only,
    boundary_errors,
    delays,
    event_f1,
    false_alarms,
    matched_pairs,
    matches,
    overlaps,
    tiou,
)
from hiprobe.metrics.froc import (
    HIT_TIOU,
    RATES,
    Froc,
    froc,
    froc_by_score,
)
from hiprobe.metrics.intervals import (
    Groups,
    central_interval,
    draw_videos,
    mean_interval,
)
from hiprobe.metrics.ranking import (
    FALSE_POSITIVE_RATE,
    Labels,
    Pair,
    Pooled,
    Ranking,
    auc_interval,
    average_precision_step,
    average_precision_trapezoid,
    frame_auc,
    macro_auc,
    recall_at_fpr,
    roc_auc,
)
from hiprobe.metrics.video_pairs import balanced_auc, pair_wins

__all__ = [
    "BOUNDARY_TIOU",
    "FALSE_POSITIVE_RATE",
    "HIT_TIOU",
    "RATES",
    "TIOUS",
    "EventTable",
    "Froc",
    "Groups",
    "Labels",
    "Pair",
    "Pooled",
    "Ranking",
    "Watched",
    "alarms_only",
    "auc_interval",
    "average_precision_step",
    "average_precision_trapezoid",
    "balanced_auc",
    "boundary_errors",
    "central_interval",
    "delays",
    "draw_videos",
    "event_f1",
    "false_alarms",
    "frame_auc",
    "froc",
    "froc_by_score",
    "macro_auc",
    "matched_pairs",
    "matches",
    "mean_interval",
    "overlaps",
    "pair_wins",
    "recall_at_fpr",
    "roc_auc",
    "tiou",
]
