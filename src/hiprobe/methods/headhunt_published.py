"""HeadHunt with the published questions, in words that the shipped model does not know.

Arrays and labels only. Source: HeadHunt-VAD (arXiv 2512.17601), code. `headhunt` asks in words that
every model knows.
"""

from __future__ import annotations

from hiprobe.methods._logistic_regression import fit_c1 as fit
from hiprobe.methods._logistic_regression import score
from hiprobe.methods.headhunt import LABELS, select, sites

__all__ = ["LABELS", "PROMPTS", "fit", "score", "select", "sites"]

AUTO = False  # `headhunt` with other questions
PROMPTS = (
    "Identify any abnormal events or safety hazards in this video.",
    "Analyze the video for anomalies. Describe any violent activities, accidents, or deviations "
    "from normal patterns in detail.",
    "Describe the scene and identify if any of the abnormal events occur?",
    "Does the video exhibit any actions that should not happen?",
    "If there are any of the abnormal events occurred in the video that deviate from the normal "
    "scene?",
)
