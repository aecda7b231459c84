"""What must be known to trust a result: about its model and its probe. Knows no page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiprobe.errors import counted
from hiprobe.types import Result

CHANCE = 0.5
DOUBT = "The interval includes 0.5, so do not rely on this probe; label more videos."


def model_notice(result: Result) -> str:
    """Return what the model says of its limits, such as that it was trained on rendered scenes."""
    return str(result.provenance.get("notice") or "")


def about_probe(result: Result) -> str:
    """Say on how many clips the probe was fitted, and its AUC with its interval; "" if unknown.

    >>> made_with = {"fitted_on": {"videos": 28, "auc": {"value": 0.95, "low": 0.88, "high": 0.99}}}
    >>> about_probe(Result("a.mp4", "0" * 64, "failed", provenance=made_with))
    'The probe was fitted on 28 labelled clips: out-of-fold AUC 0.95 [0.88, 0.99].'
    """
    facts = result.provenance.get("fitted_on")
    if not isinstance(facts, Mapping) or not isinstance(facts.get("videos"), int):
        return ""
    if not facts["videos"]:
        return "The probe was not fitted on labelled clips."
    clips = counted(facts["videos"], "labelled clip")
    return f"The probe was fitted on {clips}{_auc(facts.get('auc'))}"


def _auc(auc: Any) -> str:
    values = (
        [auc.get(name) for name in ("value", "low", "high")] if isinstance(auc, Mapping) else []
    )
    if not values or not isinstance(values[0], float):
        return "; its AUC is not known."
    value, low, high = values
    if not (isinstance(low, float) and isinstance(high, float)):
        return f": out-of-fold AUC {value:.2f}, without an interval."
    doubt = f" {DOUBT}" if low <= CHANCE <= high else ""
    return f": out-of-fold AUC {value:.2f} [{low:.2f}, {high:.2f}].{doubt}"
