"""The probe: fitted on hidden states and labels, stored in one file, scores segments.

Knows no videos and no models.
"""

from __future__ import annotations

from hiprobe.probe.calibration import MIN_SEGMENTS
from hiprobe.probe.file import MAX_BYTES, Probe
from hiprobe.probe.fitting import fit
from hiprobe.probe.verification_rule import VerificationRule

__all__ = ["MAX_BYTES", "MIN_SEGMENTS", "Probe", "VerificationRule", "fit"]
