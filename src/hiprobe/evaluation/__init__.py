"""Compare frame scores with the truth, next to controls that need no model.

This public interface knows frame labels, score files, events and metrics. It reads no video, runs
no model and knows no data set by name.
"""

from __future__ import annotations

from hiprobe.evaluation.comparison import ComparedFigure, Comparison, compare
from hiprobe.evaluation.draw_summary import DrawSummary
from hiprobe.evaluation.event_finder import (
    EventFinder,
    Sweepable,
    finder_of_frames,
    finder_of_segments,
    sweep,
)
from hiprobe.evaluation.event_tables import Events, FrocRow
from hiprobe.evaluation.measure import (
    Detection,
    ScoredVideos,
    centre_prior,
    evaluate,
    thresholded,
    truth_digest,
)
from hiprobe.evaluation.score_files import COLUMNS, read_scores, write_scores
from hiprobe.evaluation.tables import DEFINITIONS, ClassRow, MetricRow, Report

__all__ = [
    "COLUMNS",
    "DEFINITIONS",
    "ClassRow",
    "ComparedFigure",
    "Comparison",
    "Detection",
    "DrawSummary",
    "EventFinder",
    "Events",
    "FrocRow",
    "MetricRow",
    "Report",
    "ScoredVideos",
    "Sweepable",
    "centre_prior",
    "compare",
    "evaluate",
    "finder_of_frames",
    "finder_of_segments",
    "read_scores",
    "sweep",
    "thresholded",
    "truth_digest",
    "write_scores",
]
