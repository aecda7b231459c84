"""Compare frame scores with the truth, next to controls that need no model.

This public interface knows frame labels, score files, events and metrics. It reads no video, runs
no model and knows no data set by name.
"""

from __future__ import annotations

from hiprobe.evaluation.draw_summary import DrawSummary
from hiprobe.evaluation.measure import Detection, centre_prior, evaluate, thresholded, truth_digest
from hiprobe.evaluation.score_files import COLUMNS, read_scores, write_scores
from hiprobe.evaluation.tables import DEFINITIONS, ClassRow, Events, MetricRow, Report

__all__ = [
    "COLUMNS",
    "DEFINITIONS",
    "ClassRow",
    "Detection",
    "DrawSummary",
    "Events",
    "MetricRow",
    "Report",
    "centre_prior",
    "evaluate",
    "read_scores",
    "thresholded",
    "truth_digest",
    "write_scores",
]
