"""The verbs, composed once: extract, detect, explain. Knows no command line, picture or page."""

from __future__ import annotations

from hiprobe.pipeline.copies import check_copies
from hiprobe.pipeline.detection import check_probe, detect, detect_all, detect_events, failure
from hiprobe.pipeline.explanation import DEADLINE_S, MAX_TOKENS, explain
from hiprobe.pipeline.extraction import (
    Extraction,
    extract,
    extract_pairs,
    sites_for,
    unread,
)
from hiprobe.pipeline.given_labels import labelled_states
from hiprobe.pipeline.method_passes import MethodPass, MethodPasses, method_passes
from hiprobe.pipeline.normal_footage import NormalFootage, rate_for, score_normal
from hiprobe.pipeline.reading import (
    Failed,
    Pair,
    Progress,
    Reading,
    ReadPlan,
    check_same,
    decode_ahead,
    decode_before_model,
    ignore,
    read_states,
    repeated,
    states,
)
from hiprobe.pipeline.recipe_options import RecipeOptions, recipe_for
from hiprobe.pipeline.recording_time import with_recording_time
from hiprobe.pipeline.relocalization import are_explained, relocalized, stored_scores
from hiprobe.pipeline.verification import answer_plan, are_checked
from hiprobe.pipeline.where import are_located, located, with_maps
from hiprobe.pipeline.windows_to_read import ALL, WindowsToRead

__all__ = [
    "ALL",
    "DEADLINE_S",
    "MAX_TOKENS",
    "Extraction",
    "Failed",
    "MethodPass",
    "MethodPasses",
    "NormalFootage",
    "Pair",
    "Progress",
    "ReadPlan",
    "Reading",
    "RecipeOptions",
    "WindowsToRead",
    "answer_plan",
    "are_checked",
    "are_explained",
    "are_located",
    "check_copies",
    "check_probe",
    "check_same",
    "decode_ahead",
    "decode_before_model",
    "detect",
    "detect_all",
    "detect_events",
    "explain",
    "extract",
    "extract_pairs",
    "failure",
    "ignore",
    "labelled_states",
    "located",
    "method_passes",
    "rate_for",
    "read_states",
    "recipe_for",
    "relocalized",
    "repeated",
    "score_normal",
    "sites_for",
    "states",
    "stored_scores",
    "unread",
    "with_maps",
    "with_recording_time",
]
