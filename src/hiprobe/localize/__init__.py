"""From scores to events: smoothing, threshold, merging.

Times and scores only: no videos, no models, no files. Each rule is a streaming class, and the
offline functions run the same classes, so live and offline results are equal.
"""

from __future__ import annotations

from hiprobe.localize.contiguity import JOIN_S, contiguous_runs
from hiprobe.localize.localizer import Localizer, Scored, localize
from hiprobe.localize.settings import (
    LOCALIZATIONS,
    RULES,
    SMOOTHINGS,
    Localization,
    Rule,
    Smoothing,
)
from hiprobe.localize.smoothing import Smoother, smooth
from hiprobe.localize.thresholds import (
    RaisedThreshold,
    RunningThreshold,
    adaptive_threshold,
    threshold_rule,
)
from hiprobe.localize.tracker import EventTracker, find_events, low_threshold

__all__ = [
    "JOIN_S",
    "LOCALIZATIONS",
    "RULES",
    "SMOOTHINGS",
    "EventTracker",
    "Localization",
    "Localizer",
    "RaisedThreshold",
    "Rule",
    "RunningThreshold",
    "Scored",
    "Smoother",
    "Smoothing",
    "adaptive_threshold",
    "contiguous_runs",
    "find_events",
    "localize",
    "low_threshold",
    "smooth",
    "threshold_rule",
]
