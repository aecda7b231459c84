"""Scores of a benchmark's frames against its truth, beside what a score without any localisation would get.

Knows frame labels, score files, events and metrics: no video, no model, no data set by name.
"""

from __future__ import annotations

from hiprobe.evaluation.draws import Spread
from hiprobe.evaluation.measure import Detection, centre_prior, digest, evaluate, thresholded
from hiprobe.evaluation.score_files import COLUMNS, read_scores, write_scores
from hiprobe.evaluation.tables import DEFINITIONS, ClassRow, Events, Report, Row

__all__ = [
    "COLUMNS",
    "DEFINITIONS",
    "ClassRow",
    "Detection",
    "Events",
    "Report",
    "Row",
    "Spread",
    "centre_prior",
    "digest",
    "evaluate",
    "read_scores",
    "thresholded",
    "write_scores",
]
