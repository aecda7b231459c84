"""Scores of a benchmark's frames against its truth, beside what a score without any localisation would get.

Knows frame labels, score files, events and metrics: no video, no model, no data set by name.
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
