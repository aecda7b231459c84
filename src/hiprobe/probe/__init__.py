"""The probe: fitted on hidden states and labels, stored in one file, scores segments.

Knows no videos and no models.
"""

from __future__ import annotations

from hiprobe.probe.calibration import MIN_SEGMENTS
from hiprobe.probe.file import MAX_BYTES, Probe
from hiprobe.probe.fitting import fit
from hiprobe.probe.method_choice import AUTO, FALLBACK, Choice, ChoiceSettings, choose_method
from hiprobe.probe.verification_rule import VerificationRule

__all__ = [
    "AUTO",
    "FALLBACK",
    "MAX_BYTES",
    "MIN_SEGMENTS",
    "Choice",
    "ChoiceSettings",
    "Probe",
    "VerificationRule",
    "choose_method",
    "fit",
]
